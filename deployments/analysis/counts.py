"""From raw counters at two moments to whole numbers of events in between. Pure.

A counter that fell was reset (its process restarted): what it shows now happened since. A series that was not there
before began at 0 in between. A series that went away is left out: its last events cannot be known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.analysis.ports import Reading, SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Events in one interval: `bad` of `total`."""

    bad: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """Nothing that could be counted; `why` says what is missing."""

    why: str


def difference(before: Reading, after: Reading) -> Counts | NoData:
    """Bad and total events between two readings of one arm.

    `NoData` when there are no series, a value is NaN, infinite, negative or not whole, or there are more bad events
    than events. A missing series of errors is missing data, not zero errors: a counter that is only born with its
    first error hides that error.
    """
    if not after.instances:
        return NoData(why="no running instance")
    if not after.total:
        return NoData(why="no series of the total")
    if not after.errors:
        return NoData(why="no series of the errors (expose every status from the start, at 0)")
    bad, total = _sum(before.errors, after.errors), _sum(before.total, after.total)
    if isinstance(bad, NoData):
        return bad
    if isinstance(total, NoData):
        return total
    if bad > total:
        return NoData(why=f"more errors ({bad}) than events ({total}): the two selectors do not fit together")
    return Counts(bad=bad, total=total)


def _sum(before: Mapping[SeriesKey, float], after: Mapping[SeriesKey, float]) -> int | NoData:
    count = 0
    for key, value in after.items():
        earlier = before.get(key, 0.0)
        for number in (value, earlier):
            if not math.isfinite(number) or number < 0 or number != int(number):
                return NoData(why=f"{'{'}{', '.join(key[1:])}{'}'} is {number}, which is not a count")
        count += int(value) - int(earlier) if value >= earlier else int(value)
    return count
