"""What a judged metric saw since the last look, as the judge takes it: rows of observations of both arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from deployments.analysis.arms import Baseline, Readings, baseline_arm, read_arms
from deployments.analysis.counts import NoData, difference
from deployments.analysis.histograms import bucket_difference
from deployments.analysis.judge import Kind, Observation, Side
from deployments.analysis.ports import Arm, GaugeSource, MetricSource, PastSource, Reading, Subject
from deployments.analysis.threshold import QueryError
from headgate.errors import RemoteStateError, TransportError

_HISTORY = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One interval: what was seen until `t` (seconds since 1970)."""

    t: float
    observations: tuple[Observation, ...]


Rows = tuple[Row, ...] | NoData | QueryError


class Feed(Protocol):
    """Looks at both arms of a subject; remembers what it saw before."""

    def rows(self, subject: Subject, since: datetime | None, now: datetime) -> Rows:
        """The intervals since the last look, oldest first; none is no fault. `since` None begins anew."""
        ...


@dataclass(slots=True, kw_only=True)
class CounterFeed:
    """Differences of raw counters: bad of total, events without a total, or events per bucket.

    `past` knows what the counters were: `_HISTORY` intervals of `interval_s` of the baseline before the first look are
    its history. After a look that failed the next difference spans the gap: nothing is counted twice, and only what a pod
    counted right before it restarted is lost.
    """

    metric: str
    kind: Kind
    source: MetricSource
    baseline: Baseline = Baseline.STABLE
    past: PastSource | None = None
    interval_s: float = 5.0
    _before: Readings | None = field(default=None, init=False)

    def rows(self, subject: Subject, since: datetime | None, now: datetime) -> Rows:
        """See `Feed`."""
        if since is None:
            self._before = None
        found = read_arms(self.source, subject, self.baseline)
        if not isinstance(found, Readings):
            return found
        if found.baseline is None:
            return _nothing_beside(subject)
        before, self._before = self._before, found
        if before is None or before.baseline is None:
            return self._history(subject, now)
        pairs = ((Side.CANARY, before.arm, found.arm), (Side.BASELINE, before.baseline, found.baseline))
        observed = tuple(self._observation(side, earlier, later) for side, earlier, later in pairs)
        faults = [found for found in observed if found.fault]
        if faults:
            return NoData(why="; ".join(f"{fault.side.value}: {fault.fault}" for fault in faults))
        return (Row(t=now.timestamp(), observations=observed),)

    def _history(self, subject: Subject, now: datetime) -> tuple[Row, ...]:
        """The baseline before this step, oldest first; what cannot be read is not known, and that is no fault."""
        arm = baseline_arm(subject, self.baseline)
        if self.past is None or arm is None:
            return ()
        moments = [now - timedelta(seconds=self.interval_s * back) for back in range(_HISTORY, -1, -1)]
        try:
            readings = [self.past.read_at(arm, moment) for moment in moments]
        except (TransportError, RemoteStateError):
            return ()
        rows: list[Row] = []
        for moment, before, after in zip(moments[1:], readings, readings[1:], strict=False):
            observed = self._observation(Side.BASELINE, before, after)
            # A reading without a series differs from 0: what it counted before is not of this interval.
            if before.total.keys() == after.total.keys() and not observed.fault:
                rows.append(Row(t=moment.timestamp(), observations=(observed,)))
        return tuple(rows)

    def _observation(self, side: Side, before: Reading, after: Reading) -> Observation:
        if self.kind is Kind.HISTOGRAM:
            buckets = bucket_difference(before, after)
            if isinstance(buckets, NoData):
                return Observation(metric=self.metric, side=side, fault=buckets.why)
            return Observation(metric=self.metric, side=side, buckets=tuple(float(count) for count in buckets))
        counts = difference(before, after)
        if isinstance(counts, NoData):
            return Observation(metric=self.metric, side=side, fault=counts.why)
        if self.kind is Kind.COUNT:
            return Observation(metric=self.metric, side=side, n=float(counts.total))
        return Observation(metric=self.metric, side=side, bad=float(counts.bad), total=float(counts.total))


@dataclass(slots=True, kw_only=True)
class GaugeFeed:
    """Values of a gauge, paired by their time; `step_s` is what the source is asked for."""

    metric: str
    source: GaugeSource
    step_s: float
    baseline: Baseline = Baseline.STABLE

    def rows(self, subject: Subject, since: datetime | None, now: datetime) -> Rows:
        """See `Feed`. A moment with a value of one arm only is left out; a look without any pair is no data."""
        other = baseline_arm(subject, self.baseline)
        if other is None:
            return _nothing_beside(subject)
        if subject.arm.hash == other.hash and subject.arm.role == other.role:
            return NoData(why="the canary and the baseline are the same version")
        if since is None:
            return ()
        try:
            canary, base = (self._values(arm, since, now) for arm in (subject.arm, other))
        except (TransportError, RemoteStateError) as error:
            return QueryError(why=str(error))
        for side, values in ((Side.CANARY, canary), (Side.BASELINE, base)):
            if not values:
                return NoData(why=f"{side.value}: the query gave no value")
        return tuple(
            Row(
                t=t,
                observations=(
                    Observation(metric=self.metric, side=Side.CANARY, value=canary[t]),
                    Observation(metric=self.metric, side=Side.BASELINE, value=base[t]),
                ),
            )
            for t in sorted(canary.keys() & base.keys())
        )

    def _values(self, arm: Arm, since: datetime, now: datetime) -> dict[float, float]:
        return {sample.t: sample.value for sample in self.source.samples(arm, since, now, self.step_s)}


def _nothing_beside(subject: Subject) -> NoData:
    return NoData(
        why=f"there is nothing beside the {subject.arm.role} version to compare it with: after the switch use a metric"
        " with max_ratio, or a condition"
    )
