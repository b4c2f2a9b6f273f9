"""A query with the way to read its answer, and what the batch is called in its engine: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Metric

BATCH = "headgate_batch"
"""Alias that `Source.table` must carry, so that subqueries can name its columns."""

Read = Callable[[Sequence[str], Sequence[tuple[Any, ...]]], Mapping[Metric, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One query and what its answer (names of columns, rows) says about `metrics`.

    `split` gives the same work in smaller steps, for when the query fails; () when it cannot be split.
    """

    query: exp.Expression | str
    metrics: tuple[Metric, ...]
    read: Read
    split: Callable[[], tuple[Step, ...]] = tuple


def renamed(step: Step, metric: Metric) -> Step:
    """`step`, which answers one metric, as the answer to `metric`."""

    def read(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        (value,) = step.read(columns, rows).values()
        return {metric: value}

    return Step(query=step.query, metrics=(metric,), read=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the batch is called in its engine.

    `table` is the batch; `positioned` the same with one more column `position`, the place of each row from 0, or None
    where rows have no order. `other` gives the table for a name used by `Orphans`, `OtherCount` and `Query`. `in_order`:
    the engine goes through rows in their order even where it is not told to sort them.
    """

    table: exp.Expression
    other: Callable[[str], exp.Expression]
    positioned: exp.Expression | None = None
    position: str = "headgate_position"
    in_order: bool = False
