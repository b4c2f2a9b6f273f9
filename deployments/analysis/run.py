"""The analysis of one step: several metrics, each with its own rule, that must all pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from deployments.analysis.arms import Readings, read_arms
from deployments.analysis.counts import Counts, NoData, difference
from deployments.analysis.ports import MetricSource, Reading, Subject
from deployments.analysis.threshold import QueryError, State, ThresholdPolicy, update, verdict
from gates.verdict import Outcome, Verdict, group


class StepMetric(Protocol):
    """One metric of a step."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """As `ports.Analysis.look`, for this metric alone."""
        ...


class StepAnalysis:
    """All `metrics` of a step; every one of them must pass. Implements `ports.Analysis`."""

    def __init__(self, metrics: tuple[StepMetric, ...]) -> None:
        self._metrics = metrics

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`. One failed metric decides at once, a pass needs all of them."""
        verdicts = [metric.look(subject, now) for metric in self._metrics]
        decided = [found for found in verdicts if found is not None]
        bad = [found for found in decided if found.outcome is not Outcome.PASS]
        if not bad and len(decided) < len(verdicts):
            return None
        message = "; ".join(found.message for found in (bad or decided))
        required = () if bad else tuple(metric.name for metric in self._metrics)
        return group("analysis", decided, required=required, message=message or "there is no metric to look at")


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where the measurements of one metric stand: the last reading and when it was taken."""

    subject: Subject | None = None
    state: State = field(default_factory=State)
    before: Reading | None = None
    at: datetime | None = None


class ThresholdMetric:
    """Bad of total against a limit, interval by interval. Implements `StepMetric`."""

    def __init__(self, *, policy: ThresholdPolicy, source: MetricSource) -> None:
        self._policy, self._source = policy, source
        self._progress = _Progress()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._policy.name

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `StepMetric`."""
        if subject != self._progress.subject:
            self._progress = _Progress(subject=subject)
        progress, policy = self._progress, self._policy
        decided = verdict(progress.state, policy)
        elapsed_s = (now - progress.at).total_seconds() if progress.at else 0.0
        if decided is not None or (progress.at is not None and elapsed_s < policy.interval_s):
            return decided
        outcome = read_arms(self._source, subject)
        first, progress.at = progress.at is None, now
        if isinstance(outcome, Readings):
            before, progress.before = progress.before, outcome.arm
            if before is None:
                return None
            interval: Counts | NoData | QueryError = difference(before, outcome.arm)
        elif isinstance(outcome, NoData) and first:
            return None  # the pods are just coming up: the first interval starts when they can be read
        else:
            progress.before, interval = None, outcome
        progress.state = update(progress.state, interval, policy, role=subject.arm.role, window_s=elapsed_s)
        return verdict(progress.state, policy)


class AnalysisByRole:
    """One analysis for the steps before all traffic moves, another for the soak afterwards (role `active`)."""

    def __init__(self, *, steps: StepAnalysis, soak: StepAnalysis) -> None:
        self._steps, self._soak = steps, soak

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`."""
        chosen = self._soak if subject.arm.role == "active" else self._steps
        return chosen.look(subject, now)
