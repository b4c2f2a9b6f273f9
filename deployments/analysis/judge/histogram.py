"""Events per bucket: evidence that the canary's distribution moved up, from the parts beyond a few edges. Pure.

The part beyond an edge is bad of total. The E-values of several edges are averaged for harm (an average of E-values
is one); for safety the least counts, as every tail must be safe. Under the null "not stochastically larger than the
baseline" no tail of the canary is heavier, so the average holds alpha.
"""

from __future__ import annotations

from itertools import accumulate
from operator import add
from typing import NamedTuple

from deployments.analysis.judge.clean import Numbers
from deployments.analysis.judge.ratio import Line, RatioTest, begin_ratio, learn, step
from deployments.analysis.judge.wealth import log_mean

_TAILS = (0.3, 0.03)  # parts of the baseline's events that the chosen edges should leave beyond them
_ENOUGH = 50.0  # events of the baseline that are looked at before edges are chosen


class HistogramTest(NamedTuple):
    """The baseline's past per bucket, until edges are chosen; then one bad-of-total test for each edge."""

    past: Numbers
    edges: tuple[int, ...]
    tests: tuple[RatioTest, ...]


def begin_histogram(slo_index: int | None) -> HistogramTest:
    """No evidence. With `slo_index` the only edge is there; without it edges are chosen from the baseline's past."""
    if slo_index is None:
        return HistogramTest((), (), ())
    return HistogramTest((), (slo_index,), (begin_ratio(),))


def learn_histogram(test: HistogramTest, buckets: Numbers) -> HistogramTest:
    """The test with more of the baseline's past."""
    if test.edges:
        total = sum(buckets)
        tests = [learn(one, sum(buckets[edge:]), total) for one, edge in zip(test.tests, test.edges, strict=True)]
        return HistogramTest((), test.edges, tuple(tests))
    past = tuple(map(add, test.past, buckets)) if test.past else buckets
    if sum(past) < _ENOUGH:
        return HistogramTest(past, (), ())
    edges, total = _edges(past), sum(past)
    return HistogramTest((), edges, tuple(learn(begin_ratio(), sum(past[edge:]), total) for edge in edges))


def step_histogram(
    test: HistogramTest, canary: Numbers, baseline: Numbers, tolerated: Line, margin: Line, goal: float
) -> HistogramTest:
    """The test after one interval; before edges are chosen it only learns."""
    if not test.edges:
        return learn_histogram(test, baseline)
    m, n = int(sum(canary)), int(sum(baseline))
    alone = len(test.edges) == 1
    tests = [
        step(one, (m, n, int(sum(canary[edge:])), int(sum(baseline[edge:]))), tolerated, margin, goal, exact=alone)
        for one, edge in zip(test.tests, test.edges, strict=True)
    ]
    return HistogramTest((), test.edges, tuple(tests))


def harm_of(test: HistogramTest) -> float:
    """The log E-value of harm over all edges."""
    return log_mean([one.harm.log_e for one in test.tests])


def safety_of(test: HistogramTest) -> float:
    """The log E-value of safety: that of the least safe edge."""
    return min((one.safety.log_e for one in test.tests), default=0.0)


def _edges(past: Numbers) -> tuple[int, ...]:
    """Indexes of buckets, ascending, that leave about the wanted parts beyond them; never the first bucket."""
    beyond = list(accumulate(reversed(past)))[::-1]
    total = beyond[0]
    inner = range(1, len(past))
    found = (
        {min(inner, key=lambda edge: (abs(beyond[edge] / total - tail), edge)) for tail in _TAILS} if inner else set()
    )
    return tuple(sorted(found))
