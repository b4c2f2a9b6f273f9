"""Values (durations, memory, rows, freshness): evidence from pairs or from ranks, whatever their unit or shape. Pure.

Pairs: canary and baseline of the same interval. If the canary is no worse, the difference is no more often positive
than negative, at any size; bets are on its sign and on its size against past sizes. Changes that hit both arms cancel.

Ranks: the canary's values among the baseline's history, for batch jobs that run once. If the canary's values could as
well be the history's, every order is equally likely; the bet is on Lehmann's alternatives (Savage 1956). A drift since
the history was made looks like harm: this can't be told apart without a baseline of the same time.

Both need values that are independent of each other. Neighbouring values of a gauge are not, so pairs are thinned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from deployments.analysis.judge.wealth import Wealth, begin, grow

_STAKES = (0.25, 0.55, 0.95)
PAIR_PRIOR = (0.15, 0.20, 0.17, 0.13, 0.15, 0.15, 0.05)
_RANK_BETS = ((2.0, 0.3), (5.0, 0.35), (20.0, 0.3))  # Lehmann's exponents and their part of the money; the rest is cash
_RANK_CASH = 0.05
_REMEMBERED = 200  # values of history that ranks are taken among: the latest
_UNKNOWN = 5  # every so manieth pair is used while nothing is known about how neighbours resemble each other
_ALIKE = 0.1  # neighbours that resemble each other less than this (correlation) count as independent


class Likeness(NamedTuple):
    """Running sums for the correlation of neighbours: how many, first value, last value, sums of squares."""

    n: int = 0
    first: float = 0.0
    last: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    jumps: float = 0.0


class PairTest(NamedTuple):
    """Both E-processes of paired values, with typical sizes of the differences and what thinning needs to know."""

    harm: Wealth
    safety: Wealth
    harm_size: float
    safety_size: float
    history: Likeness
    differences: Likeness
    skipped: int
    used_at: float
    used: int


class RankTest(NamedTuple):
    """History (sorted, and in order of arrival) and the canary's values so far; evidence follows from both."""

    history: tuple[float, ...]
    canary: tuple[float, ...]
    harm: float
    safety: float


def begin_pairs() -> PairTest:
    """No evidence."""
    nothing = Likeness()
    return PairTest(begin(PAIR_PRIOR), begin(PAIR_PRIOR), 0.0, 0.0, nothing, nothing, 0, -math.inf, 0)


def step_pair(test: PairTest, t: float, y: float, beyond: tuple[float, float], thin_s: float | None) -> PairTest:
    """The test after a pair with baseline `y`; `beyond`: how much the canary is above the tolerated and the margin.

    A pair that thinning leaves out is only learned from.
    """
    difference = beyond[0]
    use = _due(test, t, thin_s)
    harm, safety, harm_size, safety_size = test.harm, test.safety, test.harm_size, test.safety_size
    if use:
        harm, harm_size = _bet(harm, difference, harm_size)
        safety, safety_size = _bet(safety, -beyond[1], safety_size)
    return PairTest(
        harm,
        safety,
        harm_size,
        safety_size,
        resemble(test.history, y),
        resemble(test.differences, difference),
        0 if use else test.skipped + 1,
        t if use else test.used_at,
        test.used + use,
    )


def learn_pairs(test: PairTest, y: float) -> PairTest:
    """The test with one more value of the baseline's history."""
    return test._replace(history=resemble(test.history, y))


def step_rank(test: RankTest, x: float, shift: tuple[Sequence[float], Sequence[float]]) -> RankTest:
    """The test after the canary's value `x`; `shift`: all its values set back by the tolerance and by the margin."""
    harm = _rank_evidence(test.history, shift[0])
    safety = _rank_evidence([-value for value in test.history], [-value for value in shift[1]]) if shift[1] else 0.0
    return RankTest(test.history, (*test.canary, x), harm, safety)


def learn_rank(test: RankTest, y: float) -> RankTest:
    """The test with one more value of history; the oldest is forgotten when there are very many."""
    return RankTest((*test.history, y)[-_REMEMBERED:], test.canary, test.harm, test.safety)


def resemble(likeness: Likeness, value: float) -> Likeness:
    """The sums with one more value."""
    n = likeness.n + 1
    if n == 1:
        return Likeness(1, value, value, 0.0, 0.0, 0.0)
    moved = value - likeness.first
    off = moved - likeness.mean
    mean = likeness.mean + off / n
    jump = value - likeness.last
    return Likeness(
        n, likeness.first, value, mean, likeness.spread + off * (moved - mean), likeness.jumps + jump * jump
    )


def gap(likeness: Likeness) -> int:
    """Every how manieth value may be taken for independent; cautious while few were seen."""
    if likeness.n < 10:
        return _UNKNOWN
    if likeness.spread <= 0.0:
        return 1
    alike = 1.0 - likeness.jumps / (2.0 * likeness.spread) + 1.0 / math.sqrt(likeness.n)
    if alike <= _ALIKE:
        return 1
    return min(1 + int(math.log(_ALIKE / 2.0) / math.log(min(alike, 0.99))), 200)


def _due(test: PairTest, t: float, thin_s: float | None) -> bool:
    if thin_s is not None:
        return t - test.used_at >= thin_s
    known = test.differences if test.differences.n >= 10 else test.history
    return not test.used or test.skipped + 1 >= gap(known)


def _bet(wealth: Wealth, difference: float, size: float) -> tuple[Wealth, float]:
    """Bets that the difference is positive. Its size is measured in past sizes, so the unit does not matter."""
    magnitude = abs(difference)
    if not magnitude:
        return wealth, size
    sign = 1.0 if difference > 0.0 else -1.0
    big = sign * min(magnitude / (2.0 * size), 1.0) if size else sign
    factors = [math.log1p(stake * sign) for stake in _STAKES] + [math.log1p(stake * big) for stake in _STAKES]
    return grow(wealth, PAIR_PRIOR, factors, 1.0), magnitude if not size else 0.9 * size + 0.1 * magnitude


def _rank_evidence(history: Sequence[float], canary: Sequence[float]) -> float:
    """The log E-value that the canary's values are larger; a tie counts for the history."""
    order = sorted([(value, 1) for value in history] + [(value, 0) for value in canary])
    total = _RANK_CASH
    for exponent, part in _RANK_BETS:
        weight, log_ratio = 0.0, 0.0
        for place, (_, arm) in enumerate(order, start=1):
            mine = 1.0 if arm else exponent
            weight += mine
            log_ratio += math.log(place * mine / weight)
        total += part * math.exp(min(log_ratio, 700.0))
    return math.log(total)
