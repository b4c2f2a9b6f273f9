"""How much an expectation's result tells: Great Expectations' `result_format`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headgate.errors import ConfigError


class Level(StrEnum):
    """From least to most: success only; counts and some values; the same with their frequencies; all values."""

    BOOLEAN_ONLY = "BOOLEAN_ONLY"
    BASIC = "BASIC"
    SUMMARY = "SUMMARY"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFormat:
    """`partial_count` is how many unexpected values are shown below COMPLETE (0: none).

    `index_columns` name a row beside its values. `include_rows` adds whole rows. `exclude_values` leaves the values
    out of what names rows.
    """

    level: Level = Level.SUMMARY
    partial_count: int = 20
    index_columns: tuple[str, ...] = ()
    include_rows: bool = False
    exclude_values: bool = False


def parse_result_format(value: str | Mapping[str, Any]) -> ResultFormat:
    """`value` as Great Expectations takes it: a level's name or a mapping. Raises `ConfigError` for anything else."""
    given = {"result_format": value} if isinstance(value, str) else dict(value)
    level = given.get("result_format", Level.BASIC)
    if level not in set(Level):
        raise ConfigError(
            f"{level!r} is not a result format",
            where="result_format",
            next_step=f"Use one of {', '.join(Level)}.",
        )
    columns = given.get("unexpected_index_column_names") or ()
    count = given.get("partial_unexpected_count", 20)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ConfigError(
            f"{count!r} is not a number of unexpected values",
            where="result_format.partial_unexpected_count",
            next_step="Use a whole number from 0 on.",
        )
    return ResultFormat(
        level=Level(level),
        partial_count=count,
        index_columns=(columns,) if isinstance(columns, str) else tuple(columns),
        include_rows=bool(given.get("include_unexpected_rows", False)),
        exclude_values=bool(given.get("exclude_unexpected_values", False)),
    )
