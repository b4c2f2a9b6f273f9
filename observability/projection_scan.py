"""Which services newly appended events concern, and since when: the first half of keeping the projection.

Each name of an event has a row that says whose it is. Services that share a name are judged together: they are a pool,
and so are events without a service and whoever shares a name with them. A pool has a row among the services; pools that
turn out to be connected become one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, update

from observability import cuts, links
from observability.columns import to_microseconds
from observability.commits import CHANGES, decode_names
from observability.events import DeliveryEvent, Kind
from observability.rows import to_event
from observability.schema import events, keys, loose, services, state

HIDDEN = "\x01"
"""What names in the projection begin with that are no names of services."""
_IGNORED = (Kind.PIPELINE_FINISHED.value, Kind.GATE_FINISHED.value)  # they matter for the times of commits alone
_INCIDENTS = (Kind.INCIDENT_DETECTED, Kind.INCIDENT_REPORTED, Kind.INCIDENT_RESOLVED)
_SEVERAL = 0  # who lists a change, when several do


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
        _note(connection, [(row[0], to_event(row, where)) for row in rows])
    full = len(rows) == limit
    last = rows[-1][0] if full else connection.execute(select(func.max(events.c.seq))).scalar() or since
    connection.execute(update(state).where(state.c.name == "sequence").values(value=str(last)))
    return full


@dataclass(slots=True)
class _Names:
    """What a batch of events names. A node is a service or a pool by its number, or an event without a service, by its
    place in the log, negative."""

    users: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    since: dict[int, int] = field(default_factory=dict)
    said: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    listing: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    loose: dict[str, int] = field(default_factory=dict)
    of_event: list[tuple[int, list[int], int]] = field(default_factory=list)
    incidents: set[int] = field(default_factory=set)

    def add(self, event: DeliveryEvent, node: int) -> None:
        at = to_microseconds(event.occurred_at)
        own = [links.key(name) for name in links.names(event)]
        if event.service:
            own += map(links.key, cuts.own_names(event))
            for change in links.changes(event):
                self.said[change].add(node)
            for change in decode_names(event.data.get(CHANGES)):
                self.listing[_listing(change)].add(node)
        elif event.change:
            self.loose[event.change] = node
            own.append(_change(event.change))
        for key in own:
            self.users[key].add(node)
            self.since[key] = min(self.since.get(key, at), at)
        if own or node > 0:
            self.of_event.append((node, own, at))
        if node < 0 and event.kind in _INCIDENTS:
            self.incidents.add(node)

    def reach(self) -> dict[int, int]:
        """Since when each node is concerned: the first moment of any name of its new events."""
        found: dict[int, int] = {}
        for node, own, at in self.of_event:
            found[node] = min(found.get(node, at), at, *(self.since[key] for key in own))
        return found


class _Groups:
    """Which nodes are connected."""

    def __init__(self) -> None:
        self._up: dict[int, int] = {}

    def root(self, node: int) -> int:
        up = self._up.setdefault(node, node)
        while up != node:
            self._up[node] = self._up[up]
            node, up = up, self._up[up]
        return node

    def join(self, nodes: Iterable[int]) -> None:
        first = None
        for node in nodes:
            root = self.root(node)
            first = root if first is None else first
            self._up[root] = self.root(first)

    def members(self) -> Iterable[set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for node in list(self._up):
            found[self.root(node)].add(node)
        return found.values()


def _change(name: str) -> int:
    return links.key(f"change {name}")


def _listing(change: str) -> int:
    return links.key(f"listed {change}")


def _note(connection: Connection, batch: Sequence[tuple[int, DeliveryEvent]]) -> None:
    known = _services(connection, {event.service for _, event in batch if event.service})
    found = _Names()
    for sequence, event in batch:
        found.add(event, known[event.service] if event.service else -sequence)
    numbers = {change: _change(change) for change in found.said}
    owners = _owners(connection, found.users.keys() | set(numbers.values()))
    for key in owners.keys() & found.since.keys():
        found.since[key] = min(found.since[key], owners[key][1])
    groups = _Groups()
    for node, _, _ in found.of_event:
        groups.root(node)
    for key, users in found.users.items():
        groups.join((*users, owners[key][0]) if key in owners else users)
    # A change without a service belongs to every service that names it.
    for change, number in numbers.items():
        if number in found.users or number in owners:
            groups.join((*found.said[change], *found.users.get(number, ()), *owners.get(number, ())[:1]))
    for change, node in found.loose.items():
        groups.join((node, *_naming(connection, change)))
    places = _pool(connection, groups, found)
    _claim(connection, found, owners, places)
    _keep_listing(connection, found.listing)


def _naming(connection: Connection, change: str) -> set[int]:
    """The services whose events name a change, as their own or in a list."""
    ours = select(services.c.id).join(events, events.c.service == services.c.name).distinct()
    found = set(connection.execute(ours.where(events.c.change_id == change)).scalars())
    for owner, _ in _owners(connection, [_listing(change)]).values():
        if owner == _SEVERAL:  # only the log knows who, and how each has written it: all that list any
            found |= set(
                connection.execute(ours.where(events.c.data.contains(f'"{CHANGES}"', autoescape=True))).scalars()
            )
        else:
            found.add(owner)
    return found


def _services(connection: Connection, wanted: set[str]) -> dict[str, int]:
    query = select(services.c.name, services.c.id)
    found = {
        name: id_ for part in parts(wanted) for name, id_ in connection.execute(query.where(services.c.name.in_(part)))
    }
    if missing := sorted(wanted - found.keys()):
        last = connection.execute(select(func.max(services.c.id))).scalar() or 0
        new = {name: last + number for number, name in enumerate(missing, start=1)}
        connection.execute(
            insert(services), [{"id": id_, "name": name, "dirty": True, "cuts": "[]"} for name, id_ in new.items()]
        )
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


def _pool(connection: Connection, groups: _Groups, found: _Names) -> dict[int, int]:
    """Bring the pools to what is connected now, and note what is not up to date.

    Returns the pool of each event without a service.
    """
    query = select(services.c.id, services.c.pool)
    real = {node for members in groups.members() for node in members if node > 0}
    pools = {
        id_: pool for part in parts(real) for id_, pool in connection.execute(query.where(services.c.id.in_(part)))
    }
    for id_, pool in pools.items():
        if pool is not None:
            groups.join((id_, pool))
    reach, places = found.reach(), dict[int, int]()
    alone: list[dict[str, int]] = []
    last = connection.execute(select(func.max(services.c.id))).scalar() or 0
    for members in groups.members():
        if len(members) == 1 and (single := next(iter(members))) > 0:
            alone.append({"number": single, "reach": reach[single]})
            continue
        old = sorted({pool for node in members if (pool := pools.get(node)) is not None})
        last, pool = (last, old[0]) if old else (last + 1, last + 1)
        concerned = bool(found.incidents & members) or any(node > 0 for node in members)
        if not old:
            row = {"id": pool, "name": f"{HIDDEN}pool {pool}", "pool": pool, "dirty": concerned, "cuts": "[]"}
            connection.execute(insert(services).values(row))
        _merge(connection, pool, old[1:], {node for node in members if node > 0})
        places |= {node: pool for node in members if node < 0}
    if alone:
        lower = or_(~services.c.dirty, services.c.since_us.is_(None), services.c.since_us > bindparam("reach"))
        ours = services.c.id == bindparam("number")
        connection.execute(update(services).where(ours, lower).values(dirty=True, since_us=bindparam("reach")), alone)
    if places:
        connection.execute(insert(loose), [{"seq": -node, "pool": pool} for node, pool in sorted(places.items())])
    return places


def _merge(connection: Connection, pool: int, others: Sequence[int], members: set[int]) -> None:
    """Make several pools and services one pool, of which only the row of the pool is noted as not up to date."""
    if others:
        connection.execute(update(services).where(services.c.pool.in_(others)).values(pool=pool))
        connection.execute(update(loose).where(loose.c.pool.in_(others)).values(pool=pool))
    for part in parts(members):
        connection.execute(update(services).where(services.c.id.in_(part)).values(pool=pool))
    if members:
        connection.execute(update(services).where(services.c.pool == pool).values(dirty=services.c.id == pool))


def _claim(
    connection: Connection, found: _Names, owners: Mapping[int, tuple[int, int]], places: Mapping[int, int]
) -> None:
    """Keep whose each name is, and since when it is in use; of a pool it may be the name of any member."""
    new, changed = [], []
    for key, users in found.users.items():
        before, since = owners.get(key), found.since[key]
        if before is None:
            user = min(users)
            new.append({"key": key, "owner": places.get(user, user), "since_us": since})
        elif since < before[1]:
            changed.append({"number": key, "since_us": since})
    if new:
        connection.execute(insert(keys), new)
    if changed:
        moved = update(keys).where(keys.c.key == bindparam("number")).values(since_us=bindparam("since_us"))
        connection.execute(moved, changed)


def _keep_listing(connection: Connection, listing: Mapping[int, set[int]]) -> None:
    """Keep who lists a change, which connects nobody until a change of that name comes without a service."""
    before = _owners(connection, listing)
    new, several = [], []
    for key, users in listing.items():
        everybody = users | {before[key][0]} if key in before else users
        owner = next(iter(everybody)) if len(everybody) == 1 else _SEVERAL
        if key not in before:
            new.append({"key": key, "owner": owner, "since_us": 0})
        elif before[key][0] != owner:
            several.append(key)
    if new:
        connection.execute(insert(keys), new)
    for part in parts(several):
        connection.execute(update(keys).where(keys.c.key.in_(part)).values(owner=_SEVERAL))
