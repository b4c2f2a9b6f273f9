"""Histograms of Prometheus: cumulative buckets (`le`) become "slower than", or events per bucket. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deployments.analysis.counts import NoData, difference
from deployments.analysis.ports import Arm, MetricSource, PastSource, Reading, SeriesKey
from headgate.errors import RemoteStateError

_BUCKET = "le="


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRequests:
    """A source of "slower than `above_s`" of all, from a source that reads `..._bucket` series as errors and total.

    `above_s` must be a boundary of the histogram: what lies inside a bucket cannot be told apart.
    """

    buckets: MetricSource
    above_s: float

    def read(self, arm: Arm) -> Reading:
        """See `ports.MetricSource`. Raises `RemoteStateError` where a series has no such boundary."""
        return tail(self.buckets.read(arm), self.above_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSlowRequests:
    """The same for what the buckets were."""

    buckets: PastSource
    above_s: float

    def read_at(self, arm: Arm, at: datetime) -> Reading:
        """See `ports.PastSource`."""
        return tail(self.buckets.read_at(arm, at), self.above_s)


def tail(reading: Reading, above_s: float) -> Reading:
    """`errors` are the events above the boundary, `total` all events, for each series of the histogram."""
    errors: dict[SeriesKey, float] = {}
    total: dict[SeriesKey, float] = {}
    for key, buckets in _series(reading.total).items():
        if math.inf not in buckets:
            raise RemoteStateError(
                f'the histogram {_named(key)} has no bucket le="+Inf"', next_step="Select all of its buckets."
            )
        if above_s not in buckets:
            there = ", ".join(f"{boundary:g}" for boundary in sorted(buckets))
            raise RemoteStateError(
                f"the histogram {_named(key)} has no boundary at {above_s:g}; it has {there}",
                next_step="Set above_s to one of its boundaries.",
            )
        total[key] = buckets[math.inf]
        errors[key] = buckets[math.inf] - buckets[above_s]
    return Reading(errors=errors, total=total, instances=reading.instances)


def boundaries(reading: Reading) -> tuple[float, ...]:
    """The upper boundaries that all series have, low to high, the last of them infinite."""
    sets = [set(buckets) for buckets in _series(reading.total).values()]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def bucket_difference(before: Reading, after: Reading) -> tuple[int, ...] | NoData:
    """Events of each bucket (not cumulative), low to high, between two readings. `NoData` says what is missing."""
    ends = boundaries(after)
    if not ends:
        return NoData(why="no series of the histogram")
    if ends[-1] != math.inf:
        return NoData(why='the histogram has no bucket le="+Inf"')
    below: list[int] = []
    for end in ends:
        counts = difference(_at(before, end), _at(after, end))
        if isinstance(counts, NoData):
            return counts
        below.append(counts.total)
    each = tuple(high - low for low, high in zip((0, *below), below, strict=False))
    if min(each) < 0:
        return NoData(why="its buckets do not add up: a pod was scraped while it restarted")
    return each


def _at(reading: Reading, end: float) -> Reading:
    chosen = {key: buckets[end] for key, buckets in _series(reading.total).items() if end in buckets}
    return Reading(errors=chosen, total=chosen, instances=reading.instances)


def _series(series: Mapping[SeriesKey, float]) -> dict[SeriesKey, dict[float, float]]:
    """Cumulative counts by boundary, for each series without its `le`."""
    found: dict[SeriesKey, dict[float, float]] = {}
    for key, value in series.items():
        boundary = next((part.removeprefix(_BUCKET) for part in key if part.startswith(_BUCKET)), None)
        if boundary is None:
            raise RemoteStateError(
                f"{_named(key)} is not a bucket of a histogram", next_step="Select the series that end in _bucket."
            )
        rest = tuple(part for part in key if not part.startswith(_BUCKET))
        found.setdefault(rest, {})[float(boundary.replace("Inf", "inf"))] = value
    return found


def _named(key: SeriesKey) -> str:
    return "{" + ", ".join(key[1:]) + "}"
