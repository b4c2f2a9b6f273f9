"""The threshold judge: a ratio against a limit, interval by interval, with Argo Rollouts' words. Pure.

`count` measurements must pass in each step; more than `failure_limit` failed ones over all steps of a version fail, as in
a background analysis of Argo Rollouts (its inline analyses count each step anew, so that a version that fails three of
five measurements at every step is promoted); more than `inconclusive_limit` of a step without enough events end it
INCONCLUSIVE; more than `consecutive_error_limit` failed queries in a row end it in ERROR. Unlike in Argo Rollouts, nothing
that is missing ever counts as passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from deployments.analysis.counts import Counts, NoData
from gates.verdict import Measurement, Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPolicy:
    """How one metric is judged; see `AnalysisConfig` for the meaning of each field."""

    name: str
    max_ratio: float
    min_total: int = 50
    interval_s: float = 60.0
    count: int = 5
    failure_limit: int = 0
    inconclusive_limit: int = 3
    consecutive_error_limit: int = 4


class Limits(Protocol):
    """How many measurements decide; Argo Rollouts' words."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def failure_limit(self) -> int: ...

    @property
    def inconclusive_limit(self) -> int: ...

    @property
    def consecutive_error_limit(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryError:
    """A measurement that could not be made at all."""

    why: str


Interval = Counts | NoData | QueryError


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What has been measured so far: of this step, but `failed` and `taken` of all steps.

    `measurements` are those of this step, after the failed ones of the steps before.
    """

    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors_in_a_row: int = 0
    taken: int = 0
    measurements: tuple[Verdict, ...] = ()


def add(state: State, leaf: Verdict) -> State:
    """The state after one more measurement."""
    state = replace(state, taken=state.taken + 1, measurements=(*state.measurements, leaf))
    if leaf.outcome is Outcome.ERROR:
        return replace(state, errors_in_a_row=state.errors_in_a_row + 1)
    state = replace(state, errors_in_a_row=0)
    if leaf.outcome is Outcome.PASS:
        return replace(state, passed=state.passed + 1)
    if leaf.outcome is Outcome.FAIL:
        return replace(state, failed=state.failed + 1)
    return replace(state, inconclusive=state.inconclusive + 1)


def begin_step(state: State) -> State:
    """The state at the beginning of another step of the same version: failures stay, everything else is measured anew."""
    failed = tuple(leaf for leaf in state.measurements if leaf.outcome is Outcome.FAIL)
    return State(failed=state.failed, taken=state.taken, measurements=failed)


def verdict(state: State, policy: Limits) -> Verdict | None:
    """The verdict on the metric, None while it is open. Failures are looked at first, passes last."""
    if state.failed > policy.failure_limit:
        worst = max((leaf for leaf in state.measurements if leaf.outcome is Outcome.FAIL), key=_observed)
        return _node(state, policy, Outcome.FAIL, worst.message, worst.measurement)
    if state.errors_in_a_row > policy.consecutive_error_limit:
        last = state.measurements[-1]
        text = f"{state.errors_in_a_row} measurements in a row failed, the last with: {last.message}"
        return _node(state, policy, Outcome.ERROR, text, None)
    if state.inconclusive > policy.inconclusive_limit:
        last = next(leaf for leaf in reversed(state.measurements) if leaf.outcome is Outcome.INCONCLUSIVE)
        text = f"{state.inconclusive} measurements said nothing, the last: {last.message}"
        return _node(state, policy, Outcome.INCONCLUSIVE, text, last.measurement)
    if state.passed >= policy.count:
        last = next(leaf for leaf in reversed(state.measurements) if leaf.outcome is Outcome.PASS)
        return _node(state, policy, Outcome.PASS, last.message, last.measurement)
    return None


def measure(interval: Interval, policy: ThresholdPolicy, *, role: str, window_s: float, number: int) -> Verdict:
    """One measurement as a leaf: the inequality with window, arm and number of events."""
    name = f"{policy.name} {number}"
    if isinstance(interval, QueryError):
        return Verdict(name=name, outcome=Outcome.ERROR, message=interval.why)
    if isinstance(interval, NoData):
        text = f"no data: {interval.why} ({window_s:.3g} s, {role})"
        return Verdict(name=name, outcome=Outcome.INCONCLUSIVE, message=text)
    requests = f"{interval.total:,}".replace(",", " ")
    context = f"({window_s:.3g} s, {role}, {requests} requests)"
    measurement = Measurement(
        observed=interval.bad / interval.total if interval.total else None,
        threshold=policy.max_ratio,
        unit="ratio",
        window_s=round(window_s, 3),
        sample=interval.total,
        source=role,
    )
    if interval.total < policy.min_total or measurement.observed is None:
        text = f"too few requests: {interval.total} < {policy.min_total} {context}"
        return Verdict(name=name, outcome=Outcome.INCONCLUSIVE, message=text, measurement=measurement)
    ratio = interval.bad / interval.total
    holds = ratio <= policy.max_ratio
    digits = next((n for n in (3, 4, 5, 6) if f"{ratio:.{n}f}" != f"{policy.max_ratio:.{n}f}"), 6)
    text = f"{_words(policy.name)} {ratio:.{digits}f} {'<=' if holds else '>'} {policy.max_ratio:.{digits}f} {context}"
    return Verdict(name=name, outcome=Outcome.PASS if holds else Outcome.FAIL, message=text, measurement=measurement)


def _node(state: State, policy: Limits, outcome: Outcome, message: str, measurement: Measurement | None) -> Verdict:
    return Verdict(
        name=policy.name, outcome=outcome, message=message, measurement=measurement, children=state.measurements
    )


def _observed(leaf: Verdict) -> float:
    observed = leaf.measurement.observed if leaf.measurement else None
    return observed if isinstance(observed, float) else 0.0


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")
