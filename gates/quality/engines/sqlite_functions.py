"""What SQLite lacks, as functions in Python: regular expressions, exact sums, deviations, times, JSON."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


class _Sum:
    """An exact sum of integers, of any size; a float where SQLite has no integer so large, or a value is none."""

    def __init__(self) -> None:
        self.whole = 0
        self.parts: list[float] = []
        self.empty = True

    def step(self, value: object) -> None:
        if isinstance(value, int):
            self.whole += value
        elif isinstance(value, float):
            self.parts.append(value)
            if len(self.parts) > 4096:
                self.parts = [_total(self.parts)]
        elif value is not None:
            raise TypeError(f"{value!r} is not a number")
        self.empty = self.empty and value is None

    def finalize(self) -> float | None:
        if self.empty:
            return None
        if self.parts:
            return _total([*self.parts, _float(self.whole)])
        return self.whole if -(2**63) <= self.whole < 2**63 else _float(self.whole)


def _float(whole: int) -> float:
    try:
        return float(whole)
    except OverflowError:
        return math.copysign(math.inf, whole)


def _total(parts: Sequence[float]) -> float:
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):  # infinities of both signs have no sum
        return sum(parts)


class _Variance:
    """Welford's algorithm: stable in one pass."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def step(self, value: object) -> None:
        if value is None:
            return
        if not isinstance(value, int | float):
            raise TypeError(f"{value!r} is not a number")
        self.count += 1
        difference = value - self.mean
        self.mean += difference / self.count
        self.squares += difference * (value - self.mean)

    def finalize(self) -> float | None:
        return self.squares / (self.count - 1) if self.count > 1 else None


class _Deviation(_Variance):
    def finalize(self) -> float | None:
        variance = super().finalize()
        return None if variance is None else math.sqrt(variance)


def _matches(text: object, pattern: str) -> bool | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a text")
    return re.search(pattern, text) is not None  # the module keeps compiled patterns


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) and "_" not in value else None
    except ValueError:
        return None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _timestamp(value: object) -> str | None:
    found = _moment(value)
    return found.isoformat(sep=" ") if found else None


def _date(value: object) -> str | None:
    found = _moment(value)
    return found.date().isoformat() if found else None


def _epoch(value: object) -> float | None:
    found = _moment(value)
    return found.replace(tzinfo=UTC).timestamp() if found else None


def _is_json(text: object) -> bool | None:
    if not isinstance(text, str):
        return None if text is None else False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _parses_as(text: object, form: str) -> bool | None:
    if not isinstance(text, str):
        return None if text is None else False
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it parses
    except ValueError:
        return False
    return True


_FUNCTIONS: Mapping[str, tuple[int, Any]] = {
    "headgate_matches": (2, _matches),
    "headgate_number": (1, _number),
    "headgate_date": (1, _date),
    "headgate_timestamp": (1, _timestamp),
    "headgate_epoch": (1, _epoch),
    "headgate_is_json": (1, _is_json),
    "headgate_parses_as": (2, _parses_as),
    "regexp": (2, lambda pattern, text: _matches(text, pattern)),  # X REGEXP Y in a user's own query
}
_AGGREGATES = {"headgate_sum": _Sum, "headgate_variance": _Variance, "headgate_stddev": _Deviation}


class Functions:
    """All of them, for one connection. `reason` is what the last one that failed said: SQLite only tells that one did."""

    def __init__(self) -> None:
        self.reason = "a function failed"

    def add_to(self, raw: sqlite3.Connection) -> None:
        for name, (arguments, body) in _FUNCTIONS.items():
            raw.create_function(name, arguments, self._telling(body), deterministic=True)
        for name, kind in _AGGREGATES.items():
            raw.create_aggregate(name, 1, self._telling_kind(kind))

    def _telling(self, body: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            try:
                return body(*arguments)
            except Exception as error:
                self.reason = f"{type(error).__name__}: {error}"
                raise

        return told

    def _telling_kind(self, kind: Any) -> Any:
        def make() -> Any:
            made = kind()
            made.step = self._telling(made.step)
            return made

        return make
