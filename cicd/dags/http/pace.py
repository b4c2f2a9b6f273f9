"""How many requests at once. Pure."""

from __future__ import annotations

from cicd.dags.http.answers import RETRIED

_FEWEST = 16
_PER_SECOND = 10_000.0  # more than any server or client does


class Pace:
    """`limit` is the number of requests under way at once.

    It is as many as the time of an answer asks for, and fewer while the server says that it is too much.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fastest_s: float | None = None
        self._allowed = float(most)
        self._cut_at: float | None = None
        self.limit = min(_FEWEST, most)

    def _set_limit(self) -> None:
        wanted = _FEWEST if self._fastest_s is None else int(self._fastest_s * _PER_SECOND)
        self.limit = max(1, min(max(_FEWEST, wanted), self._most, int(self._allowed)))

    def measured(self, seconds: float) -> None:
        """An answer took so long."""
        if self._fastest_s is None or seconds < self._fastest_s:
            self._fastest_s = seconds
            self._set_limit()

    def answered(self, status: int, now: float) -> None:
        """What the server said at the time `now`: half as many when it cannot keep up, then slowly more again."""
        if status not in RETRIED:
            if self._allowed < self._most:
                self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)
                self._set_limit()
        elif self._cut_at is None or now - self._cut_at > (self._fastest_s or 0.0):
            # Of the answers to requests that were sent together only the first counts.
            self._allowed = max(1.0, min(self._allowed, float(self.limit)) / 2)
            self._cut_at = now
            self._set_limit()
