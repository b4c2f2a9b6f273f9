"""Compare two tables: open both, match their rows, look at what differs. The decisions are made elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from gates.quality.compare import sql
from gates.quality.compare.attended import attended
from gates.quality.compare.columns import Pair, Pairing, pair_columns, rename_pair
from gates.quality.compare.database import fetch_database_comparison, is_database
from gates.quality.compare.deltas import fetch_change
from gates.quality.compare.looking import fetch_examples, fetch_traits
from gates.quality.compare.matching import Matched, match_keys, match_rows
from gates.quality.compare.model import MAX_SAMPLE, Comparison, Question, Renamed, SchemaDifference
from gates.quality.compare.names import identifier
from gates.quality.compare.seen import Asked, Layout, fetch_seen, is_out_of_memory
from gates.quality.compare.shifts import fetch_segments, fetch_shifts
from gates.quality.compare.source import Opened, Side, open_sides
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.open import Limits
from gates.quality.metrics import Column, Kind
from headgate.errors import ConfigError, ServerFaultError

MEMORY_LIMIT_MB = 4096
"""Of the whole process; above it, work goes to a temporary folder. DuckDB gets a little more than half of it."""
_MAX_RENAMES = 24


def fetch_comparison(base: Side, head: Side, question: Question, limits: Limits | None = None) -> Comparison:
    """What differs between `base` and `head`.

    Raises `ConfigError` for what does not exist (a file, a table, a column asked for), `ServerFaultError` for data that
    cannot be read to its end. What is read is left as it is; temporary files are gone afterwards.
    """
    limits = limits or Limits(memory_limit_mb=MEMORY_LIMIT_MB)
    if is_database(base) or is_database(head):
        return fetch_database_comparison(base, head, question, limits)
    connection = DuckConnection(limits)
    try:
        return attended(connection, lambda: _opened_and_compared(connection, base, head, question))
    except QueryFailedError as error:
        more = "Allow it more memory. " if is_out_of_memory(error) else ""
        raise ServerFaultError(
            "the comparison broke off",
            where=f"{base.shown} and {head.shown}",
            next_step=f"{more}DuckDB says: {' '.join(str(error).split())[:400]}",
        ) from error
    finally:
        connection.close()


def _opened_and_compared(connection: DuckConnection, base: Side, head: Side, question: Question) -> Comparison:
    for setting in ("TimeZone = 'UTC'", "preserve_insertion_order = false"):
        connection.execute(f"SET {setting}")
    return _compare(Asked(connection), open_sides(connection, base, head), question)


def _compare(asked: Asked, opened: tuple[Opened, Opened], question: Question) -> Comparison:
    base, head = opened
    pairing = pair_columns(base.schema, head.schema, question.ignore)
    _check_names(opened, question)
    pairing = _with_renamed_key(asked, opened, pairing, question)
    key = _given_key(pairing, question)
    layout = _make_views(asked, opened, pairing, key, question)
    rows = (int(asked.row("SELECT count(*) FROM base")[0]), int(asked.row("SELECT count(*) FROM head")[0]))
    matched = None
    if all(rows) and (layout.columns or layout.keys):
        matched, layout = _match(asked, opened, pairing, layout, question, rows)
    return _described(asked, opened, pairing, layout, matched, question, rows)


def _described(
    asked: Asked,
    opened: tuple[Opened, Opened],
    pairing: Pairing,
    layout: Layout,
    matched: Matched | None,
    question: Question,
    rows: Sequence[int],
) -> Comparison:
    facts = _facts(asked, layout, matched, max(rows)) if matched else {}
    segment = _segment_column(layout, question) if matched else None
    return Comparison(
        base=opened[0].side.shown,
        head=opened[1].side.shown,
        base_rows=rows[0],
        head_rows=rows[1],
        schema=_schema(pairing, layout, matched),
        columns=tuple(pair.name for pair in (*layout.keys, *layout.columns)),
        keys=matched.keys if matched else None,
        segment=question.segment,
        segments=fetch_segments(asked, layout, segment) if segment else (),
        queries=tuple(asked.queries),
        **facts,
    )


def _check_names(opened: tuple[Opened, Opened], question: Question) -> None:
    """Columns asked for must be on one side at least; on which, the comparison itself says."""
    known = [column.name for side in opened for column in side.schema.columns]
    wanted = {"--key": question.key, "--segment": (question.segment,) if question.segment else ()}
    for option, names in wanted.items():
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise ConfigError(
                    f"no column {name!r} in {opened[0].side.shown} nor in {opened[1].side.shown}",
                    where=option,
                    next_step=f"Did you mean {near[0]!r}?" if near else f"Columns: {', '.join(dict.fromkeys(known))}.",
                )
    repeated = sorted({name for name in question.key if question.key.count(name) > 1})
    if repeated:
        raise ConfigError(f"column {repeated[0]!r} is named twice", where="--key", next_step="Name it once.")


def _with_renamed_key(asked: Asked, opened: tuple[Opened, Opened], pairing: Pairing, question: Question) -> Pairing:
    """A column of the key that is on one side only is looked for on the other, by its values."""
    for name in question.key:
        candidates = [
            rename_pair(removed, added)
            for removed in pairing.removed
            for added in pairing.added
            if name in {removed.name, added.name}
        ]
        for pair in candidates:
            if pair and _same_values(asked, opened, pair):
                pairing = pairing.with_renamed(pair)
                break
    return pairing


def _same_values(asked: Asked, opened: tuple[Opened, Opened], pair: Pair) -> bool:
    base, head = opened
    text = sql.found_again(_value(pair, "base"), base.relation, _value(pair, "head"), head.relation, MAX_SAMPLE)
    found, some = asked.row(text)
    return bool(some and found >= 0.5 * some)


def _given_key(pairing: Pairing, question: Question) -> tuple[Pair, ...]:
    """The key's columns; () where one of them is on one side only, so that rows are compared whole."""
    by_head = {pair.head.name: pair for pair in pairing.pairs}
    found = [pairing.get(name) or by_head.get(name) for name in question.key]
    return tuple(pair for pair in found if pair) if all(found) else ()


def _make_views(
    asked: Asked, opened: tuple[Opened, Opened], pairing: Pairing, key: tuple[Pair, ...], question: Question
) -> Layout:
    columns = tuple(pair for pair in pairing.pairs if pair not in key)
    renames = _possible_renames(pairing)
    for opening, side in zip(opened, sql.SIDES, strict=True):
        selected = ["1::TINYINT AS m"]
        selected += [f"{_value(pair, side)} AS k{i}" for i, pair in enumerate(key)]
        selected += [f"{_value(pair, side)} AS c{i}" for i, pair in enumerate(columns)]
        selected += [f"{_value(pair, side)} AS x{i}" for i, pair in enumerate(renames)]
        asked.rows(f"CREATE OR REPLACE TEMP VIEW {side} AS SELECT {', '.join(selected)} FROM {opening.relation}")
    return Layout(keys=key, columns=columns, renames=tuple(renames), tolerance=question.tolerance)


def _value(pair: Pair, side: str) -> str:
    name = identifier((pair.base if side == "base" else pair.head).name)
    return f"CAST({name} AS {pair.cast})" if pair.cast else name


def _possible_renames(pairing: Pairing) -> list[Pair]:
    found = [rename_pair(removed, added) for removed in pairing.removed for added in pairing.added]
    return [pair for pair in found if pair][:_MAX_RENAMES]


def _match(
    asked: Asked,
    opened: tuple[Opened, Opened],
    pairing: Pairing,
    layout: Layout,
    question: Question,
    rows: tuple[int, int],
) -> tuple[Matched, Layout]:
    if layout.keys:
        matched = match_keys(asked, layout, rows)
        if matched is not None:
            return matched, layout
    for pair in _candidates(pairing) if not question.key else ():
        keyed = _make_views(asked, opened, pairing, (pair,), question)
        matched = match_keys(asked, keyed, rows, inferred=True)
        if matched is not None and matched.keys.matched:
            return matched, keyed
    layout = _make_views(asked, opened, pairing, (), question)
    return match_rows(asked, layout, rows), layout


def _candidates(pairing: Pairing) -> list[Pair]:
    """Columns that are called like a key, and the first column: at most three of them are tried."""
    possible = [pair for pair in pairing.pairs if pair.kind in {Kind.INTEGER, Kind.STRING, Kind.OTHER}]
    named = [pair for pair in possible if pair.name.lower().endswith(("id", "key", "uuid", "_sk", "number"))]
    first = [pair for pair in possible[:1] if pair is pairing.pairs[0]]
    return list(dict.fromkeys([*first, *named]))[:3]


def _facts(asked: Asked, layout: Layout, matched: Matched, rows: int) -> dict[str, Any]:
    keys = matched.keys
    if not (keys.lost or keys.added or keys.changed):
        return {}
    rows_moved = keys.lost or keys.added or keys.growing or keys.shrinking
    profiled = list(range(len(layout.columns))) if rows_moved else sorted(matched.changed)
    if not matched.seen:
        repeated = keys.duplicated_base or keys.duplicated_head
        some, every = sorted({*matched.changed, *profiled}), range(len(layout.columns))
        fetch_seen(
            asked, layout, (every if keys.lost or repeated else some, every if keys.added or repeated else some), rows
        )
    return {
        "changes": tuple(
            fetch_change(asked, layout, index, count, matched.compared) for index, count in matched.changed.items()
        ),
        "shifts": fetch_shifts(asked, [(index, layout.columns[index]) for index in profiled]),
        "lost_traits": fetch_traits(asked, layout, "lost", "base") if keys.lost else (),
        "added_traits": fetch_traits(asked, layout, "added", "head") if keys.added else (),
        "examples": fetch_examples(asked, layout, matched.changed, keys),
    }


def _segment_column(layout: Layout, question: Question) -> str | None:
    for prefix, pairs in (("k", layout.keys), ("c", layout.columns)):
        for index, pair in enumerate(pairs):
            if pair.name == question.segment:
                return f"{prefix}{index}"
    return None


def _schema(pairing: Pairing, layout: Layout, matched: Matched | None) -> SchemaDifference:
    renamed = _renamed(layout, matched) if matched else []
    bases, heads = {item.base for item in renamed}, {item.head for item in renamed}
    return SchemaDifference(
        added=_left(pairing.added, heads),
        removed=_left(pairing.removed, bases),
        retyped=pairing.retyped,
        renamed=tuple(renamed),
    )


def _left(columns: Sequence[Column], taken: set[str]) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.name not in taken)


_ENOUGH = 0.9
"""Share of rows with equal values from which on two columns count as one renamed."""


def _renamed(layout: Layout, matched: Matched) -> list[Renamed]:
    """Best partners first; a column takes part in one rename only. Columns of the key were found before."""
    rows = matched.keys.matched
    found = [
        Renamed(base=pair.base.name, head=pair.head.name, equal=rows, rows=rows)
        for pair in layout.keys
        if pair.base.name != pair.head.name
    ]
    order = sorted(matched.equal.items(), key=lambda item: (-item[1], item[0]))
    for index, equal in order:
        pair = layout.renames[index]
        free = pair.base.name not in {item.base for item in found} and pair.head.name not in {
            item.head for item in found
        }
        if free and matched.compared and equal >= _ENOUGH * matched.compared:
            found.append(Renamed(base=pair.base.name, head=pair.head.name, equal=equal, rows=matched.compared))
    return found
