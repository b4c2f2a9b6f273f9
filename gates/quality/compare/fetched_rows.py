"""Rows that came here from a database, in tables as those who look closer know them: their values, examples, causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gates.quality.compare import pushed
from gates.quality.compare.columns import Pair
from gates.quality.compare.deltas import fetch_change
from gates.quality.compare.looking import fetch_examples
from gates.quality.compare.matching import varying
from gates.quality.compare.model import ColumnChange, Example, Keys
from gates.quality.compare.pushed import Both
from gates.quality.compare.seen import Asked, Layout
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.open import Limits
from gates.quality.marked_rows import written_out
from gates.quality.metrics import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRow:
    """Rows that were fetched: what they are, and by side the key with the values."""

    what: str
    base: tuple[Any, ...] | None
    head: tuple[Any, ...] | None
    key: tuple[Any, ...]
    flags: tuple[Any, ...] = ()


_TYPES = {
    Kind.INTEGER: "HUGEINT",
    Kind.FLOAT: "DOUBLE",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMP_TZ: "TIMESTAMPTZ",
}
"""Kinds as they are looked at here; all others are texts."""


def look_at(
    plan: pushed.Plan, keys: Keys, changed: Mapping[int, int], compared: int, rows: Sequence[FetchedRow], limits: Limits
) -> tuple[Keys, tuple[ColumnChange, ...], tuple[Example, ...]]:
    """The keys with what varies in those that have several rows, the changed columns, and examples."""
    connection = DuckConnection(Limits(temp_directory=limits.temp_directory))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        asked = Asked(connection)
        _keep(connection, plan, rows)
        layout = Layout(keys=_pairs(plan.keys), columns=_pairs(plan.columns))
        if keys.growing:
            keys = replace(keys, varying=varying(asked, layout))
        changes = tuple(fetch_change(asked, layout, index, count, compared) for index, count in changed.items())
        return keys, changes, fetch_examples(asked, layout, changed, keys)
    finally:
        connection.close()


def _pairs(group: Sequence[Both]) -> tuple[Pair, ...]:
    return tuple(Pair(base=both.base, head=both.head, kind=both.kind) for both in group)


def _keep(connection: DuckConnection, plan: pushed.Plan, rows: Sequence[FetchedRow]) -> None:
    """The rows in tables as `looking` and `deltas` know them."""
    places: dict[Any, int] = {}
    wanted: list[tuple[str, int]] = []
    kept: dict[str, list[tuple[Any, ...]]] = {"base": [], "head": []}
    for row in rows:
        key = tuple(written_out(value) for value in row.key)
        place = places.setdefault((row.what, key), len(places))
        whats = [row.what] if row.what != "changed" else [str(at) for at, flag in enumerate(row.flags) if flag]
        wanted += [(what, place) for what in whats]
        for side, values in (("base", row.base), ("head", row.head)):
            if values is not None:
                kept[side].append((str(place), *key, *(written_out(value) for value in values)))
    names = [*(f"k{at}" for at in range(len(plan.keys))), *(f"c{at}" for at in range(len(plan.columns)))]
    kinds = [_TYPES.get(both.kind, "VARCHAR") for both in (*plan.keys, *plan.columns)]
    connection.execute("CREATE TEMP TABLE wanted (what VARCHAR, hk UBIGINT)")
    _insert(
        connection, "wanted", list(dict.fromkeys((what, str(place)) for what, place in wanted)), ["VARCHAR", "UBIGINT"]
    )
    for side, lines in kept.items():
        listed = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
        connection.execute(f"CREATE TEMP TABLE {side}_seen (hk UBIGINT, {listed})")
        _insert(connection, f"{side}_seen", lines, ["UBIGINT", *kinds])
        connection.execute(f"CREATE TEMP VIEW {side}_profile AS SELECT * FROM {side}_seen")


def _insert(connection: DuckConnection, table: str, rows: Sequence[tuple[Any, ...]], kinds: Sequence[str]) -> None:
    import pyarrow as pa

    if not rows:
        return
    arrays = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    connection.raw.register("headgate_rows", pa.Table.from_arrays(arrays, names=[f"v{at}" for at in range(len(kinds))]))
    try:
        cast_all = ", ".join(f"TRY_CAST(v{at} AS {kind})" for at, kind in enumerate(kinds))
        connection.execute(f"INSERT INTO {table} SELECT {cast_all} FROM headgate_rows")
    finally:
        connection.raw.unregister("headgate_rows")
