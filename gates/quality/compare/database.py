"""Compare two tables of one database where they are; a bounded number of rows comes here, to say what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlglot import exp

from gates.quality.compare import pushed
from gates.quality.compare.fetched_rows import FetchedRow, look_at
from gates.quality.compare.model import (
    MAX_SAMPLE,
    Comparison,
    Keys,
    Question,
    Renamed,
    Retyped,
    SchemaDifference,
    Trait,
)
from gates.quality.compare.pushed import Both
from gates.quality.compare.source import Side
from gates.quality.engines.base import QueryFailedError, SqlBatch
from gates.quality.engines.open import Limits, open_batch
from gates.quality.metrics import Column, Kind
from gates.quality.sql import literal
from headgate.errors import ConfigError, ServerFaultError

_RENAMES = 6
_ENOUGH = 0.9
_FEW = 20
_ORDERED = {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}


def is_database(side: Side) -> bool:
    """Whether a side is a table of a server or of SQLite; DuckDB reads its own files itself."""
    head, sign, _ = side.data.partition("://")
    return bool(sign) and head.lower() not in {"file", "duckdb"}


def fetch_database_comparison(base: Side, head: Side, question: Question, limits: Limits) -> Comparison:
    """What differs between two tables of one database; see `fetch_comparison`."""
    if base.data != head.data:
        raise ConfigError(
            "tables are compared where they are, and these are in two places",
            where=f"{base.shown} and {head.shown}",
            next_step="Name two tables of one database, or export both to Parquet.",
        )
    if base.table == head.table:
        raise ConfigError(
            "base and head are the same table",
            where=head.shown,
            next_step="Name two with --base-table and --head-table.",
        )
    if not question.key:
        raise ConfigError(
            "tables of a database are compared by their key",
            where=head.shown,
            next_step="Name the columns that identify a row with --key.",
        )
    if question.segment:
        raise ConfigError("segments are looked at in files only", where="--segment", next_step="Leave it out.")
    with _opened(base, limits) as first, _opened(head, limits) as second:
        try:
            return _compared(first, second, (base, head), question, limits)
        except QueryFailedError as error:
            raise ServerFaultError(
                "the comparison broke off",
                where=f"{base.shown} and {head.shown}",
                next_step=f"{first.name} says: {' '.join(str(error).split())[:400]}",
            ) from error


def _opened(side: Side, limits: Limits) -> SqlBatch:
    return cast("SqlBatch", open_batch(side.data, table=side.table, limits=limits))


def _compared(
    first: SqlBatch, second: SqlBatch, sides: tuple[Side, Side], question: Question, limits: Limits
) -> Comparison:
    plan, schema = _plan(first, second, question)
    counts = [int(batch.send(batch.dialect.render(_count_of(batch))).rows[0][0] or 0) for batch in (first, second)]
    labels = [f"{side.label or side.table}" for side in sides]
    found = {
        "base": labels[0],
        "head": labels[1],
        "base_rows": counts[0],
        "head_rows": counts[1],
        "columns": tuple(both.base.name for both in (*plan.keys, *plan.columns)),
    }
    if not all(counts):
        return Comparison(schema=schema, keys=None, **found)  # type: ignore[arg-type]  # named one by one
    row = [int(value or 0) for value in first.send(first.dialect.render(pushed.totals(plan))).rows[0]]
    keys, compared = _keys(first, plan, row), row[9]
    width = len(plan.columns)
    changed = {index: count for index, count in enumerate(row[11 : 11 + width]) if count}
    schema = _with_renames(schema, plan, row[11 + width :], compared)
    rows = _fetch_rows(first, plan, keys, changed)
    traits = {
        what: _traits(second if what == "lost" else first, plan, [row for row in rows if row.what == what], what)
        for what in ("lost", "added")
    }
    keys, changes, examples = look_at(plan, keys, changed, compared, rows, limits)
    return Comparison(
        schema=schema,
        keys=keys,
        changes=changes,
        examples=examples,
        lost_traits=traits["lost"],
        added_traits=traits["added"],
        queries=(*first.queries, *second.queries),
        **found,  # type: ignore[arg-type]  # named one by one
    )


def _count_of(batch: SqlBatch) -> exp.Expression:
    return exp.select(exp.Count(this=exp.Star())).from_(batch.source.table.copy())


def _plan(first: SqlBatch, second: SqlBatch, question: Question) -> tuple[pushed.Plan, SchemaDifference]:
    left_out = set(question.ignore)
    bases = [item for item in first.schema().columns if item.name not in left_out]
    heads = {item.name: item for item in second.schema().columns if item.name not in left_out}
    pairs = {item.name: Both(base=item, head=heads[item.name]) for item in bases if item.name in heads}
    for name in question.key:
        if name not in pairs:
            raise ConfigError(
                f"no column {name!r} in both tables",
                where="--key",
                next_step=f"Columns of both: {', '.join(pairs) or 'none'}.",
            )
    removed = tuple(item for item in bases if item.name not in pairs)
    added = tuple(item for name, item in heads.items() if name not in pairs)
    renames = [Both(base=old, head=new) for old in removed for new in added]
    plan = pushed.Plan(
        engine=first.name,
        tables=(first.source.table, second.source.table),
        keys=tuple(pairs[name] for name in question.key),
        columns=tuple(both for name, both in pairs.items() if name not in question.key),
        renames=tuple(both for both in renames if both.base.kind is both.head.kind)[:_RENAMES],
        tolerance=question.tolerance,
    )
    retyped = tuple(
        Retyped(name=name, base=both.base.native, head=both.head.native, widened=False)
        for name, both in pairs.items()
        if both.base.native != both.head.native
    )
    return plan, SchemaDifference(added=added, removed=removed, retyped=retyped)


def _keys(batch: SqlBatch, plan: pushed.Plan, row: Sequence[int]) -> Keys:
    matched, lost, added, base_keys, base_rows, head_keys, head_rows, growing, shrinking, _, changed = row[:11]
    if base_keys or head_keys:
        changed += int(batch.send(batch.dialect.render(pushed.repeated_changes(plan))).rows[0][0] or 0)
    return Keys(
        columns=tuple(both.base.name for both in plan.keys),
        matched=matched,
        lost=lost,
        added=added,
        changed=changed,
        duplicated_base=base_keys,
        duplicated_head=head_keys,
        duplicate_rows_base=base_rows,
        duplicate_rows_head=head_rows,
        growing=growing,
        shrinking=shrinking,
    )


def _with_renames(schema: SchemaDifference, plan: pushed.Plan, equal: Sequence[int], compared: int) -> SchemaDifference:
    """Best partners first; a column takes part in one rename only."""
    found: list[Renamed] = []
    for at, count in sorted(enumerate(equal), key=lambda item: (-item[1], item[0])):
        both = plan.renames[at]
        free = both.base.name not in {item.base for item in found} and both.head.name not in {
            item.head for item in found
        }
        if free and compared and count >= _ENOUGH * compared:
            found.append(Renamed(base=both.base.name, head=both.head.name, equal=count, rows=compared))
    bases, heads = {item.base for item in found}, {item.head for item in found}
    return SchemaDifference(
        added=tuple(item for item in schema.added if item.name not in heads),
        removed=tuple(item for item in schema.removed if item.name not in bases),
        retyped=schema.retyped,
        renamed=tuple(found),
    )


def _fetch_rows(batch: SqlBatch, plan: pushed.Plan, keys: Keys, changed: dict[int, int]) -> list[FetchedRow]:
    wanted = {"lost": keys.lost, "added": keys.added, "changed": len(changed)}
    rows: list[FetchedRow] = []
    n, width = len(plan.keys), len(plan.columns)
    for what, count in wanted.items():
        if not count:
            continue
        query = pushed.sample(plan, what, list(changed), MAX_SAMPLE)
        rows += [
            FetchedRow(
                what=what,
                key=tuple(row[:n]),
                base=None if what == "added" else tuple(row[n : n + width]),
                head=None if what == "lost" else tuple(row[n + width : n + 2 * width]),
                flags=tuple(row[n + 2 * width :]),
            )
            for row in batch.send(batch.dialect.render(query)).rows
        ]
    if keys.growing or keys.shrinking:
        for row in batch.send(batch.dialect.render(pushed.several(plan, MAX_SAMPLE))).rows:
            values = tuple(row[1 + n :])
            base = values if row[0] else None
            rows.append(FetchedRow(what="grown", key=tuple(row[1 : 1 + n]), base=base, head=None if row[0] else values))
    return rows


def _traits(other: SqlBatch, plan: pushed.Plan, rows: Sequence[FetchedRow], what: str) -> tuple[Trait, ...]:
    """What rows of one side have in common, and the other side has not, or seldom."""
    if len(rows) < 3:
        return ()
    values = [cast("tuple[Any, ...]", row.base if what == "lost" else row.head) for row in rows]
    wanted, held = [], {}
    for index, both in enumerate(plan.columns):
        column = [row[index] for row in values]
        mine = both.head if what == "lost" else both.base
        distinct = list(dict.fromkeys(column))
        few = len(distinct) <= _FEW and len(distinct) * 3 <= len(rows)
        listed = [_literal(value) for value in distinct if value is not None] if few else []
        if few and None in listed:
            continue
        held[index] = (column, distinct if few else [])
        wanted.append((index, mine, tuple(item for item in listed if item is not None), few and None in distinct))
    if not wanted:
        return ()
    total, *found = other.send(other.dialect.render(pushed.bounds(other.source.table, plan, wanted))).rows[0]
    traits = []
    for at, (index, mine, _, _) in enumerate(wanted):
        elsewhere, low, high = found[3 * at : 3 * at + 3]
        trait = _trait(mine, *held[index], int(elsewhere or 0), int(total), low, high)
        if trait is not None:
            traits.append(trait)
    return tuple(
        sorted(traits, key=lambda t: (t.values is None, t.elsewhere / max(1, t.elsewhere_of), len(t.values or ())))
    )


def _literal(value: Any) -> Any:
    try:
        return literal(value)
    except TypeError:
        return None


def _trait(
    mine: Column, column: list[Any], distinct: list[Any], elsewhere: int, total: int, low: Any, high: Any
) -> Trait | None:
    if distinct and (elsewhere == 0 or (len(distinct) == 1 and len(column) >= 20 and elsewhere < 0.5 * total)):
        return Trait(
            column=mine.name,
            values=tuple(distinct),
            rows=len(column),
            looked_at=len(column),
            elsewhere=elsewhere,
            elsewhere_of=total,
        )
    if mine.kind not in _ORDERED or mine.name.lower().endswith(("id", "key")) or None in column or low is None:
        return None
    try:
        below, above = max(column) < low, min(column) > high
    except TypeError:
        return None
    if len(column) < 5 or not (below or above):
        return None
    return Trait(
        column=mine.name,
        values=None,
        rows=len(column),
        looked_at=len(column),
        relation="<" if below else ">",
        bound=low if below else high,
    )
