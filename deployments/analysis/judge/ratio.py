"""Bad of total: evidence of harm and of safety from (bad, total) of both arms, interval by interval. Pure."""

from __future__ import annotations

import math
from math import log, log1p
from typing import NamedTuple

from deployments.analysis.judge.odds import PRIOR, odds_after, prior_for
from deployments.analysis.judge.tables import against, conditional, nearest
from deployments.analysis.judge.wealth import Wealth, begin, grow

# Bets on safety: the canary's rate as a part of the way from the baseline's rate to the margin, 0 at the baseline. Much
# is kept in cash: where errors are rare the bets alone come so near to beta that a simulation could not tell the two.
_WAY = (-0.15, 0.3)
_WAY_PRIOR = (0.5, 0.25, 0.25)
_FEW = 12.0  # up to so many outcomes the conditional bet is cheap
_MEMORY = 400.0  # bad baseline events that the estimate of the baseline's rate rests on; older ones fade


class Line(NamedTuple):
    """A boundary between hypotheses: canary rate = `increase` + `factor` * baseline rate."""

    factor: float
    increase: float


_NO_WORSE = Line(1.0, 0.0)


class RatioTest(NamedTuple):
    """Both E-processes of one bad-of-total metric, and what bets are learned from.

    `bad` of `total`: the baseline's past, fading. `seen` of `events`: the canary's part of the bad events of both
    arms; `expected`: how many would have been its own at equal rates.
    """

    harm: Wealth
    safety: Wealth
    bad: float
    total: float
    seen: float = 0.0
    expected: float = 0.0
    events: float = 0.0


def begin_ratio() -> RatioTest:
    """No evidence, no past."""
    return RatioTest(begin(PRIOR), begin(_WAY_PRIOR), 0.0, 0.0)


def learn(test: RatioTest, bad: float, total: float) -> RatioTest:
    """The test with more of the baseline's past: history, or an interval that the canary had no part in."""
    bad, total = test.bad + bad, test.total + total
    if bad > _MEMORY:
        bad, total = _MEMORY, total * _MEMORY / bad
    return RatioTest(test.harm, test.safety, bad, total, test.seen, test.expected, test.events)


def step(
    test: RatioTest, table: tuple[int, int, int, int], tolerated: Line, margin: Line, goal: float, *, exact: bool = True
) -> RatioTest:
    """The test after one interval's table (m, n, a, b): `a` of `m` events of the canary bad, `b` of `n` of the baseline.

    `goal`: the log E-value of harm that decides. `exact` False spares the conditional bet, for tests that are averaged.
    """
    m, n, a, b = table
    if not m or not n:
        return learn(test, b, n)
    harm, safety = test.harm, test.safety
    rate = (test.bad + 0.5) / (test.total + 1.0)
    prior = prior_for((m + n) * rate, m / (m + n)) if test.total else PRIOR
    if not harm.events and not harm.log_e:
        harm = begin(prior)
    if tolerated == _NO_WORSE and exact and _cheap(m, n, rate if test.total else 0.5):
        harm = conditional(harm, prior, odds_after(test.seen, test.expected, test.events), table, goal)
    elif test.total:
        harm = grow(harm, prior, _harm(test, table, rate, tolerated), a + b)
    if test.total:
        safety = grow(safety, _WAY_PRIOR, _safety(table, rate, margin), 0.0)
    seen, expected = test.seen + a, test.expected + (a + b) * m / (m + n)
    return learn(RatioTest(harm, safety, test.bad, test.total, seen, expected, test.events + a + b), b, n)


def _cheap(m: int, n: int, rate: float) -> bool:
    expected = (m + n) * rate
    return min(m, n, expected + 4.0 * math.sqrt(expected)) <= _FEW


def _harm(test: RatioTest, table: tuple[int, int, int, int], rate: float, line: Line) -> list[float]:
    m, n, a, b = table
    tolerated = line.increase + line.factor * rate
    if tolerated >= 1.0:
        return [0.0] * (len(PRIOR) - 1)
    share, odds, factors = m / (m + n), tolerated / (1.0 - tolerated), []
    if line == _NO_WORSE:  # the same, without the calls
        mine, others = m - a, n - b
        for odd in odds_after(test.seen, test.expected, test.events):
            bet = odds * odd / (1.0 + odds * odd)
            p = share * bet + (1.0 - share) * rate
            good = 1.0 - p
            factor = mine * log1p((p - bet) / good) + others * log1p((p - rate) / good)
            if a:
                factor += a * log(bet / p)
            factors.append(factor + b * log(rate / p) if b else factor)
        return factors
    for odd in odds_after(test.seen, test.expected, test.events, odds * (1.0 - rate) / rate):
        bet = odds * odd / (1.0 + odds * odd)
        p = nearest(share, bet, rate, line.factor, line.increase)
        factors.append(against(m, n, a, b, bet, rate, p, line.increase + line.factor * p))
    return factors


def _safety(table: tuple[int, int, int, int], rate: float, line: Line) -> list[float]:
    m, n, a, b = table
    share, limit = m / (m + n), min(line.increase + line.factor * rate, 1.0 - 1e-9)
    log_ratio, factors = math.log(limit / rate), []
    for way in _WAY:
        bet = rate * math.exp(way * log_ratio) if log_ratio > 0.0 else rate
        p = nearest(share, bet, rate, line.factor, line.increase)
        factors.append(against(m, n, a, b, bet, rate, p, line.increase + line.factor * p))
    return factors
