"""Name failing rows by their key: whoever asks for rows to show also gets the key columns, in the same query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.metrics import Metric, Rows, Sample, Schema, Values

Key = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class KeyedBatch(Batch):
    """`inner`, with the key of each row that was shown kept in `keys`, by position.

    Key columns that the batch does not have are left out. Only for engines whose rows have positions.
    """

    inner: Batch
    key: tuple[str, ...]
    keys: dict[int, Key] = field(default_factory=dict)

    @property
    def name(self) -> str:  # type: ignore[override]  # read only here
        return self.inner.name

    @property
    def ordered(self) -> bool:  # type: ignore[override]
        return self.inner.ordered

    @property
    def queries(self) -> list[str]:  # type: ignore[override]
        return self.inner.queries

    def schema(self) -> Schema:
        return self.inner.schema()

    def compute(self, metrics: Sequence[Metric]) -> Values:
        """As `inner` does, without the additional columns in what it returns."""
        present = tuple(name for name in self.key if self.inner.schema().get(name) is not None)
        asked = {metric: _extended(metric, present) for metric in metrics}
        found = self.inner.compute(list(dict.fromkeys(asked.values())))
        return {
            metric: self._trimmed(metric, found[wider], present) for metric, wider in asked.items() if wider in found
        }

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        return self.inner.explain(metrics)

    def close(self) -> None:
        self.inner.close()

    def _trimmed(self, metric: Metric, value: Any, present: Sequence[str]) -> Any:
        if not isinstance(metric, Rows) or not isinstance(value, Sample):
            return value
        places = {name: value.columns.index(name) for name in present}
        for position, row in zip(value.index, value.rows, strict=False):
            self.keys[position] = tuple((name, row[at]) for name, at in places.items())
        width = len(metric.columns)
        return replace(value, columns=metric.columns, rows=tuple(row[:width] for row in value.rows))


def _extended(metric: Metric, present: Sequence[str]) -> Metric:
    if not isinstance(metric, Rows):
        return metric
    return replace(metric, columns=(*metric.columns, *(name for name in present if name not in metric.columns)))


def example_key(keys: Mapping[int, Key], position: int | None) -> Key:
    """The key of the row at `position`; () where it was not seen."""
    return () if position is None else keys.get(position, ())
