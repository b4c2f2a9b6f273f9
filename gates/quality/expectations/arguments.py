"""Arguments of expectations: what Great Expectations accepts, coerced as it coerces it (`1` becomes `1.0`). Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from gates.quality.expectations.context import refuse

Coerce = Callable[[Any], Any]

COMMON = frozenset({"result_format", "catch_exceptions", "batch_id", "windows", "rendered_content"})
"""Arguments of every expectation that say nothing about the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One argument. `required`: there is no default, and null is refused unless `coerce` takes it."""

    coerce: Coerce
    required: bool = False
    default: Any = None
    nullable: bool = False


def required(coerce: Coerce) -> Field:
    return Field(coerce=coerce, required=True)


def optional(coerce: Coerce, default: Any = None) -> Field:
    return Field(coerce=coerce, default=default, nullable=default is None)


def coerce_arguments(
    fields: Mapping[str, Field], kwargs: Mapping[str, Any], parameters: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """`kwargs` by `fields`, with defaults. What Great Expectations refuses is not judged, naming the argument.

    `parameters` names arguments whose value came from a parameter: a text stays a text in a bound there.
    """
    for given in kwargs:
        if given not in fields and given not in COMMON:
            refuse(f"{given}: extra fields not permitted")
    return {key: _coerced(key, field, kwargs, key in parameters) for key, field in fields.items()}


def _coerced(name: str, field: Field, kwargs: Mapping[str, Any], by_parameter: bool) -> Any:
    if name not in kwargs:
        if field.required:
            refuse(f"{name}: field required")
        return field.default
    value = kwargs[name]
    if value is None:
        if not field.nullable:
            refuse(f"{name}: none is not an allowed value")
        return None
    if by_parameter and field.coerce is bound and isinstance(value, str):
        return value
    try:
        return field.coerce(value)
    except (ValueError, TypeError, OverflowError) as error:
        refuse(f"{name}: {error}")


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("str type expected")


def name(value: Any) -> str:
    """The name of a column."""
    if not isinstance(value, str):
        raise TypeError("str type expected")
    if not value:
        raise ValueError("ensure this value has at least 1 characters")
    return value


def number(value: Any) -> float:
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError("value is not a valid float")


def whole(value: Any) -> int:
    """An integer; fractions are cut off, as Great Expectations does."""
    if isinstance(value, int):
        return value
    if isinstance(value, float | str):
        try:
            return int(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError("value is not a valid integer")


_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else str(value) if value in (0, 1) else ""
    word = {"1.0": "1", "0.0": "0"}.get(word, word)
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("value could not be parsed to a boolean")


def mostly(value: Any) -> float:
    share = number(value)
    if not 0.0 <= share <= 1.0:
        raise ValueError("ensure this value is from 0.0 to 1.0")
    return share


_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_DATETIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d{0,6})?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?"
)


def bound(value: Any) -> float | date | datetime:
    """A bound of a range: a number, or a date or time in ISO form."""
    if isinstance(value, date):
        return value
    if value == "":
        raise ValueError("values cannot be empty strings")
    try:
        return number(value)
    except ValueError:
        pass
    if isinstance(value, str):
        return time_of(value)
    raise ValueError("value is not a valid float, date or datetime")


def time_of(value: str) -> date | datetime:
    """The date or datetime that `value` writes in ISO form. Raises `ValueError`."""
    if found := _DATE.fullmatch(value):
        return date(*(int(part) for part in found.groups()))
    if not (found := _DATETIME.fullmatch(value)):
        raise ValueError("value is not a valid float, date or datetime")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micro = int((fraction or "0").ljust(6, "0"))
    return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, _zone(zone))


def _zone(zone: str | None) -> timezone | None:
    if zone is None:
        return None
    if zone == "Z":
        return UTC
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if zone[0] == "-" else offset)


def row_bound(value: Any) -> int | datetime:
    """A bound on a number of rows."""
    try:
        return whole(value)
    except ValueError:
        if isinstance(value, datetime):
            return value
    raise ValueError("value is not a valid integer")


def values(value: Any) -> list[Any]:
    """A set of values, as a list."""
    if isinstance(value, list | tuple):
        return list(value)
    raise ValueError("value is not a valid list")


def some_values(value: Any) -> list[Any]:
    found = values(value)
    if not found:
        raise ValueError("value_set must be a non-empty set-like object.")
    return found


def texts(value: Any) -> list[str]:
    return [text(item) for item in values(value)]


def some_texts(value: Any) -> list[str]:
    found = texts(value)
    if not found:
        raise ValueError("ensure this value has at least 1 items")
    return found


def names(value: Any) -> list[str]:
    """Names of at least two columns."""
    found = [name(item) if item != "" else item for item in values(value)]
    if len(found) < 2:
        raise ValueError("column_list must contain at least two columns.")
    return found


def pairs(value: Any) -> list[tuple[Any, Any]]:
    found = [tuple(item) if isinstance(item, list | tuple) else () for item in values(value)]
    if any(len(pair) != 2 for pair in found):
        raise ValueError("value is not a list of pairs")
    return [(pair[0], pair[1]) for pair in found]


def one_of(*words: str) -> Coerce:
    def coerce(value: Any) -> str:
        if value not in words:
            raise ValueError(f"unexpected value; permitted: {', '.join(map(repr, words))}")
        return str(value)

    return coerce


def escape(value: Any) -> str:
    found = text(value)
    if len(found) != 1:
        raise ValueError("escape must be a single character.")
    return found


def multiplier(value: Any) -> float:
    found = number(value)
    if not found >= 0 or math.isinf(found):
        raise ValueError("ensure this value is greater than or equal to 0")
    return found


def anything(value: Any) -> Any:
    return value


RANGE = {"strict_min": optional(flag, default=False), "strict_max": optional(flag, default=False)}
CONDITION = {"row_condition": optional(anything), "condition_parser": optional(text)}
COLUMN = {"column": required(name), **CONDITION}
MAP = {"mostly": optional(mostly, default=1.0)}
PAIR = {
    "column_A": required(name),
    "column_B": required(name),
    "ignore_row_if": optional(
        one_of("both_values_are_missing", "either_value_is_missing", "neither"), default="both_values_are_missing"
    ),
    **CONDITION,
    **MAP,
}
SEVERAL = {
    "column_list": required(names),
    "ignore_row_if": optional(
        one_of("all_values_are_missing", "any_value_is_missing", "never"), default="all_values_are_missing"
    ),
    **CONDITION,
    **MAP,
}
