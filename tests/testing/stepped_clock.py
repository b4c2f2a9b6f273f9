"""A clock that stands still until the test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteppedClock:
    """Starts at a fixed moment; `sleep` moves it on, as `advance` does."""

    def __init__(self, start: datetime = datetime(2026, 11, 21, 10, 36, 20, 400_000, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Let time pass; it never goes back."""
        self._elapsed_s = round(self._elapsed_s + seconds, 6)
