"""What the analysis needs from outside: counters of an arm, and the pods of a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gates.verdict import Verdict

SeriesKey = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison: the version's identity (`hash`), its role (canary, stable, preview, active, baseline)
    and the canary's weight at this moment in percent (None: not known), which does not make it another arm."""

    hash: str
    role: str
    weight: float | None = field(default=None, compare=False)

    @property
    def placeholders(self) -> Mapping[str, str]:
        """What queries may name. An unknown weight is NaN, so that no comparison with it holds."""
        return {
            "hash": self.hash,
            "role": self.role,
            "weight": "NaN" if self.weight is None else f"{self.weight:g}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Raw counters of one arm at one moment.

    Keys identify a series (`instance` first, then its labels), values are the counters as they stand. `instances`
    are the processes that were read. Nothing at all means that the arm could not be seen.
    """

    errors: Mapping[SeriesKey, float]
    total: Mapping[SeriesKey, float]
    instances: frozenset[str]


class MetricSource(Protocol):
    """Reads the counters of an arm. Raises `TransportError` or `RemoteStateError` when it cannot."""

    def read(self, arm: Arm) -> Reading:
        """The counters now. No data is an empty reading, not an error."""
        ...


class PastSource(Protocol):
    """A `MetricSource` that also knows what the counters were."""

    def read_at(self, arm: Arm, at: datetime) -> Reading:
        """The counters as they were at `at`. No data is an empty reading, not an error."""
        ...


class ValueSource(Protocol):
    """Measures one value of an arm. Raises `TransportError` or `RemoteStateError` when it cannot."""

    def measure(self, arm: Arm) -> object:
        """The result as conditions see it: a number, a list of numbers, or parsed JSON. No data is an empty list."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value of a gauge, or of one run of a batch job, at a moment (seconds since 1970)."""

    t: float
    value: float


class GaugeSource(Protocol):
    """Reads a gauge of an arm over a span. Raises `TransportError` or `RemoteStateError` when it cannot."""

    def samples(self, arm: Arm, since: datetime, until: datetime, step_s: float) -> tuple[Sample, ...]:
        """Values after `since` and not after `until`, oldest first, about `step_s` apart; none where there is no data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be judged: an arm at one step of one release, beside a baseline (None: there is none to compare)."""

    arm: Arm
    baseline: Arm | None
    step: int | None


class Analysis(Protocol):
    """Judges one step after the other. May be looked at as often as one likes."""

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """The verdict on the subject, None while it is open. A new subject discards the evidence of the one before.

        Never raises for what could not be measured: that is an outcome.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A running pod: its name, its address, and where it says its metrics are (`port` None: it does not say)."""

    name: str
    ip: str
    ready: bool
    port: int | None
    path: str = "/metrics"
    restarts: int = 0


class PodDirectory(Protocol):
    """Finds the pods of a version. Raises `TransportError` or `RemoteStateError` when it cannot."""

    def pods(self, version: str) -> tuple[Pod, ...]:
        """The pods whose template has this identity, in any order."""
        ...
