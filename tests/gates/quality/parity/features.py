"""What is special about a case: nulls, NaN, one row, strict bounds and so on, from its table and its arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pyarrow as pa

from tests.gates.quality.parity.cases import Case
from tests.gates.quality.parity.tables import tables

DATA = ("nulls", "nan", "infinity", "unicode", "decimal", "date", "timestamp", "zone", "duplicates", "integer", "float")
"""What is in the columns of a case."""
BATCH = ("empty", "one row")
"""How many rows it has."""
WORDS = ("mostly", "strict", "open below", "open above", "condition")
"""What its arguments say. `open` is one bound without the other, `strict` either bound or a strict order."""


def features(case: Case) -> frozenset[str]:
    """Those of the above that `case` has."""
    table = tables()[case.table]
    size = {0: {"empty"}, 1: {"one row"}}.get(table.num_rows, set())
    found = set[str]().union(*(_of_column(case.table, name) for name in columns(case) if name in table.column_names))
    return frozenset(found | size | set(_of_arguments(case.kwargs)))


def columns(case: Case) -> tuple[str, ...]:
    """The columns that `case` is about."""
    kwargs = case.kwargs
    listed = kwargs.get("column_list", []) if isinstance(kwargs.get("column_list"), list) else []
    named = [kwargs.get(key) for key in ("column", "column_A", "column_B")]
    return tuple(name for name in (*named, *listed) if isinstance(name, str))


@cache
def _of_column(table: str, name: str) -> frozenset[str]:
    column = tables()[table].column(name)
    values = [value for value in column.to_pylist() if value is not None]
    return frozenset((*_of_kind(column.type), *_of_values(values), *(["nulls"] if column.null_count else [])))


def _of_kind(kind: pa.DataType) -> Iterator[str]:
    kinds = {
        "decimal": pa.types.is_decimal(kind),
        "date": pa.types.is_date(kind),
        "timestamp": pa.types.is_timestamp(kind) and kind.tz is None,
        "zone": pa.types.is_timestamp(kind) and kind.tz is not None,
        "integer": pa.types.is_integer(kind),
        "float": pa.types.is_floating(kind),
    }
    return (name for name, is_it in kinds.items() if is_it)


def _of_values(values: list[Any]) -> Iterator[str]:
    floats = [value for value in values if isinstance(value, float)]
    if any(map(math.isnan, floats)):
        yield "nan"
    if any(map(math.isinf, floats)):
        yield "infinity"
    if any(isinstance(value, str) and not value.isascii() for value in values):
        yield "unicode"
    if len(set(values)) < len(values):
        yield "duplicates"


def _of_arguments(kwargs: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(kwargs.get("mostly"), int | float):
        yield "mostly"
    if any(kwargs.get(key) is True for key in ("strict_min", "strict_max", "strictly")):
        yield "strict"
    if "max_value" in kwargs and "min_value" not in kwargs:
        yield "open below"
    if "min_value" in kwargs and "max_value" not in kwargs:
        yield "open above"
    if "row_condition" in kwargs:
        yield "condition"


def at_the_edge(case: Case, answer: Mapping[str, Any]) -> bool:
    """Whether the share of what holds is `mostly` itself, as far as floats tell, by Great Expectations' own counts."""
    counts = answer.get("result") or {}
    wanted, rows = case.kwargs.get("mostly"), counts.get("element_count")
    if not isinstance(wanted, int | float) or not rows or counts.get("unexpected_count") is None:
        return False
    judged = rows - counts.get("missing_count", 0)
    return bool(judged) and math.isclose(1 - counts["unexpected_count"] / judged, wanted, rel_tol=1e-9)
