"""The statistics in file footers: what is known of a batch without reading a row. Pure.

Files keep, for each group of rows and each column, the smallest and largest value and the number of nulls.

The bounds of floats in footers are left out (they do not mention NaN), and those of texts too (they may be cut), but
not their nulls. Floats have bounds here only where somebody has read them all and found no NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from gates.quality.metrics import Kind

EXACT = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP})
"""Kinds whose smallest and largest value are to be relied upon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One column in one group of rows. `nulls` and the bounds are None where the file does not say.

    `bytes` is the size of the column's values in the group before compression.
    """

    nulls: int | None
    low: Any = None
    high: Any = None
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Footers:
    """All groups of rows in the order of the batch: their numbers of rows, and by column one chunk for each."""

    rows: tuple[int, ...]
    columns: Mapping[str, tuple[Chunk, ...]]

    @property
    def total(self) -> int:
        return sum(self.rows)

    def nulls(self, name: str) -> int | None:
        """How many nulls a column has; None: unknown."""
        found = [chunk.nulls for chunk in self.columns.get(name, ())]
        return None if not found or None in found else sum(count for count in found if count is not None)

    def bounds(self, name: str) -> tuple[Any, Any] | None:
        """The smallest and largest value of a column; None: unknown, or there is none."""
        known = [
            (chunk.low, chunk.high)
            for rows, chunk in zip(self.rows, self.columns.get(name, ()), strict=False)
            if chunk.nulls != rows
        ]
        if not known or any(low is None or high is None for low, high in known):
            return None
        return min(low for low, _ in known), max(high for _, high in known)

    def ascending(self, name: str) -> bool:
        """Whether each group of rows begins where the one before ends, or above it: rows may be sorted by it."""
        bounds = [(chunk.low, chunk.high) for chunk in self.columns.get(name, ())]
        if not bounds or any(low is None or high is None for low, high in bounds):
            return False
        return all(before[1] <= after[0] for before, after in pairwise(bounds))

    def with_bounds(self, bounds: Mapping[str, tuple[Any, Any]]) -> Footers:
        """The same with bounds of whole columns that somebody has read: of floats only where there is no NaN."""
        columns = dict(self.columns)
        for name, (low, high) in bounds.items():
            known = columns.get(name, tuple(Chunk(nulls=None) for _ in self.rows))
            columns[name] = tuple(
                chunk if chunk.low is not None else replace(chunk, low=low, high=high) for chunk in known
            )
        return replace(self, columns=columns)

    def bytes_each(self, name: str) -> float | None:
        """Stored bytes for each value of a column that is not null; None: unknown, or there is no value."""
        chunks = self.columns.get(name, ())
        values = self.total - (self.nulls(name) or 0)
        return sum(chunk.bytes for chunk in chunks) / values if chunks and values > 0 else None


def parse_bound(text: str | None, kind: Kind) -> Any:
    """A bound as a value of `kind`; None where there is none to rely upon."""
    if text is None or kind not in EXACT:
        return None
    try:
        match kind:
            case Kind.INTEGER:
                return int(text)
            case Kind.DECIMAL:
                return Decimal(text)
            case Kind.DATE:
                return date.fromisoformat(text)
            case _:
                return datetime.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return None
