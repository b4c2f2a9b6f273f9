"""Numbers sorted outside DuckDB: whatever is asked of a column whose quantiles are asked comes from one array of it.

Only columns of 64-bit floats and integers, without conditions, and as many as fit into the memory allowed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from gates.quality.engines.duck_facts import Facts
from gates.quality.engines.duck_lists import from_ranks, ranks_of
from gates.quality.engines.duck_ranks import values_at
from gates.quality.metrics import Aggregate, Metric, Quantiles
from gates.quality.planner import Source
from gates.quality.sql import Dialect, column, not_null

_TYPES = frozenset({"DOUBLE", "BIGINT", "INTEGER"})
_BYTES = 24
"""For each value: in DuckDB's answer, as an array, and once more while it is worked with."""
_PIECE = 1 << 16


def load() -> None:
    """Load numpy, which takes a while. Without its threads for linear algebra: nothing is here for them to do."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        import numpy as np  # noqa: F401
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


_THREADS = "OPENBLAS_NUM_THREADS"


def wanted(metrics: Iterable[Metric], facts: Facts) -> tuple[str, ...]:
    """The columns whose quantiles `metrics` ask for, as far as they fit into memory."""
    found = dict.fromkeys(
        node.name
        for metric in metrics
        if isinstance(metric, Quantiles)
        for node in metric.argument.find_all(exp.Column)
        if (known := facts.schema.get(node.name)) is not None and known.native in _TYPES
    )
    return tuple(found)[: facts.memory // (_BYTES * max(1, facts.rows))]


def query(name: str, source: Source, dialect: Dialect) -> str:
    """The values of a column that are not null."""
    return dialect.render(exp.select(column(name)).from_(source.table.copy()).where(not_null(column(name))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """All values of a column that are not null, none of them NaN."""

    values: Any

    @property
    def bounds(self) -> tuple[Any, Any]:
        return self.values.min().item(), self.values.max().item()

    def takes(self, name: str, metric: Metric) -> bool:
        """Whether `metric` is answered from these values."""
        if not _is_about(metric, name):
            return False
        return isinstance(metric, Quantiles) or (isinstance(metric, Aggregate) and self._aggregates(metric))

    def answers(self, name: str, metrics: Iterable[Metric]) -> Mapping[Metric, Any]:
        """Those of `metrics` that ask about the column `name` and nothing else."""
        mine = [metric for metric in metrics if self.takes(name, metric)]
        sorts = [metric for metric in mine if isinstance(metric, Quantiles)]
        found: dict[Metric, Any] = {
            metric: self._aggregate(metric.function) for metric in mine if isinstance(metric, Aggregate)
        }
        count = len(self.values)
        values = values_at(self.values, ranks_of(sorts, count)) if count else {}
        return found | {metric: from_ranks(metric, values, count) if count else () for metric in sorts}

    def _aggregates(self, metric: Aggregate) -> bool:
        """Only floats: sums of integers could overflow."""
        known = metric.function in ("mean", "stddev", "variance", "sum")
        return known and self.values.dtype.kind == "f" and len(self.values) > 1

    def _aggregate(self, function: str) -> float:
        match function:
            case "mean":
                return float(self.values.mean())
            case "stddev":
                return math.sqrt(self._variance())
            case "variance":
                return self._variance()
            case _:
                return float(self.values.sum())

    def _variance(self) -> float:
        """In pieces: their deviations from the mean are in no memory of their own."""
        import numpy as np

        with np.errstate(over="ignore"):  # squares of what is large are infinite, as DuckDB has it
            mean = self.values.mean()
            pieces = (self.values[start : start + _PIECE] - mean for start in range(0, len(self.values), _PIECE))
            return sum(float((piece * piece).sum()) for piece in pieces) / (len(self.values) - 1)


def taken(arrays: Mapping[str, Numbers], metrics: Iterable[Metric]) -> frozenset[Metric]:
    """Those of `metrics` that the arrays, by the names of their columns, answer."""
    return frozenset(metric for metric in metrics if any(held.takes(name, metric) for name, held in arrays.items()))


def _is_about(metric: Metric, name: str) -> bool:
    if not isinstance(metric, Quantiles | Aggregate):
        return False
    this = column(name)
    return metric.argument == this and (metric.where is None or metric.where == not_null(this))


def numbers(values: Any) -> Numbers | None:
    """The array as numbers; None if there is a NaN or an infinity among them, or it has gaps."""
    import numpy as np

    if isinstance(values, np.ma.MaskedArray):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype.kind == "f" and not np.isfinite(values.sum()):
            return None
    return Numbers(values=values)
