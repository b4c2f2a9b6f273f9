"""Where the history of a service may be cut, so that a new event needs only what comes after to be judged. Pure.

A cut is a boundary between two spans of seven days (`WEEK_US`) that no name and no failure reaches across: events before it
and after it share no commit, release, change, version or incident, and every failure before it had ended before it.
Judging goes by names and by what was live at a time. So from one cut on, after each target has gone live once, the
judgement is that of the whole history (`judged_alike`), and a new event changes nothing before a later cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from observability import links
from observability.columns import to_microseconds
from observability.environments import is_production
from observability.events import DELIVERY, DeliveryEvent, Kind
from observability.failures import Judged, Recovery
from observability.history import Target

WEEK_US = 7 * 86_400_000_000
_INCIDENTS = (Kind.INCIDENT_DETECTED, Kind.INCIDENT_REPORTED)

Interval = tuple[int, int]


def own_names(event: DeliveryEvent) -> Iterator[str]:
    """The names under which events of one service refer to each other, besides `links.names`."""
    for change in links.changes(event):
        yield f"change {change} of {event.service}"
    if event.data and (run := event.data.get("run")) is not None:
        yield f"run {run} of {event.service}"
    if event.data and event.commit is None and event.kind in DELIVERY:
        for key in ("version", "artifact"):
            if (content := event.data.get(key)) is not None:
                yield f"version {content} of {event.service}"


def name_intervals(events: Iterable[DeliveryEvent]) -> list[Interval]:
    """From the first to the last event of each name, for names of several events."""
    found: dict[str, Interval] = {}
    for event in events:
        at = to_microseconds(event.occurred_at)
        for name in (*links.names(event), *own_names(event)):
            low, high = found.get(name, (at, at))
            found[name] = min(low, at), max(high, at)
    return [(low, high) for low, high in found.values() if low < high]


def find_cuts(names: Iterable[Interval], judged: Iterable[Judged], begin: int, end: int) -> list[int]:
    """The boundaries in begin < cut <= end that nothing reaches across, ascending."""
    blocked: set[int] = set()
    for low, high in (*names, *_failures(judged, end)):
        if low // WEEK_US < high // WEEK_US:
            blocked.update(range(low // WEEK_US + 1, min(high, end) // WEEK_US + 1))
    return [week * WEEK_US for week in range(begin // WEEK_US + 1, end // WEEK_US + 1) if week not in blocked]


def _failures(judged: Iterable[Judged], end: int) -> Iterator[Interval]:
    for one in judged:
        deployment = one.deployment
        times = [t for t in (deployment.at, deployment.failed_at, one.recovered_at) if t is not None]
        # An incident that is open now is closed by its name; other failures may be ended by any later deployment.
        open_ended = one.recovery is Recovery.NONE
        first, last = to_microseconds(min(times)), to_microseconds(max(times))
        if open_ended or first < last:
            yield first, max(last, end) if open_ended else last


def reached(names: Sequence[Interval], moment: int) -> int:
    """The latest moment, up to this one, that no name reaches across: what happens later cannot matter before it."""
    ordered = sorted((interval for interval in names if interval[0] < moment), key=lambda one: one[1], reverse=True)
    for low, high in ordered:
        if high < moment:
            break
        moment = min(moment, low)
    return moment


def judged_alike(
    judged: Mapping[Target, Sequence[Judged]],
    events: Sequence[DeliveryEvent],
    known: Collection[Target],
    cuts: tuple[int, int],
    moment: int,
) -> bool:
    """Whether `judged`, from the events since the first cut alone, is right from the second cut on, and nothing before
    the second cut is changed by what happened at `moment` or later. `known` are all targets of the service.
    """
    before, after = cuts
    if not judged.keys() <= set(known):
        return False  # a new target: an incident without an environment may now mean another one
    for found in judged.values():
        live = sorted((to_microseconds(j.deployment.live_at), j.new) for j in found if j.deployment.live_at)
        place = bisect_left(live, (after, False))
        renewed = any(new and at >= before for at, new in live[:place])
        if not renewed or place == len(live) or live[place][0] >= moment:
            return False
        if any(_failed_before(j, after) for j in found if to_microseconds(j.deployment.at) >= after):
            return False
    unseen = any(is_production(environment) for _, environment in set(known) - judged.keys())
    return not (unseen and any(event.kind in _INCIDENTS and event.environment is None for event in events))


def _failed_before(one: Judged, cut: int) -> bool:
    return one.deployment.failed_at is not None and to_microseconds(one.deployment.failed_at) < cut
