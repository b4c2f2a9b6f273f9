"""Keeping the projection: the end of a history alone, killed processes, rebuilding beside readers, logs that are busy."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from observability.commits import Commit, encode_commits
from observability.dora import Period, evaluate_dora
from observability.events import DeliveryEvent, Kind
from observability.projection import Projection
from observability.reporting import report_of
from observability.schema import facts, services, state
from observability.store import SqlEventStore, open_store
from tests.testing.delivery import DAY0, deployed, event, incident, rolled_back
from tests.testing.long_history import DAYS, base, stranger
from tests.testing.postgres import Postgres
from tests.testing.stepped_clock import SteppedClock

ALL = Period(start=DAY0, end=DAY0 + timedelta(days=DAYS + 10))
LATEST = Period(start=DAY0 + timedelta(days=DAYS - 30), end=DAY0 + timedelta(days=DAYS + 1))
ROOT = Path(__file__).resolve().parents[2]


def rows(store: SqlEventStore) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Every fact, and where each service's history may be cut."""
    with store.database.reading() as connection:
        kept = sorted(tuple(row) for row in connection.execute(facts.select()))
        cuts = select(services.c.name, services.c.cuts).where(services.c.pool.is_(None))
        return kept, sorted(tuple(row) for row in connection.execute(cuts))


@pytest.mark.parametrize("seed", range(12))
def test_late_and_strange_events_are_judged_as_a_rebuild_judges_them(tmp_path: Path, seed: int) -> None:
    """Whether a service was judged from its beginning or from a cut: the same rows, to the byte."""
    chance = random.Random(seed)
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    kept = Projection(store.database)
    log = base(chance)
    if seed % 2:
        chance.shuffle(log)
    for part in (log[: len(log) * 4 // 5], log[len(log) * 4 // 5 :]):
        store.append(part)
        kept.refresh()
    for turn, first in enumerate((110, 100, 118, 60, 120)):
        new = [
            stranger(chance, f"late-{turn}-{n}", DAY0 + timedelta(days=first), DAY0 + timedelta(days=DAYS + 2))
            for n in range(chance.choice([1, 1, 3]))
        ]
        log += new
        store.append(new)
        kept.refresh()
        found = rows(store)
        kept.rebuild()
        again = rows(store)
        assert found[0] == again[0]
    for period in (ALL, LATEST):
        assert kept.report(period) == evaluate_dora(log, period)


def test_an_event_of_today_does_not_read_last_year(tmp_path: Path) -> None:
    """A mark on old facts, which judging the whole service again would wipe out, is still there."""
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    kept = Projection(store.database)
    days = [deployed(f"{day} 09:00", f"c{day}", committed=f"{day} 08:00", release=f"r{day}") for day in range(300)]
    store.append(days)
    kept.refresh()
    with store.database.writing() as connection:
        middle = connection.execute(select(func.avg(facts.c.bucket)).where(facts.c.bucket > 0)).scalar_one()
        connection.execute(facts.update().where(facts.c.bucket < int(middle)).values(body="[]"))
    store.append([deployed("300 09:00", "c300", release="r300"), incident("299 10:00", "INC-1")])
    kept.refresh()
    bodies = [row[3] for row in rows(store)[0]]
    assert bodies.count("[]") > 15
    # What reaches back is judged from the beginning.
    store.append([rolled_back("300 12:00", release="r3")])
    kept.refresh()
    assert "[]" not in [row[3] for row in rows(store)[0]]
    kept.rebuild()


def test_only_connected_services_are_judged_together(tmp_path: Path) -> None:
    """Two repositories, each deployed as two services; then an event without a service that names both."""
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    kept = Projection(store.database)
    log = [deployed(f"1 0{n}:00", f"c{n // 2}", service=f"s{n}", release=f"r{n}") for n in range(4)]

    def judged_again(*new: DeliveryEvent) -> set[object]:
        with store.database.writing() as connection:
            connection.execute(facts.update().values(body="[]"))
        store.append(new)
        kept.refresh()
        log.extend(new)
        return {row[0] for row in rows(store)[0] if row[3] != "[]"}

    store.append(log)
    kept.refresh()
    assert judged_again(deployed("2 09:00", "c9", service="s0", release="r9")) == {"s0", "s1"}
    assert judged_again(deployed("2 10:00", "c8", service="s3", release="r8")) == {"s2", "s3"}
    both = encode_commits([Commit(sha="c0"), Commit(sha="c1")])
    merged = event(Kind.CHANGE_MERGED, "0 20:00", service=None, change="!1", data={"commits": both})
    assert judged_again(merged) == {"s0", "s1", "s2", "s3"}
    kept.rebuild()
    assert kept.report(ALL) == evaluate_dora(log, ALL)


WORKER = """
import sys
from observability.projection import Projection
from observability.store import open_store
from tests.testing.delivery import deployed, incident
store = open_store(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[2]), 10**6):
    service = f"s{number % 5}"
    store.append([deployed(f"{number % 90} 09:{number % 60:02}", f"c{number}", release=f"r{number}", service=service)])
    Projection(store.database, scan=2, turn=1).refresh()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_anywhere_it_catches_up(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    """SIGKILL between, and inside of, appending and judging: the next reader sees all that is in the log."""
    if kind == "sqlite":
        _kill_and_compare(f"sqlite:///{tmp_path}/events.db")
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as name:
        _kill_and_compare(server.url(name))


def _kill_and_compare(url: str) -> None:
    store = open_store(url)
    chance = random.Random(8)
    for turn in range(3):
        command = [sys.executable, "-c", WORKER, url, str(turn * 1000)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            before, wanted = store.last_sequence(), chance.randint(3, 12)
            while store.last_sequence() < before + wanted:
                assert worker.poll() is None
            os.kill(worker.pid, signal.SIGKILL)
        log = list(store.read())
        assert len(log) >= wanted
        assert Projection(store.database).report(ALL) == evaluate_dora(log, ALL)
    kept = rows(store)[0]
    Projection(store.database).rebuild()
    assert rows(store)[0] == kept


@pytest.fixture
def log() -> list[DeliveryEvent]:
    return [
        deployed(f"{n} 09:00", f"c{n}", committed=f"{n} 08:00", release=f"r{n}", service=f"s{n % 7}") for n in range(40)
    ]


def test_a_rebuild_that_was_broken_off_is_finished_by_the_next_reader(tmp_path: Path, log: list[DeliveryEvent]) -> None:
    """Half a projection is never reported."""
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    store.append(log)
    kept = Projection(store.database, scan=5, turn=2)
    kept.refresh()
    with store.database.writing() as connection:  # as after the first turn of a rebuild
        connection.execute(facts.delete())
        connection.execute(services.update().values(dirty=True, since_us=None))
        connection.execute(state.update().where(state.c.name == "whole").values(value=""))
    assert Projection(store.database).report(ALL) == evaluate_dora(log, ALL)


class _Slow(SteppedClock):
    """Every look at it takes most of a second."""

    pauses = 0

    def monotonic(self) -> float:
        self.advance(0.6)
        return super().monotonic()

    def sleep(self, seconds: float) -> None:
        self.pauses += 1
        super().sleep(seconds)


def test_long_work_lets_waiting_writers_in(tmp_path: Path, log: list[DeliveryEvent]) -> None:
    store, clock = open_store(f"sqlite:///{tmp_path}/events.db"), _Slow()
    store.append(log)
    Projection(store.database, scan=5, turn=1, clock=clock).refresh()
    assert clock.pauses >= 5
    assert Projection(store.database).report(ALL) == evaluate_dora(log, ALL)


def test_a_log_that_cannot_be_written_now_is_reported_by_computing(tmp_path: Path, log: list[DeliveryEvent]) -> None:
    store = open_store(f"sqlite:///{tmp_path}/events.db", busy_timeout_s=0.01)
    store.append(log)
    with store.database.writing():
        assert report_of(store, ALL) == evaluate_dora(log, ALL)
    assert tuple(Projection(store.database).reports(ALL)) == evaluate_dora(log, ALL).services
