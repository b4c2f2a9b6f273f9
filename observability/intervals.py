"""Honest uncertainty: exact intervals for rates and counts, the exact bootstrap of a median. Pure, no dependencies."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta

CONFIDENCE = 0.95
_ROUNDS = 200  # of bisection: far below the last bit of a double
RESAMPLES = 4000

Interval = tuple[float, float]


def rate_interval(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Clopper-Pearson: the exact interval of a proportion. For n = 0 nothing is known: (0, 1)."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _beta_quantile(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else _beta_quantile(1 - tail, hits + 1, n - hits)
    return low, high


def rate_difference(before: tuple[int, int], after: tuple[int, int], confidence: float = CONFIDENCE) -> Interval:
    """Interval of after - before for two proportions (hits, n), from the two exact intervals.

    The squared distances to the ends of each add up (Zou and Donner, 2008).
    """
    (x, m), (y, n) = before, after
    p, q = (x / m if m else 0.0), (y / n if n else 0.0)
    (p_low, p_high), (q_low, q_high) = rate_interval(x, m, confidence), rate_interval(y, n, confidence)
    middle = q - p
    return (
        max(-1.0, middle - math.hypot(q - q_low, p_high - p)),
        min(1.0, middle + math.hypot(q_high - q, p - p_low)),
    )


def frequency_ratio(
    before: int, after: int, days_before: float, days_after: float, confidence: float = CONFIDENCE
) -> tuple[float, float | None] | None:
    """Exact interval of the ratio of two frequencies, after / before; None for an end that has no bound.

    Given both counts, the second is binomial. None when nothing happened in either period.
    """
    if before + after == 0:
        return None
    low, high = rate_interval(after, before + after, confidence)
    scale = days_before / days_after
    return low / (1 - low) * scale if low < 1 else 0.0, None if high >= 1 else high / (1 - high) * scale


def median_difference(
    before: Sequence[timedelta], after: Sequence[timedelta], *, seed: int, confidence: float = CONFIDENCE
) -> Interval | None:
    """Bootstrap interval of median(after) - median(before), seconds; None when either has fewer than two items.

    A median of a resample is an order statistic of the sample, so each draw takes constant time, however many items.
    The same seed gives the same interval.
    """
    if len(before) < 2 or len(after) < 2:
        return None
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    first, second = sorted(before), sorted(after)
    draws = sorted(_median_of_resample(second, source) - _median_of_resample(first, source) for _ in range(RESAMPLES))
    tail = (1 - confidence) / 2
    return draws[math.floor(tail * (RESAMPLES - 1))], draws[math.ceil((1 - tail) * (RESAMPLES - 1))]


def _median_of_resample(ordered: Sequence[timedelta], source: random.Random) -> float:
    n = len(ordered)
    k = (n + 1) // 2
    # The k-th smallest of n uniform numbers, and given it the next one.
    low = source.betavariate(k, n + 1 - k)
    first = ordered[min(int(low * n), n - 1)].total_seconds()
    if n % 2:
        return first
    high = 1 - (1 - low) * source.random() ** (1 / (n - k))
    return (first + ordered[min(int(high * n), n - 1)].total_seconds()) / 2


def _beta_quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    found = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + step * d, tiny)
            c = _away(1 + step / c, tiny)
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return found


def _away(value: float, tiny: float) -> float:
    return tiny if abs(value) < tiny else value
