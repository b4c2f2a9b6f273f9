"""Time as a dependency: pure code takes `now` as an argument, shells take a `Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time that tests can replace."""

    def now(self) -> datetime:
        """Current moment, timezone-aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back, for measuring spans."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; negative spans count as 0."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


def parse_timestamp(text: str) -> datetime:
    """Parse RFC 3339 / ISO 8601 text into an aware UTC datetime.

    An offset is converted, never dropped. Text without an offset is refused: guessing a zone makes wrong metrics.
    Raises `ValueError` for anything else.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {text!r} has no UTC offset; write it as 2026-11-21T10:00:00Z")
    return moment.astimezone(UTC)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`; microseconds only where there are any. Raises `ValueError` for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on a time line")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
