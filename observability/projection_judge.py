"""Judging again what is not up to date: the second half of keeping the projection.

A service is judged from its whole history, or, when what is new concerns only its end, from two cuts before it on
(`observability.cuts`). Both write the same rows; those that are as they were are not touched.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from observability import dora, links
from observability.codec import Pair, codec
from observability.columns import to_microseconds
from observability.cuts import WEEK_US, find_cuts, judged_alike, name_intervals, reached
from observability.events import DeliveryEvent
from observability.failures import Incident, Judged, incidents, judge_target
from observability.history import Target, canonical, deployments
from observability.lead_time import Change, CommitIndex, changes
from observability.projection_scan import HIDDEN, parts, useful
from observability.rows import to_event
from observability.schema import events, facts, loose, services

NOBODY = ""
"""The environment under which incidents are kept that no deployment could be blamed for."""
FIRST = -(10**9)
"""The bucket that holds a target's first deployment."""
LOOSE = FIRST - 1
"""The bucket that holds the incidents of a service that no deployment could be blamed for, under `NOBODY`."""
_PLACES = (1, 2, 4, 8, 16, 32)
"""The cuts that are tried, counted from the last one: rarely deployed services have to be judged from farther back."""

Rows = dict[tuple[str, str, int], str]


def pair(kind: Any) -> Pair:
    """Encoder and decoder of a fact."""
    found = codec(kind)
    if found is None:
        raise TypeError(kind)
    return found


def judge_some(connection: Connection, where: str, limit: int) -> bool:
    """Judge a few of the services that are not up to date, as others must get their turn to write; False if all are."""
    c = services.c
    query = select(c.id, c.name, c.pool, c.since_us, c.cuts).where(c.dirty).order_by(c.name).limit(limit)
    dirty = connection.execute(query).all()
    for number, name, pool, since, before in dirty:
        cuts: list[int] = []
        if pool is not None:
            _judge_pool(connection, where, pool)
        else:
            found = _latest(connection, where, name, since, json.loads(before))
            cuts = _judge(connection, where, name) if found is None else found
        done = update(services).where(c.id == number)
        connection.execute(done.values(dirty=False, since_us=None, cuts=text(cuts)))
    return len(dirty) == limit


def text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """Everything that is known of the events of one service, or of all that are judged together."""

    events: Sequence[DeliveryEvent]
    judged: Mapping[Target, Sequence[Judged]]
    incidents: Sequence[Incident]

    def cuts(self, begin: int | None = None) -> list[int]:
        """Where this history may be cut, after a moment."""
        if not self.events:
            return []
        first, last = (to_microseconds(self.events[place].occurred_at) for place in (0, -1))
        everything = (one for found in self.judged.values() for one in found)
        return find_cuts(name_intervals(self.events), everything, first if begin is None else begin, last)


def _judgement(known: Sequence[DeliveryEvent]) -> _Judgement:
    ordered = canonical(known)
    found = deployments(ordered)
    told = incidents(ordered, found, dora.DEFAULT_POLICY)
    blaming: dict[Target | None, list[Incident]] = defaultdict(list)
    for incident in told:
        blaming[incident.target].append(incident)
    judged = {target: judge_target(known, blaming[target], dora.DEFAULT_POLICY) for target, known in found.items()}
    return _Judgement(events=ordered, judged=judged, incidents=told)


def _judge(connection: Connection, where: str, name: str) -> list[int]:
    """Judge a service from its whole history; returns where it may be cut."""
    rows = connection.execute(select(events).where(events.c.service == name, useful())).all()
    found = _judgement([to_event(row, where) for row in rows])
    _write(connection, _written(connection, [name]), _facts(found))
    return found.cuts()


def _judge_pool(connection: Connection, where: str, pool: int) -> None:
    """Judge everything that is connected in a pool: the events of its services, and those without a service."""
    own = list(connection.execute(select(services.c.name).where(services.c.pool == pool)).scalars())
    queries = [select(events).where(events.c.service.in_(part), useful()) for part in parts(own)]
    queries.append(select(events).join(loose, loose.c.seq == events.c.seq).where(loose.c.pool == pool, useful()))
    known = [to_event(row, where) for query in queries for row in connection.execute(query).all()]
    own += {_loose_name(e.service, e.source, e.subject) for e in known if not e.service}
    _write(connection, _written(connection, own), _facts(_judgement(known)))


def _loose_name(service: str | None, source: str, name: str) -> str:
    """Under which name an incident is kept that no deployment could be blamed for."""
    return service or f"{HIDDEN}{links.key(f'incident {source} {name}')}"


def _written(connection: Connection, own: Sequence[str]) -> Rows:
    """The rows of services as they are."""
    c = facts.c
    query = select(c.service, c.environment, c.bucket, c.body)
    return {
        (service, environment, bucket): body
        for part in parts(own)
        for service, environment, bucket, body in connection.execute(query.where(c.service.in_(part)))
    }


def _latest(connection: Connection, where: str, name: str, since: int | None, cuts: list[int]) -> list[int] | None:
    """Judge the end of a service's history, when that is enough; returns where the whole may be cut, else None."""
    usable = [cut for cut in cuts if since is not None and cut <= since]
    known = [
        (name, environment)
        for environment in connection.execute(
            select(facts.c.environment).where(facts.c.service == name, facts.c.bucket == FIRST)
        ).scalars()
    ]
    for near, far in pairwise(_PLACES):
        if far > len(usable):
            return None
        start, after = usable[-far], usable[-near]
        concerned = and_(events.c.service == name, events.c.occurred_us >= start, useful())
        rows = connection.execute(select(events).where(concerned)).all()
        found = _judgement([to_event(row, where) for row in rows])
        moment = reached(name_intervals(found.events), since or 0)
        if moment >= after and judged_alike(found.judged, found.events, known, (start, after), moment):
            _write(connection, _stored(connection, name, after), _since(connection, name, found, after))
            return [cut for cut in cuts if cut <= after] + found.cuts(after)
    return None


def _stored(connection: Connection, name: str, after: int) -> Rows:
    c = facts.c
    query = select(c.service, c.environment, c.bucket, c.body).where(
        c.service == name, or_(c.bucket >= after // WEEK_US, c.bucket == LOOSE)
    )
    return {(service, environment, bucket): body for service, environment, bucket, body in connection.execute(query)}


def _since(connection: Connection, name: str, found: _Judgement, after: int) -> Rows:
    """The rows of a judgement that is right from a cut on; what is before it stays."""
    rows = {key: body for key, body in _facts(found).items() if key[2] >= after // WEEK_US}
    encode, decode = pair(Incident)
    query = select(facts.c.body).where(facts.c.service == name, facts.c.environment == NOBODY, facts.c.bucket == LOOSE)
    kept = [decode(one) for body in connection.execute(query).scalars() for one in json.loads(body)]
    blameless = [one for one in kept if to_microseconds(one.detected_at) < after]
    blameless += [
        one for one in found.incidents if one.deployment is None and to_microseconds(one.detected_at) >= after
    ]
    if blameless:
        rows[name, NOBODY, LOOSE] = text([encode(one) for one in blameless])
    return rows


def _facts(found: _Judgement) -> Rows:
    """The rows of a judgement."""
    encode, encode_change, encode_incident = (pair(kind)[0] for kind in (Judged, Change, Incident))
    blaming: dict[Target | None, list[Incident]] = defaultdict(list)
    for incident in found.incidents:
        blaming[incident.target].append(incident)
    index = CommitIndex(found.events)
    rows: Rows = {}
    for target, judged in found.judged.items():
        buckets: dict[int, tuple[list[Any], list[Any], list[Any]]] = defaultdict(lambda: ([], [], []))
        places = {one.deployment.id: to_microseconds(one.deployment.at) // WEEK_US for one in judged}
        for one in judged:
            buckets[places[one.deployment.id]][0].append(encode(one))
        for change in changes(target[0], judged, index):
            buckets[to_microseconds(change.deployed_at) // WEEK_US][1].append(encode_change(change))
        for incident in blaming[target]:
            buckets[places[incident.deployment or ""]][2].append(encode_incident(incident))
        rows |= {(*target, bucket): text(lists) for bucket, lists in buckets.items()}
        if judged:
            rows[*target, FIRST] = text(encode(judged[0]))
    blameless: dict[str, list[Any]] = defaultdict(list)
    for incident in found.incidents:
        if incident.deployment is None:
            name = _loose_name(incident.service, incident.source, incident.id)
            blameless[name].append(encode_incident(incident))
    return rows | {(name, NOBODY, LOOSE): text(several) for name, several in blameless.items()}


def _write(connection: Connection, before: Rows, rows: Rows) -> None:
    """Bring the rows that were `before` to `rows`; what is as it was is not written."""
    c = facts.c
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


def targets(connection: Connection, start: int, end: int) -> Iterator[tuple[tuple[str, str], list[tuple[int, str]]]]:
    """The rows of each target that matter to a span of time, target by target."""
    c = facts.c
    query = (
        select(c.service, c.environment, c.bucket, c.body)
        .where(c.environment != NOBODY, or_(c.bucket == FIRST, c.bucket.between(start // WEEK_US, end // WEEK_US)))
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
