"""Gather counters at intervals and let the threshold judge decide: the analysis of one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from deployments.analysis.counts import Counts, NoData, difference
from deployments.analysis.ports import MetricSource, Reading, Subject
from deployments.analysis.threshold import QueryError, State, ThresholdPolicy, update, verdict
from gates.verdict import Outcome, Verdict, group
from headgate.errors import RemoteStateError, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: how it is judged, and where its counters are read."""

    policy: ThresholdPolicy
    source: MetricSource


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where the measurements of one metric stand: the last reading and when it was taken."""

    state: State = field(default_factory=State)
    before: Reading | None = None
    at: datetime | None = None


class ThresholdAnalysis:
    """All `metrics` of a step; every one of them must pass. Implements `ports.Analysis`."""

    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self._metrics = metrics
        self._subject: Subject | None = None
        self._progress: dict[str, _Progress] = {}

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`. One failed metric decides at once, a pass needs all of them."""
        if subject != self._subject:
            self._subject, self._progress = subject, {}
        verdicts = [self._metric(metric, subject, now) for metric in self._metrics]
        decided = [found for found in verdicts if found is not None]
        bad = [found for found in decided if found.outcome is not Outcome.PASS]
        if not bad and len(decided) < len(verdicts):
            return None
        message = "; ".join(found.message for found in (bad or decided))
        required = () if bad else tuple(metric.policy.name for metric in self._metrics)
        return group("analysis", decided, required=required, message=message or "there is no metric to look at")

    def _metric(self, metric: Metric, subject: Subject, now: datetime) -> Verdict | None:
        progress = self._progress.setdefault(metric.policy.name, _Progress())
        decided = verdict(progress.state, metric.policy)
        elapsed_s = (now - progress.at).total_seconds() if progress.at else 0.0
        if decided is not None or (progress.at is not None and elapsed_s < metric.policy.interval_s):
            return decided
        outcome = self._read(metric, subject)
        first, progress.at = progress.at is None, now
        if isinstance(outcome, Reading):
            before, progress.before = progress.before, outcome
            if before is None:
                return None
            interval: Counts | NoData | QueryError = difference(before, outcome)
        elif isinstance(outcome, NoData) and first:
            return None  # the pods are just coming up: the first interval starts when they can be read
        else:
            progress.before, interval = None, outcome
        progress.state = update(progress.state, interval, metric.policy, role=subject.arm.role, window_s=elapsed_s)
        return verdict(progress.state, metric.policy)

    def _read(self, metric: Metric, subject: Subject) -> Reading | NoData | QueryError:
        try:
            reading = metric.source.read(subject.arm)
            baseline = metric.source.read(subject.baseline) if subject.baseline else None
        except (TransportError, RemoteStateError) as error:
            return QueryError(why=str(error))
        if not reading.instances:
            return NoData(why="no running instance")
        if baseline is not None and subject.baseline is not None:
            if not baseline.instances:
                return NoData(why=f"no running instance of the {subject.baseline.role} version")
            both = sorted(reading.instances & baseline.instances)
            if both or subject.arm.hash == subject.baseline.hash:
                named = ", ".join(both[:3]) or subject.arm.hash
                return NoData(
                    why=f"the queries for {subject.arm.role} and {subject.baseline.role} select the same pods ({named}):"
                    " use {{hash}} in the selectors"
                )
        return reading


class AnalysisByRole:
    """One analysis for the steps before all traffic moves, another for the soak afterwards (role `active`)."""

    def __init__(self, *, steps: ThresholdAnalysis, soak: ThresholdAnalysis) -> None:
        self._steps, self._soak = steps, soak

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`."""
        chosen = self._soak if subject.arm.role == "active" else self._steps
        return chosen.look(subject, now)
