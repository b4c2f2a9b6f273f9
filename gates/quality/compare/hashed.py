"""Every row of both sides as two hashes, of its key and of the rest, in tables of their own.

They are a small part of the data: matched range by range of the hashes, in memory that does not grow with the table.
What one pass reads anyway is kept of a share of the rows, so that a second pass is needed only for what is rare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gates.quality.compare import sql
from gates.quality.compare.model import MAX_SAMPLE
from gates.quality.compare.seen import Asked, Layout, share_of

_PART_ROWS = 2_500_000
"""Rows of both sides that are grouped at once."""
ENOUGH = 200
"""So many differing rows of one kind among the rows kept are looked at instead of reading others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The tables `base_hashed` and `head_hashed` (hk, rh) of all rows, and `base_kept` and `head_kept` of a share of them."""

    layout: Layout
    rows: tuple[int, int]

    @property
    def share(self) -> int:
        return share_of(max(self.rows))

    @property
    def parts(self) -> int:
        return -(-sum(self.rows) // _PART_ROWS)


_JOIN_BYTES = 200
"""What a join on the key may take for each row of the larger side."""


def is_tight(asked: Asked, rows: tuple[int, int]) -> bool:
    """Whether memory is too small for a join of both sides at once, which costs less where rows have changed as well."""
    limit_mb = asked.connection.limits.memory_limit_mb
    return limit_mb is not None and max(rows) * _JOIN_BYTES > limit_mb * 2**20


def fetch_hashed(asked: Asked, layout: Layout, rows: tuple[int, int]) -> Hashed:
    """Read both sides once. Rows without a key have the hash of the whole row in the place of the key's."""
    found = Hashed(layout=layout, rows=rows)
    row = sql.hashed(layout.names) if layout.keys and layout.names else "1::UTINYINT"
    for side in sql.SIDES:
        text = sql.hashed_rows(side, layout.place, row, _names(layout), found.share)
        asked.rows(f"CREATE OR REPLACE TEMP TABLE {side}_hashed AS {text}")
        asked.rows(
            f"CREATE OR REPLACE TEMP TABLE {side}_kept AS "
            f"SELECT hk, unnest(kept[1]) FROM {side}_hashed WHERE {sql.in_share(found.share)}"
        )
        asked.rows(f"ALTER TABLE {side}_hashed DROP COLUMN kept")  # its room is wanted for the other side
    return found


def _names(layout: Layout) -> list[str]:
    return ["m", *sql.keys(len(layout.keys)), *layout.names]


def fetch_parts(asked: Asked, hashed: Hashed, table: str, text: Callable[[int, int], str]) -> None:
    """`table` from a query over the hashed tables, put together from its parts."""
    for part in range(hashed.parts):
        into = f"INSERT INTO {table}" if part else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        asked.rows(f"{into} {text(part, hashed.parts)}")


def want(asked: Asked, hashed: Hashed, what: str, table: str) -> None:
    """Some rows of `table` (what stands after FROM, with a condition) are wanted: of those that were kept, if they suffice."""
    kept = f"{table} AND {sql.in_share(hashed.share)}"
    enough = asked.row(f"SELECT count(*) FROM {kept}")[0] >= ENOUGH
    asked.rows(
        f"INSERT INTO wanted SELECT '{what}', hk FROM {kept if enough else table} ORDER BY hk LIMIT {MAX_SAMPLE}"
    )


def fetch_seen_of(asked: Asked, hashed: Hashed) -> None:
    """The same tables as `fetch_seen`, with all columns: from what was kept, and what else is wanted by another pass."""
    layout, in_share = hashed.layout, sql.in_share(hashed.share)
    names = ", ".join(_names(layout))
    more = asked.row(f"SELECT count(*) FROM wanted WHERE NOT ({in_share})")[0]
    for side in sql.SIDES:
        others = (
            f" UNION ALL SELECT hk, {names} FROM (SELECT *, {layout.place} AS hk FROM {side}) "
            f"WHERE hk IN (SELECT hk FROM wanted WHERE NOT ({in_share}))"
        )
        kept = f"SELECT hk, {names} FROM {side}_kept{others if more else ''}"
        asked.rows(f"CREATE OR REPLACE TEMP TABLE {side}_seen AS {kept}")
        asked.rows(f"CREATE OR REPLACE TEMP VIEW {side}_profile AS SELECT * FROM {side}_kept")


def forget_hashed(asked: Asked) -> None:
    for side in sql.SIDES:
        asked.rows(f"DROP TABLE {side}_hashed")
