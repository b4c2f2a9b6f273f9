"""What every metric is, computed row by row in plain Python: the oracle for engines and plans.

Conditions are given twice, as an expression and as a function on a row, so that nothing of ours judges itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlglot import exp

Row = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """A condition as SQL and in Python (None: SQL's NULL)."""

    sql: exp.Expression
    holds: Callable[[Row], bool | None]


def chosen(rows: Sequence[Row], *conditions: Condition | None) -> list[int]:
    """Positions of the rows for which every condition is true."""
    return [
        place
        for place, row in enumerate(rows)
        if all(condition is None or condition.holds(row) is True for condition in conditions)
    ]


def values_of(rows: Iterable[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]


def duplicated(rows: Sequence[Row], places: Sequence[int], keys: Sequence[str]) -> list[int]:
    """Positions whose keys occur more than once, nulls equal to each other."""
    found = Counter(tuple(rows[place][key] for key in keys) for place in places)
    return [place for place in places if found[tuple(rows[place][key] for key in keys)] > 1]


def out_of_order(rows: Sequence[Row], places: Sequence[int], name: str, direction: str, strictly: bool) -> list[int]:
    wrong = []
    before: Any = None
    for place in places:
        value = rows[place][name]
        if value is None:
            continue
        if before is not None:
            follows = value > before if direction == "increasing" else value < before
            if not (follows or (not strictly and value == before)):
                wrong.append(place)
        before = value
    return wrong


def quantile(values: Sequence[Any], probability: float, method: str) -> Any:
    ordered = sorted(values)
    share = Fraction(repr(probability))
    if method == "discrete":
        return ordered[max(1, math.ceil(share * len(ordered))) - 1]
    if method == "nearest":
        return ordered[round((len(ordered) - 1) * probability)]
    place = share * (len(ordered) - 1)
    low = ordered[math.floor(place)]
    high = ordered[min(math.floor(place) + 1, len(ordered) - 1)]
    return float(low) + (float(high) - float(low)) * float(place - math.floor(place))
