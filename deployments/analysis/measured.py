"""Metrics of a step that are measured again and again: bad of total against a limit, and conditions on any query."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from deployments.analysis.arms import Readings, read_arms
from deployments.analysis.conditioned import ConditionPolicy
from deployments.analysis.counts import NoData, difference
from deployments.analysis.ports import MetricSource, Reading, Subject, ValueSource
from deployments.analysis.seen import Measured, Record, Result, Taken, course_lines, follow, open_verdict
from deployments.analysis.threshold import Interval, QueryError, State, ThresholdPolicy, begin_step, verdict
from gates.verdict import Verdict
from headgate.errors import RemoteStateError, TransportError


@dataclass(slots=True, kw_only=True)
class _Measuring:
    """The measurements of one version in one role, over all of its steps."""

    policy: ThresholdPolicy | ConditionPolicy
    record: Record | None
    subject: Subject | None = None
    state: State = field(default_factory=State)
    taken: list[Taken] = field(default_factory=list)
    began: datetime | None = None
    decided: Verdict | None = None

    def turn_to(self, subject: Subject) -> bool:
        """Begin a step if `subject` is another one; failures of the same version are kept. Whether it is another."""
        if subject == self.subject:
            return False
        if self.subject is not None and subject.arm == self.subject.arm:
            self.state = begin_step(self.state)
        else:
            self.state, self.taken, self.began = State(), [], None
        self.subject, self.decided = subject, verdict(self.state, self.policy)
        return True

    def take(self, what: Interval | Result, now: datetime, window_s: float | None) -> Verdict | None:
        """One more measurement; the verdict if there is one now."""
        if self.subject is None:
            return None
        self.began = self.began or now
        t = round((now - self.began).total_seconds(), 3)
        window = None if window_s is None else round(window_s, 3)
        step = self.subject.arm.role if self.subject.step is None else str(self.subject.step)
        one = Taken(step=step, t=t, window_s=window, what=what)
        before = self.taken[-1] if self.taken else None
        self.state = follow(self.state, before, one, self.policy, self.subject.arm.role)
        self.taken.append(one)
        decided = verdict(self.state, self.policy)
        if decided is not None:
            seen = self._seen(decided)
            kept = self.record(self.policy.name, self.subject, seen) if self.record else ""
            drawn = tuple(course_lines(self.policy.name, seen))
            self.decided = replace(decided, details=(*drawn, f"evidence: {kept}") if kept else drawn)
        return self.decided

    def standing(self) -> tuple[Subject, Measured] | None:
        if self.subject is None or self.decided is not None:
            return None
        return self.subject, self._seen(open_verdict(self.state, self.policy))

    def _seen(self, found: Verdict) -> Measured:
        role = self.subject.arm.role if self.subject else ""
        return Measured(policy=self.policy, role=role, taken=tuple(self.taken), verdict=found)


class ThresholdMetric:
    """Bad of total against a limit, interval by interval. Implements `run.StepMetric`."""

    def __init__(self, *, policy: ThresholdPolicy, source: MetricSource, record: Record | None = None) -> None:
        self._policy, self._source = policy, source
        self._measuring = _Measuring(policy=policy, record=record)
        self._before: Reading | None = None
        self._at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._policy.name

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `StepMetric`."""
        if self._measuring.turn_to(subject):
            self._before = self._at = None
        elapsed_s = (now - self._at).total_seconds() if self._at else 0.0
        if self._measuring.decided is not None or (self._at is not None and elapsed_s < self._policy.interval_s):
            return self._measuring.decided
        outcome = read_arms(self._source, subject)
        first, self._at = self._at is None, now
        if isinstance(outcome, Readings):
            before, self._before = self._before, outcome.arm
            if before is None:
                return None
            interval: Interval = difference(before, outcome.arm)
        elif isinstance(outcome, NoData) and first:
            return None  # the pods are just coming up: the first interval starts when they can be read
        else:
            self._before, interval = None, outcome
        return self._measuring.take(interval, now, elapsed_s)

    def standing(self) -> tuple[Subject, Measured] | None:
        """See `StepMetric`."""
        return self._measuring.standing()


class ConditionMetric:
    """Conditions on what a query gives. Implements `run.StepMetric`."""

    def __init__(self, *, policy: ConditionPolicy, source: ValueSource, record: Record | None = None) -> None:
        self._policy, self._source = policy, source
        self._measuring = _Measuring(policy=policy, record=record)
        self._since: datetime | None = None
        self._at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._policy.name

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `StepMetric`."""
        if self._measuring.turn_to(subject):
            self._since, self._at = now, None
        since = self._at or self._since or now
        wait_s = self._policy.interval_s if self._at else self._policy.initial_delay_s
        if self._measuring.decided is not None or (now - since).total_seconds() < wait_s:
            return self._measuring.decided
        self._at = now
        return self._measuring.take(self._measured(subject), now, None)

    def standing(self) -> tuple[Subject, Measured] | None:
        """See `StepMetric`."""
        return self._measuring.standing()

    def _measured(self, subject: Subject) -> Result | QueryError:
        try:
            return Result(value=self._source.measure(subject.arm))
        except (TransportError, RemoteStateError) as error:
            return QueryError(why=str(error))
