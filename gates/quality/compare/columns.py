"""Which column of base answers to which of head, and the type in which their values are compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gates.quality.compare.model import Retyped
from gates.quality.metrics import Column, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSchema:
    """The columns of one side; types of `guessed` ones are the reader's guess (text files, hive partitions)."""

    columns: tuple[Column, ...]
    guessed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One column on both sides. `cast` is the DuckDB type both are cast to, None where they have one type already."""

    base: Column
    head: Column
    kind: Kind
    cast: str | None = None

    @property
    def name(self) -> str:
        return self.base.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Both schemas side by side, columns of the same name paired, in base's order."""

    pairs: tuple[Pair, ...]
    removed: tuple[Column, ...]
    added: tuple[Column, ...]
    retyped: tuple[Retyped, ...]

    def get(self, name: str) -> Pair | None:
        return next((pair for pair in self.pairs if pair.name == name), None)

    def with_renamed(self, pair: Pair) -> Pairing:
        """The same with two columns of different names taken as one."""
        return replace(
            self,
            pairs=(*self.pairs, pair),
            removed=tuple(column for column in self.removed if column.name != pair.base.name),
            added=tuple(column for column in self.added if column.name != pair.head.name),
        )


def pair_columns(base: SideSchema, head: SideSchema, ignore: Iterable[str] = ()) -> Pairing:
    """Columns paired by exact name; those in `ignore` are in no part of the result."""
    left_out = set(ignore)
    heads = {column.name: column for column in head.columns if column.name not in left_out}
    bases = [column for column in base.columns if column.name not in left_out]
    pairs, retyped = [], []
    for column in bases:
        other = heads.pop(column.name, None)
        if other is None:
            continue
        pair = _pair(column, other, column.name in base.guessed, other.name in head.guessed)
        pairs.append(pair)
        if pair.cast is not None and not {column.name} & (base.guessed | head.guessed):
            widened = is_widened(column, other)
            retyped.append(Retyped(name=column.name, base=column.native, head=other.native, widened=widened))
    paired = {pair.name for pair in pairs}
    return Pairing(
        pairs=tuple(pairs),
        removed=tuple(column for column in bases if column.name not in paired),
        added=tuple(heads.values()),
        retyped=tuple(retyped),
    )


def rename_pair(removed: Column, added: Column) -> Pair | None:
    """The two as one column, where their values could be the same: types of one family."""
    families = ({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}, {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
    related = removed.kind is added.kind or any({removed.kind, added.kind} <= family for family in families)
    return _pair(removed, added, False, False) if related else None


def _pair(base: Column, head: Column, base_guessed: bool, head_guessed: bool) -> Pair:
    if base.native == head.native:
        return Pair(base=base, head=head, kind=base.kind)
    if base_guessed != head_guessed:
        certain, guess = (head, base) if base_guessed else (base, head)
        if guess.kind is Kind.STRING and certain.kind is not Kind.STRING:
            # A reader that guesses text has seen values that are nothing else.
            return Pair(base=base, head=head, kind=Kind.STRING, cast="VARCHAR")
        return Pair(base=base, head=head, kind=certain.kind, cast=certain.native)
    kind, cast = common_type(base, head)
    return Pair(base=base, head=head, kind=kind, cast=cast)


def common_type(base: Column, head: Column) -> tuple[Kind, str]:
    """A type that holds the values of both columns; text where there is no closer one."""
    kinds = {base.kind, head.kind}
    if kinds <= {Kind.INTEGER, Kind.DECIMAL}:
        return _exact(base, head)
    if kinds <= {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}:
        return Kind.FLOAT, "DOUBLE"
    if kinds <= {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}:
        # The session's zone is UTC, so that a time with a zone is its UTC time.
        return Kind.TIMESTAMP, "TIMESTAMP_NS" if "TIMESTAMP_NS" in {base.native, head.native} else "TIMESTAMP"
    if Kind.NULL in kinds:
        other = head if base.kind is Kind.NULL else base
        return other.kind, other.native
    return Kind.STRING, "VARCHAR"


def _exact(base: Column, head: Column) -> tuple[Kind, str]:
    (base_digits, base_scale), (head_digits, head_scale) = _digits(base.native), _digits(head.native)
    scale = max(base_scale, head_scale)
    if scale == 0:
        return Kind.INTEGER, "HUGEINT"
    if max(base_digits, head_digits) + scale > 38:
        return Kind.FLOAT, "DOUBLE"
    return Kind.DECIMAL, f"DECIMAL(38,{scale})"


_INTEGER_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38}
_WIDTHS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def _digits(native: str) -> tuple[int, int]:
    """Digits before and after the decimal point that a type can hold."""
    match = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", native)
    if match:
        return int(match[1]) - int(match[2]), int(match[2])
    return _INTEGER_DIGITS.get(native.removeprefix("U"), 38), 0


def is_widened(base: Column, head: Column) -> bool:
    """Whether head's type holds every value of base's type exactly."""
    if base.native in _WIDTHS and head.native in _WIDTHS:
        return _WIDTHS.index(base.native) <= _WIDTHS.index(head.native)
    if {base.kind, head.kind} <= {Kind.INTEGER, Kind.DECIMAL}:
        (base_digits, base_scale), (head_digits, head_scale) = _digits(base.native), _digits(head.native)
        return base_digits <= head_digits and base_scale <= head_scale
    return (base.native, head.native) in {("FLOAT", "DOUBLE"), ("DATE", "TIMESTAMP"), ("INTEGER", "DOUBLE")}
