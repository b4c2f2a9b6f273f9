"""The scale of the DORA Quick Check, 0 to 10, beside the plain number. Pure.

The Quick Check (https://dora.dev/quickcheck, edition 2025) asks for durations and frequency in six steps, which it
shows at 0, 2, 4, 6, 8 and 10, and for the two rates in percent, shown as (100 - percent) / 10. Each metric is scored
on its own; there is no total here, since the five measure different things. A month counts as 30 days, six months as
182.
"""

from __future__ import annotations

from collections.abc import Sequence

_HOUR = 3600.0
_DAY = 24 * _HOUR
_DURATIONS: Sequence[tuple[float, int]] = (
    (_HOUR, 10),
    (_DAY, 8),
    (7 * _DAY, 6),
    (30 * _DAY, 4),
    (182 * _DAY, 2),
)


def score_duration(seconds: float | None) -> int | None:
    """10 for less than an hour, 8 less than a day, 6 a week, 4 a month, 2 up to six months, else 0; None for no data."""
    if seconds is None:
        return None
    return next((score for limit, score in _DURATIONS if seconds < limit), 2 if seconds == _DURATIONS[-1][0] else 0)


def score_frequency(per_day: float | None) -> int | None:
    """Mean time between deployments on the same steps.

    8 for one a day and more, 6 down to one a week, 4 to one a month, 2 to one in six months, else 0; 10 only for more
    than one an hour, since a log does not show whether deployments are made on demand. None for no data.
    """
    if per_day is None:
        return None
    steps = ((1.0, 8), (1 / 7, 6), (1 / 30, 4), (1 / 182, 2))
    if per_day > 24:
        return 10
    return next((score for limit, score in steps if per_day >= limit), 0)


def score_rate(ratio: float | None) -> float | None:
    """10 for none, 0 for all; None for no data."""
    return None if ratio is None else round(10 * (1 - ratio), 1)
