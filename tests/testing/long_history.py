"""Months of deliveries of a few services, with everything that makes judging hard, but rarely; for the projection."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from headgate.clock import format_timestamp
from observability.commits import Commit, encode_commits
from observability.events import DeliveryEvent, Kind
from tests.testing.delivery import DAY0

DAYS = 120
_DEPLOYED = (Kind.SERVICE_DEPLOYED, Kind.SERVICE_UPGRADED)
_INCIDENTS = (Kind.INCIDENT_DETECTED, Kind.INCIDENT_REPORTED)


def base(chance: random.Random) -> list[DeliveryEvent]:
    """A quiet history: most weeks end with nothing under way."""
    odds = chance.choice([0.0, 0.0, 0.01, 0.05])
    found = [
        event
        for service in ("a", "b")
        for turn in range(chance.randint(20, 60))
        for event in _delivery(chance, service, turn, odds)
    ]
    told = chance.choice([(), ("a",), ("a", "b")])
    return found + [event for service in told for event in _pushes(chance, service, found)]


def _pushes(chance: random.Random, service: str, events: Sequence[DeliveryEvent]) -> Iterator[DeliveryEvent]:
    """From one deployed commit to the next in two pushes, told at times that may or may not fit."""
    live = sorted((e for e in events if e.kind in _DEPLOYED and e.service == service), key=lambda e: e.occurred_at)
    for number, (before, after) in enumerate(pairwise(live)):
        middle = f"mid-{service}{number}"
        for since, until in ((before.commit, middle), (middle, after.commit)):
            if since and until and chance.random() < 0.7:
                at = after.occurred_at - timedelta(hours=chance.choice([-300, -1, 1, 1, 1, 3, 300, 1000]))
                yield _compared(chance, service, f"push-{since}-{until}", at, until, since)


def _moment(chance: random.Random, first: float = 0, last: float = DAYS) -> datetime:
    return DAY0 + timedelta(minutes=round(chance.uniform(first, last) * 1440))


def _delivery(chance: random.Random, service: str, turn: int, odds: float) -> Iterator[DeliveryEvent]:
    at = _moment(chance)
    own = f"{service}{turn}"
    environment = "staging" if chance.random() < 0.2 else "prod"
    if chance.random() < 0.5:
        yield _event(Kind.CHANGE_MERGED, at - timedelta(hours=2), service, f"m-{own}", commit=f"c-{own}", change=f"!{own}",
                     committed_at=at - timedelta(hours=5))  # fmt: skip
    if chance.random() < 0.5:
        yield _compared(chance, service, f"p-{own}", at - timedelta(hours=chance.choice([-1, 1, 3, 400])), f"c-{own}")
    version = None if chance.random() < 0.9 else {"version": f"1.{1 if chance.random() < odds else turn}"}
    yield _event(chance.choice(_DEPLOYED), at, service, f"d-{own}", environment=environment, release=f"r-{own}",
                 commit=None if version else f"c-{own}", outcome="failure" if chance.random() < odds else "success",
                 data=version or {})  # fmt: skip
    if chance.random() < odds:
        yield stranger(chance, f"x-{own}", at, at + timedelta(days=1))
    if chance.random() < 0.1:
        yield _event(Kind.SERVICE_ROLLEDBACK, at + timedelta(hours=1), service, f"b-{own}", environment=environment,
                     release=chance.choice([None, f"r-{own}"]), outcome=chance.choice(["success", "error"]))  # fmt: skip


def stranger(chance: random.Random, id_: str, first: datetime, last: datetime) -> DeliveryEvent:
    """An event of any kind between two moments that names whatever it likes, mostly nothing."""
    service = chance.choice(["a", "a", "a", "b"])
    named = f"{service}{chance.randint(0, 60)}"
    at = first + (last - first) * chance.random()
    said: dict[str, Any] = {
        "unplanned": True,
        "failed_at": format_timestamp(_moment(chance, -5)),
        "retry_of": f"r-{named}",
        "rollback_of": f"r-{named}",
        "rollback": True,
        "previous_release": f"r-{named}",
        "version": f"1.{chance.randint(0, 9)}",
        "run": f"run-{chance.randint(0, 3)}",
        "changes": json.dumps([f"!{named}"]),
        "commits": encode_commits([Commit(sha=f"n-{id_}", reverts=chance.choice([None, f"c-{named}"]))]),
    }
    found = _event(
        chance.choice([*Kind, *_DEPLOYED, *_DEPLOYED, Kind.SERVICE_ROLLEDBACK, Kind.CHANGE_MERGED, *_INCIDENTS]),
        at, service, id_, environment=chance.choice(["prod", "prod", "prod", "staging", None]),
        commit=chance.choice([None, f"n-{id_}", f"n-{id_}", f"c-{named}"]),
        release=chance.choice([None, f"n-{id_}", f"n-{id_}", f"r-{named}"]),
        change=chance.choice([None, None, f"!{named}"]),
        committed_at=chance.choice([None, at - timedelta(days=1)]),
        outcome=chance.choice(["", "success", "failure", "error", "canceled"]),
        data={key: said[key] for key in chance.sample([*said], chance.choice([0, 0, 0, 1, 2]))},
    )  # fmt: skip
    if chance.random() < 0.15:
        return _compared(chance, service, id_, at, f"c-{named}")
    if chance.random() < 0.03:
        return replace(found, service=chance.choice([None, "c"]))
    return found if chance.random() < 0.98 else replace(found, environment="live")


def _compared(
    chance: random.Random, service: str, id_: str, at: datetime, until: str, since: str | None = None
) -> DeliveryEvent:
    """A comparison, with some other commit where none is given."""
    since = since or (f"c-{service}{chance.randint(0, 60)}" if chance.random() < 0.8 else f"n-{id_}")
    shas = [until, since, f"n-{id_}", f"c-{service}{chance.randint(0, 60)}"]
    listed = [Commit(sha=sha, at=at - timedelta(hours=1)) for sha in chance.sample(shas, chance.choice([0, 1, 1, 2]))]
    data = {"since": since, "until": until, "commits": encode_commits(listed)}
    return _event(Kind.COMMITS_COMPARED, at, service, id_, data=data)


def _event(kind: Kind, at: datetime, service: str, id_: str, **fields: Any) -> DeliveryEvent:
    data = MappingProxyType(fields.pop("data", {}))
    return DeliveryEvent(
        kind=kind, source="/test", id=id_, occurred_at=at, subject=id_, service=service, data=data, **fields
    )
