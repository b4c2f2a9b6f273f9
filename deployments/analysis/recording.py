"""From recorded lines to a verdict: group them into intervals, feed the judge, look once at the end. Pure.

The whole recording is read. Harm that is proven at any moment is a FAIL, whatever came before or after; PASS needs
the evidence of safety for every metric and no fault anywhere. A tool that asks again whenever a line was added may
act on the first PASS or FAIL it gets: the bounds hold for as many looks as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.analysis.judge import Interval, JudgePolicy, JudgeVerdict, Kind, Observation, start, update, verdict
from deployments.analysis.policy import PolicyFile, build_policy
from deployments.analysis.recorded import Line, Spoilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is judged: the policy and the intervals in the order of their time."""

    policy: JudgePolicy
    intervals: tuple[Interval, ...]


def build_recording(lines: Iterable[Line | Spoilt], policy: PolicyFile | None) -> Recording:
    """Group lines by time. The order of the lines does not matter."""
    kinds: dict[str, Kind] = {}
    moments: dict[float, list[Observation]] = {}
    shares: dict[float, set[float]] = {}
    for line in lines:
        kinds.setdefault(line.metric, line.kind)
        moments.setdefault(line.t, []).append(_observation(line))
        if isinstance(line, Line) and line.weight is not None:
            shares.setdefault(line.t, set()).add(line.weight / 100)
    intervals = tuple(
        Interval(t=t, observations=tuple(moments[t]), share=_one(shares.get(t, set()))) for t in sorted(moments)
    )
    return Recording(policy=build_policy(policy, kinds), intervals=intervals)


def judge(recording: Recording) -> JudgeVerdict:
    """The verdict on a recording; the same recording always has the same one."""
    state = start(recording.policy)
    for interval in recording.intervals:
        state = update(state, interval)
    return verdict(state)


def _observation(line: Line | Spoilt) -> Observation:
    if isinstance(line, Spoilt):
        return Observation(metric=line.metric, side=line.side, fault=f"line {line.number}: {line.why}")
    numbers = tuple(float(number) for number in line.numbers)  # as they are read again from evidence
    match line.kind:
        case Kind.RATIO:
            return Observation(metric=line.metric, side=line.side, bad=numbers[0], total=numbers[1])
        case Kind.COUNT:
            return Observation(metric=line.metric, side=line.side, n=numbers[0])
        case Kind.GAUGE:
            return Observation(metric=line.metric, side=line.side, value=numbers[0])
        case Kind.HISTOGRAM:
            return Observation(metric=line.metric, side=line.side, buckets=numbers)


def _one(shares: set[float]) -> float | None:
    """The share of an interval; lines that disagree about it leave it unknown."""
    return next(iter(shares)) if len(shares) == 1 else None
