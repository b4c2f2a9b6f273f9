"""From observations, which may say anything, to clean numbers or the reason why not. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments.analysis.judge.model import Kind, Observation, Side

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an interval of a metric can't be used. `broken`: impossible input (ERROR), else a lack (INCONCLUSIVE)."""

    text: str
    broken: bool


def sort_out(observations: Iterable[Observation]) -> dict[str, dict[Side, Observation | None]]:
    """Observations by metric and arm; None stands for an arm that was given more than once."""
    found: dict[str, dict[Side, Observation | None]] = {}
    for one in observations:
        sides = found.get(one.metric)
        if sides is None:
            found[one.metric] = {one.side: one}
        else:
            sides[one.side] = None if one.side in sides else one
    return found


def read_side(kind: Kind, sides: Mapping[Side, Observation | None], side: Side) -> Numbers | Fault | None:
    """The numbers of one arm: (bad, total), (n,), the buckets or (value,); None when nothing was observed."""
    if side not in sides:
        return None
    one = sides[side]
    if one is None:
        return Fault(f"{side} is given twice in one interval (duplicate)", True)
    if one.fault is not None:
        return Fault(f"{side}: {one.fault}", False)
    return _READERS[kind](one)


def _ratio(one: Observation) -> Numbers | Fault:
    if one.bad is None or one.total is None:
        return _missing(one, "bad and total")
    fault = _count(one, "bad", one.bad) or _count(one, "total", one.total)
    if fault:
        return fault
    if one.bad > one.total:
        return Fault(f"{one.side} has more bad events than events: {one.bad:g} > {one.total:g}", True)
    return (one.bad, one.total)


def _events(one: Observation) -> Numbers | Fault:
    if one.n is None:
        return _missing(one, "n")
    return _count(one, "n", one.n) or (one.n,)


def _buckets(one: Observation) -> Numbers | Fault:
    if one.buckets is None or len(one.buckets) < 2:
        return _missing(one, "two or more buckets")
    for number in one.buckets:
        if (type(number) is int or (type(number) is float and number.is_integer())) and number >= 0:
            continue  # the same as in `_count`, without the call
        fault = _count(one, "a bucket", number)
        if fault:
            return fault
    return tuple(one.buckets)


def _value(one: Observation) -> Numbers | Fault:
    if one.value is None:
        return _missing(one, "value")
    if not _is_number(one.value) or not math.isfinite(one.value):
        return Fault(f"{one.side}: value is {_show(one.value)}, which is not a finite number", True)
    return (float(one.value),)


_READERS = {Kind.RATIO: _ratio, Kind.COUNT: _events, Kind.HISTOGRAM: _buckets, Kind.GAUGE: _value}


def _missing(one: Observation, what: str) -> Fault:
    return Fault(f"{one.side}: {what} missing", True)


def _count(one: Observation, name: str, number: float) -> Fault | None:
    if (type(number) is int or (type(number) is float and number.is_integer())) and number >= 0:
        return None
    if not _is_number(number) or not math.isfinite(number):
        return Fault(f"{one.side}: {name} is {_show(number)}, which is not a count", True)
    if number < 0:
        return Fault(
            f"{one.side}: {name} is {number:g}, negative: a counter was reset, or the difference is wrong", True
        )
    if number != int(number):
        return Fault(f"{one.side}: {name} is {number!r}, not a whole number (rates are not counts)", True)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _show(value: object) -> str:
    return "NaN" if isinstance(value, float) and math.isnan(value) else repr(value)
