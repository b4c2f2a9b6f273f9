"""Run suites on one batch: what all of them need is computed together, round by round, and everything is accounted for.

Several suites on one table ask their questions at once, so that a metric two of them need is computed once and the
table is read once. What the catalogue does not plan goes to the fallback (Great Expectations itself).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.expectations import NotPlanned, plan
from gates.quality.expectations.context import Reference
from gates.quality.metrics import Count, Failed, Finding, Metric, Planned, Rows, Schema, Values
from gates.quality.result_format import ResultFormat
from gates.quality.suite import Expectation, Suite

ROWS = Count()
"""Asked of every batch: an empty one must be known as such, whatever the suites ask."""
MAX_ROUNDS = 12
"""No expectation asks more than a few times; one that goes on asking has a defect, and is not judged."""

State = Planned | Finding | NotPlanned


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One suite to run. `parameters` are values for `{"$PARAMETER": name}`, above those of the suite itself."""

    suite: Suite
    result_format: ResultFormat
    parameters: Mapping[str, Any]

    @property
    def known(self) -> Mapping[str, Any]:
        """All parameters: those of the suite, overridden by those of this run."""
        return {**self.suite.suite_parameters, **self.parameters}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One expectation and what was found. `engine` judged it; `reason` says why it went to the fallback, else ""."""

    expectation: Expectation
    finding: Finding
    engine: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFindings:
    """One suite on one batch: exactly one entry for each of its expectations, in their order.

    `rows` is the size of the batch; None when it could not be counted. `parameters` are all that were known.
    `duration_s` is wall time of the whole run, which the suites on one batch share.
    """

    suite: Suite
    rows: int | None
    judged: tuple[Judged, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    duration_s: float | None = None


Fallback = Callable[[Sequence[tuple[Job, tuple[Expectation, ...]]]], Sequence[Mapping[int, Finding]]]
"""Judges the expectations that are not planned, for all suites at once: findings by index of the expectation, one
mapping for each suite. What it leaves out counts as not judged."""
Interpret = Callable[..., State]
"""`plan` of the catalogue."""


def run_suites(
    jobs: Sequence[Job],
    batch: Batch,
    *,
    fallback: Fallback | None = None,
    interpret: Interpret = plan,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[SuiteFindings, ...]:
    """What every expectation of every job found on `batch`, in the order of `jobs`.

    Raises what the batch raises when it cannot be read at all (`ConfigError`, `TransportError`). What goes wrong in one
    expectation is its own finding with `raised`, never missing and never a pass.
    """
    started = monotonic()
    schema = batch.schema()
    states = [_planned(job, schema, interpret, reference_of(batch)) for job in jobs]
    values: dict[Metric, Any] = {}
    _ask(batch, values, [ROWS, *_needs(states)])
    for _ in range(MAX_ROUNDS):
        states = [[_advanced(state, values) for state in row] for row in states]
        needs = _needs(states)
        if not needs:
            break
        _ask(batch, values, needs)
    left = [_left(job, row) for job, row in zip(jobs, states, strict=True)]
    answers = fallback(list(zip(jobs, left, strict=True))) if fallback is not None and any(left) else [{} for _ in jobs]
    duration_s = monotonic() - started
    return tuple(
        SuiteFindings(
            suite=job.suite,
            rows=_number(values[ROWS]),
            judged=tuple(_judged(entry, state, answer, batch.name) for entry, state in _pairs(job, row)),
            parameters=job.known,
            duration_s=duration_s,
        )
        for job, row, answer in zip(jobs, states, _complete(answers, len(jobs)), strict=True)
    )


def reference_of(batch: Batch) -> Reference:
    """Whose meaning applies: rows with positions are files, which people validate with pandas; the rest is SQL."""
    return Reference.PANDAS if batch.ordered else Reference.SQL


def first_needs(
    jobs: Sequence[Job], batch: Batch, *, interpret: Interpret = plan
) -> tuple[tuple[Metric, ...], tuple[tuple[str, str, str], ...]]:
    """The first round for `quality explain`: its metrics, but for the rows to show where something fails, and what is
    not asked of the engine.

    The latter as (suite, expectation, why): what goes to the fallback, and what was decided by the columns alone.
    """
    states = [_planned(job, batch.schema(), interpret, reference_of(batch)) for job in jobs]
    aside = [
        (job.suite.name, entry.name, _why(state))
        for job, row in zip(jobs, states, strict=True)
        for entry, state in _pairs(job, row)
        if not isinstance(state, Planned)
    ]
    return _unique(need for need in [ROWS, *_needs(states)] if not isinstance(need, Rows)), tuple(aside)


def _why(state: State) -> str:
    if isinstance(state, NotPlanned):
        return f"Great Expectations itself: {state.reason}"
    if isinstance(state, Finding) and state.raised:
        return f"not judged: {state.raised}"
    return "decided by the columns alone"


def _planned(job: Job, schema: Schema, interpret: Interpret, reference: Reference) -> list[State]:
    settings = {"result_format": job.result_format, "parameters": job.known, "reference": reference}
    return [_safely(interpret, expectation, schema, **settings) for expectation in job.suite.expectations]


def _advanced(state: State, values: Values) -> State:
    """A planned expectation with its answers: the finding, or what it asks next. Others stay.

    What the engine cannot say exactly is not judged by it: never approximated.
    """
    if not (isinstance(state, Planned) and all(need in values for need in state.needs)):
        return state
    known = {need: values[need] for need in state.needs}
    for value in known.values():
        if isinstance(value, Failed) and value.unsupported:
            return NotPlanned(reason=value.reason)
    return _safely(state.then, known)


def _safely(function: Callable[..., State], *arguments: Any, **named: Any) -> State:
    """One expectation with a defect must not take the others with it: it is not judged, which is no pass."""
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - whatever it is, this expectation was not judged
        return _raised(f"{type(error).__name__}: {error}")


def _needs(states: Iterable[Iterable[State]]) -> list[Metric]:
    return [need for row in states for state in row if isinstance(state, Planned) for need in state.needs]


def _ask(batch: Batch, values: dict[Metric, Any], metrics: Iterable[Metric]) -> None:
    """Add the values of those `metrics` that are not known yet; one the engine forgot is `Failed`."""
    wanted = [metric for metric in _unique(metrics) if metric not in values]
    if not wanted:
        return
    answer = batch.compute(wanted)
    silent = Failed(reason=f"{batch.name} gave no value")
    values.update({metric: answer.get(metric, silent) for metric in wanted})


def _unique(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    return tuple(dict.fromkeys(metrics))


def _left(job: Job, states: Iterable[State]) -> tuple[Expectation, ...]:
    return tuple(entry for entry, state in _pairs(job, states) if isinstance(state, NotPlanned))


def _pairs(job: Job, states: Iterable[State]) -> Iterable[tuple[Expectation, State]]:
    return zip(job.suite.expectations, states, strict=True)


def _complete(answers: Sequence[Mapping[int, Finding]], count: int) -> list[Mapping[int, Finding]]:
    """As many answers as suites, whatever the fallback returned."""
    return [answers[at] if at < len(answers) else {} for at in range(count)]


def _judged(expectation: Expectation, state: State, answer: Mapping[int, Finding], engine: str) -> Judged:
    if isinstance(state, Finding):
        return Judged(expectation=expectation, finding=state, engine=engine)
    if isinstance(state, Planned):
        finding = _raised(f"not judged: it still asked for more after {MAX_ROUNDS} rounds")
        return Judged(expectation=expectation, finding=finding, engine=engine)
    found = answer.get(expectation.index) or _raised(f"not judged: {state.reason}, and nothing else judged it")
    return Judged(expectation=expectation, finding=found, engine="great_expectations", reason=state.reason)


def _raised(text: str) -> Finding:
    return Finding(success=False, result={}, raised=text)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
