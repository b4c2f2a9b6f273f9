"""Rows to show for many expectations in one pass. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from sqlglot import exp

from gates.quality.engines.duck_plan import Shares
from gates.quality.metrics import Metric, Rows, Sample
from gates.quality.planner import Part, Source, Step, one_pass, plan_one
from gates.quality.sql import Dialect, both, column, literal

MOST_SHOWN = 1000


def shown_rows(
    metrics: Iterable[Metric], rows: int, counts: Callable[[Rows], Any], source: Source, dialect: Dialect
) -> Shares:
    """The first rows that hold conditions. Where they are many, the first ones are found at once; all other conditions
    are asked in one pass together: the places that are smallest, with the values there."""
    steps: list[Step] = []
    parts: list[Part] = []
    left: list[Metric] = []
    for metric in metrics:
        if not _is_short(metric) or source.positioned is None:
            left.append(metric)
        elif _soon(metric, counts(metric), rows):
            steps.append(_first_rows(metric, source))
        else:
            parts.append(_shown_part(metric, source))
    if parts:
        steps.append(one_pass(tuple(parts), replace(source, table=source.positioned or source.table), dialect))
    return Shares(steps=tuple(steps), left=tuple(left))


def _is_short(metric: Metric) -> TypeGuard[Rows]:
    return isinstance(metric, Rows) and isinstance(metric.of, exp.Expression) and 0 < (metric.limit or 0) <= MOST_SHOWN


def _soon(metric: Rows, count: Any, rows: int) -> bool:
    """Whether the first rows are to be expected within a small part of the batch."""
    return isinstance(count, int) and (metric.limit or 0) * _SOON < count and rows > _SOON


_SOON = 50


def _first_rows(metric: Rows, source: Source) -> Step:
    """Without ORDER BY, which would read to the end: a filter and a limit keep the order of the batch."""
    plain = plan_one(metric, source, Dialect())
    assert isinstance(plain.query, exp.Select)  # noqa: S101 - for the type
    query = plain.query.copy()
    query.set("order", None)
    return replace(plain, query=query)


def _shown_part(metric: Rows, source: Source) -> Part:
    assert isinstance(metric.of, exp.Expression)  # noqa: S101 - for the type; the caller has looked
    place = exp.column(source.position, quoted=True)
    values = [place, *map(column, metric.columns)]
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(f"c{index}"), expression=value) for index, value in enumerate(values)
    ]
    condition = both(metric.of, metric.where)
    first = exp.Anonymous(
        this="arg_min", expressions=[exp.Struct(expressions=fields), place.copy(), literal(metric.limit)]
    )

    def read(found: Sequence[Any]) -> Sample:
        rows = [tuple(row.values()) for row in found[0] or ()]
        return Sample(
            count=len(rows),
            columns=metric.columns,
            rows=tuple(row[1:] for row in rows),
            index=tuple(int(row[0]) for row in rows),
        )

    filtered = exp.Filter(this=first, expression=exp.Where(this=condition))
    return Part(metric=metric, values=(filtered,), read=read, plain=False)
