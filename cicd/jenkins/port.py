"""What Headgate needs from a CI controller that runs deliveries, and the values that cross that line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

REQUEST_PARAMETER = "HEADGATE_REQUEST"


class BuildOutcome(StrEnum):
    """Result of a build, in Jenkins' words; CANCELLED is a queue item that never became a build."""

    SUCCESS = "SUCCESS"
    UNSTABLE = "UNSTABLE"
    FAILURE = "FAILURE"
    NOT_BUILT = "NOT_BUILT"
    ABORTED = "ABORTED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """A request to build, as accepted: `job` is its full name (`folder/name`), `request` the id that finds it again."""

    job: str
    id: int
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """How a build ended.

    `number` and `url` are None when there never was a build. `headgate_exit` is the exit code that the build printed
    as HEADGATE_EXIT=<code>, None when it printed none. `duration_s` is wall time as Jenkins measured it. `console_tail`
    holds the last lines of the console, masked.
    """

    job: str
    outcome: BuildOutcome
    number: int | None = None
    url: str | None = None
    duration_s: float | None = None
    headgate_exit: int | None = None
    console_tail: str = ""


class DeliveryJobs(Protocol):
    """Jobs of one controller. Both raise `TransportError` and `RemoteStateError` as their names say."""

    def trigger(self, job: str, parameters: Mapping[str, str], *, request: str | None = None) -> QueueItem:
        """Ask for one build. With the `request` of an earlier call it finds that one instead of starting another."""
        ...

    def wait(self, item: QueueItem, *, timeout_s: float, on_text: Callable[[str], None] | None = None) -> BuildResult:
        """Follow the item to its end; `on_text` is given the console as it grows. Raises `RemoteTimeoutError`."""
        ...
