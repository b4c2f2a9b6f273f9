"""What is known of a batch in DuckDB before its rows are read: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from gates.quality.footers import Footers
from gates.quality.metrics import Kind, Schema

MAX_BITS = 1 << 28
"""Largest bit set: 32 MB for each thread."""
_FITS_BITS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """From how many rows on something is worth while.

    `planned`: below it plain queries take milliseconds each. `hashed`: from it on sorting hashes is faster than a hash
    table of the keys. Texts stored in fewer than `dictionary_bytes` each are places in a short dictionary: written out,
    the length alone takes four. `sorting` is what sorting outside DuckDB may take, in bytes; None: what the limit allows.
    """

    planned: int = 100_000
    hashed: int = 500_000
    dictionary_bytes: float = 3.5
    sorting: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known before any row is read. `memory` is what sorting outside DuckDB may take, in bytes."""

    schema: Schema
    footers: Footers
    memory: int = 1 << 29
    tuning: Tuning = Tuning()

    @property
    def rows(self) -> int:
        return self.footers.total

    @property
    def hashed(self) -> bool:
        return self.rows >= self.tuning.hashed

    def grouped(self, keys: Sequence[exp.Expression]) -> bool:
        """Whether the keys of all rows fit into a hash table in memory. Measured on 1e7 rows: 50 bytes for a number."""
        texts = sum(not isinstance(key, exp.Column) or self.kind(key.name) is Kind.STRING for key in keys)
        return self.rows * (32 + 16 * len(keys) + 16 * texts) <= self.memory

    def present(self, key: exp.Expression) -> bool:
        """Whether `key` is a column without nulls."""
        return isinstance(key, exp.Column) and self.footers.nulls(key.name) == 0

    def few_texts(self, name: str) -> bool:
        """Whether a column has texts, and few different ones, as far as their size tells."""
        size = self.footers.bytes_each(name)
        return self.kind(name) is Kind.STRING and size is not None and size < self.tuning.dictionary_bytes

    def kind(self, name: str) -> Kind | None:
        found = self.schema.get(name)
        return None if found is None else found.kind

    def bits(self, key: exp.Expression) -> tuple[int, int] | None:
        """Bounds of an integer column between which a bit for each value is worth its place."""
        found = self.schema.get(key.name) if isinstance(key, exp.Column) else None
        if found is None or found.native not in _FITS_BITS:
            return None
        bounds = self.footers.bounds(found.name)
        if bounds is None or bounds[1] - bounds[0] >= min(MAX_BITS, 64 * self.rows + (1 << 16)):
            return None
        return bounds

    def grows(self, key: exp.Expression) -> bool:
        """Whether `key` is a column without nulls that may be sorted."""
        return isinstance(key, exp.Column) and self.present(key) and self.footers.ascending(key.name)
