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
from operator import mul

from deployments.analysis.judge.odds import MOST, powers
from deployments.analysis.judge.wealth import Wealth, grow, settle

_BOOST = 0.6  # how much of the permitted boost is used: the rest keeps the rate of false alarms clear of alpha


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
    return _root(share, tc, tb, factor, increase)


def _root(share: float, tc: float, tb: float, factor: float, increase: float) -> float:
    """Newton's method inside a bracket, on the derivative of the log-likelihood along the line (it falls)."""
    weight, other = share * factor, 1.0 - share
    limit = (tc - increase) / factor
    low, high = (tb, limit) if tb < limit else (max(limit, 1e-15), tb)
    high = min(high, (1.0 - increase) / factor * (1.0 - 1e-12))
    # The first guess is the root when both rates are small.
    square, linear = factor * (weight + other), weight * (tc - increase) + other * (factor * tb - increase)
    p = (linear + math.sqrt(linear * linear + 4.0 * square * other * tb * increase)) / (2.0 * square)
    if not low < p < high:
        p = 0.5 * (low + high)
    steep = weight * factor
    for _ in range(60):
        q = increase + factor * p
        iq, ip = 1.0 / (q * (1.0 - q)), 1.0 / (p * (1.0 - p))
        up, down = (tc - q) * iq, (tb - p) * ip
        slope = weight * up + other * down
        if slope > 0.0:
            low = p
        else:
            high = p
        bend = steep * iq * (1.0 + up * (1.0 - 2.0 * q)) + other * ip * (1.0 + down * (1.0 - 2.0 * p))
        following = p + slope / bend
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - p) <= 1e-4 * p:  # the next step would be about 1e-8 of it, and counts by its square
            return following
        p = following
    return p


def conditional(
    wealth: Wealth, prior: tuple[float, ...], odds: tuple[float, ...], table: tuple[int, int, int, int], goal: float
) -> Wealth:
    """The wealth after one table (m, n, a, b), bets on `odds` ratios; `goal`: the log E-value that decides."""
    m, n, a, b = table
    events = a + b
    low, high = max(0, events - n), min(events, m)
    if low == high:
        return wealth
    if high - low > MOST:  # logarithms throughout, and no boost: its gain is nil there
        return grow(wealth, prior, _wide(odds, (m, n, a, events), low, high), events)
    terms, term = [1.0], 1.0
    for x in range(low, high):
        term *= (m - x) * (events - x) / ((x + 1.0) * (n - events + x + 1.0))
        terms.append(term)
    return _bet(wealth, prior, odds, terms, a - low, events, goal)


def binomial(
    wealth: Wealth, prior: tuple[float, ...], odds: tuple[float, ...], counts: tuple[int, int, float], goal: float
) -> Wealth:
    """As `conditional` for events without totals: (a, b, share), `share` the canary's part of the events under the null.

    Lindon and Malek's multinomial test with two arms and bets on one side only; as bets are on odds, a change of the
    traffic's weight needs no restart.
    """
    a, b, share = counts
    events, ratio = a + b, share / (1.0 - share)
    if not events:
        return wealth
    if events > MOST:
        logs = [a * math.log(odd) - events * math.log1p(share * (odd - 1.0)) for odd in odds]
        return grow(wealth, prior, logs, events)
    payoffs, stakes, top = [], [], wealth.parts[-1]
    for odd, part in zip(odds, wealth.parts, strict=False):
        stake = part * ((1.0 + ratio) / (1.0 + ratio * odd)) ** events  # the null's mean of odd**x, in closed form
        stakes.append(stake)
        payoffs.append(stake * odd**a)
        top += stake * odd**events
    payoffs.append(wealth.parts[-1])
    log_e = wealth.log_e + math.log(sum(payoffs))
    if wealth.log_e < goal <= wealth.log_e + math.log(top):
        terms, term = [1.0], 1.0
        for x in range(events):
            term *= (events - x) / (x + 1.0) * ratio
            terms.append(term)
        rows = [powers(odd, events) for odd in odds]
        log_e = _boosted(wealth, list(zip(stakes, rows, strict=True)), terms, a, goal)
    return settle(wealth, log_e, payoffs, prior, events)


def _bet(
    wealth: Wealth,
    prior: tuple[float, ...],
    odds: tuple[float, ...],
    terms: list[float],
    seen: int,
    events: int,
    goal: float,
) -> Wealth:
    """Settle bets on outcome `seen`; `terms` are the null's weights of all outcomes, lowest first."""
    last, whole, cash = len(terms) - 1, sum(terms), wealth.parts[-1]
    stakes, payoffs, top = [], [], cash
    rows = [powers(odd, last) for odd in odds]
    for row, part in zip(rows, wealth.parts, strict=False):
        stake = part * whole / sum(map(mul, terms, row))
        stakes.append(stake)
        payoffs.append(stake * row[seen])
        top += stake * row[last]
    payoffs.append(cash)
    log_e = wealth.log_e + math.log(sum(payoffs))
    if wealth.log_e < goal <= wealth.log_e + math.log(top):
        log_e = _boosted(wealth, list(zip(stakes, rows, strict=True)), terms, seen, goal)
    return settle(wealth, log_e, payoffs, prior, events)


def _boosted(
    wealth: Wealth, rows: list[tuple[float, Sequence[float]]], terms: list[float], seen: int, goal: float
) -> float:
    """The log E-value when winnings above the goal are given up and the others raised by as much as that is worth."""
    cap, cash, whole = math.exp(goal - wealth.log_e), wealth.parts[-1], sum(terms)
    boost, over, gone = 1.0, 0.0, 0.0
    for x in range(len(terms) - 1, -1, -1):  # what is won falls with x; on average over the null it is 1
        win = cash + sum([stake * power[x] for stake, power in rows])
        if boost * win < cap:
            break
        chance = terms[x] / whole
        over += chance
        gone += chance * win
        if gone >= 1.0:
            break
        boost = max(boost, (1.0 - cap * over) / (1.0 - gone))
    won = boost**_BOOST * (cash + sum([stake * power[seen] for stake, power in rows]))
    return goal if won >= cap else wealth.log_e + math.log(won)


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
