"""Read both arms of a comparison, and make sure that they are two."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deployments.analysis.counts import NoData
from deployments.analysis.ports import Arm, MetricSource, Reading, Subject
from deployments.analysis.threshold import QueryError
from headgate.errors import RemoteStateError, TransportError


class Baseline(StrEnum):
    """What the new version is compared with."""

    STABLE = "stable"
    FRESH = "fresh"
    HISTORY = "history"

    @property
    def proves(self) -> str:
        """What a comparison with it can and cannot prove, in one sentence."""
        return _PROVES[self]


_PROVES = {
    Baseline.STABLE: "the stable version under the same traffic at the same time; its pods are older and may be more, so"
    " cold caches and smaller numbers count against the canary",
    Baseline.FRESH: "the stable version in new pods of the same number, under the same traffic at the same time; what is"
    " different is the version",
    Baseline.HISTORY: "earlier runs of the same hour and weekday; a change of data, load or machines since then looks the"
    " same as a change of the version",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One reading of each arm at the same moment. `baseline` is None where there is nothing to compare with."""

    arm: Reading
    baseline: Reading | None


def baseline_arm(subject: Subject, baseline: Baseline) -> Arm | None:
    """The arm that is compared with; a fresh baseline runs the stable version under the role `baseline`."""
    if subject.baseline is None or baseline is Baseline.STABLE:
        return subject.baseline
    return Arm(hash=subject.baseline.hash, role="baseline", weight=subject.baseline.weight)


def read_arms(
    source: MetricSource, subject: Subject, baseline: Baseline = Baseline.STABLE
) -> Readings | NoData | QueryError:
    """Both readings, or why there are none: a failed query, no instance, or twice the same pods."""
    other = baseline_arm(subject, baseline)
    try:
        readings = Readings(arm=source.read(subject.arm), baseline=source.read(other) if other else None)
    except (TransportError, RemoteStateError) as error:
        return QueryError(why=str(error))
    if not readings.arm.instances:
        return NoData(why="no running instance")
    if readings.baseline is None or other is None:
        return readings
    if not readings.baseline.instances:
        return NoData(why=f"no running instance of the {other.role} version")
    both = sorted(readings.arm.instances & readings.baseline.instances)
    if both or subject.arm.hash == other.hash:
        named = ", ".join(both[:3]) or subject.arm.hash
        return NoData(
            why=f"the queries for {subject.arm.role} and {other.role} select the same pods ({named}):"
            " use {{hash}} in the selectors"
        )
    return readings
