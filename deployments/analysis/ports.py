"""What the analysis needs from outside: counters of an arm, and the pods of a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gates.verdict import Verdict

SeriesKey = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison: the version's identity (`hash`) and its role (canary, stable, preview, active)."""

    hash: str
    role: str


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
