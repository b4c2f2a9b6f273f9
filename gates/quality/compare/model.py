"""What a comparison asks, what it finds, and what it may conclude: frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from gates.quality.metrics import Column, Kind

MAX_SAMPLE = 2000
"""Rows looked at per kind of difference (per changed column, lost, added) when a cause is sought. They are those with
the lowest hashes of their keys, so that order and files of the data do not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to compare, and how.

    `key` names the columns that identify a row; without it a key is looked for, and where none is unique on both sides
    rows are compared whole, as multisets. `ignore` names columns left out. `segment` names a column whose values divide
    the rows for aggregates. `tolerance` is relative, for floats: two that differ by less are equal (default: exact).
    """

    key: tuple[str, ...] = ()
    segment: str | None = None
    ignore: tuple[str, ...] = ()
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retyped:
    """A column whose type differs; types are DuckDB's names. Its values are compared in a type that holds both."""

    name: str
    base: str
    head: str
    widened: bool
    """Head holds every value that base can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """A column of base whose values are found in a column of head under another name: `equal` of `rows` rows."""

    base: str
    head: str
    equal: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """Columns that are not the same on both sides; the order of columns does not count. Renamed ones are in none of the others."""

    added: tuple[Column, ...] = ()
    removed: tuple[Column, ...] = ()
    retyped: tuple[Retyped, ...] = ()
    renamed: tuple[Renamed, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.retyped or self.renamed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Rows matched by `columns`, counted in keys. Without columns rows are matched whole and counted one by one.

    `lost` are in base only, `added` in head only, `matched` in both. `changed` of the matched have different rows.
    `duplicated_base` and `_head` are keys with more than one row there, `duplicate_rows_*` the rows they have;
    `growing` are keys with more rows in head than in base. `inferred`: the key was found, not given.
    """

    columns: tuple[str, ...]
    inferred: bool = False
    matched: int
    lost: int
    added: int
    changed: int
    duplicated_base: int = 0
    duplicated_head: int = 0
    duplicate_rows_base: int = 0
    duplicate_rows_head: int = 0
    growing: int = 0
    shrinking: int = 0
    varying: tuple[str, ...] = ()
    """Columns in which rows of one duplicated key differ from each other in head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How changed numbers relate, over the `both` changed rows looked at that have a number on both sides.

    `rounded` counts rows where head is base rounded: by (mode, decimals); `finer` the other way round. `base_decimals`
    is the least number of decimals (0 to 6) that all have, None where it is more. `factor` and `offset` are the median
    of head / base and of head - base, with the rows that have exactly it. `falling` counts neighbours in order of base
    that fall in head; `merging`: different numbers became the same. `p95` and `max` are of the difference.
    """

    both: int
    rounded: Mapping[tuple[str, int], int] = field(default_factory=dict)
    finer: Mapping[int, int] = field(default_factory=dict)
    base_decimals: int | None = None
    head_decimals: int | None = None
    p95: float = 0.0
    max: float = 0.0
    factor: float | None = None
    factor_rows: int = 0
    offset: float | None = None
    offset_rows: int = 0
    falling: int = 0
    merging: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """One column over the keys that are on both sides once: `changed` of `compared` differ.

    The rest is of the `looked_at` changed rows: values that became null or were null, rows whose head value `known`
    to base's column, texts equal but for case and space (`respelled`), how numbers relate, and for times the most
    frequent offsets (head - base) in seconds with their rows.
    """

    name: str
    kind: Kind
    changed: int
    compared: int
    looked_at: int = 0
    became_null: int = 0
    was_null: int = 0
    known: int = 0
    respelled: int = 0
    numbers: Numbers | None = None
    offsets: tuple[tuple[float, int], ...] = ()

    @property
    def ratio(self) -> float | None:
        return self.changed / self.compared if self.compared else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One column of one side. `rows` counts what was looked at; None where there is no such number."""

    rows: int
    nulls: int
    distinct: int
    mean: float | None = None
    stddev: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How the distribution of a column moved: `psi` is the population stability index over base's deciles or most
    frequent values, nulls being a bin of their own (0: the same; above 0.25 is commonly called a major shift)."""

    name: str
    psi: float
    base: Profile
    head: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Rows of one value of the segment column, and sums of numeric columns by name; None where there is no row."""

    value: Any
    base_rows: int
    head_rows: int
    sums: tuple[tuple[str, float | None, float | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """What rows that are on one side only have in common, and the other side does not have.

    `values` are all their values in `column` (none of which the other side has, or `elsewhere` of its rows), or None
    where they lie outside of its range: `relation` then says how (`<`, `>`) and `bound` the limit of the other side.
    """

    column: str
    values: tuple[Any, ...] | None
    rows: int
    looked_at: int
    elsewhere: int = 0
    elsewhere_of: int = 0
    relation: Literal["in", "<", ">"] = "in"
    bound: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value on both sides; for rows of one side only that side's."""

    column: str
    base: Any = None
    head: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row that differs: `what` is changed, lost, added or duplicated; `column` the one it is an example for."""

    what: Literal["changed", "lost", "added", "duplicated"]
    key: tuple[tuple[str, Any], ...]
    cells: tuple[Cell, ...]
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that was found. Ratios are exact; what causes rest on is a bounded sample (`MAX_SAMPLE`).

    `keys` None: nothing could be matched because one side has no rows, or no column is on both sides.
    """

    base: str
    head: str
    base_rows: int
    head_rows: int
    schema: SchemaDifference
    columns: tuple[str, ...]
    keys: Keys | None
    changes: tuple[ColumnChange, ...] = ()
    shifts: tuple[Shift, ...] = ()
    segment: str | None = None
    segments: tuple[Segment, ...] = ()
    lost_traits: tuple[Trait, ...] = ()
    added_traits: tuple[Trait, ...] = ()
    examples: tuple[Example, ...] = ()
    queries: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Same columns, same types, same rows (in any order and any files), and at least one row."""
        return (
            self.base_rows == self.head_rows > 0
            and self.schema.empty
            and self.keys is not None
            and not (self.keys.lost or self.keys.added or self.keys.changed)
        )


class CauseKind(StrEnum):
    """Why two versions of a table differ."""

    WRONG_JOIN = "wrong join"
    DROPPED_FILTER = "dropped filter"
    ADDED_FILTER = "added filter"
    ROUNDING = "changed rounding"
    RENAMED_COLUMN = "renamed column"
    TIME_ZONE = "time-zone shift"
    TIME_SHIFT = "time shift"
    FACTOR = "changed unit or rate"
    OFFSET = "constant offset"
    RENUMBERED = "numbered anew"
    SPELLING = "changed spelling"
    DUPLICATES_REMOVED = "duplicates removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The likely reason of a difference: `text` says the evidence, `rows` how many rows it explains."""

    kind: CauseKind
    columns: tuple[str, ...]
    text: str
    rows: int
    examples: tuple[Example, ...] = ()
