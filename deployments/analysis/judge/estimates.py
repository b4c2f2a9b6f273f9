"""Estimates beside the evidence: what each arm showed, and the canary over the baseline with its bounds. Pure.

The bounds are a confidence sequence: they hold at all looks together (normal mixture, on the logarithm of the ratio;
asymptotic, so read them with care while there are less than ten bad events in an arm). They do not decide anything.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from deployments.analysis.judge.clean import Numbers
from deployments.analysis.judge.core import Track
from deployments.analysis.judge.count import CountTest
from deployments.analysis.judge.histogram import HistogramTest
from deployments.analysis.judge.kinds import GaugeTest
from deployments.analysis.judge.model import Arm, Kind, Pairing
from deployments.analysis.judge.policy import Rules


class Ratio(NamedTuple):
    """Canary over baseline; None where it can't be said."""

    value: float | None
    low: float | None
    high: float | None


def arms_of(track: Track, rules: Rules) -> tuple[Arm, Arm]:
    """What canary and baseline showed since the canary began."""
    test = track.test
    if isinstance(test, GaugeTest) and test.pairing is Pairing.HISTORY:
        return _arm(track.canary, track.intervals, track, rules), _arm(track.history, track.learned, track, rules)
    return (
        _arm(track.canary, track.intervals, track, rules),
        _arm(track.baseline, track.compared, track, rules),
    )


def ratio_of(canary: Arm, baseline: Arm, track: Track, rules: Rules, chance: float) -> Ratio:
    """The ratio of the rates, and where it lies but for a chance of `chance`."""
    kind, test = rules.policy.kind, track.test
    if kind is Kind.GAUGE:
        x, y = canary.estimate, baseline.estimate
        return Ratio(x / y if x is not None and y and x >= 0.0 < y else None, None, None)
    if isinstance(test, CountTest):
        a, b = canary.total, baseline.total
        if not a + b or not 0.0 < test.expected < a + b:
            return Ratio(None, None, None)
        offset = math.log(test.expected / (a + b - test.expected))
        return _bounded(a, b, offset, 0.0, chance)
    if not canary.total or not baseline.total or canary.bad is None or baseline.bad is None:
        return Ratio(None, None, None)
    spared = 1.0 / canary.total + 1.0 / baseline.total
    return _bounded(canary.bad, baseline.bad, math.log(canary.total / baseline.total), spared, chance)


def _bounded(a: float, b: float, offset: float, spared: float, chance: float) -> Ratio:
    value = a / b / math.exp(offset) if b else None
    middle = math.log((a + 0.5) / (b + 0.5)) - offset
    variance = max(1.0 / (a + 0.5) + 1.0 / (b + 0.5) - spared, 1e-12)
    width = math.sqrt(variance * (1.0 + variance) * (math.log1p(1.0 / variance) - 2.0 * math.log(chance)))
    return Ratio(value, math.exp(max(middle - width, -700.0)), math.exp(min(middle + width, 700.0)))


def _arm(sums: Numbers, values: int, track: Track, rules: Rules) -> Arm:
    kind = rules.policy.kind
    if not sums:
        return Arm(total=0.0, bad=None, estimate=None)
    if kind is Kind.GAUGE:
        return Arm(total=float(values), bad=None, estimate=sums[0] / values if values else None)
    if kind is Kind.COUNT:
        return Arm(total=sums[0], bad=None, estimate=None)
    if kind is Kind.HISTOGRAM:
        total, edge = sum(sums), shown_edge(track)
        bad = None if edge is None else sum(sums[edge:])
        return Arm(total=total, bad=bad, estimate=bad / total if total and bad is not None else None)
    return Arm(total=sums[1], bad=sums[0], estimate=sums[0] / sums[1] if sums[1] else None)


def shown_edge(track: Track) -> int | None:
    """The edge of a histogram that says most: the one with the most evidence of harm."""
    test = track.test
    if not isinstance(test, HistogramTest) or not test.edges:
        return None
    return max(zip(test.edges, test.tests, strict=True), key=lambda pair: pair[1].harm.log_e)[0]
