"""What the router has sent where, second by second: the truth that Prometheus and Headgate are held against."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Requests of one second (Unix time) to one version by way of one service.

    `hash` is the pod template hash, `version` the tag of the image; both are empty where no pod could be had. `bad`
    are the answers from 500 on.
    """

    second: int
    service: str
    hash: str
    version: str
    total: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    total: int = 0
    bad: int = 0

    @property
    def ratio(self) -> float:
        """Share of bad answers; 0 of none."""
        return self.bad / self.total if self.total else 0.0


class Record:
    """Thread-safe; only ever grows."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._lock = threading.Lock()

    def add(self, *, moment: float, service: str, hash: str, version: str, bad: bool) -> None:  # noqa: A002 - its name
        with self._lock:
            count = self._counts[int(moment), service, hash, version]
            count[0] += 1
            count[1] += bad

    def rows(self, *, since: float = 0.0, until: float = float("inf")) -> tuple[Row, ...]:
        """The rows of whole seconds from `since` (included) to `until` (not included), in order of time."""
        with self._lock:
            found = sorted((key, tuple(count)) for key, count in self._counts.items() if since <= key[0] < until)
        return tuple(
            Row(second=key[0], service=key[1], hash=key[2], version=key[3], total=count[0], bad=count[1])
            for key, count in found
        )

    def count(
        self, by: Literal["service", "hash", "version"], *, since: float = 0.0, until: float = float("inf")
    ) -> dict[str, Count]:
        """Sums by service, hash or version."""
        return sum_rows(self.rows(since=since, until=until), by)


def sum_rows(rows: Iterable[Row], by: Literal["service", "hash", "version"]) -> dict[str, Count]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        name = {"service": row.service, "hash": row.hash, "version": row.version}[by]
        sums[name][0] += row.total
        sums[name][1] += row.bad
    return {name: Count(total=total, bad=bad) for name, (total, bad) in sums.items()}
