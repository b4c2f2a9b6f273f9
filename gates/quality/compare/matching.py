"""Which rows answer to which, and which differ: the cheap proofs first, then a join on the key, or whole rows.

Order of work, each step only where the one before did not settle it:
1. one pass over the keys: do they repeat, are they the same on both sides;
2. same keys: one checksum per column, bound to the keys: the columns that changed, or none;
3. a join on the key, of hashes of those columns; if keys differ, of one hash of the row, and few changed rows are then
   read and compared column by column;
4. repeated keys: the hashes of all rows are grouped by key, and compared as groups; those that are alone also column by
   column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from gates.quality.compare import sql
from gates.quality.compare.hashed import Hashed, fetch_hashed, fetch_parts, fetch_seen_of, forget_hashed, is_tight, want
from gates.quality.compare.model import MAX_SAMPLE, Keys
from gates.quality.compare.seen import Asked, Layout, fetch_seen, is_out_of_memory
from gates.quality.engines.base import QueryFailedError
from gates.quality.metrics import Kind

_EXACT_ROWS = 1_000_000
"""Up to so many rows repeated keys are counted exactly before joining; above, a share of the keys is looked at."""
_SLICE = 256
_CHUNK = 16
"""Columns carried through one join; bounds its memory, whatever the width of the table."""
_PARTS = 16
_FEW = 500_000
"""Up to so many changed rows are read and compared by themselves; above, all rows are joined once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """`changed` rows by index of the column, of `compared`; `equal` values by index of the rename, of `compared`.

    The rows to look at are in the table `wanted` (what, hk): `hk` is the hash of the key, or of the row where there is
    none; `what` is lost, added, grown (a key with more or fewer rows) or the index of a changed column. `seen`: they
    have been read into `base_seen` and `head_seen` already, with all columns.
    """

    keys: Keys
    compared: int
    changed: Mapping[int, int] = field(default_factory=dict)
    equal: Mapping[int, int] = field(default_factory=dict)
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    repeats: bool
    nulls: bool


def match_keys(asked: Asked, layout: Layout, rows: tuple[int, int], *, inferred: bool = False) -> Matched | None:
    """Match by key, `rows` of base and head; None where an inferred key turns out to repeat."""
    count = len(layout.keys)
    asked.rows("CREATE OR REPLACE TEMP TABLE wanted (what VARCHAR, hk UBIGINT)")
    base, head = (_scan(asked, side, count, size) for side, size in zip(sql.SIDES, rows, strict=True))
    if not (base.repeats or head.repeats):
        nulls = base.nulls or head.nulls
        same = rows[0] == rows[1] and len({asked.row(sql.key_sum(side, count)) for side in sql.SIDES}) == 1
        changed = _changed_columns(asked, layout) if same else list(range(len(layout.columns)))
        if same and not changed and not layout.renames:
            keys = Keys(columns=_names(layout), inferred=inferred, matched=rows[0], lost=0, added=0, changed=0)
            return Matched(keys=keys, compared=rows[0])
        matched = _join(asked, layout, changed, rows, nulls=nulls, inferred=inferred, whole=not same)
        if matched is not None:
            return matched
    return None if inferred else _with_repeats(asked, layout, rows)


def _names(layout: Layout) -> tuple[str, ...]:
    return tuple(pair.name for pair in layout.keys)


def _scan(asked: Asked, side: str, count: int, rows: int) -> _Scan:
    fullest, nulls = asked.row(sql.key_scan(side, count))
    usual = rows / sql.CROWDS
    exact = rows <= _EXACT_ROWS
    crowded = not exact and fullest > usual + 10 * usual**0.5 + 64
    repeated = crowded or asked.row(sql.duplicate_slice(side, count, sql.BUCKETS if exact else _SLICE))[0] > 0
    return _Scan(repeats=repeated, nulls=bool(nulls))


def _changed_columns(asked: Asked, layout: Layout) -> list[int]:
    """Indices of the columns whose checksum differs; the keys are known to be the same and unique."""
    if not layout.columns:
        return []
    base, head = (asked.row(sql.column_sums(side, len(layout.keys), layout.names)) for side in sql.SIDES)
    return [index for index, (left, right) in enumerate(zip(base, head, strict=True)) if left != right]


def _tolerant(layout: Layout, index: int) -> bool:
    return bool(layout.tolerance) and layout.columns[index].kind is Kind.FLOAT


def _carried(layout: Layout, indices: Sequence[int], *, whole: bool = False) -> list[sql.Carried]:
    """The columns of one join, those with a tolerance first as they are in `indices`."""
    floats = tuple(f"c{index}" for index in indices if _tolerant(layout, index))
    others = tuple(f"c{index}" for index in indices if not _tolerant(layout, index))
    found = [sql.Carried(columns=floats, form="near", tolerance=layout.tolerance)] if floats else []
    return found + ([sql.Carried(columns=others, form="whole" if whole else "halves")] if others else [])


_SINGLE = ("base_single", "head_single")
_SEEN = ("base_seen", "head_seen")


def _join(
    asked: Asked,
    layout: Layout,
    indices: Sequence[int],
    rows: tuple[int, int],
    *,
    whole: bool,
    nulls: bool = True,
    inferred: bool = False,
    sides: tuple[str, str] = sql.SIDES,
) -> Matched | None:
    """The join, by hashes of `whole` rows or of columns; None where it does not bring back each row once: keys repeat."""
    count = len(layout.keys)
    ordered = sorted(indices, key=lambda index: not _tolerant(layout, index))
    chunks = [ordered[at : at + _CHUNK] for at in range(0, len(ordered), _CHUNK)] or [[]]
    names = tuple(f"x{index}" for index in range(len(layout.renames)))
    hashed = None
    plain = whole and not names and not any(_tolerant(layout, index) for index in indices)
    if plain and is_tight(asked, rows):
        hashed = fetch_hashed(asked, layout, rows)
        fetch_parts(asked, hashed, "joined", sql.hashed_join)
        forget_hashed(asked)
    else:
        first = _carried(layout, ordered, whole=True) if whole else _carried(layout, chunks[0])
        equal_names = sql.Carried(columns=names) if names else None
        _make_joined(asked, "joined", partial(sql.join, count, first, equal_names, nulls=nulls, sides=sides))
    pairs, lost, added = asked.row(f"SELECT {', '.join(f'count(*) FILTER (s = {s})' for s in range(3))} FROM joined")
    alone = asked.row("SELECT count(DISTINCT hk) FROM joined WHERE s > 0")[0]
    if (pairs + lost, pairs + added, lost + added) != (*rows, alone):
        return None
    equal = asked.row(f"SELECT {sql.bit_counts('equal', len(names))} FROM joined") if names else ()
    for what, side in (("lost", 1), ("added", 2)):
        _want(asked, what, f"joined WHERE s = {side}", hashed)
    changed = asked.row("SELECT count(*) FROM joined WHERE mask <> 0")[0]
    seen = whole and changed <= _FEW
    if seen:
        asked.rows("INSERT INTO wanted SELECT 'changed', hk FROM joined WHERE mask <> 0")
        if hashed:
            fetch_seen_of(asked, hashed)
        else:
            fetch_seen(asked, layout, (range(len(layout.columns)), range(len(layout.columns))), max(rows))
    for at, chunk in enumerate(chunks):
        if at or whole:
            carried, where = _carried(layout, chunk), _SEEN if seen else sides
            text = partial(sql.join, count, carried, nulls=nulls, sides=where)
            _make_joined(asked, f"joined{at}", text, only="WHERE mask <> 0")
        else:
            asked.rows("CREATE OR REPLACE TEMP VIEW joined0 AS SELECT * FROM joined")
    keys = Keys(
        columns=_names(layout),
        inferred=inferred,
        matched=pairs,
        lost=lost,
        added=added,
        changed=changed if whole else _changed_rows(asked, len(chunks)),
    )
    changes = _changes(asked, chunks)
    return Matched(keys=keys, compared=pairs, changed=changes, equal=dict(enumerate(equal)), seen=seen)


def _make_joined(asked: Asked, table: str, text: Callable[..., str], *, only: str = "") -> None:
    """A table from a join. What memory does not suffice for at once is joined in parts of the keys, one after another."""
    try:
        asked.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM ({text()}) {only}")
        return
    except QueryFailedError as error:
        if not is_out_of_memory(error):
            raise
    for at in range(_PARTS):
        into = f"INSERT INTO {table}" if at else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        asked.rows(f"{into} SELECT * FROM ({text(part=(at, _PARTS))}) {only}")


def _changed_rows(asked: Asked, chunks: int) -> int:
    union = " UNION ALL ".join(f"SELECT hk FROM joined{at} WHERE mask <> 0" for at in range(chunks))
    return int(asked.row(f"SELECT count({'DISTINCT ' if chunks > 1 else ''}hk) FROM ({union})")[0])


def _changes(asked: Asked, chunks: Sequence[Sequence[int]]) -> dict[int, int]:
    """Changed rows by column; some rows of each are wanted."""
    changed = {}
    for at, chunk in enumerate(chunks):
        if not chunk:
            continue
        counts = asked.row(f"SELECT {sql.bit_counts('mask', len(chunk))} FROM joined{at} WHERE mask <> 0")
        for bit, (index, rows) in enumerate(zip(chunk, counts, strict=True)):
            if rows:
                changed[index] = rows
                _want(asked, str(index), f"joined{at} WHERE mask & {1 << bit} <> 0")
    return dict(sorted(changed.items()))


def _want(asked: Asked, what: str, table: str, hashed: Hashed | None = None) -> None:
    if hashed:
        want(asked, hashed, what, table)
        return
    asked.rows(f"INSERT INTO wanted SELECT '{what}', hk FROM {table} ORDER BY hk LIMIT {MAX_SAMPLE}")


def _with_repeats(asked: Asked, layout: Layout, rows: tuple[int, int]) -> Matched:
    """All rows grouped by key and compared as groups; where a key is on both sides once, also column by column."""
    hashed = fetch_hashed(asked, layout, rows)
    fetch_parts(asked, hashed, "grouped", sql.grouped)
    counts = asked.row(
        "SELECT count(*) FILTER (nb > 1), count(*) FILTER (nh > 1), coalesce(sum(nb) FILTER (nb > 1), 0)::BIGINT, "
        "coalesce(sum(nh) FILTER (nh > 1), 0)::BIGINT, count(*) FILTER (nb > 0 AND nh > nb), "
        "count(*) FILTER (nh > 0 AND nb > nh), count(*) FILTER (nh = 0), count(*) FILTER (nb = 0), "
        f"count(*) FILTER (nb > 0 AND nh > 0 AND {sql.REPEATED}), "
        f"count(*) FILTER (nb > 0 AND nh > 0 AND {sql.REPEATED} AND changed) FROM grouped"
    )
    base_keys, head_keys, base_rows, head_rows, growing, shrinking, lost, added, both, regrouped = counts
    matched = rows[0] - (base_rows - base_keys) - lost
    kinds = {"lost": "nh = 0", "added": "nb = 0", "grown": "nb > 0 AND nh > 0 AND nb <> nh"}
    for what, condition in kinds.items():
        want(asked, hashed, what, f"grouped WHERE {condition}")
    single = _singles(asked, hashed)
    forget_hashed(asked)
    keys = Keys(
        columns=_names(layout),
        matched=matched,
        lost=lost,
        added=added,
        changed=single.keys.changed + regrouped,
        duplicated_base=base_keys,
        duplicated_head=head_keys,
        duplicate_rows_base=base_rows,
        duplicate_rows_head=head_rows,
        growing=growing,
        shrinking=shrinking,
        varying=varying(asked, layout) if growing else (),
    )
    return Matched(keys=keys, compared=matched - both, changed=single.changed, equal=single.equal, seen=True)


def _singles(asked: Asked, hashed: Hashed) -> Matched:
    """Changed rows, by column, of the keys that are on both sides once."""
    layout = hashed.layout
    changed = f"grouped WHERE changed AND nb > 0 AND nh > 0 AND NOT {sql.REPEATED}"
    few = asked.row(f"SELECT count(*) FROM {changed}")[0] <= _FEW
    if few:
        asked.rows(f"INSERT INTO wanted SELECT 'changed', hk FROM {changed}")
    fetch_seen_of(asked, hashed)
    for side, single in zip(sql.SIDES, _SINGLE, strict=True):
        source = f"{side}_seen" if few else f"(SELECT *, {layout.place} AS hk FROM {side})"
        asked.rows(
            f"CREATE OR REPLACE TEMP VIEW {single} AS SELECT * FROM {source} "
            f"WHERE hk NOT IN (SELECT hk FROM grouped WHERE {sql.REPEATED})"
        )
    chunks = [range(len(layout.columns))[at : at + _CHUNK] for at in range(0, len(layout.columns), _CHUNK)]
    for at, chunk in enumerate(chunks):
        text = partial(sql.join, len(layout.keys), _carried(layout, chunk), sides=_SINGLE)
        _make_joined(asked, f"joined{at}", text, only="WHERE mask <> 0")
    names = tuple(f"x{index}" for index in range(len(layout.renames)))
    equal: tuple[int, ...] = ()
    if names:
        text = partial(sql.join, len(layout.keys), (), sql.Carried(columns=names))
        _make_joined(asked, "joined", text)
        equal = asked.row(f"SELECT {sql.bit_counts('equal', len(names))} FROM joined")
    keys = Keys(columns=_names(layout), matched=0, lost=0, added=0, changed=_changed_rows(asked, len(chunks)))
    changes = _changes(asked, chunks)
    if not few:  # what is wanted now was not known when the rows were read
        fetch_seen_of(asked, hashed)
    return Matched(keys=keys, compared=0, changed=changes, equal=dict(enumerate(equal)))


def varying(asked: Asked, layout: Layout) -> tuple[str, ...]:
    """Columns in which rows of one key differ in head, over a bounded number of keys that have more rows there."""
    if not layout.columns:
        return ()
    per_key = ", ".join(f"count(DISTINCT hash({name})) > 1 AS {name}" for name in layout.names)
    flags = ", ".join(f"coalesce(bool_or({name}), false)" for name in layout.names)
    found = asked.row(
        f"SELECT {flags} FROM (SELECT hk, {per_key} FROM head_seen "
        f"WHERE hk IN (SELECT hk FROM wanted WHERE what = 'grown') GROUP BY hk)"
    )
    return tuple(pair.name for pair, varies in zip(layout.columns, found, strict=True) if varies)


def match_rows(asked: Asked, layout: Layout, rows: tuple[int, int]) -> Matched:
    """Match whole rows as multisets: a row that is there twice needs two partners."""
    asked.rows("CREATE OR REPLACE TEMP TABLE wanted (what VARCHAR, hk UBIGINT)")
    same = rows[0] == rows[1] and len({asked.row(sql.row_sums(side, layout.names)) for side in sql.SIDES}) == 1
    if same:
        return Matched(keys=Keys(columns=(), matched=rows[0], lost=0, added=0, changed=0), compared=0)
    hashed = fetch_hashed(asked, layout, rows)
    fetch_parts(asked, hashed, "apart", sql.whole_rows)
    lost, added = asked.row(
        "SELECT coalesce(sum(n) FILTER (n > 0), 0)::BIGINT, coalesce(-sum(n) FILTER (n < 0), 0)::BIGINT FROM apart"
    )
    for what, sign in (("lost", ">"), ("added", "<")):
        want(asked, hashed, what, f"apart WHERE n {sign} 0")
    fetch_seen_of(asked, hashed)
    forget_hashed(asked)
    keys = Keys(columns=(), matched=rows[0] - lost, lost=lost, added=added, changed=0)
    return Matched(keys=keys, compared=0, seen=True)
