"""The judge's two processes for thousands of rollouts at once, with numpy: bad of total, counts and histograms.

The same bets as `deployments.analysis.judge`, written a second time: every cell compares both on a part of its
rollouts, so that the table speaks of the judge that is shipped.
"""

from __future__ import annotations

import math

import numpy as np

from deployments.analysis.judge import count as counting
from deployments.analysis.judge import odds as bets
from deployments.analysis.judge import ratio as rules
from deployments.analysis.judge.tables import _BOOST
from deployments.analysis.judge.wealth import _FIRST, _PACE

Array = np.ndarray
_LOG_FACTORIALS = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 200_001)))])


def log_choose(n: Array, k: Array) -> Array:
    inside = (k >= 0) & (k <= n)
    safe = np.where(inside, k, 0)
    value = _LOG_FACTORIALS[n] - _LOG_FACTORIALS[safe] - _LOG_FACTORIALS[np.where(inside, n - safe, 0)]
    return np.where(inside, value, -np.inf)


class VectorJudge:
    """Harm without tolerance, and safety with the default margin, of `rollouts` rollouts; the peaks are kept."""

    def __init__(
        self, rollouts: int, goal: float, margin: tuple[float, float] = (2.0, 0.001), *, exact: bool = True
    ) -> None:
        self.goal, self.margin, self.exact = goal, margin, exact
        zeros = np.zeros(rollouts)
        self.harm, self.safety = zeros.copy(), zeros.copy()
        self.harm_parts = np.tile(bets.PRIOR, (rollouts, 1))
        self.prior = self.harm_parts.copy()
        self.safe_parts = np.tile(rules._WAY_PRIOR, (rollouts, 1))
        self.bet_on, self.bad, self.total = zeros.copy(), zeros.copy(), zeros.copy()
        self.seen, self.expected, self.events = zeros.copy(), zeros.copy(), zeros.copy()
        self.harm_peak, self.safe_peak = zeros.copy(), zeros.copy()

    def learn(self, bad: Array, total: Array) -> None:
        self.bad, self.total = self.bad + bad, self.total + total
        over = self.bad > rules._MEMORY
        scale = np.where(over, rules._MEMORY / np.maximum(self.bad, 1.0), 1.0)
        self.bad, self.total = self.bad * scale, self.total * scale

    def step(self, m: Array, n: Array, a: Array, b: Array, *, safety: bool = True) -> None:
        """One interval of all rollouts: of harm, or with `safety` of safety alone, which is all that is counted then."""
        rate = (self.bad + 0.5) / (self.total + 1.0)
        expected = (m + n) * np.where(self.total > 0, rate, 0.5)
        both = (m > 0) & (n > 0)
        cheap = np.minimum(np.minimum(m, n), expected + 4.0 * np.sqrt(expected)) <= rules._FEW
        cheap &= self.exact
        odds = learned_odds(self.seen, self.expected, self.events)
        share = m / np.maximum(m + n, 1)
        telling = (m + n) * rate * share * (1.0 - share) * 0.5 * bets._LOG_HALF_MORE**2
        many = (self.total > 0) & (telling >= bets._TELLING)
        self.prior = np.where(many[:, None], np.array(bets.PRIOR_MANY), np.array(bets.PRIOR))
        new = both & (self.bet_on == 0) & (self.harm == 0)
        self.harm_parts[new] = self.prior[new]
        for rows, bet in ((both & cheap, self._conditional), (both & ~cheap & (self.total > 0), self._against)):
            at = np.flatnonzero(rows & (not safety))
            if at.size:
                bet(at, m[at], n[at], a[at], b[at], rate[at], odds[at])
        if safety:
            at = np.flatnonzero(both & (self.total > 0))
            self._safety(at, m[at], n[at], a[at], b[at], rate[at])
        k = np.where(both, a + b, 0)
        self.seen += np.where(both, a, 0)
        self.expected += k * m / np.maximum(m + n, 1)
        self.events += k
        self.learn(b, n)
        self.harm_peak = np.maximum(self.harm_peak, self.harm)
        self.safe_peak = np.maximum(self.safe_peak, self.safety)

    def _settle(self, at: Array, log_e: Array, grown: Array, k: Array) -> None:
        self.harm_parts[at] = shared_out(grown, self.bet_on[at], k, self.prior[at])
        self.harm[at] = log_e
        self.bet_on[at] += k

    def _against(self, at: Array, m: Array, n: Array, a: Array, b: Array, rate: Array, odds: Array) -> None:
        o = (rate / (1.0 - rate))[:, None] * odds
        tc, tb = o / (1.0 + o), rate[:, None]
        share = (m / (m + n))[:, None]
        p = share * tc + (1.0 - share) * tb
        logs = _against(m, n, a, b, tc, tb, p, p)
        grown = self.harm_parts[at] * np.concatenate([np.exp(logs), np.ones((at.size, 1))], axis=1)
        self._settle(at, self.harm[at] + np.log(grown.sum(1)), grown, a + b)

    def _conditional(self, at: Array, m: Array, n: Array, a: Array, b: Array, rate: Array, odds: Array) -> None:
        del rate
        k = a + b
        low, high = np.maximum(0, k - n), np.minimum(k, m)
        some = high > low
        at, m, n, a, k, low, high, odds = (one[some] for one in (at, m, n, a, k, low, high, odds))
        if not at.size:
            return
        steps = np.arange(int((high - low).max()) + 1)[None, :]
        x = low[:, None] + steps
        logs = log_choose(m[:, None], x) + log_choose(n[:, None], k[:, None] - x)
        logs = np.where(x <= high[:, None], logs, -np.inf)
        logs -= _log_sum(logs)
        log_e, grown = settle(self.harm[at], self.harm_parts[at], odds, logs, a - low, high - low, self.goal)
        self._settle(at, log_e, grown, k)

    def _safety(self, at: Array, m: Array, n: Array, a: Array, b: Array, rate: Array) -> None:
        factor, increase = self.margin
        limit = np.minimum(increase + factor * rate, 1.0 - 1e-9)
        log_ratio = np.maximum(np.log(limit / rate), 0.0)
        share, logs = m / (m + n), []
        for way in rules._WAY:
            bet = rate * np.exp(way * log_ratio)
            p = nearest(share, bet, rate, factor, increase)
            one = [value[:, None] for value in (bet, rate, p, increase + factor * p)]
            logs.append(_against(m, n, a, b, *one)[:, 0])
        grown = self.safe_parts[at] * np.exp(np.stack([*logs, np.zeros(at.size)], axis=1))
        total = grown.sum(1)
        self.safety[at] += np.log(total)
        self.safe_parts[at] = grown / total[:, None]


class VectorCounts:
    """Events without totals, no tolerance, margin twice the rate; `share` is the canary's part of the traffic."""

    def __init__(self, rollouts: int, goal: float, margin: float = 2.0) -> None:
        self.goal, self.margin = goal, margin
        zeros = np.zeros(rollouts)
        self.harm, self.safety, self.harm_peak, self.safe_peak = (zeros.copy() for _ in range(4))
        self.harm_parts = np.tile(bets.PRIOR, (rollouts, 1))
        self.safe_parts = np.tile(counting._WAY_PRIOR, (rollouts, 1))
        self.seen, self.expected, self.events = zeros.copy(), zeros.copy(), zeros.copy()

    def step(self, a: Array, b: Array, share: float) -> None:
        for many in (False, True):
            some = np.flatnonzero((a + b > 0) & ((a + b > bets.MOST) == many))
            if some.size:
                self._step(some, a[some], (a + b)[some], share)
        self.harm_peak = np.maximum(self.harm_peak, self.harm)
        self.safe_peak = np.maximum(self.safe_peak, self.safety)

    def _step(self, at: Array, a: Array, k: Array, share: float) -> None:
        odds = learned_odds(self.seen[at], self.expected[at], self.events[at])
        below = np.tile([self.margin**-way for way in counting._WAY], (at.size, 1))
        beyond = share * self.margin / (share * self.margin + 1.0 - share)
        self.harm[at], self.harm_parts[at] = self._bet(
            at, self.harm, self.harm_parts, odds, (a, k, share), bets.PRIOR, self.goal
        )
        self.safety[at], self.safe_parts[at] = self._bet(
            at, self.safety, self.safe_parts, below, (a, k, beyond), counting._WAY_PRIOR, math.inf
        )
        self.seen[at] += a
        self.expected[at] += k * share
        self.events[at] += k

    def _bet(
        self, at: Array, wealth: Array, parts: Array, odds: Array, table: tuple[Array, Array, float], prior, goal: float
    ) -> tuple[Array, Array]:
        a, k, share = table
        if k[0] > bets.MOST:
            logs = a[:, None] * np.log(odds) - k[:, None] * np.log1p(share * (odds - 1.0))
            grown = np.concatenate([np.log(parts[at][:, :-1]) + logs, np.log(parts[at][:, -1:])], axis=1)
            log_e = wealth[at] + _log_sum(grown)[:, 0]
            grown = np.exp(grown - grown.max(1, keepdims=True))
        else:
            x = np.arange(int(k.max()) + 1)[None, :]
            logs = log_choose(np.broadcast_to(k[:, None], (k.size, x.size)), x) + x * math.log(share / (1.0 - share))
            logs = np.where(x <= k[:, None], logs, -np.inf)
            logs -= _log_sum(logs)
            log_e, grown = settle(wealth[at], parts[at], odds, logs, a, k, goal)
        return log_e, shared_out(grown, self.events[at], k, np.tile(prior, (at.size, 1)))


class VectorHistogram:
    """Events per bucket, judged at edges that are given: the average of the tails' harm, the least of their safety."""

    def __init__(self, rollouts: int, goal: float, edges: tuple[int, ...]) -> None:
        self.goal, self.edges = goal, edges
        self.tests = [VectorJudge(rollouts, goal, exact=len(edges) == 1) for _ in edges]
        self.harm_peak, self.safe_peak = np.zeros(rollouts), np.zeros(rollouts)

    def learn(self, baseline: Array) -> None:
        for test, edge in zip(self.tests, self.edges, strict=True):
            test.learn(baseline[:, edge:].sum(1), baseline.sum(1))

    def step(self, canary: Array, baseline: Array, *, safety: bool) -> None:
        m, n = canary.sum(1), baseline.sum(1)
        for test, edge in zip(self.tests, self.edges, strict=True):
            test.step(m, n, canary[:, edge:].sum(1), baseline[:, edge:].sum(1), safety=safety)
        harm = _log_sum(np.stack([test.harm for test in self.tests], axis=1))[:, 0] - math.log(len(self.tests))
        self.harm_peak = np.maximum(self.harm_peak, harm)
        self.safe_peak = np.maximum(self.safe_peak, np.min([test.safety for test in self.tests], axis=0))


def learned_odds(seen: Array, expected: Array, events: Array) -> Array:
    """`odds.odds_after` for all rollouts, nothing tolerated."""
    mine, others = (seen + 1.0) / (expected + 0.5), (events - seen + 1.0) / (events - expected + 1.0)
    learned = np.where(events < bets._ENOUGH, 1.0, np.clip(mine / others, bets._LEAST, bets._GREATEST))
    return np.concatenate([np.tile(bets.FIXED, (learned.size, 1)), learned[:, None]], axis=1)


def shared_out(grown: Array, before: Array, k: Array, prior: Array) -> Array:
    """`wealth.settle`: parts in proportion to what the bets have grown to, a little of them anew."""
    kept = (((before + _FIRST) / (before + k + _FIRST)) ** _PACE)[:, None]
    return grown / grown.sum(1, keepdims=True) * kept + (1.0 - kept) * prior


def settle(
    before: Array, parts: Array, odds: Array, logs: Array, seen: Array, last: Array, goal: float
) -> tuple[Array, Array]:
    """`tables._bet`: log E-values after outcome `seen` (of 0 to `last`), and what each part has grown to.

    `logs` are the logarithms of the null's chances of all outcomes.
    """
    steps, rows = np.arange(logs.shape[1])[None, :], np.arange(len(logs))
    wins, grown = np.zeros_like(logs), []
    for column in range(odds.shape[1]):
        powers = steps * np.log(odds[:, column])[:, None]
        pays = parts[:, column, None] * np.exp(powers - _log_sum(logs + powers))
        wins += pays
        grown.append(pays[rows, seen])
    wins += parts[:, -1, None]
    grown.append(parts[:, -1])
    log_e = before + np.log(wins[rows, seen])
    top = before + np.log(wins[rows, last])
    boosted = (before < goal) & (top >= goal) & (last <= bets.MOST)
    if boosted.any():
        some = (one[boosted] for one in (before, wins, np.exp(logs), last, seen))
        log_e[boosted] = _boosted(*some, goal)
    return log_e, np.stack(grown, axis=1)


def _boosted(before: Array, wins: Array, chances: Array, last: Array, seen: Array, goal: float) -> Array:
    rows = np.arange(before.size)
    cap = np.exp(goal - before)
    boost, over, gone = np.ones(before.size), np.zeros(before.size), np.zeros(before.size)
    active = np.ones(before.size, bool)
    for back in range(int(last.max()) + 1):
        x = last - back
        inside = np.maximum(x, 0)
        win, chance = wins[rows, inside], chances[rows, inside]
        active &= (x >= 0) & (boost * win >= cap)
        if not active.any():
            break
        over += np.where(active, chance, 0.0)
        gone += np.where(active, chance * win, 0.0)
        active &= gone < 1.0
        raised = (1.0 - cap * over) / np.maximum(1.0 - gone, 1e-300)
        boost = np.where(active, np.maximum(boost, raised), boost)
    won = boost**_BOOST * wins[rows, seen]
    return np.where(won >= cap, goal, before + np.log(won))


def nearest(share: Array, tc: Array, tb: Array, factor: float, increase: float) -> Array:
    """`deployments.analysis.judge.tables.nearest` by bisection alone: slower for one, exact enough, and independent."""
    low = np.full(tc.shape, 1e-15)
    high = np.full(tc.shape, (1.0 - increase) / factor * (1.0 - 1e-12))
    for _ in range(70):
        p = np.where(high / low > 4.0, np.sqrt(low * high), 0.5 * (low + high))
        q = increase + factor * p
        rising = share * factor * (tc - q) / (q * (1.0 - q)) + (1.0 - share) * (tb - p) / (p * (1.0 - p)) > 0.0
        low, high = np.where(rising, p, low), np.where(rising, high, p)
    return 0.5 * (low + high)


def _against(m: Array, n: Array, a: Array, b: Array, tc: Array, tb: Array, p: Array, q: Array) -> Array:
    m, n, a, b = (one[:, None] for one in (m, n, a, b))
    return (
        a * np.log(tc / q)
        + b * np.log(tb / p)
        + (m - a) * np.log1p((q - tc) / (1.0 - q))
        + (n - b) * np.log1p((p - tb) / (1.0 - p))
    )


def _log_sum(logs: Array) -> Array:
    highest = logs.max(1, keepdims=True)
    return highest + np.log(np.exp(logs - highest).sum(1, keepdims=True))


def goal_of(alpha: float) -> float:
    return -math.log(alpha)
