"""What a metric's verdict rests on, for all three rules: kept as evidence, drawn, and judged again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from deployments.analysis.conditioned import ConditionPolicy
from deployments.analysis.conditioned import measure as measure_result
from deployments.analysis.counts import Counts
from deployments.analysis.judge import JudgeVerdict
from deployments.analysis.picture import figures as judged_figures
from deployments.analysis.picture import picture
from deployments.analysis.ports import Subject
from deployments.analysis.recording import Recording
from deployments.analysis.threshold import (
    Interval,
    QueryError,
    State,
    ThresholdPolicy,
    add,
    begin_step,
    measure,
    verdict,
)
from gates.verdict import Outcome, Verdict
from observability.figure import Curve, Figure, Limit, spark, svg


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query of conditions gave: a number, a list of numbers, or parsed JSON."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One measurement: in which step, at which moment (seconds since the first one), over how long a window, and what."""

    step: str
    t: float
    window_s: float | None
    what: Interval | Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A sequential test: the judge's recording and its verdict."""

    recording: Recording
    verdict: JudgeVerdict

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    @property
    def message(self) -> str:
        return self.verdict.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A limit or conditions: every measurement of a version in a role, over all steps, and the verdict on the last."""

    policy: ThresholdPolicy | ConditionPolicy
    role: str
    taken: tuple[Taken, ...]
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    @property
    def message(self) -> str:
        return self.verdict.message


Seen = Judged | Measured
Record = Callable[[str, Subject, Seen], str]
"""Keeps what a verdict rests on (metric, subject, what was seen with the verdict) and says where."""


def follow(
    state: State, before: Taken | None, taken: Taken, policy: ThresholdPolicy | ConditionPolicy, role: str
) -> State:
    """The state after one more measurement; `before` is the one before it, of whatever step."""
    if before is not None and before.step != taken.step:
        state = begin_step(state)
    return add(state, _leaf(taken, policy, role, state.taken + 1))


def measured_verdict(policy: ThresholdPolicy | ConditionPolicy, role: str, taken: tuple[Taken, ...]) -> Verdict:
    """The verdict on these measurements; INCONCLUSIVE while it is open."""
    state, before = State(), None
    for one in taken:
        state, before = follow(state, before, one, policy, role), one
    return verdict(state, policy) or open_verdict(state, policy)


def open_verdict(state: State, policy: ThresholdPolicy | ConditionPolicy) -> Verdict:
    """What is said of measurements that do not decide."""
    last = f"; the last: {state.measurements[-1].message}" if state.measurements else ""
    text = f"not decided: {state.passed} of {policy.count} measurements passed{last}"
    return Verdict(name=policy.name, outcome=Outcome.INCONCLUSIVE, message=text, children=state.measurements)


def draw(name: str, seen: Seen, release: Mapping[str, object] | None = None) -> str:
    """The evidence of one metric as SVG; `release`: whose it was, as in the evidence's document."""
    title = ""
    if release:
        step = release.get("role") if release.get("step") is None else f"step {release.get('step')}"
        title = f"{release.get('service')} in {release.get('environment')}, {step}"
    if isinstance(seen, Judged):
        return picture(seen.verdict, title=title)
    return svg(figures_of(name, seen), f"{title + ': ' if title else ''}{seen.outcome.value}")


def course_lines(name: str, seen: Measured) -> Iterator[str]:
    """The measurements over time as a line of blocks; a full block is beyond the limit."""
    drawn = _measured_figure(name, seen)
    blocks = spark(drawn, 0)
    if blocks:
        yield f"measured  {blocks}  a full block is {drawn.limits[0].value:g} or more"


def figures_of(name: str, seen: Seen) -> tuple[Figure, ...]:
    """The evidence of one metric, drawn."""
    if isinstance(seen, Judged):
        return judged_figures(seen.verdict)
    return (_measured_figure(name, seen),)


def _leaf(taken: Taken, policy: ThresholdPolicy | ConditionPolicy, role: str, number: int) -> Verdict:
    if isinstance(taken.what, QueryError):
        return Verdict(name=f"{policy.name} {number}", outcome=Outcome.ERROR, message=taken.what.why)
    if isinstance(policy, ThresholdPolicy):
        if isinstance(taken.what, Result):
            raise TypeError("a limit is measured in counts")
        return measure(taken.what, policy, role=role, window_s=taken.window_s or policy.interval_s, number=number)
    if not isinstance(taken.what, Result):
        raise TypeError("conditions are measured in results")
    return measure_result(taken.what.value, policy, role=role, number=number)


def _measured_figure(name: str, seen: Measured) -> Figure:
    values = [(one.t, _value(one.what)) for one in seen.taken]
    points = tuple((t, value) for t, value in values if value is not None)
    failed = next((one.t for one in reversed(seen.taken)), None) if seen.outcome is Outcome.FAIL else None
    limit = seen.policy.max_ratio if isinstance(seen.policy, ThresholdPolicy) else None
    count = len(seen.taken)
    last = f" {points[-1][1]:.4g}" if points else ""
    curve = Curve(name="measured", points=points, label=f"measured{last}", reached_at=failed if points else None)
    return Figure(
        title=name,
        verdict=seen.outcome.value,
        message=seen.message,
        described=f"{name}: {seen.outcome.value}. {seen.message.rstrip('.')}. {count} measurements.",
        curves=(curve,) if points else (),
        limits=() if limit is None else (Limit(value=limit, text=f"at most {limit:g}"),),
    )


def _value(what: Interval | Result) -> float | None:
    if isinstance(what, Counts):
        return what.bad / what.total if what.total else None
    value = what.value if isinstance(what, Result) else None
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)
