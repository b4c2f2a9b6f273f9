"""Scripted failures of the object storage stand-ins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class FaultKind(StrEnum):
    """What goes wrong."""

    UNAVAILABLE = "503"
    RATE_LIMITED = "429"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    RESET = "reset"
    """The connection is closed without an answer."""
    TRUNCATE = "truncate"
    """Half of the answer, then the connection is closed."""
    CONFLICT = "409"
    """S3 only: a request for the same key was under way, and neither was decided."""
    STALE = "stale"
    """A listing from before the last change. Cloud Storage promises not to do this; a cache on the way may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure of one request.

    `when` "before": the request has no effect; "after": it takes effect and only the answer is lost. `operation` is
    `list`, `get`, `head` (S3), `upload` or `delete`, None for any; `match` is a part of the object name (of the prefix, for `list`).
    """

    kind: FaultKind
    when: Literal["before", "after"] = "before"
    operation: str | None = None
    match: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was received, in order of arrival."""

    operation: str
    name: str


class FaultScript:
    """The failures to come, and a record of the requests. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: list[Fault] = []
        self._seen: list[Request] = []
        self.decide: Callable[[int, Request], Fault | None] | None = None
        """Asked for every request with its number (from 0) when no scripted fault fits."""

    def inject(self, *faults: Fault) -> None:
        """Each of `faults` spoils the next request that fits it."""
        with self._mutex:
            self._waiting += faults

    @property
    def requests(self) -> tuple[Request, ...]:
        with self._mutex:
            return tuple(self._seen)

    def forget(self) -> None:
        """Drop the record and the failures that have not happened yet."""
        with self._mutex:
            self._waiting.clear()
            self._seen.clear()

    def take(self, request: Request) -> Fault | None:
        """Record `request`; the failure that spoils it, None for none."""
        with self._mutex:
            number = len(self._seen)
            self._seen.append(request)
            for fault in self._waiting:
                if fault.operation in {None, request.operation} and fault.match in request.name:
                    self._waiting.remove(fault)
                    return fault
            return self.decide(number, request) if self.decide else None
