"""Users' queries as they are run: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gates.quality.metrics import Metric, Query, Sample
from gates.quality.steps import Step


def counted(metric: Query, text: str, counts: dict[Query, int]) -> Step:
    """How many rows a user's query has: what it selects need not be made for that. Settles those that have none."""

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        counts[metric] = int(rows[0][0])
        return {} if counts[metric] else {metric: Sample(count=0, columns=(), rows=())}

    # as a subquery, what is not a SELECT cannot run at all
    head = "SELECT COUNT(*) AS headgate_count FROM ("
    return Step(query=f"{head}\n{text}\n) AS q", metrics=(metric,), read=read)


def first(metric: Query, text: str, count: int | None) -> Step:
    """The first rows of a user's query, which has `count` of them; None: they are counted beside."""
    head = f"SELECT {'c.headgate_count' if count is None else count}, q.*"
    rows = f"(\nSELECT * FROM (\n{text}\n) AS q LIMIT {max(1, metric.limit)}\n) AS q"
    counted = f"(SELECT COUNT(*) AS headgate_count FROM (\n{text}\n) AS q) AS c LEFT JOIN "

    def read(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        found = int(rows[0][0]) if rows else 0
        values = tuple(tuple(row[1:]) for row in rows) if found else ()
        return {metric: Sample(count=found, columns=tuple(names[1:]) if found else (), rows=values)}

    query = f"{head} FROM {rows}" if count is not None else f"{head} FROM {counted}{rows} ON TRUE"
    return Step(query=query, metrics=(metric,), read=read)
