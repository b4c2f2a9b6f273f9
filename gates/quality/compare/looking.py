"""A closer look at some of the rows that differ: their values on both sides, examples, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gates.quality.compare import sql
from gates.quality.compare.model import Cell, Example, Keys, Trait
from gates.quality.compare.seen import Asked, Layout
from gates.quality.metrics import Kind

EXAMPLES = 5
_CELLS = 8
_FEW = 20
_ORDERED = {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}


def fetch_examples(asked: Asked, layout: Layout, changed: Iterable[int], keys: Keys) -> tuple[Example, ...]:
    """Up to five rows for each changed column, and of lost, added and repeated keys; the same ones in every run."""
    found = [example for index in sorted(changed) for example in _changed(asked, layout, index)]
    found += [
        example for what, side in (("lost", "base"), ("added", "head")) for example in _alone(asked, layout, what, side)
    ]
    return tuple(found + _repeated(asked, layout, keys))


def _changed(asked: Asked, layout: Layout, index: int) -> list[Example]:
    count, name = len(layout.keys), layout.columns[index].name
    rows = asked.rows(
        f"SELECT {', '.join(sql.keys(count, 'b'))}, b.c{index}, h.c{index} FROM {pairs(str(index))} "
        f"ORDER BY w.hk LIMIT {EXAMPLES}"
    )
    return [
        Example(
            what="changed",
            key=_key(layout, row),
            cells=(Cell(column=name, base=row[-2], head=row[-1]),),
            column=name,
        )
        for row in rows
    ]


def pairs(what: str) -> str:
    """The rows wanted for `what`, with base as `b` and head as `h`: what stands after FROM."""
    return (
        f"(SELECT * FROM wanted WHERE what = '{what}') AS w "
        f"JOIN base_seen AS b ON b.hk = w.hk JOIN head_seen AS h ON h.hk = w.hk"
    )


def alone(what: str, side: str) -> str:
    """The rows that only `side` has: what stands after FROM."""
    return f"{side}_seen AS t SEMI JOIN (SELECT * FROM wanted WHERE what = '{what}') AS w ON t.hk = w.hk"


def _key(layout: Layout, row: Sequence[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((pair.name, value) for pair, value in zip(layout.keys, row, strict=False))


def _alone(asked: Asked, layout: Layout, what: str, side: str) -> list[Example]:
    if not asked.row(f"SELECT count(*) FROM wanted WHERE what = '{what}'")[0]:
        return []
    shown = layout.names[:_CELLS]
    count = len(layout.keys)
    rows = asked.rows(
        f"SELECT {', '.join([*sql.keys(count, 't'), *shown])} FROM {alone(what, side)} "
        f"ORDER BY {', '.join(['t.hk', *shown])} LIMIT {EXAMPLES}"
    )
    return [
        Example(
            what="lost" if what == "lost" else "added",
            key=_key(layout, row),
            cells=tuple(
                Cell(column=pair.name, **{side: value})
                for pair, value in zip(layout.columns, row[count:], strict=False)
            ),
        )
        for row in rows
    ]


def _repeated(asked: Asked, layout: Layout, keys: Keys) -> list[Example]:
    """Keys that have more rows on one side than on the other, with their values in the columns in which those differ."""
    if not (keys.growing or keys.shrinking):
        return []
    count = len(layout.keys)
    shown = [index for index, pair in enumerate(layout.columns) if pair.name in keys.varying][:4]
    listed = [
        f"(SELECT list(c{index} ORDER BY c{index}) FROM {side}_seen AS t WHERE t.hk = w.hk)"
        for index in shown
        for side in sql.SIDES
    ]
    rows = asked.rows(
        f"SELECT {', '.join([*(f'any_value(b.{key})' for key in sql.keys(count)), *listed])} FROM wanted AS w "
        f"JOIN base_seen AS b ON b.hk = w.hk WHERE what = 'grown' GROUP BY w.hk ORDER BY w.hk LIMIT {EXAMPLES}"
    )
    return [
        Example(
            what="duplicated",
            key=_key(layout, row),
            cells=tuple(
                Cell(column=layout.columns[index].name, base=row[count + 2 * at], head=row[count + 2 * at + 1])
                for at, index in enumerate(shown)
            ),
        )
        for row in rows
    ]


def fetch_traits(asked: Asked, layout: Layout, what: str, side: str) -> tuple[Trait, ...]:
    """What the rows that only `side` has (lost: base, added: head) have in common and the other side has not."""
    values = [
        f"count(DISTINCT hash({name})) + (count(*) > count({name}))::INT, count(*) - count({name})"
        for name in layout.names
    ]
    looked_at, *found = asked.row(f"SELECT {', '.join(['count(*)', *values])} FROM {alone(what, side)}")
    if looked_at < 3:
        return ()
    few = [
        index for index in range(len(layout.columns)) if found[2 * index] <= _FEW and found[2 * index] * 3 <= looked_at
    ]
    traits = {index: _values(asked, layout, index, what, side, looked_at) for index in few}
    present = [index for index in range(len(layout.columns)) if not traits.get(index) and not found[2 * index + 1]]
    ranges = _ranges(asked, layout, present, what, side, looked_at)
    return tuple(sorted([*(trait for trait in traits.values() if trait), *ranges], key=_strength))


def _strength(trait: Trait) -> tuple[bool, float, int]:
    """Strongest first: values that the other side does not have at all, then rare ones, then ranges."""
    share = trait.elsewhere / trait.elsewhere_of if trait.elsewhere_of else 0.0
    return trait.values is None, share, len(trait.values or ())


def _values(asked: Asked, layout: Layout, index: int, what: str, side: str, looked_at: int) -> Trait | None:
    """A few values (null is one) that all of the rows have, where the other side has none of them, or seldom."""
    column = f"c{index}"
    rows = asked.rows(
        f"SELECT {column}, count(*) FROM {alone(what, side)} GROUP BY {column} ORDER BY 2 DESC, 1 LIMIT {_FEW + 1}"
    )
    other = "head" if side == "base" else "base"
    asked.rows(f"CREATE OR REPLACE TEMP TABLE trait AS SELECT DISTINCT {column} AS v FROM {alone(what, side)}")
    null = f" OR {column} IS NULL" if any(value is None for value, _ in rows) else ""
    elsewhere, of = asked.row(f"SELECT count(*) FILTER ({column} IN (FROM trait){null}), count(*) FROM {other}")
    rare = elsewhere == 0 or (len(rows) == 1 and looked_at >= 20 and elsewhere < 0.5 * of)
    if not rare:
        return None
    return Trait(
        column=layout.columns[index].name,
        values=tuple(value for value, _ in rows),
        rows=looked_at,
        looked_at=looked_at,
        elsewhere=elsewhere,
        elsewhere_of=of,
    )


def _ranges(asked: Asked, layout: Layout, indices: Sequence[int], what: str, side: str, looked_at: int) -> list[Trait]:
    """Values that all lie below, or all above, those of the other side; not for identifiers, which only grow."""
    pairs = layout.columns
    wanted = [
        index
        for index in indices
        if pairs[index].kind in _ORDERED and not pairs[index].name.lower().endswith(("id", "key"))
    ]
    if not wanted or looked_at < 5:
        return []
    bounds = ", ".join(f"min(c{index}), max(c{index})" for index in wanted)
    mine = asked.row(f"SELECT {bounds} FROM {alone(what, side)}")
    theirs = asked.row(f"SELECT {bounds} FROM {'head' if side == 'base' else 'base'}")
    found = []
    for at, index in enumerate(wanted):
        low, high, other_low, other_high = mine[2 * at], mine[2 * at + 1], theirs[2 * at], theirs[2 * at + 1]
        if other_low is None or not (high < other_low or low > other_high):
            continue
        below = high < other_low
        found.append(
            Trait(
                column=pairs[index].name,
                values=None,
                rows=looked_at,
                looked_at=looked_at,
                relation="<" if below else ">",
                bound=other_low if below else other_high,
            )
        )
    return found
