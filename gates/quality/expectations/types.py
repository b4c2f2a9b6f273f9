"""Expectations about the type of a column. The names of types are the engine's own.

For files pandas' names are understood too (`int64`, `str`, `datetime64[ns]`), for suites that were written for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gates.quality.expectations import arguments as given
from gates.quality.expectations.aggregates import finding
from gates.quality.expectations.context import Context
from gates.quality.metrics import Column, Finding, Kind

_SIZES = {
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
_PANDAS = {
    "int64": frozenset({"int64", "int", "int_", "long", "i8"}),
    "int32": frozenset({"int32", "intc", "i4"}),
    "float64": frozenset({"float64", "float", "float_", "double", "f8"}),
    "float32": frozenset({"float32", "single", "f4"}),
    "bool": frozenset({"bool", "bool_", "boolean"}),
    "str": frozenset({"str", "str_", "string", "unicode", "object", "o", "object_"}),
    "datetime64": frozenset(
        {"datetime64", "datetime64[ns]", "datetime64[us]", "datetime64[ms]", "datetime64[s]", "timestamp", "m8[ns]"}
    ),
    "object": frozenset({"object", "object_", "o"}),
}
_SYNONYMS = (
    frozenset({"INT", "INTEGER", "INT4", "SIGNED"}),
    frozenset({"BIGINT", "INT8", "LONG"}),
    frozenset({"SMALLINT", "INT2", "SHORT"}),
    frozenset({"DOUBLE", "DOUBLE PRECISION", "DOUBLE_PRECISION", "FLOAT8"}),
    frozenset({"REAL", "FLOAT4"}),
    frozenset({"VARCHAR", "CHARACTER VARYING", "TEXT", "STRING"}),
    frozenset({"CHAR", "CHARACTER", "BPCHAR"}),
    frozenset({"BOOLEAN", "BOOL"}),
    frozenset({"DECIMAL", "NUMERIC"}),
    frozenset({"TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE", "DATETIME"}),
    frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"}),
    frozenset({"BLOB", "BYTEA", "BINARY", "VARBINARY"}),
)
_PARAMETERS = re.compile(r"\s*\([^)]*\)")


def plan_type(context: Context) -> Finding:
    return _judge(context, [context["type_"]])


def plan_type_list(context: Context) -> Finding:
    return _judge(context, context["type_list"])


def _judge(context: Context, wanted: Sequence[str] | None) -> Finding:
    found = context.column(context["column"])
    success = wanted is None or any(_is(context, found, name) for name in wanted)
    return finding(context, success, {"observed_value": found.native})


def _is(context: Context, found: Column, name: str) -> bool:
    native, wanted = found.native.upper(), name.upper().strip()
    if wanted in (native, _base(native)):
        return True
    if not context.pandas:
        return False
    same = wanted == _base(wanted) and any({wanted, _base(native)} <= group for group in _SYNONYMS)
    return same or name.lower() in _pandas_names(found)


def _base(name: str) -> str:
    """A type without its parameters: `DECIMAL(18, 3)` is a `DECIMAL`."""
    return _PARAMETERS.sub("", name).strip()


def _pandas_names(found: Column) -> frozenset[str]:
    """What pandas and Python call the type that pandas gives such a column of a file."""
    match found.kind:
        case Kind.BOOLEAN:
            return _PANDAS["bool"]
        case Kind.STRING:
            return _PANDAS["str"]
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            return _PANDAS["datetime64"]
        case Kind.INTEGER | Kind.FLOAT:
            exact = _SIZES.get(_base(found.native.upper()), "")
            return _PANDAS.get(exact, frozenset({exact}))
        case Kind.BINARY:
            return _PANDAS["object"] | {"bytes"}
        case _:
            return _PANDAS["object"]


def _type_list(value: Any) -> list[str]:
    return given.texts(value)


_TYPE = {**given.COLUMN, **given.MAP, "type_": given.required(given.text)}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Finding]]] = {
    "expect_column_values_to_be_of_type": (_TYPE, plan_type),
    "expect_column_values_to_be_in_type_list": (
        {**given.COLUMN, **given.MAP, "type_list": given.optional(_type_list)},
        plan_type_list,
    ),
    "expect_column_type_to_be": (
        {"column": given.required(given.name), "type_": given.required(given.text)},
        plan_type,
    ),
}
