"""E-values for one interval's 2x2 table: bad and good events of canary and baseline. Pure.

Two forms, both valid for any rates, which may differ from interval to interval:

`against`: canary rate `tc` and baseline rate `tb` are bet on, against the nearest pair of rates on the line
`canary = increase + factor * baseline` (Turner, Ly and Grünwald 2024: the projection of the bet on the null makes the
likelihood ratio an E-value). Cheap for any size.

`conditional`: given the number of bad events in both arms, the canary's part of them is hypergeometric under the null
of equal rates, whatever the rate is; bets are on odds ratios. Nothing has to be estimated, and because the null
distribution is known, what a bet would win beyond the goal can be laid out where it helps to get there (Fischer and
Ramdas 2024). Costs a term for every bad event that could be the canary's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deployments.analysis.judge.wealth import Wealth, settle

_BOOST = 0.6  # how much of the permitted boost is used: the rest keeps the rate of false alarms clear of alpha
_WIDE = 100  # more outcomes than this: logarithms throughout, no boost (its gain is nil there)


def against(m: float, n: float, a: float, b: float, tc: float, tb: float, p: float, q: float) -> float:
    """The logarithm of the bet's factor: `a` of `m` and `b` of `n` bad; null rates `q` (canary) and `p` (baseline)."""
    log, log1p = math.log, math.log1p
    total = (m - a) * log1p((q - tc) / (1.0 - q)) + (n - b) * log1p((p - tb) / (1.0 - p))
    if a:
        total += a * log(tc / q)
    if b:
        total += b * log(tb / p)
    return total


def nearest(share: float, tc: float, tb: float, factor: float, increase: float) -> float:
    """The baseline rate of the pair on the line `canary = increase + factor * baseline` that is nearest to (tc, tb).

    Nearest in Kullback-Leibler divergence, `share` (between 0 and 1, exclusive) of the events being the canary's.
    """
    if increase == 0.0:
        first = share * tc + (1.0 - share) * tb
        if factor == 1.0:
            return first
        second = share * (tc + factor) + (1.0 - share) * (factor * tb + 1.0)
        return 2.0 * first / (second + math.sqrt(max(second * second - 4.0 * factor * first, 0.0)))
    low, high = sorted((tb, (tc - increase) / factor))
    low, high = max(low, 1e-15), min(high, (1.0 - increase) / factor * (1.0 - 1e-12))
    return _root(share, tc, tb, factor, increase, low, high)


def _root(share: float, tc: float, tb: float, factor: float, increase: float, low: float, high: float) -> float:
    """Newton's method inside a bracket, on the derivative of the log-likelihood along the line (it falls)."""
    other, p = 1.0 - share, 0.5 * (low + high)
    weight = share * factor
    for _ in range(60):
        q = increase + factor * p
        qq, pp = q * (1.0 - q), p * (1.0 - p)
        up, down = tc - q, tb - p
        slope = weight * up / qq + other * down / pp
        if slope > 0.0:
            low = p
        else:
            high = p
        bend = (
            weight * factor * (1.0 + up * (1.0 - 2.0 * q) / qq) / qq + other * (1.0 + down * (1.0 - 2.0 * p) / pp) / pp
        )
        following = p + slope / bend if bend > 0.0 else low
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - p) <= 1e-10 * p:
            return following
        p = following
    return p


def conditional(
    wealth: Wealth, prior: tuple[float, ...], odds: Sequence[float], table: tuple[int, int, int, int], goal: float
) -> Wealth:
    """The wealth after one table (m, n, a, b), bets on `odds` ratios; `goal`: the log E-value that decides."""
    m, n, a, b = table
    events = a + b
    low, high = max(0, events - n), min(events, m)
    if low == high:
        return wealth
    if high - low > _WIDE:
        return _mixed(wealth, prior, _wide(odds, (m, n, a, events), low, high), events)
    terms, term = [1.0], 1.0
    for x in range(low, high):
        term *= (m - x) * (events - x) / ((x + 1.0) * (n - events + x + 1.0))
        terms.append(term)
    return _bet(wealth, prior, odds, terms, a - low, events, goal)


def binomial(
    wealth: Wealth, prior: tuple[float, ...], odds: Sequence[float], counts: tuple[int, int, float], goal: float
) -> Wealth:
    """As `conditional` for events without totals: (a, b, share), `share` the canary's part of the events under the null.

    Lindon and Malek's multinomial test with two arms and bets on one side only; as bets are on odds, a change of the
    traffic's weight needs no restart.
    """
    a, b, share = counts
    events, ratio = a + b, share / (1.0 - share)
    if not events:
        return wealth
    if events > _WIDE:
        logs = [a * math.log(odd) - events * math.log1p(share * (odd - 1.0)) for odd in odds]
        return _mixed(wealth, prior, logs, events)
    terms, term = [1.0], 1.0
    for x in range(events):
        term *= (events - x) / (x + 1.0) * ratio
        terms.append(term)
    return _bet(wealth, prior, odds, terms, a, events, goal)


def _bet(
    wealth: Wealth,
    prior: tuple[float, ...],
    odds: Sequence[float],
    terms: Sequence[float],
    seen: int,
    events: int,
    goal: float,
) -> Wealth:
    """Settle bets on outcome `seen`; `terms` are the null's weights of all outcomes, lowest first."""
    last = len(terms) - 1
    whole = math.fsum(terms)
    payoffs, top, parts = [], wealth.parts[-1], wealth.parts
    norms = []
    for odd, part in zip(odds, parts, strict=False):
        norm, power = 0.0, 1.0
        for term in reversed(terms):  # powers fall from 1 at the highest outcome, so that nothing overflows
            norm += term * power
            power /= odd
        norm = whole / norm
        norms.append(norm)
        top += part * norm if odd > 1.0 else part * norm * odd ** (-last)
        payoffs.append(part * norm * odd ** (seen - last))
    payoffs.append(parts[-1])
    total = math.fsum(payoffs)
    log_e = wealth.log_e + math.log(total)
    if wealth.log_e < goal <= wealth.log_e + math.log(top):
        log_e = _boosted(wealth, odds, norms, terms, whole, total, goal)
    return settle(log_e, payoffs, prior, events)


def _boosted(
    wealth: Wealth,
    odds: Sequence[float],
    norms: Sequence[float],
    terms: Sequence[float],
    whole: float,
    total: float,
    goal: float,
) -> float:
    """The log E-value when winnings above the goal are given up and the others raised by as much as that is worth."""
    last, parts = len(terms) - 1, wealth.parts
    cap = math.exp(goal - wealth.log_e)
    wins = [
        parts[-1]
        + math.fsum(part * norm * odd ** (x - last) for odd, norm, part in zip(odds, norms, parts, strict=False))
        for x in range(last + 1)
    ]
    boost = 1.0
    while True:
        over = math.fsum(term for term, win in zip(terms, wins, strict=True) if boost * win >= cap) / whole
        rest = math.fsum(term * win for term, win in zip(terms, wins, strict=True) if boost * win < cap) / whole
        if rest <= 0.0:
            break
        raised = (1.0 - cap * over) / rest
        if raised <= boost * (1.0 + 1e-12):
            break
        boost = raised
    won = boost**_BOOST * total
    return goal if won >= cap else wealth.log_e + math.log(won)


def _mixed(wealth: Wealth, prior: tuple[float, ...], logs: Sequence[float], events: int) -> Wealth:
    highest = max(0.0, *logs)
    grown = [part * math.exp(value - highest) for part, value in zip(wealth.parts, logs, strict=False)]
    grown.append(wealth.parts[-1] * math.exp(-highest))
    return settle(wealth.log_e + highest + math.log(math.fsum(grown)), grown, prior, events)


def _wide(odds: Sequence[float], table: tuple[int, int, int, int], low: int, high: int) -> list[float]:
    """The logarithms of what bets on `odds` pay at (m, n, a, events), when the outcomes are too many for powers."""
    m, n, a, events = table
    terms, term = [0.0], 0.0
    for x in range(low, high):
        term += math.log((m - x) * (events - x) / ((x + 1.0) * (n - events + x + 1.0)))
        terms.append(term)
    whole = _log_sum(terms)
    paid = []
    for odd in odds:
        step = math.log(odd)
        paid.append((a - low) * step - _log_sum([term + x * step for x, term in enumerate(terms)]) + whole)
    return paid


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))
