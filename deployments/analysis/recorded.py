"""Recorded counts: one JSON object a line, as `headgate analysis run --counts` reads them. Pure.

`{"t": seconds, "metric": name, "arm": "canary"|"baseline", ...}` with one of `"bad": n, "total": n` (bad of total),
`"n": n` (events without a total), `"value": x` (a gauge or a batch metric) and `"buckets": [n, ...]` (events of each
bucket of a histogram, low to high, not cumulative). Counts are those of the interval that ends at `t`, not counters as
they stand. `"weight"` (percent of the traffic that the canary has) may be added.

A line that is none of these spoils the whole recording: what else is missing from it cannot be known. A line that can
be read, but whose numbers cannot be counts (NaN, negative, more bad than all, given twice), spoils its metric.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployments.analysis.judge.model import Kind, Side
from headgate.errors import ConfigError

MAX_LINE = 100_000
_GREATEST = 2**53
_SHOWN = 60
_MAX_BUCKETS = 1000
_KEYS: dict[Kind, tuple[str, ...]] = {
    Kind.RATIO: ("bad", "total"),
    Kind.COUNT: ("n",),
    Kind.GAUGE: ("value",),
    Kind.HISTOGRAM: ("buckets",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that can be used. `numbers` are (bad, total), (n,), (value,) or the buckets; `weight` is a percentage."""

    number: int
    t: float
    metric: str
    side: Side
    kind: Kind
    numbers: tuple[float, ...]
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """A line of `metric` whose numbers cannot be true, and why."""

    number: int
    t: float
    metric: str
    side: Side
    kind: Kind
    why: str


class RecordingError(ConfigError):
    """A line that is not a line of counts; the message has its number."""


def parse_lines(lines: Iterable[str | bytes], *, where: str) -> Iterator[Line | Spoilt]:
    """The lines in their order, blank ones left out. Raises `RecordingError` with the number of the first bad line."""
    seen: dict[tuple[float, str, Side], int] = {}
    kinds: dict[str, tuple[Kind, int]] = {}
    for number, text in enumerate(lines, start=1):
        try:
            text = _text(text, number)
            if not text.strip():
                continue
            line = _line(number, text)
            if isinstance(line, Line):
                line = _fits(line, seen, kinds)
        except _BadLineError as error:
            raise RecordingError(
                f"line {number}: {error}",
                where=where,
                next_step='Write one object a line: {"t": 12, "metric": "errors", "arm": "canary", "bad": 1, "total": 20}.',
            ) from error
        yield line


class _BadLineError(Exception):
    pass


def _text(line: str | bytes, number: int) -> str:
    if len(line) > MAX_LINE:
        raise _BadLineError(f"it is longer than {MAX_LINE} characters")
    if isinstance(line, bytes):
        try:
            line = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _BadLineError("it is not UTF-8 text") from error
    return line.removeprefix("\ufeff") if number == 1 else line


def _line(number: int, text: str) -> Line | Spoilt:
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _BadLineError(f"not JSON ({error})") from error
    if not isinstance(found, dict):
        raise _BadLineError(f"not an object: {_show(found)}")
    metric, side = _metric(found), _side(found)
    kind = _kind(found)
    t = _time(found)
    numbers = _numbers(found, kind)
    weight, off = _weight(found)
    why = _untrue(numbers, kind) or off
    if why:
        return Spoilt(number=number, t=t, metric=metric, side=side, kind=kind, why=why)
    values = tuple(value for _, value in numbers)
    whole = values if kind is Kind.GAUGE else tuple(int(value) for value in values)
    return Line(number=number, t=t, metric=metric, side=side, kind=kind, numbers=whole, weight=weight)


def _numbers(found: dict[str, object], kind: Kind) -> list[tuple[str, float]]:
    """The numbers with their names; anything else than numbers is not a line of counts."""
    named: list[tuple[str, object]] = [(key, found[key]) for key in _KEYS[kind]]
    if kind is Kind.HISTOGRAM:
        buckets = found["buckets"]
        if not isinstance(buckets, list) or not 2 <= len(buckets) <= _MAX_BUCKETS:
            raise _BadLineError(f"buckets is {_show(buckets)}, not a list of 2 to {_MAX_BUCKETS} counts")
        named = [(f"buckets[{at}]", value) for at, value in enumerate(buckets)]
    numbers: list[tuple[str, float]] = []
    for key, value in named:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _BadLineError(f"{key} is {_show(value)}, not a number")
        numbers.append((key, value))
    return numbers


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _metric(found: dict[str, object]) -> str:
    metric = found.get("metric")
    if not isinstance(metric, str) or not metric.strip() or len(metric) > 200 or not metric.isprintable():
        raise _BadLineError(f"metric is {_show(metric)}, not a name" if "metric" in found else "metric is missing")
    return metric


def _side(found: dict[str, object]) -> Side:
    arm = found.get("arm")
    if arm not in tuple(Side):
        raise _BadLineError(f'arm is {_show(arm)}, not "canary" or "baseline"' if "arm" in found else "arm is missing")
    return Side(str(arm))


def _time(found: dict[str, object]) -> float:
    t = found.get("t")
    if isinstance(t, bool) or not isinstance(t, int | float):
        raise _BadLineError(f"t is {_show(t)}, not a number of seconds" if "t" in found else "t is missing")
    if not math.isfinite(t) or abs(t) > _GREATEST:
        raise _BadLineError(f"t is {_show(t)}, not a moment")
    return float(t)


def _kind(found: dict[str, object]) -> Kind:
    there = {key for keys in _KEYS.values() for key in keys if key in found}
    for kind, keys in _KEYS.items():
        if there == set(keys):
            return kind
    if there in ({"bad"}, {"total"}):
        raise _BadLineError(f"{'total' if 'bad' in there else 'bad'} is missing")
    what = f"it has {', '.join(sorted(there))}" if there else "it has no counts"
    raise _BadLineError(f"{what}: give bad and total, or n, or value, or buckets")


def _untrue(numbers: list[tuple[str, float]], kind: Kind) -> str:
    for key, value in numbers:
        if not math.isfinite(value):
            return f"{key} is {_show(value)}"
        if kind is Kind.GAUGE:
            continue
        if value < 0:
            return f"{key} is {_show(value)}, negative (a counter reset? counts of the interval are wanted)"
        if value != int(value):
            return f"{key} is {_show(value)}, not a whole number"
        if value > _GREATEST:
            return f"{key} is {_show(value)}, too great to be a count"
    if kind is Kind.RATIO and numbers[0][1] > numbers[1][1]:
        return f"bad {numbers[0][1]:g} is more than total {numbers[1][1]:g}"
    return ""


def _weight(found: dict[str, object]) -> tuple[float | None, str]:
    weight = found.get("weight")
    if weight is None:
        return None, ""
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise _BadLineError(f"weight is {_show(weight)}, not a number")
    if not 0 <= weight <= 100:
        return None, f"weight is {_show(weight)}, not a percentage"
    return float(weight), ""


def _fits(line: Line, seen: dict[tuple[float, str, Side], int], kinds: dict[str, tuple[Kind, int]]) -> Line | Spoilt:
    kind, first = kinds.setdefault(line.metric, (line.kind, line.number))
    why = ""
    if kind is not line.kind:
        why = f"it is a {line.kind.value}, but line {first} of the same metric is a {kind.value}"
    elif (earlier := seen.setdefault((line.t, line.metric, line.side), line.number)) != line.number:
        why = f"the same interval of the {line.side.value} is on line {earlier} already: a duplicate"
    if not why:
        return line
    return Spoilt(number=line.number, t=line.t, metric=line.metric, side=line.side, kind=kind, why=why)


def _show(value: object) -> str:
    text = "NaN" if value != value else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
