"""The rows that are looked at, in tables of their own, read in one pass over each side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gates.quality.compare import sql
from gates.quality.compare.columns import Pair
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection

PROFILED = 50_000
"""About so many keys are profiled, the same ones on both sides; all of them where there are not more than twice that."""


def is_out_of_memory(error: QueryFailedError) -> bool:
    """Whether DuckDB gave up for want of memory, and not for what was asked."""
    return str(error).startswith("Out of Memory")


@dataclass(slots=True)
class Asked:
    """A connection that remembers what it was asked."""

    connection: DuckConnection
    queries: list[str] = field(default_factory=list)

    def rows(self, text: str) -> Sequence[tuple[Any, ...]]:
        """The rows of a query; one that memory does not suffice for is done by one thread alone, which needs less."""
        self.queries.append(text)
        try:
            return self.connection.execute(text).rows
        except QueryFailedError as error:
            if not is_out_of_memory(error):
                raise
        threads = self.connection.execute("SELECT current_setting('threads')").rows[0][0]
        self.connection.execute("SET threads = 1")
        try:
            return self.connection.execute(text).rows
        finally:
            self.connection.execute(f"SET threads = {threads}")

    def row(self, text: str) -> tuple[Any, ...]:
        return self.rows(text)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The views `base` and `head`: the key as `k0..`, compared pairs as `c0..`, possible renames as `x0..`."""

    keys: tuple[Pair, ...]
    columns: tuple[Pair, ...]
    renames: tuple[Pair, ...] = ()
    tolerance: float = 0.0

    @property
    def names(self) -> list[str]:
        return [f"c{index}" for index in range(len(self.columns))]

    @property
    def place(self) -> str:
        """The hash by which a row is found again: of its key, or of the whole row where there is none."""
        return sql.hashed(sql.keys(len(self.keys)) if self.keys else self.names)


def share_of(rows: int) -> int:
    """How many of the `sql.BUCKETS` are profiled, of a table of so many rows."""
    return sql.BUCKETS if rows <= 2 * PROFILED else max(1, round(sql.BUCKETS * PROFILED / rows))


def fetch_seen(asked: Asked, layout: Layout, columns: tuple[Iterable[int], Iterable[int]], rows: int) -> None:
    """Tables `base_seen` and `head_seen`: the rows in `wanted`, and those whose hash falls into a share of all.

    Views `base_profile` and `head_profile` are the latter. `columns` are the indices of those that are needed of either
    side, `rows` the rows of the larger side.
    """
    in_share = sql.in_share(share_of(rows))
    for side, wanted in zip(sql.SIDES, columns, strict=True):
        names = ", ".join(["hk", *_kept(layout, wanted)])
        asked.rows(
            f"CREATE OR REPLACE TEMP TABLE {side}_seen AS SELECT {names} FROM (SELECT *, {layout.place} AS hk FROM {side}) "
            f"WHERE {in_share} OR hk IN (SELECT hk FROM wanted)"
        )
        asked.rows(f"CREATE OR REPLACE TEMP VIEW {side}_profile AS SELECT * FROM {side}_seen WHERE {in_share}")


def _kept(layout: Layout, columns: Iterable[int]) -> list[str]:
    return ["m", *sql.keys(len(layout.keys)), *(f"c{index}" for index in columns)]
