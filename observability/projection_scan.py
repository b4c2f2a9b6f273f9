"""Which services newly appended events concern, and since when: the first half of keeping the projection.

Each name of an event has a row that says whose it is: of one service, or of several (`SHARED`). A service that shares
a name is judged together with all others that do.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, update

from observability import cuts, links
from observability.commits import CHANGES, decode_names
from observability.events import DeliveryEvent, Kind
from observability.rows import to_event
from observability.schema import events, keys, services, state, to_microseconds

SHARED = 0
"""Owner of a name that does not belong to one service; also the number of the row of all that are judged together."""
NOBODY = ""
"""The name of that row: everything that cannot be judged alone."""
_IGNORED = (Kind.PIPELINE_FINISHED.value, Kind.GATE_FINISHED.value)  # they matter for the times of commits alone


def useful() -> ColumnElement[bool]:
    """The events from which anything is computed."""
    return or_(events.c.kind.not_in(_IGNORED), events.c.committed_us.is_not(None))


def parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Sorted, in lists that a statement can take."""
    everything = sorted(items)
    for start in range(0, len(everything), 5000):
        yield everything[start : start + 5000]


def scan(connection: Connection, where: str, since: int, limit: int) -> bool:
    """Note which services the next events concern; False when there may be no more."""
    query = select(events).where(events.c.seq > since, useful()).order_by(events.c.seq).limit(limit)
    rows = connection.execute(query).all()
    if rows:
        _note(connection, [to_event(row, where) for row in rows])
    full = len(rows) == limit
    last = rows[-1][0] if full else connection.execute(select(func.max(events.c.seq))).scalar() or since
    connection.execute(update(state).where(state.c.name == "sequence").values(value=str(last)))
    return full


@dataclass(slots=True)
class _Names:
    """What a batch of events names: users and first moment of each name, and who lists which changes."""

    users: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    since: dict[int, int] = field(default_factory=dict)
    said: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    listing: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    loose: set[str] = field(default_factory=set)
    of_event: list[tuple[int, list[int], int]] = field(default_factory=list)

    def add(self, event: DeliveryEvent, owner: int) -> None:
        at = to_microseconds(event.occurred_at)
        own = [links.key(name) for name in links.names(event)]
        if event.service:
            own += map(links.key, cuts.own_names(event))
            for change in links.changes(event):
                self.said[change].add(owner)
            for change in decode_names(event.data.get(CHANGES)):
                self.listing[_listing(change)].add(owner)
        elif event.change:
            self.loose.add(event.change)
            own.append(_change(event.change))
        for key in own:
            self.users[key].add(owner)
            self.since[key] = min(self.since.get(key, at), at)
        self.of_event.append((owner, own, at))

    def reach(self) -> dict[int, int]:
        """Since when each service is concerned: the first moment of any name of its new events."""
        found: dict[int, int] = {}
        for owner, own, at in self.of_event:
            found[owner] = min(found.get(owner, at), at, *(self.since[key] for key in own))
        return found


def _change(name: str) -> int:
    return links.key(f"change {name}")


def _listing(change: str) -> int:
    return links.key(f"listed {change}")


def _note(connection: Connection, batch: Sequence[DeliveryEvent]) -> None:
    known = _services(connection, {event.service for event in batch if event.service})
    found = _Names()
    for event in batch:
        found.add(event, known[event.service] if event.service else SHARED)
    numbers = {change: _change(change) for change in found.said}
    owners = _owners(connection, found.users.keys() | set(numbers.values()))
    shared = _claim(connection, found.users, found.since, owners)
    _claim(connection, found.listing, dict.fromkeys(found.listing, 0), _owners(connection, found.listing))
    # A change without a service belongs to every service that names it.
    for change, number in numbers.items():
        if number in found.users or number in owners:
            shared |= found.said[change]
    _mark(connection, found.reach(), shared | _naming(connection, found.loose))


def _naming(connection: Connection, loose: set[str]) -> set[int]:
    """The services whose events name a change, as their own or in a list."""
    found: set[int] = set()
    ours = select(services.c.id).join(events, events.c.service == services.c.name).distinct()
    for part in parts(loose):
        found |= set(connection.execute(ours.where(events.c.change_id.in_(part))).scalars())
    listing = _owners(connection, {_listing(change) for change in loose})
    found |= {owner for owner, _ in listing.values()}
    for change in sorted(loose):
        if listing.get(_listing(change), (1, 0))[0] == SHARED:  # several list it; only the log knows which
            told = events.c.data.contains(
                json.dumps(change, ensure_ascii=False)[1:-1].replace('"', '\\"'), autoescape=True
            )
            found |= set(connection.execute(ours.where(told)).scalars())
    return found - {SHARED}


def _services(connection: Connection, wanted: set[str]) -> dict[str, int]:
    query = select(services.c.name, services.c.id)
    found = {
        name: id_ for part in parts(wanted) for name, id_ in connection.execute(query.where(services.c.name.in_(part)))
    }
    if missing := sorted(wanted - found.keys()):
        last = connection.execute(select(func.max(services.c.id))).scalar() or 0
        new = {name: last + number for number, name in enumerate(missing, start=1)}
        rows = [{"id": id_, "name": name, "shared": False, "dirty": True, "cuts": "[]"} for name, id_ in new.items()]
        connection.execute(insert(services), rows)
        found |= new
    return found


def _owners(connection: Connection, wanted: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Owner and first moment of each name that is known."""
    query = select(keys.c.key, keys.c.owner, keys.c.since_us)
    return {
        key: (owner, since)
        for part in parts(wanted)
        for key, owner, since in connection.execute(query.where(keys.c.key.in_(part)))
    }


def _claim(
    connection: Connection,
    wanted: Mapping[int, set[int]],
    since: dict[int, int],
    owners: Mapping[int, tuple[int, int]],
) -> set[int]:
    """Keep who uses which name since when (`since` is brought up to date); returns the services that share one."""
    shared: set[int] = set()
    new, changed = [], []
    for key, users in wanted.items():
        before = owners.get(key)
        everybody = users if before is None else users | {before[0]}
        alone = len(everybody) == 1
        owner = next(iter(everybody)) if alone else SHARED
        if not alone:
            shared |= everybody
        if before is not None:
            since[key] = min(since[key], before[1])
        if before is None:
            new.append({"key": key, "owner": owner, "since_us": since[key]})
        elif before != (owner, since[key]):
            changed.append({"number": key, "owner": owner, "since_us": since[key]})
    if new:
        connection.execute(insert(keys), new)
    if changed:
        connection.execute(update(keys).where(keys.c.key == bindparam("number")), changed)
    return shared - {SHARED}


def _mark(connection: Connection, reach: Mapping[int, int], shared: set[int]) -> None:
    """Note that services are not up to date since a moment; those that are judged together are noted as one."""
    rows = [{"number": id_, "since_us": since} for id_, since in sorted(reach.items())]
    lower = or_(~services.c.dirty, services.c.since_us.is_(None), services.c.since_us > bindparam("since_us"))
    if rows:
        ours = services.c.id == bindparam("number")
        connection.execute(update(services).where(ours, lower).values(dirty=True, since_us=bindparam("since_us")), rows)
    together = False
    for part in parts(shared):
        fresh = services.c.id.in_(part) & ~services.c.shared
        together |= connection.execute(update(services).where(fresh).values(shared=True)).rowcount > 0
    query = select(services.c.id).where(services.c.shared, services.c.dirty).limit(1)
    if together or connection.execute(query).first() is not None:
        connection.execute(update(services).where(services.c.shared).values(dirty=False))
        connection.execute(update(services).where(services.c.id == SHARED).values(dirty=True))
