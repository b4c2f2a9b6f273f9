"""Which rows answer to which, and which differ: the cheap proofs first, then a join on the key, or whole rows.

Order of work, each step only where the one before did not settle it:
1. one pass over the keys: do they repeat, are they the same on both sides;
2. same keys: one checksum per column, bound to the keys: the columns that changed, or none;
3. a join on the key of those columns (else of all), as hashes where that is smaller;
4. repeated keys: those are compared as groups of rows, the others by the join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gates.quality.compare import sql
from gates.quality.compare.columns import Pair
from gates.quality.compare.model import MAX_SAMPLE, Keys
from gates.quality.engines.duckdb import DuckConnection
from gates.quality.metrics import Kind

_EXACT_ROWS = 1_000_000
"""Up to so many rows repeated keys are counted exactly before joining; above, a share of the keys is looked at."""
_SLICE = 256
_CHUNK = 16
"""Columns carried through one join; bounds its memory, whatever the width of the table."""


@dataclass(slots=True)
class Asked:
    """A connection that remembers what it was asked."""

    connection: DuckConnection
    queries: list[str] = field(default_factory=list)

    def rows(self, text: str) -> Sequence[tuple[Any, ...]]:
        self.queries.append(text)
        return self.connection.execute(text).rows

    def row(self, text: str) -> tuple[Any, ...]:
        return self.rows(text)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The views `base` and `head`: how many key columns, the compared pairs as `c0..`, possible renames as (removed, added)."""

    keys: tuple[Pair, ...]
    columns: tuple[Pair, ...]
    renames: tuple[tuple[Pair, str, str], ...] = ()
    tolerance: float = 0.0

    @property
    def names(self) -> list[str]:
        return [f"c{index}" for index in range(len(self.columns))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """`changed` rows by index of the column, of `compared`; `equal` values by index of the rename, of `compared`.

    The keys of rows to look at are in the table `wanted` (what, k0..), `what` being lost, added, any or an index.
    """

    keys: Keys
    compared: int
    changed: Mapping[int, int] = field(default_factory=dict)
    equal: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    rows: int
    checksum: str
    repeats: bool


def match_keys(asked: Asked, layout: Layout, *, inferred: bool = False) -> Matched | None:
    """Match by key; None where an inferred key turns out to repeat."""
    base, head = (_scan(asked, side, len(layout.keys)) for side in sql.SIDES)
    repeats = base.repeats or head.repeats
    same = not repeats and (base.rows, base.checksum) == (head.rows, head.checksum)
    changed = _changed_columns(asked, layout) if same else list(range(len(layout.columns)))
    if same and not changed and not layout.renames:
        keys = Keys(columns=_names(layout), inferred=inferred, matched=base.rows, lost=0, added=0, changed=0)
        return Matched(keys=keys, compared=base.rows)
    if not repeats:
        matched = _join(asked, layout, changed, inferred=inferred, rows=(base.rows, head.rows))
        if matched is not None:
            return matched
    return None if inferred else _with_repeats(asked, layout)


def _names(layout: Layout) -> tuple[str, ...]:
    return tuple(pair.name for pair in layout.keys)


def _scan(asked: Asked, side: str, count: int) -> _Scan:
    rows, fullest, checksum = asked.row(sql.key_scan(side, count))
    usual = rows / sql.BUCKETS
    exact = rows <= _EXACT_ROWS
    crowded = not exact and fullest > usual + 10 * usual**0.5 + 64
    repeated = crowded or asked.row(sql.duplicate_slice(side, count, sql.BUCKETS if exact else _SLICE))[0] > 0
    return _Scan(rows=rows, checksum=checksum, repeats=repeated)


def _changed_columns(asked: Asked, layout: Layout) -> list[int]:
    """Indices of the columns whose checksum differs; the keys are known to be the same and unique."""
    if not layout.columns:
        return []
    base, head = (asked.row(sql.column_sums(side, len(layout.keys), layout.names)) for side in sql.SIDES)
    return [index for index, (left, right) in enumerate(zip(base, head, strict=True)) if left != right]


def _carried(layout: Layout, index: int, bits: int) -> sql.Carried:
    pair, name = layout.columns[index], f"c{index}"
    if _tolerant(layout, index):
        return sql.Carried(left=name, right=name, bits=0, tolerance=layout.tolerance)
    small = pair.kind in {Kind.BOOLEAN, Kind.DATE} or (pair.cast or pair.base.native) in _SMALL
    return sql.Carried(left=name, right=name, bits=0 if small else bits)


def _tolerant(layout: Layout, index: int) -> bool:
    return bool(layout.tolerance) and layout.columns[index].kind is Kind.FLOAT


_SMALL = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"}


_SINGLE = ("base_single", "head_single")


def _join(
    asked: Asked,
    layout: Layout,
    indices: list[int],
    *,
    inferred: bool,
    rows: tuple[int, int] | None = None,
    sides: tuple[str, str] = sql.SIDES,
) -> Matched | None:
    """The join, in chunks of columns; None where it does not bring back `rows` of each side: keys repeat."""
    bits = 64 if len(indices) <= 8 else 32
    indices = sorted(indices, key=lambda index: not _tolerant(layout, index))
    chunks = [indices[at : at + _CHUNK] for at in range(0, len(indices), _CHUNK)] or [[]]
    renames = [sql.Carried(left=left, right=right) for _, left, right in layout.renames]
    changed: dict[int, int] = {}
    equal: dict[int, int] = {}
    first: dict[str, Any] = {}
    _make_wanted(asked, len(layout.keys))
    for at, chunk in enumerate(chunks):
        carried = [_carried(layout, index, bits) for index in chunk]
        whole = _whole(layout, indices) if at == 0 and len(chunks) > 1 else None
        text = sql.join(
            len(layout.keys), carried, renames if at == 0 else [], sample=MAX_SAMPLE, whole=whole, sides=sides
        )
        found = _found(asked, text)
        if at == 0:
            first = found
            if rows is not None and (_joined(found) != rows or _repeated_alone(found)):
                return None
            equal = {i: found[f"e{i}"] for i in range(len(renames))}
            _want(asked, {"lost": "s_lost", "added": "s_added", "any": "s_any"}, len(layout.keys))
        changed |= {index: found[f"n_{i}"] for i, index in enumerate(chunk)}
        _want(asked, {str(index): f"s_{i}" for i, index in enumerate(chunk) if found[f"n_{i}"]}, len(layout.keys))
    keys = Keys(
        columns=_names(layout),
        inferred=inferred,
        matched=first["pairs"],
        lost=first["n_lost"],
        added=first["n_added"],
        changed=first["n_any"],
    )
    return Matched(keys=keys, compared=first["pairs"], changed={i: n for i, n in changed.items() if n}, equal=equal)


def _whole(layout: Layout, indices: Sequence[int]) -> sql.Carried | None:
    """All columns as one hash, so that rows with any change are counted though columns come in chunks."""
    names = ", ".join(f"c{index}" for index in indices if not _tolerant(layout, index)) or "0"
    return sql.Carried(left=f"hash({names})", right=f"hash({names})")


def _repeated_alone(found: Mapping[str, Any]) -> bool:
    """Keys that repeat among the rows without a partner do not show in the number of rows joined."""
    return bool(found["lost_keys"] != found["n_lost"] or found["added_keys"] != found["n_added"])


def _joined(found: Mapping[str, Any]) -> tuple[int, int]:
    return found["base_rows"], found["head_rows"]


def _found(asked: Asked, text: str) -> dict[str, Any]:
    asked.rows(f"CREATE OR REPLACE TEMP TABLE found AS {text}")
    names = [row[0] for row in asked.rows("DESCRIBE found") if not row[0].startswith("s_")]
    return dict(zip(names, asked.row(f"SELECT {', '.join(names)} FROM found"), strict=True))


def _make_wanted(asked: Asked, count: int) -> None:
    keys = ", ".join(sql.keys(count))
    asked.rows(f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT '' AS what, {keys} FROM base LIMIT 0")


def _want(asked: Asked, lists: Mapping[str, str], count: int) -> None:
    names = ", ".join(f"s.{key}" for key in sql.keys(count))
    for what, column in lists.items():
        asked.rows(f"INSERT INTO wanted SELECT '{what}', {names} FROM (SELECT unnest({column}) AS s FROM found)")


def _with_repeats(asked: Asked, layout: Layout) -> Matched:
    """Keys that repeat are compared as groups of rows; the other rows by the join, as views without them."""
    count = len(layout.keys)
    asked.rows(f"CREATE OR REPLACE TEMP TABLE duplicates AS {sql.duplicated(count)}")
    asked.rows(f"CREATE OR REPLACE TEMP TABLE regrouped AS {sql.duplicated_changes(count, layout.names)}")
    counts = asked.row(
        "SELECT count(*) FILTER (nb > 1), count(*) FILTER (nh > 1), coalesce(sum(nb) FILTER (nb > 1), 0)::BIGINT, "
        "coalesce(sum(nh) FILTER (nh > 1), 0)::BIGINT, count(*) FILTER (nb > 0 AND nh > nb), "
        "count(*) FILTER (nh > 0 AND nb > nh), count(*) FILTER (nb > 0 AND nh > 0), count(*) FILTER (nh = 0), "
        "count(*) FILTER (nb = 0), (SELECT count(*) FROM regrouped) FROM duplicates"
    )
    base_keys, head_keys, base_rows, head_rows, growing, shrinking, both, gone, new, regrouped = counts
    for side, single_rows in zip(sql.SIDES, _SINGLE, strict=True):
        asked.rows(
            f"CREATE TEMP VIEW {single_rows} AS SELECT t.* FROM {side} AS t ANTI JOIN duplicates AS d "
            f"ON {sql.same_keys(count, 't', 'd')}"
        )
    single = _join(asked, layout, list(range(len(layout.columns))), inferred=False, sides=_SINGLE)
    if single is None:
        raise AssertionError("keys repeat after all repeated keys were taken out")
    _want_repeated(asked, count)
    keys = Keys(
        columns=_names(layout),
        matched=single.keys.matched + both,
        lost=single.keys.lost + gone,
        added=single.keys.added + new,
        changed=single.keys.changed + regrouped,
        duplicated_base=base_keys,
        duplicated_head=head_keys,
        duplicate_rows_base=base_rows,
        duplicate_rows_head=head_rows,
        growing=growing,
        shrinking=shrinking,
        varying=_varying(asked, layout) if head_keys else (),
    )
    return Matched(keys=keys, compared=single.compared, changed=single.changed, equal=single.equal)


def _want_repeated(asked: Asked, count: int) -> None:
    """Ask to see some of the repeated keys, too: lost and added ones as such, those with other rows as `grown`."""
    names = ", ".join(sql.keys(count))
    kinds = {"lost": "nh = 0", "added": "nb = 0", "grown": "nb > 0 AND nh > 0 AND nb <> nh"}
    for what, condition in kinds.items():
        asked.rows(
            f"INSERT INTO wanted SELECT '{what}', {names} FROM duplicates WHERE {condition} "
            f"ORDER BY {sql.hashed(sql.keys(count))} LIMIT {MAX_SAMPLE}"
        )


def _varying(asked: Asked, layout: Layout) -> tuple[str, ...]:
    """Columns in which rows of one repeated key differ in head; over a bounded number of keys."""
    if not layout.columns:
        return ()
    count = len(layout.keys)
    per_key = ", ".join(f"count(DISTINCT hash(t.{name})) > 1 AS {name}" for name in layout.names)
    flags = ", ".join(f"coalesce(bool_or({name}), false)" for name in layout.names)
    some = f"SELECT * FROM duplicates WHERE nh > 1 ORDER BY {sql.hashed(sql.keys(count))} LIMIT {MAX_SAMPLE}"
    found = asked.row(
        f"SELECT {flags} FROM (SELECT {', '.join(sql.keys(count, 't'))}, {per_key} FROM head AS t JOIN ({some}) AS d "
        f"ON {sql.same_keys(count, 't', 'd')} GROUP BY {', '.join(sql.keys(count, 't'))})"
    )
    return tuple(pair.name for pair, varies in zip(layout.columns, found, strict=True) if varies)


def match_rows(asked: Asked, layout: Layout) -> Matched:
    """Match whole rows as multisets: a row that is there twice needs two partners. Their hashes go to `wanted` as `k0`."""
    names = layout.names
    base, head = (asked.row(sql.row_sums(side, names)) for side in sql.SIDES)
    asked.rows("CREATE OR REPLACE TEMP TABLE wanted (what VARCHAR, k0 UBIGINT)")
    lost = added = 0
    if base != head:
        asked.rows(f"CREATE OR REPLACE TEMP TABLE apart AS {sql.whole_rows(names)}")
        lost, added = asked.row(
            "SELECT coalesce(sum(n) FILTER (n > 0), 0)::BIGINT, coalesce(-sum(n) FILTER (n < 0), 0)::BIGINT FROM apart"
        )
        for what, sign in (("lost", ">"), ("added", "<")):
            asked.rows(
                f"INSERT INTO wanted SELECT '{what}', h FROM apart WHERE n {sign} 0 ORDER BY h LIMIT {MAX_SAMPLE}"
            )
    keys = Keys(columns=(), matched=base[0] - lost, lost=lost, added=added, changed=0)
    return Matched(keys=keys, compared=0)
