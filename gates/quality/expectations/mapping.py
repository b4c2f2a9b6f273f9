"""Expectations about rows: how many are unexpected, and where some are, the rows to show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from gates.quality.expectations.context import Context, find_column, not_judged, read
from gates.quality.metrics import (
    Column,
    Count,
    Duplicated,
    Finding,
    Metric,
    Orphans,
    OutOfOrder,
    Planned,
    Rows,
    Sample,
    Values,
)
from gates.quality.result_format import Level

MAX_VALUES = 200
"""Great Expectations never returns more unexpected values, not even at COMPLETE."""
MAX_ROWS = 100_000
"""Positions of unexpected rows at COMPLETE: beyond this many a report is not for reading."""

Shape = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCheck:
    """Which rows are unexpected.

    `rows` counts all rows of the expectation, `considered` those that are judged (None: all of them, and nothing is said
    about missing values), `unexpected` the unexpected ones among them; `of` and `where` find these. `columns` are the
    expectation's own; `shape` makes the value shown from a row.
    """

    rows: Count
    considered: Count | None
    unexpected: Metric
    of: exp.Expression | Duplicated | OutOfOrder | Orphans
    where: exp.Expression | None
    columns: tuple[str, ...]
    shape: Shape


def by_condition(
    context: Context,
    unexpected: exp.Expression,
    *,
    considered: exp.Expression | None,
    columns: Sequence[str],
    shape: Shape,
    tells_missing: bool = True,
) -> RowCheck:
    """A check whose unexpected rows hold `unexpected`, among those that hold `considered` (None: among all)."""
    where = context.within(considered)
    return RowCheck(
        rows=Count(where=context.where),
        considered=Count(where=where) if tells_missing else None,
        unexpected=Count(condition=unexpected, where=where),
        of=unexpected,
        where=where,
        columns=tuple(columns),
        shape=shape,
    )


def by_duplicates(
    context: Context,
    keys: Sequence[exp.Expression],
    *,
    considered: exp.Expression | None,
    columns: Sequence[str],
    shape: Shape,
    among: exp.Expression | None = None,
) -> RowCheck:
    """A check whose unexpected rows share their `keys` with another row that holds `considered` and `among`."""
    judged = context.within(considered)
    where = context.within(considered, among)
    return RowCheck(
        rows=Count(where=context.where),
        considered=Count(where=judged),
        unexpected=Duplicated(keys=tuple(keys), where=where),
        of=Duplicated(keys=tuple(keys), where=where),
        where=None,
        columns=tuple(columns),
        shape=shape,
    )


def by_order(
    context: Context,
    found: Column,
    argument: exp.Expression,
    *,
    direction: Literal["increasing", "decreasing"],
    strictly: bool,
) -> RowCheck:
    """A check whose unexpected rows do not follow the value before them, missing values left out."""
    where = context.within(context.present(found))
    metric = OutOfOrder(argument=argument, direction=direction, strictly=strictly, where=where)
    return RowCheck(
        rows=Count(where=context.where),
        considered=Count(where=where),
        unexpected=metric,
        of=metric,
        where=None,
        columns=(found.name,),
        shape=lambda row: row[found.name],
    )


def not_judged_if_any(context: Context, considered: exp.Expression | None, columns: Sequence[str], why: str) -> Planned:
    """For what cannot be compared value by value: without any value there is nothing to compare, and it holds."""
    check = by_condition(
        context, exp.false(), considered=considered, columns=columns, shape=lambda row: row[columns[0]]
    )
    planned = check_rows(context, check)

    def judge(values: Values) -> Planned | Finding:
        return not_judged(why) if check.considered and read(values, check.considered) else planned.then(values)

    return Planned(needs=planned.needs, then=judge)


def check_rows(context: Context, check: RowCheck) -> Planned:
    """The expectation `check`: counts, and rows where there are some to show."""
    needs: list[Metric] = [check.rows, check.unexpected]
    needs += [check.considered] if check.considered is not None else []
    sample = _sample(context, check)
    needs += [sample] if sample is not None else []

    def judge(values: Values) -> Planned | Finding:
        counts = _Counts(
            rows=read(values, check.rows) or 0,
            considered=None if check.considered is None else read(values, check.considered) or 0,
            unexpected=read(values, check.unexpected) or 0,
        )
        shown = read(values, sample) if sample is not None and counts.unexpected else None
        return _finding(context, check, counts, shown)

    return Planned(needs=tuple(dict.fromkeys(needs)), then=judge)


def _sample(context: Context, check: RowCheck) -> Rows | None:
    """The rows to show, which an engine fetches only where some are unexpected."""
    limit = _limit(context)
    if limit == 0 or context.format.level is Level.BOOLEAN_ONLY:
        return None
    return Rows(of=check.of, columns=_columns_to_show(context, check), where=check.where, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    rows: int
    considered: int | None
    unexpected: int

    @property
    def judged(self) -> int:
        return self.rows if self.considered is None else self.considered


def _columns_to_show(context: Context, check: RowCheck) -> tuple[str, ...]:
    extra = [column.name for column in context.schema.columns] if context.format.include_rows else []
    index = _index_columns(context)
    return tuple(dict.fromkeys([*check.columns, *index, *extra]))


def _limit(context: Context) -> int:
    return MAX_ROWS if context.format.level is Level.COMPLETE else min(context.format.partial_count, MAX_VALUES)


def _finding(context: Context, check: RowCheck, counts: _Counts, sample: Sample | None) -> Finding:
    success = counts.judged == 0 or (float(counts.judged) - counts.unexpected) / counts.judged >= context["mostly"]
    if context.format.level is Level.BOOLEAN_ONLY:
        return Finding(success=success, result={})
    rows = [dict(zip(sample.columns, row, strict=True)) for row in sample.rows] if sample else []
    result = _basic(context, check, counts, rows)
    if context.format.level is not Level.BASIC:
        positions = _positions(context, check, sample, rows)
        result |= _summary(context, check, rows, positions)
        if context.format.level is Level.COMPLETE:
            result |= _complete(context, check, rows, positions)
    return Finding(success=success, result=result)


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _basic(context: Context, check: RowCheck, counts: _Counts, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    form = context.format
    result: dict[str, Any] = {
        "element_count": counts.rows,
        "unexpected_count": counts.unexpected,
        "unexpected_percent": _percent(counts.unexpected, counts.judged),
    }
    if not form.exclude_values:
        result["partial_unexpected_list"] = [check.shape(row) for row in rows[: form.partial_count]]
    if form.index_columns and context.type != "expect_column_values_to_be_null":  # Great Expectations forgets it there
        result["unexpected_index_column_names"] = list(form.index_columns)
    if counts.considered is not None:
        missing = counts.rows - counts.considered
        result |= {
            "missing_count": missing,
            "missing_percent": _percent(missing, counts.rows),
            "unexpected_percent_total": _percent(counts.unexpected, counts.rows),
            "unexpected_percent_nonmissing": _percent(counts.unexpected, counts.considered),
        }
    if form.include_rows:
        names = [column.name for column in context.schema.columns]
        result["unexpected_rows"] = [{name: row[name] for name in names} for row in rows[: form.partial_count]]
    return result


def _summary(
    context: Context, check: RowCheck, rows: Sequence[Mapping[str, Any]], positions: list[Any] | None
) -> dict[str, Any]:
    form = context.format
    if form.partial_count == 0:
        return {}
    result: dict[str, Any] = {}
    if not form.exclude_values:
        counted = _value_counts([check.shape(row) for row in rows[: _listed(context)]], form.partial_count)
        result |= {} if counted is None else {"partial_unexpected_counts": counted}
    if positions is not None:
        result["partial_unexpected_index_list"] = positions[: form.partial_count]
    return result


def _listed(context: Context) -> int:
    """How many values make the list whose frequencies are counted."""
    return MAX_VALUES if context.format.level is Level.COMPLETE else context.format.partial_count


def _complete(
    context: Context, check: RowCheck, rows: Sequence[Mapping[str, Any]], positions: list[Any] | None
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if not context.format.exclude_values:
        result["unexpected_list"] = [check.shape(row) for row in rows[:MAX_VALUES]]
    if positions is not None:
        result["unexpected_index_list"] = positions
    return result


def _value_counts(shown: Sequence[Any], limit: int) -> list[dict[str, Any]] | None:
    """The most frequent of the values shown, missing ones as one value; None where they cannot be counted or ordered."""
    try:
        common = Counter(_countable(value) for value in shown).most_common(limit)
        ordered = sorted(common, key=lambda entry: (-entry[1], _order(entry[0])))
    except TypeError:
        return None
    return [{"value": value, "count": count} for value, count in ordered]


def _countable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(_countable(item) for item in value.values())
    return None if isinstance(value, float) and math.isnan(value) else value


def _order(value: Any) -> tuple[tuple[bool, Any], ...]:
    """A key that puts missing values last, which cannot be compared with others."""
    parts = value if isinstance(value, tuple) else (value,)
    return tuple((part is None, 0 if part is None else part) for part in parts)


def _index_columns(context: Context) -> list[str]:
    return [find_column(context.schema, name).name for name in context.format.index_columns]


def _positions(
    context: Context, check: RowCheck, sample: Sample | None, rows: Sequence[Mapping[str, Any]]
) -> list[Any] | None:
    """Where the unexpected rows are: by the columns that name a row, else by position; None: cannot be said."""
    names = _index_columns(context)
    if names and context.format.exclude_values:
        return [{name: [row[name] for row in rows] for name in names}] if rows else []
    if names:
        return [{name: row[name] for name in dict.fromkeys([*check.columns, *names])} for row in rows]
    if sample is None:
        return [] if context.pandas else None
    return list(sample.index) if sample.index or not sample.rows else None
