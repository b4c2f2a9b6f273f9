"""From recorded lines to a verdict: group them into intervals, feed the judge, look. Pure.

The whole recording is read. Harm that is proven at any moment is a FAIL, whatever comes before or after it; PASS needs
the evidence of safety for every metric and no fault anywhere. A tool that asks again whenever a line was added may
act on the first PASS or FAIL it gets: the bounds hold for as many looks as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from deployments.analysis.judge import (
    Evidence,
    Interval,
    JudgePolicy,
    JudgeVerdict,
    Kind,
    Observation,
    start,
    update,
    verdict,
)
from deployments.analysis.policy import PolicyFile, build_policy
from deployments.analysis.recorded import Line, Spoilt
from gates.verdict import Outcome, combine

_ASSUMED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is judged: the policy and the intervals in the order of their time.

    `spoilt`: metrics with a line that cannot be true, and what the first one says; they are ERROR unless harm is proven.
    `assumed`: counts without
    a total where nobody said what part of the traffic the canary had. Half is assumed of them, which no canary that
    has less can be failed by wrongly; but none can be passed by it.
    `looks`: what each look at the last step of a release gave, and `limits` how many may give nothing.
    """

    policy: JudgePolicy
    intervals: tuple[Interval, ...]
    spoilt: tuple[tuple[str, str], ...] = ()
    assumed: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    limits: Limits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a step: it gave data, nothing, or the query failed; `why` for the latter two."""

    gave: Literal["data", "nothing", "error"]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many looks of a step may give nothing, and how many in a row may fail."""

    inconclusive_limit: int
    consecutive_error_limit: int


def ended_by(looks: Iterable[Look], limits: Limits) -> tuple[Outcome, str] | None:
    """The outcome of a step that too many looks learned nothing of, and why; None while it goes on."""
    nothing = in_a_row = 0
    for look in looks:
        in_a_row = in_a_row + 1 if look.gave == "error" else 0
        nothing += look.gave == "nothing"
        if in_a_row > limits.consecutive_error_limit:
            return Outcome.ERROR, f"{in_a_row} measurements in a row failed, the last with: {look.why}"
        if nothing > limits.inconclusive_limit:
            return Outcome.INCONCLUSIVE, f"{nothing} measurements said nothing, the last: no data: {look.why}"
    return None


def build_recording(lines: Iterable[Line | Spoilt], policy: PolicyFile | None) -> Recording:
    """Group lines by time. The order of the lines does not matter."""
    kinds: dict[str, Kind] = {}
    moments: dict[float, dict[tuple[str, str], Observation]] = {}
    shares: dict[float, set[float]] = {}
    spoilt: dict[str, str] = {}
    for line in lines:
        kinds.setdefault(line.metric, line.kind)
        moment = moments.setdefault(line.t, {})
        if isinstance(line, Spoilt):
            spoilt.setdefault(line.metric, f"line {line.number}: {line.side.value}: {line.why}")
        elif line.weight is not None:
            shares.setdefault(line.t, set()).add(line.weight / 100)
        # A line that cannot be used takes the place of a good one for the same interval: its fault must be seen.
        if isinstance(line, Spoilt) or (line.metric, line.side) not in moment:
            moment[line.metric, line.side] = _observation(line)
    intervals = tuple(
        Interval(t=t, observations=tuple(moments[t].values()), share=_one(shares.get(t, set())))
        for t in sorted(moments)
    )
    built, assumed = _with_shares(build_policy(policy, kinds), known=bool(shares))
    return Recording(policy=built, intervals=intervals, spoilt=tuple(spoilt.items()), assumed=assumed)


def judge(recording: Recording) -> JudgeVerdict:
    """The verdict on a recording; the same recording always has the same one.

    A FAIL is reported as it stood at the moment of the decision. Raises `ConfigError` for a policy that makes no sense.
    """
    if not recording.policy.metrics:
        text = "the recording has no counts"
        return JudgeVerdict(outcome=Outcome.INCONCLUSIVE, decided_at_s=None, message=text, cause=text, metrics=())
    found = _verdict(recording, recording.intervals)
    decided_at = found.decided_at_s
    if found.outcome is Outcome.FAIL and decided_at is not None:
        return _verdict(recording, tuple(one for one in recording.intervals if one.t <= decided_at))
    return found


def _verdict(recording: Recording, intervals: tuple[Interval, ...]) -> JudgeVerdict:
    state = start(recording.policy)
    for interval in intervals:
        state = update(state, interval)
    return _ended(_closed(verdict(state), recording), recording)


def _ended(found: JudgeVerdict, recording: Recording) -> JudgeVerdict:
    """The verdict of a step that was ended because nothing was learned, if it was; proven harm stays proven."""
    ended = ended_by(recording.looks, recording.limits) if recording.limits else None
    if ended is None or found.outcome is Outcome.FAIL:
        return found
    outcome, why = ended
    step = "find out why there are no data; then a new analysis"
    metrics = tuple(
        replace(one, outcome=outcome, decided_at_s=None, message=why, cause=why, next=step) for one in found.metrics
    )
    message = f"{metrics[0].name}: {why}" if metrics else why
    return JudgeVerdict(outcome=outcome, decided_at_s=None, message=message, cause=why, metrics=metrics)


def _closed(found: JudgeVerdict, recording: Recording) -> JudgeVerdict:
    """The judge's verdict without what the recording itself forbids."""
    if found.outcome is Outcome.FAIL or not (recording.spoilt or recording.assumed):
        return found
    metrics = tuple(_closed_metric(evidence, recording) for evidence in found.metrics)
    outcome = combine([found.outcome, *(evidence.outcome for evidence in metrics)])
    if outcome is found.outcome:
        return replace(found, metrics=metrics)
    first = next(evidence for evidence in metrics if evidence.outcome is outcome)
    message = f"{first.name}: {first.message}"
    return JudgeVerdict(outcome=outcome, decided_at_s=None, message=message, cause=first.cause, metrics=metrics)


def _closed_metric(evidence: Evidence, recording: Recording) -> Evidence:
    why = dict(recording.spoilt).get(evidence.name)
    if why is not None and evidence.outcome is not Outcome.FAIL:
        return replace(evidence, outcome=Outcome.ERROR, decided_at_s=None, message=why, cause=why)
    if evidence.name in recording.assumed and evidence.outcome is Outcome.PASS:
        why = "the canary's part of the traffic is not known, so fewer events may mean less traffic"
        step = 'add "weight" (percent) to the lines, or share to the policy'
        return replace(evidence, outcome=Outcome.INCONCLUSIVE, decided_at_s=None, message=why, cause=why, next=step)
    return evidence


def _with_shares(policy: JudgePolicy, *, known: bool) -> tuple[JudgePolicy, tuple[str, ...]]:
    """Counts without a total take the share of the traffic from the only metric that has totals, else half."""
    with_totals = [metric.name for metric in policy.metrics if metric.kind in {Kind.RATIO, Kind.HISTOGRAM}]
    metrics, assumed = [], []
    for metric in policy.metrics:
        if metric.kind is Kind.COUNT and not known and metric.share is None and metric.share_from is None:
            if len(with_totals) == 1:
                metric = replace(metric, share_from=with_totals[0])
            else:
                assumed.append(metric.name)
                metric = replace(metric, share=_ASSUMED)
        metrics.append(metric)
    return replace(policy, metrics=tuple(metrics)), tuple(assumed)


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
