"""Events without totals: evidence from the canary's part of them, given its part of the traffic. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from deployments.analysis.judge.odds import PRIOR, odds_after
from deployments.analysis.judge.tables import binomial
from deployments.analysis.judge.wealth import Wealth, begin

_WAY = (1.0, 0.6, 1.5)  # powers of the margin's factor that bets on safety stand below it: 1 is at the tolerated
_WAY_PRIOR = (0.45, 0.15, 0.15, 0.25)


class CountTest(NamedTuple):
    """Both E-processes of one metric that counts events; how many the canary had, and how many at equal rates."""

    harm: Wealth
    safety: Wealth
    seen: float
    expected: float


def begin_count() -> CountTest:
    """No evidence."""
    return CountTest(begin(PRIOR), begin(_WAY_PRIOR), 0.0, 0.0)


def step_count(
    test: CountTest, a: int, b: int, share: float, *, tolerated: float, margin: float, goal: float
) -> CountTest:
    """The test after an interval with `a` events in the canary, which had `share` of the traffic, and `b` beside it.

    `tolerated` and `margin` are factors on the rate per unit of traffic; `margin` is the larger.
    """
    if not 0.0 < share < 1.0:
        return test
    below = tuple([(tolerated / margin) ** way for way in _WAY])
    odds = odds_after(test.seen, test.expected, test.harm.events, tolerated)
    return CountTest(
        binomial(test.harm, PRIOR, odds, (a, b, _part(share, tolerated)), goal),
        binomial(test.safety, _WAY_PRIOR, below, (a, b, _part(share, margin)), math.inf),
        test.seen + a,
        test.expected + (a + b) * share,
    )


def _part(share: float, factor: float) -> float:
    return share * factor / (share * factor + 1.0 - share)
