"""Bets on harm: by what factor the odds of a bad event in the canary are above what is tolerated. Pure.

Fixed factors, chosen so that the time to an abort is short from 1.5 to 12 times rather than best at any one, and one
that is learned from the intervals before: it finds the regressions that lie between, below or beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FIXED = (1.1, 1.5, 2.5, 5.0, 12.0)
PRIOR = (0.05, 0.11, 0.31, 0.28, 0.17, 0.05, 0.03)  # for the fixed factors, the learned one, and cash
PRIOR_MANY = (0.40, 0.15, 0.08, 0.05, 0.03, 0.25, 0.04)  # where one interval tells large factors all but for certain
MOST = 50  # powers are kept up to here: beyond, what is laid out anew is worth less than it costs to compute
_LEAST, _GREATEST = 1.02, 50.0
_TELLING = 0.7  # what an interval must be expected to tell of a factor of 1.5 (in log E) to be one with many events
_ENOUGH = 10.0  # bad events that are seen before the learned factor is more than 1

_LOG_HALF_MORE = math.log(1.5)
_ROWS = {factor: tuple(factor**x for x in range(MOST + 1)) for factor in FIXED}


def prior_for(events: float, share: float) -> tuple[float, ...]:
    """How money is spread where `events` bad ones are expected in an interval, `share` of the traffic the canary's.

    Large factors show at once where there are many, however little money is on them; it is better spent on small ones.
    """
    telling = events * share * (1.0 - share) * 0.5 * _LOG_HALF_MORE**2
    return PRIOR_MANY if telling >= _TELLING else PRIOR


def odds_after(seen: float, expected: float, events: float, tolerated: float = 1.0) -> tuple[float, ...]:
    """All factors to bet on, after `seen` of `events` in the canary where `expected` would have been equal.

    `tolerated` is the factor that is no harm; what is learned is taken relative to it.
    """
    if events < _ENOUGH:
        return (*FIXED, 1.0)
    mine = (seen + 1.0) / (expected + 0.5)
    others = (events - seen + 1.0) / (events - expected + 1.0)
    return (*FIXED, min(max(mine / others / tolerated, _LEAST), _GREATEST))


def powers(factor: float, last: int) -> Sequence[float]:
    """`factor` to the powers 0 to `last` at least; `last` is at most `MOST`."""
    row = _ROWS.get(factor)
    return row if row is not None else [factor**x for x in range(last + 1)]
