"""What the log says about deployments, kept beside it: brought up to date event by event, or rebuilt from the log.

The rules are the pure ones of `history`, `failures` and `lead_time`, applied to everything that is known of a service;
only which services have to be judged again, and from when on, is decided here (`projection_scan`, `projection_judge`).
So a projection that was kept up to date and one that is rebuilt are the same. When the rules themselves have changed it
rebuilds itself. Log and projection are one database: what was appended and not yet taken in is taken in by the next
reader, and a process that is killed leaves either the state before its turn or the one after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update

from headgate.clock import Clock, SystemClock
from observability import (
    commits,
    cuts,
    dora,
    environments,
    failures,
    history,
    lead_time,
    links,
    projection_judge,
    projection_scan,
    ranges,
)  # fmt: skip
from observability.columns import to_microseconds
from observability.dora import DoraReport, Period, ServiceReport
from observability.failures import Incident, Judged
from observability.lead_time import Change
from observability.projection_judge import FIRST, LOOSE, NOBODY, judge_some, pair, targets
from observability.projection_scan import scan
from observability.schema import PROJECTION, events, facts, services, state

if TYPE_CHECKING:
    from observability.store import Database

_SCAN = 5_000
_TURN = 4
# SQLite's waiting writers look every tenth of a second: without a pause, one that has much to do would keep them out.
_WORK_S, _PAUSE_S = 0.7, 0.11

Wanted = Callable[[str, str | None], bool]
"""Whether a service in an environment is reported; the environment None asks about the service as such."""


@cache
def rules() -> str:
    """A name for the rules as they are: their source. Other rules, other facts."""
    modules = (
        commits, cuts, environments, failures, history, lead_time, links, projection_judge, projection_scan, ranges,
    )  # fmt: skip
    text = b"\0".join(Path(module.__file__ or "").read_bytes() for module in modules)
    return hashlib.sha256(text + Path(__file__).read_bytes()).hexdigest()[:32]


class Projection:
    """The facts of one log. Many processes may refresh and read at once."""

    def __init__(self, database: Database, *, scan: int = _SCAN, turn: int = _TURN, clock: Clock | None = None) -> None:
        """`scan` events or `turn` services are worked on at once; other writers wait that long."""
        self._clock = clock or SystemClock()
        self._database = database
        self._scan = scan
        self._turn = turn

    def rebuild(self) -> int:
        """Forget everything and make it again from the log; returns how many targets there are."""
        with self._database.writing(durable=False) as connection:
            _forget(connection)
        self.refresh()
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).where(facts.c.bucket == FIRST)).scalar_one()

    def behind(self) -> int:
        """How many events the log has, at most, that have not been taken in."""
        with self._database.reading() as connection:
            last = connection.execute(select(func.max(events.c.seq))).scalar() or 0
            known = _state(connection, "rules") == rules()
            return last - (int(_state(connection, "sequence") or 0) if known else 0)

    def refresh(self) -> None:
        """Take in what was appended since; costs nothing when nothing was."""
        with self._database.reading() as connection:
            done = _is_clean(connection)
        since = self._clock.monotonic()
        while not done:
            if self._clock.monotonic() - since > _WORK_S:
                self._clock.sleep(_PAUSE_S)
                since = self._clock.monotonic()
            with self._database.writing(durable=False) as connection:
                if _state(connection, "rules") != rules():
                    _forget(connection)
                done = not self._advance(connection)
                if done:
                    connection.execute(update(state).where(state.c.name == "whole").values(value="yes"))

    def _advance(self, connection: Connection) -> bool:
        """One turn; False when there is nothing left."""
        where = self._database.where
        since = int(_state(connection, "sequence") or 0)
        return scan(connection, where, since, self._scan) or judge_some(connection, where, self._turn)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[Connection]:
        """One state of the projection that knows everything that was in the log when this was called.

        Another process may have begun to rebuild it after the refresh; then there is more to take in.
        """
        while True:
            self.refresh()
            with self._database.reading() as connection:
                if _state(connection, "rules") == rules() and _state(connection, "whole") == "yes":
                    yield connection
                    return

    def report(
        self,
        period: Period,
        wanted: Wanted | None = None,
        keep: Callable[[ServiceReport], ServiceReport] | None = None,
    ) -> DoraReport:
        """What `dora.evaluate_dora` says of the whole log with the default policy, to the last item.

        With `keep`, which is given each service in turn, a log of any size needs the memory of one service.
        """
        left_out: set[str] = set()
        with self._whole() as connection:
            reports = _reports(connection, period, wanted, left_out)
            found = tuple(reports if keep is None else map(keep, reports))
            loose = tuple(
                incident
                for incident in _unattributed(connection, period)
                if wanted is None or wanted(incident.service or "", incident.environment)
            )
        return DoraReport(period=period, services=found, unattributed=loose, left_out=tuple(sorted(left_out)))

    def reports(self, period: Period, wanted: Wanted | None = None) -> Iterator[ServiceReport]:
        """The services of `report`, one at a time: a log of any size needs the memory of one service."""
        with self._whole() as connection:
            yield from _reports(connection, period, wanted, set())


def _reports(
    connection: Connection, period: Period, wanted: Wanted | None, left_out: set[str]
) -> Iterator[ServiceReport]:
    decode = pair(Judged)[1], pair(Change)[1], pair(Incident)[1]
    for (service, environment), rows in targets(connection, *map(to_microseconds, (period.start, period.end))):
        if wanted is None or wanted(service, environment):
            found = _report((service, environment), rows, period, decode)
            if found is not None:
                yield found
        elif wanted(service, None) and not environments.is_production(environment):
            found = _report((service, environment), rows, period, decode)
            left_out.update([environment] if found is not None and found.deployments else ())


def _unattributed(connection: Connection, period: Period) -> Iterable[Incident]:
    """Incidents of the period that no deployment could be blamed for."""
    decode = pair(Incident)[1]
    query = select(facts.c.body).where(facts.c.environment == NOBODY, facts.c.bucket == LOOSE)
    found = [decode(one) for body in connection.execute(query).scalars() for one in json.loads(body)]
    inside = (incident for incident in found if incident.detected_at in period)
    return sorted(inside, key=lambda i: (i.detected_at, i.source, i.id, i.service or ""))


def _forget(connection: Connection) -> None:
    for table in PROJECTION:
        connection.execute(delete(table))
    begin = {"rules": rules(), "sequence": "0", "whole": ""}
    connection.execute(insert(state), [{"name": name, "value": value} for name, value in begin.items()])


def _state(connection: Connection, name: str) -> str | None:
    return connection.execute(select(state.c.value).where(state.c.name == name)).scalar()


def _is_clean(connection: Connection) -> bool:
    if _state(connection, "rules") != rules():
        return False
    last = connection.execute(select(func.max(events.c.seq))).scalar() or 0
    dirty = connection.execute(select(services.c.id).where(services.c.dirty).limit(1)).first()
    return dirty is None and int(_state(connection, "sequence") or 0) >= last


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
        if bucket == FIRST:
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
