"""What each kind of metric does with clean numbers: one table of functions per kind. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from deployments.analysis.judge.clean import Fault, Numbers
from deployments.analysis.judge.count import CountTest, begin_count, step_count
from deployments.analysis.judge.gauge import (
    PairTest,
    RankTest,
    begin_pairs,
    learn_pairs,
    learn_rank,
    step_pair,
    step_rank,
)
from deployments.analysis.judge.histogram import (
    HistogramTest,
    begin_histogram,
    harm_of,
    learn_histogram,
    safety_of,
    step_histogram,
)
from deployments.analysis.judge.model import Kind, Pairing, Worse
from deployments.analysis.judge.policy import Rules
from deployments.analysis.judge.ratio import Line, RatioTest, begin_ratio, learn, step


class GaugeTest(NamedTuple):
    """Both ways to compare values; `pairing` says which is used, AUTO until the canary's first interval."""

    pairs: PairTest
    ranks: RankTest
    pairing: Pairing


Test = RatioTest | CountTest | HistogramTest | GaugeTest


class Moment(NamedTuple):
    """What else is known of an interval: its time and the canary's share of the traffic."""

    t: float
    share: float | None


class Functions(NamedTuple):
    """`begin(rules)`, `learn(test, numbers)`, `step(test, rules, moment, canary, baseline)`, `evidence(test)`."""

    begin: Callable[[Rules], Any]
    learn: Callable[[Any, Numbers], Any]
    step: Callable[[Any, Rules, Moment, Numbers, Numbers | None], Any]
    evidence: Callable[[Any], tuple[float, float]]


def _learn_ratio(test: RatioTest, numbers: Numbers) -> RatioTest:
    return learn(test, numbers[0], numbers[1])


def _step_ratio(
    test: RatioTest, rules: Rules, moment: Moment, canary: Numbers, baseline: Numbers | None
) -> RatioTest | Fault:
    del moment
    if baseline is None:
        return _no_baseline()
    table = (int(canary[1]), int(baseline[1]), int(canary[0]), int(baseline[0]))
    return step(test, table, rules.tolerated, rules.margin, rules.goal)


def _ratio_evidence(test: RatioTest) -> tuple[float, float]:
    return test.harm.log_e, test.safety.log_e


def _step_count(
    test: CountTest, rules: Rules, moment: Moment, canary: Numbers, baseline: Numbers | None
) -> CountTest | Fault:
    share = rules.policy.share if moment.share is None else moment.share
    if baseline is None:
        return _no_baseline()
    if share is None or not 0.0 <= share <= 1.0:
        return Fault(
            "the canary's share of the traffic is not known, so counts without totals can't be compared", False
        )
    a, b = int(canary[0]), int(baseline[0])
    return step_count(test, a, b, share, tolerated=rules.tolerated.factor, margin=rules.margin.factor, goal=rules.goal)


def _count_evidence(test: CountTest) -> tuple[float, float]:
    return test.harm.log_e, test.safety.log_e


def _learn_histogram(test: HistogramTest, numbers: Numbers) -> HistogramTest | Fault:
    fault = _misfit(test, numbers)
    return fault or learn_histogram(test, numbers)


def _step_histogram(
    test: HistogramTest, rules: Rules, moment: Moment, canary: Numbers, baseline: Numbers | None
) -> HistogramTest | Fault:
    del moment
    if baseline is None:
        return _no_baseline()
    fault = _misfit(test, baseline)
    if fault or len(canary) != len(baseline):
        return fault or Fault(f"the arms have {len(canary)} and {len(baseline)} buckets", True)
    return step_histogram(test, canary, baseline, rules.tolerated, rules.margin, rules.goal)


def _misfit(test: HistogramTest, numbers: Numbers) -> Fault | None:
    if (test.past and len(test.past) != len(numbers)) or (test.edges and test.edges[-1] >= len(numbers)):
        return Fault(f"{len(numbers)} buckets do not fit what came before or slo_index", True)
    return None


def _histogram_evidence(test: HistogramTest) -> tuple[float, float]:
    return harm_of(test), safety_of(test)


def _learn_gauge(test: GaugeTest, numbers: Numbers) -> GaugeTest:
    y = numbers[0]
    return GaugeTest(learn_pairs(test.pairs, y), learn_rank(test.ranks, y), test.pairing)


def _step_gauge(
    test: GaugeTest, rules: Rules, moment: Moment, canary: Numbers, baseline: Numbers | None
) -> GaugeTest | Fault:
    pairing, x = test.pairing, canary[0]
    if pairing is Pairing.AUTO:
        pairing = Pairing.HISTORY if baseline is None else Pairing.SAME_INTERVAL
    if pairing is Pairing.HISTORY:
        return _step_history(test, rules, x)
    if baseline is None:
        return _no_baseline()
    y = baseline[0]
    if rules.tolerated.factor != 1.0 and min(x, y) < 0.0:
        return Fault(f"a value is {min(x, y):g}, and a ratio of negative values means nothing", False)
    lower = rules.policy.worse is Worse.LOWER
    beyond = (_beyond(x, y, rules.tolerated, lower), _beyond(x, y, rules.margin, lower))
    return GaugeTest(step_pair(test.pairs, moment.t, y, beyond, rules.policy.thin_s), test.ranks, pairing)


def _beyond(x: float, y: float, line: Line, lower: bool) -> float:
    """How far `x` is on the worse side of the line; a part of a negative baseline is one of its size."""
    if y < 0.0:
        y = y * (2.0 - line.factor) / line.factor
    return (line.factor * y - line.increase) - x if lower else x - (line.factor * y + line.increase)


def _step_history(test: GaugeTest, rules: Rules, x: float) -> GaugeTest | Fault:
    ranks = test.ranks
    if not ranks.history:
        return Fault("there is no history and no baseline to compare the canary's values with", False)
    values = (*ranks.canary, x)
    lower = rules.policy.worse is Worse.LOWER
    sign = -1.0 if lower else 1.0
    back = [[sign * (value - sign * line.increase) / line.factor for value in values] for line in rules[1:3]]
    if lower:
        ranks = ranks._replace(history=tuple(-value for value in ranks.history))
    tested = step_rank(ranks, x, (back[0], back[1]))
    return GaugeTest(test.pairs, tested._replace(history=test.ranks.history), Pairing.HISTORY)


def _gauge_evidence(test: GaugeTest) -> tuple[float, float]:
    if test.pairing is Pairing.HISTORY:
        return test.ranks.harm, test.ranks.safety
    return test.pairs.harm.log_e, test.pairs.safety.log_e


def _no_baseline() -> Fault:
    return Fault("the baseline is missing", False)


FUNCTIONS: dict[Kind, Functions] = {
    Kind.RATIO: Functions(lambda _: begin_ratio(), _learn_ratio, _step_ratio, _ratio_evidence),
    Kind.COUNT: Functions(lambda _: begin_count(), lambda test, _: test, _step_count, _count_evidence),
    Kind.HISTOGRAM: Functions(
        lambda rules: begin_histogram(rules.policy.slo_index), _learn_histogram, _step_histogram, _histogram_evidence
    ),
    Kind.GAUGE: Functions(
        lambda rules: GaugeTest(begin_pairs(), RankTest((), (), 0.0, 0.0), rules.policy.pairing),
        _learn_gauge,
        _step_gauge,
        _gauge_evidence,
    ),
}
