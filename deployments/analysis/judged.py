"""A metric of a step under the judge: fed at its intervals, FAIL as soon as harm is proven, PASS when safety is.

Evidence of harm is kept over all steps of a version, so that the chance of a false abort is bounded for the whole
release. Evidence of safety is gathered anew at each step: a weight is passed on what was seen at that weight. A look
that gave no data makes the step begin anew as well; nothing is promoted on a step with a hole in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from deployments.analysis.arms import Baseline
from deployments.analysis.counts import NoData
from deployments.analysis.explain import evidence_lines
from deployments.analysis.feeds import Feed, Row
from deployments.analysis.judge import (
    Evidence,
    Interval,
    JudgePolicy,
    JudgeVerdict,
    Observation,
    Side,
    State,
    start,
    update,
    verdict,
)
from deployments.analysis.ports import Subject
from deployments.analysis.recording import Limits, Look, Recording, ended_by, judge
from deployments.analysis.seen import Judged, Record
from deployments.analysis.threshold import QueryError
from gates.verdict import Measurement, Outcome, Verdict

Say = Callable[[str], None]
_SAY_EVERY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPolicy:
    """How one metric is judged in a release. `judge` holds this one metric and its part of alpha."""

    judge: JudgePolicy
    interval_s: float
    baseline: Baseline = Baseline.STABLE
    inconclusive_limit: int = 3
    consecutive_error_limit: int = 4

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.judge.metrics[0].name


@dataclass(slots=True, kw_only=True)
class _Evidence:
    """The judge's state with what it was fed. Its moments are seconds since `origin` (seconds since 1970)."""

    state: State
    origin: float
    intervals: list[Interval] = field(default_factory=list)
    only_history: bool = True

    def add(self, t: float, observations: tuple[Observation, ...], share: float | None = None) -> None:
        interval = Interval(t=round(t - self.origin, 6), observations=observations, share=share)
        self.state = update(self.state, interval)
        self.intervals.append(interval)


@dataclass(slots=True, kw_only=True)
class _Step:
    """Where a step stands."""

    subject: Subject
    evidence: _Evidence
    decided: Verdict | None = None
    at: datetime | None = None
    since: datetime | None = None
    looks: list[Look] = field(default_factory=list)


class JudgedMetric:
    """Implements `run.StepMetric`."""

    def __init__(
        self, *, policy: JudgedPolicy, feed: Feed, record: Record | None = None, say: Say | None = None
    ) -> None:
        self._policy, self._feed, self._record, self._say = policy, feed, record, say
        self._said: tuple[str, datetime] | None = None
        self._step: _Step | None = None
        self._release: tuple[tuple[str, str], _Evidence] | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._policy.name

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`."""
        step = self._step
        if step is None or subject != step.subject:
            step = self._step = _Step(subject=subject, evidence=self._fresh(now))
        elapsed_s = (now - step.at).total_seconds() if step.at else None
        if step.decided is not None or (elapsed_s is not None and elapsed_s < self._policy.interval_s):
            return step.decided
        rows = self._feed.rows(subject, step.since, now)
        first, step.at = step.at is None, now
        if isinstance(rows, tuple):
            step.since = now
            step.looks.append(Look(gave="data"))
            step.decided = self._judge(step, rows, subject, now)
        elif isinstance(rows, QueryError) or not first:
            step.decided = self._hole(step, rows, now)
        self._tell(step, now)
        return step.decided

    def _tell(self, step: _Step, now: datetime) -> None:
        """Say where an undecided step stands, every half a minute."""
        if self._say is None or step.decided is not None:
            return
        if self._said is None:
            self._said = ("", now)
        elif (now - self._said[1]).total_seconds() >= _SAY_EVERY_S:
            line = f"{self.name}: {verdict(step.evidence.state).metrics[0].message}"
            if line != self._said[0]:
                self._say(line)
            self._said = (line, now)

    def standing(self) -> tuple[Subject, Judged] | None:
        """See `run.StepMetric`."""
        step = self._step
        if step is None or step.decided is not None:
            return None
        found, recording = verdict(step.evidence.state), self._recording(step.evidence)
        if found.outcome is Outcome.FAIL and self._release is not None:
            recording = self._recording(self._release[1])  # harm is the release's to prove, and it is not proven
        return step.subject, Judged(recording=recording, verdict=judge(recording))

    def _recording(self, evidence: _Evidence) -> Recording:
        return Recording(policy=self._policy.judge, intervals=tuple(evidence.intervals))

    def _judge(self, step: _Step, rows: tuple[Row, ...], subject: Subject, now: datetime) -> Verdict | None:
        release, share = self._of_release(subject, now), _share(subject, self._policy.baseline)
        for row in rows:
            history = all(observed.side is Side.BASELINE for observed in row.observations)
            for evidence in (release, step.evidence):
                # What came before a later step is history to that step alone: the release has seen it already.
                if not history or evidence is step.evidence or evidence.only_history:
                    evidence.add(row.t, row.observations, share)
                    evidence.only_history = evidence.only_history and history
            harm = verdict(release.state)
            if harm.outcome is Outcome.FAIL:
                return self._decided(subject, self._recording(release), harm)
            found = verdict(step.evidence.state)
            # Harm is the release's to prove: a second test at each step would be a second chance of a false abort.
            if found.outcome in {Outcome.PASS, Outcome.ERROR}:
                return self._decided(subject, self._recording(step.evidence), found)
        return None

    def _hole(self, step: _Step, why: NoData | QueryError, now: datetime) -> Verdict | None:
        """A look without data: the step's evidence is gathered anew, and too many of them end it."""
        policy = self._policy
        fault = Observation(metric=self.name, side=Side.CANARY, fault=why.why)
        self._of_release(step.subject, now).add(now.timestamp(), (fault,))
        step.evidence = self._fresh(now)
        step.looks.append(Look(gave="error" if isinstance(why, QueryError) else "nothing", why=why.why))
        limits = Limits(
            inconclusive_limit=policy.inconclusive_limit, consecutive_error_limit=policy.consecutive_error_limit
        )
        if ended_by(step.looks, limits) is None:
            return None
        seen = replace(self._recording(self._of_release(step.subject, now)), looks=tuple(step.looks), limits=limits)
        return self._decided(step.subject, seen, judge(seen))

    def _decided(self, subject: Subject, recording: Recording, found: JudgeVerdict) -> Verdict:
        kept = self._record(self.name, subject, Judged(recording=recording, verdict=found)) if self._record else ""
        node = judged_verdict(found, self._policy)
        return replace(node, details=(*node.details, f"evidence: {kept}")) if kept else node

    def _of_release(self, subject: Subject, now: datetime) -> _Evidence:
        """The evidence of harm over all steps of this version in this role."""
        key = (subject.arm.hash, subject.arm.role)
        if self._release is None or self._release[0] != key:
            self._release = (key, self._fresh(now))
        return self._release[1]

    def _fresh(self, now: datetime) -> _Evidence:
        return _Evidence(state=start(self._policy.judge), origin=now.timestamp())


def judged_verdict(found: JudgeVerdict, policy: JudgedPolicy) -> Verdict:
    """The judge's verdict on one metric as a node of the tree that all reports render."""
    if not found.metrics:
        return Verdict(name=policy.name, outcome=found.outcome, message=found.message)
    evidence = found.metrics[0]
    return Verdict(
        name=policy.name,
        outcome=found.outcome,
        message=evidence.message,
        measurement=_measurement(evidence, policy),
        details=(*evidence_lines(evidence)[1:], f"baseline: {policy.baseline.proves}"),
    )


def _measurement(evidence: Evidence, policy: JudgedPolicy) -> Measurement:
    tolerated = policy.judge.metrics[0]
    base = evidence.baseline.estimate
    limit = None
    if base is not None:
        limit = base * (1 + tolerated.max_ratio_increase) + tolerated.max_absolute_increase
    return Measurement(
        observed=evidence.canary.estimate,
        threshold=limit,
        unit=evidence.kind.value,
        sample=int(evidence.canary.total),
        source=f"canary against {policy.baseline.value}",
    )


def _share(subject: Subject, baseline: Baseline) -> float | None:
    """The canary's part of what both arms get; a fresh baseline gets as much as the canary."""
    if baseline is Baseline.FRESH:
        return 0.5
    weight = subject.arm.weight
    return weight / 100 if weight is not None and 0 < weight < 100 else None
