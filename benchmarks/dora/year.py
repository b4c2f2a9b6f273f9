"""A seeded year of deliveries: merge requests, pipelines, gates, deployments, rollbacks and incidents of many services.

The same arguments give the same events, in order of time, one at a time: a year of any size needs no memory.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from observability.events import DeliveryEvent, Kind, event_id

START = datetime(2025, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
PER_DEPLOYMENT = 5  # events, on average


def events(deployments: int, services: int, seed: int = 8) -> Iterator[DeliveryEvent]:
    """About five events for each deployment; rollbacks and incidents take the place of some gates."""
    each, more = divmod(deployments, services)
    streams = (_service(number, each + (number < more), seed) for number in range(services))
    return heapq.merge(*streams, key=lambda event: event.occurred_at)


def name_of(number: int) -> str:
    return f"team-{number % 40:02}/service-{number:04}"


def another(number: int, turn: int, what: str) -> DeliveryEvent:
    """One event of a service after the year: a deployment, an incident of it, the rollback of one."""
    chance, name = random.Random(f"{number}/{turn}/{what}"), name_of(number)
    at = START + YEAR + timedelta(minutes=turn)
    if what == "incident":
        return DeliveryEvent(
            kind=Kind.INCIDENT_DETECTED, source="/pager", id=f"late-{turn}", occurred_at=at, subject=f"INC-{turn}",
            service=name, environment="prod",
        )  # fmt: skip
    kind = Kind.SERVICE_UPGRADED if what == "deployed" else Kind.SERVICE_ROLLEDBACK
    release = f"{name}-late-{turn}" if what == "deployed" else f"{name}-late-{turn - 2}"
    return DeliveryEvent(
        kind=kind, source=f"https://gitlab.example.com/{name}", id=f"late-{turn}", occurred_at=at, subject=release,
        service=name, environment="prod", release=release, outcome="success",
        commit=f"{chance.getrandbits(160):040x}" if what == "deployed" else None,
        committed_at=at - timedelta(hours=3) if what == "deployed" else None,
    )  # fmt: skip


def _service(number: int, deployments: int, seed: int) -> Iterator[DeliveryEvent]:
    """The events of one service, in order of time."""
    chance = random.Random(f"{seed}/{number}")
    name, gap = name_of(number), YEAR / max(deployments, 1)
    waiting: list[tuple[datetime, int, DeliveryEvent]] = []
    serial = 0
    for turn in range(deployments):
        begins = START + gap * (turn + chance.random() * 0.5)
        for event in _delivery(chance, name, turn, begins, gap):
            serial += 1
            heapq.heappush(waiting, (event.occurred_at, serial, event))
        while waiting and waiting[0][0] <= START + gap * (turn + 1):
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _delivery(
    chance: random.Random, service: str, turn: int, begins: datetime, gap: timedelta
) -> Iterator[DeliveryEvent]:
    """One change on its way to production, and what came of it."""
    project = f"https://gitlab.example.com/{service}"
    commit = f"{chance.getrandbits(160):040x}"
    change, release = f"!{turn + 1}", f"{service}-{turn + 1}"
    committed = begins - timedelta(minutes=chance.expovariate(1 / 600))
    waits = [timedelta(minutes=chance.expovariate(1 / mean)) for mean in (5, 10, 30)]
    failed, blamed = chance.random() < 0.06, chance.random() < 0.04
    times = [begins, begins + waits[0], begins + waits[0] + waits[1], begins + sum(waits, timedelta())]

    def event(kind: Kind, at: datetime, **fields: object) -> DeliveryEvent:
        own = {"subject": change, "service": service, "commit": commit, "change": change, **fields}
        data = MappingProxyType(own.pop("data", {}))  # type: ignore[arg-type]
        identity = event_id(kind, release, str(own["subject"]), at.isoformat())
        return DeliveryEvent(kind=kind, source=project, id=identity, occurred_at=at, data=data, **own)  # type: ignore[arg-type]

    yield event(Kind.CHANGE_MERGED, times[0], committed_at=committed, url=f"{project}/-/merge_requests/{turn + 1}")
    yield event(Kind.PIPELINE_FINISHED, times[1], outcome="success", url=f"{project}/-/pipelines/{turn + 1}")
    if not failed:
        yield event(Kind.GATE_FINISHED, times[1], subject="unit", outcome="success", data={"checks": 3, "failed": 0})
    if not blamed:
        yield event(Kind.GATE_FINISHED, times[2], subject="quality", outcome="success", data={"checks": 41})
    deployed = {"subject": release, "environment": "prod", "release": release}
    yield event(
        Kind.SERVICE_UPGRADED, times[3], outcome="success", committed_at=committed, data={"version": f"1.{turn}.0"},
        **deployed,
    )  # fmt: skip
    if failed:
        yield event(
            Kind.SERVICE_ROLLEDBACK, times[3] + min(gap / 4, timedelta(minutes=chance.uniform(2, 60))),
            outcome="success", **deployed,
        )  # fmt: skip
    if blamed:
        yield event(
            Kind.INCIDENT_DETECTED, times[3] + min(gap / 4, timedelta(minutes=chance.uniform(1, 90))),
            subject=f"INC-{service}-{turn}", environment="prod", commit=None, change=None,
        )  # fmt: skip
