"""What the log says about deployments, kept beside it: brought up to date event by event, or rebuilt from the log.

The rules are the pure ones of `history`, `failures` and `lead_time`, applied to everything that is known of a service;
only which services have to be judged again is decided here (`observability.links`). So a projection that was kept up
to date and one that is rebuilt are the same. When the rules themselves have changed it rebuilds itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from observability import commits, dora, environments, failures, history, lead_time, links
from observability.codec import Pair, codec
from observability.dora import DoraReport, Period, ServiceReport
from observability.events import DeliveryEvent, Kind
from observability.failures import Incident, Judged, incidents, judge_target
from observability.history import Target, canonical, deployments
from observability.lead_time import Change, CommitIndex, changes
from observability.rows import to_event
from observability.schema import events, facts, keys, services, state, to_microseconds

if TYPE_CHECKING:
    from observability.store import Database

_SCAN = 10_000
_TURN = 20
_NOBODY = ""  # the name under which everything that cannot be judged alone is kept
_SHARED = 0  # owner of a key that does not belong to one service
_BUCKET_US = 7 * 86_400_000_000  # small, as a report reads whole buckets at both ends of its period
_FIRST = -(10**9)  # the bucket that holds a target's first deployment
_IGNORED = (Kind.PIPELINE_FINISHED.value, Kind.GATE_FINISHED.value)  # they matter for the times of commits alone

Rows = dict[tuple[str, str, int], str]
Wanted = Callable[[str, str | None], bool]
"""Whether a service in an environment is reported; the environment None asks about the service as such."""


def _pair(kind: Any) -> Pair:
    found = codec(kind)
    if found is None:
        raise TypeError(kind)
    return found


@cache
def rules() -> str:
    """A name for the rules as they are: their source. Other rules, other facts."""
    modules = (commits, environments, history, failures, lead_time, links)
    text = b"\0".join(Path(module.__file__ or "").read_bytes() for module in modules)
    return hashlib.sha256(text + Path(__file__).read_bytes()).hexdigest()[:32]


class Projection:
    """The facts of one log. Many processes may refresh and read at once."""

    def __init__(self, database: Database, *, scan: int = _SCAN, turn: int = _TURN) -> None:
        """`scan` events or `turn` services are worked on at once; other writers wait that long."""
        self._database = database
        self._scan = scan
        self._turn = turn

    def rebuild(self) -> int:
        """Forget everything and make it again from the log; returns how many targets there are."""
        with self._database.writing() as connection:
            _forget(connection)
        self.refresh()
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).where(facts.c.bucket == _FIRST)).scalar_one()

    def refresh(self) -> None:
        """Take in what was appended since; costs nothing when nothing was."""
        with self._database.reading() as connection:
            done = _is_clean(connection)
        while not done:
            with self._database.writing() as connection:
                if _state(connection, "rules") != rules():
                    _forget(connection)
                done = not self._advance(connection)

    def _advance(self, connection: Connection) -> bool:
        """One turn; False when there is nothing left."""
        where = self._database.where
        return _scan(connection, where, self._scan) or _judge_some(connection, where, self._turn)

    def report(self, period: Period, wanted: Wanted | None = None) -> DoraReport:
        """What `dora.evaluate_dora` says of the whole log with the default policy, to the last item."""
        left_out: set[str] = set()
        found = tuple(self.reports(period, wanted, left_out))
        loose = (i for i in self.unattributed(period) if wanted is None or wanted(i.service or "", i.environment))
        return DoraReport(period=period, services=found, unattributed=tuple(loose), left_out=tuple(sorted(left_out)))

    def reports(
        self, period: Period, wanted: Wanted | None = None, left_out: set[str] | None = None
    ) -> Iterator[ServiceReport]:
        """The services of `report`, one at a time: a log of any size needs the memory of one service.

        `left_out` takes up the environments that `DoraReport.left_out` would name.
        """
        self.refresh()
        decode = _pair(Judged)[1], _pair(Change)[1], _pair(Incident)[1]
        with self._database.reading() as connection:
            for (service, environment), rows in _targets(connection, period):
                if wanted is None or wanted(service, environment):
                    found = _report((service, environment), rows, period, decode)
                    if found is not None:
                        yield found
                elif left_out is not None and wanted(service, None) and not environments.is_production(environment):
                    found = _report((service, environment), rows, period, decode)
                    left_out.update([environment] if found is not None and found.deployments else ())

    def unattributed(self, period: Period) -> tuple[Incident, ...]:
        """Incidents of the period that no deployment could be blamed for."""
        self.refresh()
        decode = _pair(Incident)[1]
        query = select(facts.c.body).where(facts.c.environment == _NOBODY, facts.c.bucket == _FIRST - 1)
        with self._database.reading() as connection:
            found = [decode(one) for body in connection.execute(query).scalars() for one in json.loads(body)]
        inside = (incident for incident in found if incident.detected_at in period)
        return tuple(sorted(inside, key=lambda i: (i.detected_at, i.source, i.id, i.service or "")))


def _forget(connection: Connection) -> None:
    for table in (keys, services, facts, state):
        connection.execute(delete(table))
    connection.execute(insert(services).values(id=_SHARED, name=_NOBODY, shared=True, dirty=False))
    connection.execute(insert(state), [{"name": "rules", "value": rules()}, {"name": "sequence", "value": "0"}])


def _state(connection: Connection, name: str) -> str | None:
    return connection.execute(select(state.c.value).where(state.c.name == name)).scalar()


def _is_clean(connection: Connection) -> bool:
    if _state(connection, "rules") != rules():
        return False
    last = connection.execute(select(func.max(events.c.seq))).scalar() or 0
    dirty = connection.execute(select(services.c.id).where(services.c.dirty).limit(1)).first()
    return dirty is None and int(_state(connection, "sequence") or 0) >= last


def _scan(connection: Connection, where: str, limit: int) -> bool:
    """Note which services the next events concern; False when there may be no more."""
    since = int(_state(connection, "sequence") or 0)
    rows = connection.execute(select(events).where(events.c.seq > since).order_by(events.c.seq).limit(limit)).all()
    if not rows:
        return False
    _note(connection, [to_event(row, where) for row in rows])
    connection.execute(update(state).where(state.c.name == "sequence").values(value=str(rows[-1][0])))
    return len(rows) == limit


def _note(connection: Connection, batch: Sequence[DeliveryEvent]) -> None:
    known = _services(connection, {event.service for event in batch if event.service})
    wanted: dict[int, set[int]] = defaultdict(set)
    loose: set[str] = set()
    for event in batch:
        owner = known[event.service] if event.service else _SHARED
        for name in links.names(event):
            wanted[links.key(name)].add(owner)
        if event.change and event.service is None:
            loose.add(event.change)
            wanted[links.key(f"change {event.change}")].add(_SHARED)
    said: dict[str, set[str]] = defaultdict(set)
    for event in batch:
        for change in links.changes(event) if event.service else ():
            said[change].add(event.service or "")
    numbers = {change: links.key(f"change {change}") for change in said}
    owners = _owners(connection, wanted.keys() | set(numbers.values()))
    shared = _claim(connection, wanted, owners)
    # A change without a service belongs to every service that names it.
    taken = (change for change, number in numbers.items() if owners.get(number) == _SHARED or number in wanted)
    shared |= {known[service] for change in taken for service in said[change]}
    for part in _parts(loose):
        query = select(services.c.id).join(events, events.c.service == services.c.name).distinct()
        shared |= set(connection.execute(query.where(events.c.change_id.in_(part))).scalars())
    _mark(connection, {*known.values(), *([_SHARED] if any(not event.service for event in batch) else ())}, shared)


def _services(connection: Connection, wanted: set[str]) -> dict[str, int]:
    query = select(services.c.name, services.c.id)
    found = {
        name: id_ for part in _parts(wanted) for name, id_ in connection.execute(query.where(services.c.name.in_(part)))
    }
    if missing := sorted(wanted - found.keys()):
        last = connection.execute(select(func.max(services.c.id))).scalar() or 0
        new = {name: last + number for number, name in enumerate(missing, start=1)}
        rows = [{"id": id_, "name": name, "shared": False, "dirty": True} for name, id_ in new.items()]
        connection.execute(insert(services), rows)
        found |= new
    return found


def _owners(connection: Connection, wanted: Iterable[int]) -> dict[int, int]:
    query = select(keys.c.key, keys.c.owner)
    return {
        key: owner for part in _parts(wanted) for key, owner in connection.execute(query.where(keys.c.key.in_(part)))
    }


def _claim(connection: Connection, wanted: dict[int, set[int]], owners: dict[int, int]) -> set[int]:
    """Keep who uses which key; returns the services that share one."""
    shared: set[int] = set()
    new, lost = [], []
    for key, users in wanted.items():
        everybody = users | {owners[key]} if key in owners else users
        alone = len(everybody) == 1
        owner = next(iter(everybody)) if alone else _SHARED
        if not alone:
            shared |= everybody
        if key not in owners:
            new.append({"key": key, "owner": owner})
        elif owners[key] != owner:
            lost.append(key)
    if new:
        connection.execute(insert(keys), new)
    for part in _parts(lost):
        connection.execute(update(keys).where(keys.c.key.in_(part)).values(owner=_SHARED))
    return shared - {_SHARED}


def _mark(connection: Connection, touched: set[int], shared: set[int]) -> None:
    for part in _parts(shared):
        fresh = services.c.id.in_(part) & ~services.c.shared
        if connection.execute(update(services).where(fresh).values(shared=True)).rowcount:
            touched = touched | {_SHARED}
    for part in _parts(touched):
        connection.execute(update(services).where(services.c.id.in_(part)).values(dirty=True))
    together = select(services.c.id).where(services.c.shared, services.c.dirty).limit(1)
    if connection.execute(together).first() is not None:
        connection.execute(update(services).where(services.c.shared).values(dirty=False))
        connection.execute(update(services).where(services.c.id == _SHARED).values(dirty=True))


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    everything = sorted(items)
    for start in range(0, len(everything), 5000):
        yield everything[start : start + 5000]


def _judge_some(connection: Connection, where: str, limit: int) -> bool:
    """Judge a few of the services that are not up to date, as others must get their turn to write; False if all are."""
    query = select(services.c.name).where(services.c.dirty).order_by(services.c.name).limit(limit)
    dirty = connection.execute(query).scalars().all()
    for name in dirty:
        _judge(connection, name, where)
        connection.execute(update(services).where(services.c.name == name).values(dirty=False))
    return len(dirty) == limit


def _judge(connection: Connection, name: str, where: str) -> None:
    own = [name]
    concerned = events.c.service == name
    if name == _NOBODY:
        own = list(connection.execute(select(services.c.name).where(services.c.shared)).scalars())
        together = select(services.c.name).where(services.c.shared, services.c.id != _SHARED)
        concerned = or_(events.c.service.is_(None), events.c.service == _NOBODY, events.c.service.in_(together))
    useful = or_(events.c.kind.not_in(_IGNORED), events.c.committed_us.is_not(None))
    rows = connection.execute(select(events).where(and_(concerned, useful))).all()
    _write(connection, own, _facts(name, [to_event(row, where) for row in rows]))


def _facts(name: str, known: Sequence[DeliveryEvent]) -> Rows:
    """The rows of one service, or of all that are judged together."""
    encode, encode_change, encode_incident = (_pair(kind)[0] for kind in (Judged, Change, Incident))
    ordered = canonical(known)
    found = deployments(ordered)
    told = incidents(ordered, found, dora.DEFAULT_POLICY)
    blaming: dict[Target | None, list[Incident]] = defaultdict(list)
    for incident in told:
        blaming[incident.target].append(incident)
    index = CommitIndex(ordered)
    rows: Rows = {}
    for target, history_ in found.items():
        judged = judge_target(history_, blaming[target], dora.DEFAULT_POLICY)
        buckets: dict[int, tuple[list[Any], list[Any], list[Any]]] = defaultdict(lambda: ([], [], []))
        places = {one.deployment.id: to_microseconds(one.deployment.at) // _BUCKET_US for one in judged}
        for one in judged:
            buckets[places[one.deployment.id]][0].append(encode(one))
        for change in changes(target[0], judged, index):
            buckets[to_microseconds(change.deployed_at) // _BUCKET_US][1].append(encode_change(change))
        for incident in blaming[target]:
            buckets[places[incident.deployment or ""]][2].append(encode_incident(incident))
        rows |= {(*target, bucket): _text(parts) for bucket, parts in buckets.items()}
        if judged:
            rows[*target, _FIRST] = _text(encode(judged[0]))
    loose = [encode_incident(incident) for incident in told if incident.deployment is None]
    if loose:
        rows[name, _NOBODY, _FIRST - 1] = _text(loose)
    return rows


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _write(connection: Connection, own: Sequence[str], rows: Rows) -> None:
    """Bring the rows of these services to `rows`; what is as it was is not written."""
    c = facts.c
    query = select(c.service, c.environment, c.bucket, c.body)
    before = {
        (service, environment, bucket): body
        for part in _parts(own)
        for service, environment, bucket, body in connection.execute(query.where(c.service.in_(part)))
    }
    for service, environment, bucket in [key for key in before if rows.get(key) != before[key]]:
        here = and_(c.service == service, c.environment == environment, c.bucket == bucket)
        connection.execute(delete(facts).where(here))
    new = [
        {"service": key[0], "environment": key[1], "bucket": key[2], "body": body}
        for key, body in rows.items()
        if before.get(key) != body
    ]
    if new:
        connection.execute(insert(facts), new)


def _targets(connection: Connection, period: Period) -> Iterator[tuple[tuple[str, str], list[tuple[int, str]]]]:
    """The rows of each target that matter to a period, target by target."""
    c = facts.c
    start, end = (to_microseconds(moment) // _BUCKET_US for moment in (period.start, period.end))
    query = (
        select(c.service, c.environment, c.bucket, c.body)
        .where(c.environment != _NOBODY, or_(c.bucket == _FIRST, c.bucket.between(start, end)))
        .order_by(c.service, c.environment, c.bucket)
    )
    target, rows = ("", ""), list[tuple[int, str]]()
    for service, environment, bucket, body in connection.execution_options(yield_per=100).execute(query):
        if (service, environment) != target:
            if rows:
                yield target, rows
            target, rows = (service, environment), []
        rows.append((bucket, body))
    if rows:
        yield target, rows


def _report(
    target: tuple[str, str], rows: Sequence[tuple[int, str]], period: Period, decode: tuple[Any, Any, Any]
) -> ServiceReport | None:
    """The report of a target; None for one that was first deployed after the period."""
    judged: list[Judged] = []
    delivered: list[Change] = []
    blaming: list[Incident] = []
    first: Judged | None = None
    for bucket, body in rows:
        parts = json.loads(body)
        if bucket == _FIRST:
            first = decode[0](parts)
            continue
        judged += map(decode[0], parts[0])
        delivered += map(decode[1], parts[1])
        blaming += map(decode[2], parts[2])
    if first is None or first.deployment.at >= period.end:
        return None
    inside = [one for one in judged if one.deployment.at in period]
    if not inside or inside[0] != first:
        inside.insert(0, first)
    return dora._report(target, inside, delivered, period, blaming)
