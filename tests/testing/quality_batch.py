"""A `Batch` that answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.metrics import Column, Count, Kind, Metric, Schema, Values


class CannedBatch(Batch):
    """Answers by metric; one without an answer gets none, as from a broken engine. `rows` answers `Count()`."""

    def __init__(
        self, values: Mapping[Metric, Any] | None = None, *, columns: Sequence[str] = ("id",), rows: Any = 3
    ) -> None:
        self.name = "canned"
        self.ordered = True
        self.queries: list[str] = []
        self.values: dict[Metric, Any] = {Count(): rows, **dict(values or {})}
        self.columns = tuple(columns)
        self.asked: list[tuple[Metric, ...]] = []
        self.closed = False

    def schema(self) -> Schema:
        return Schema(columns=tuple(Column(name=name, kind=Kind.INTEGER, native="BIGINT") for name in self.columns))

    def compute(self, metrics: Sequence[Metric]) -> Values:
        self.asked.append(tuple(metrics))
        self.queries.append(f"SELECT {len(metrics)}")
        return {metric: self.values[metric] for metric in metrics if metric in self.values}

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        return (f"SELECT {len(metrics)}",)

    def close(self) -> None:
        self.closed = True
