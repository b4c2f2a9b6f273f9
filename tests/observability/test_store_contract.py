"""What an event log does on every database: the same tests on SQLite files and on a PostgreSQL server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.errors import ConfigError, LockHeldError
from observability.dora import Period, evaluate_dora
from observability.dora_report import to_data
from observability.events import DeliveryEvent, Kind
from observability.identity import natural_key
from observability.projection import Projection
from observability.store import Selection, SqlEventStore, open_store
from tests.observability.test_dora_properties import PERIOD, histories
from tests.testing.delivery import DAY0, at, deployed, event, incident, rolled_back
from tests.testing.postgres import Postgres
from tests.testing.stepped_clock import SteppedClock

Urls = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """Each call gives the URL of a log that does not exist yet."""
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path_factory.mktemp('log')}/events.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as name, server.connect(name) as connection:
        numbers = count()

        def new_schema() -> str:
            schema = f"log_{next(numbers)}"
            connection.execute(f"create schema {schema}")
            return f"{server.url(name)}?options=-csearch_path%3D{schema}"

        yield new_schema


@pytest.fixture
def url(new_url: Urls) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> SqlEventStore:
    return open_store(url)


def test_everything_comes_back_as_it_was(store: SqlEventStore) -> None:
    full = DeliveryEvent(
        kind=Kind.SERVICE_UPGRADED,
        source="https://gitlab.example.com/shop",
        id="1",
        occurred_at=datetime(2026, 11, 2, 10, 0, 0, 123456, tzinfo=UTC),
        subject="r1",
        service="recommender",
        environment="prod",
        commit="a" * 40,
        committed_at=datetime(2026, 11, 2, 9, tzinfo=UTC),
        outcome="success",
        change="!12",
        release="r1",
        url="https://gitlab.example.com/shop/-/pipelines/1",
        data={"version": "1.2.3", "weight": 50, "ratio": 0.25, "ok": True, "none": None, "snow": "☃"},
    )
    bare = DeliveryEvent(kind=Kind.CHANGE_MERGED, source="s", id="2", occurred_at=at("3 00:00"), subject="!1")
    assert store.append([bare, full]) == 2
    assert list(store.read()) == [full, bare]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8), split=st.integers(0, 8))
def test_appending_counts_each_identity_once(new_url: Urls, ids: list[str], split: int) -> None:
    store = open_store(new_url())
    batch = [event(Kind.PIPELINE_FINISHED, "1 00:00", id=name) for name in ids]
    assert store.append(batch[:split]) + store.append(batch[split:]) == len(set(ids))
    assert [found.id for found in store.read()] == sorted(set(ids))


def test_batches_appended_together_are_counted_apart(store: SqlEventStore) -> None:
    a, b, c = (event(Kind.SERVICE_DEPLOYED, "1 09:00", id=name) for name in "abc")
    keyed = [
        event(Kind.SERVICE_DEPLOYED, "2 09:00", id=name, data={"natural_key": "one fact"}) for name in ("k1", "k2")
    ]
    store.append([c])
    assert store.append_each([(a, b), (), (b,), (a, a), (c,), keyed]) == [2, 0, 0, 0, 0, 1]
    assert [found.id for found in store.read()] == ["a", "b", "c", "k1"]
    assert store.append_each([]) == []
    with pytest.raises(ConfigError):
        store.append_each(
            [(event(Kind.SERVICE_DEPLOYED, "3 09:00", id="d"),), (event(Kind.SERVICE_DEPLOYED, "3 09:00", id="\0"),)]
        )
    assert len(list(store.read())) == 4


def test_the_first_version_of_an_event_stays(store: SqlEventStore) -> None:
    assert store.append([deployed("1 09:00", "c1", release="r1")]) == 1
    again = deployed("1 09:00", "c2", release="r1")
    assert store.append([again]) == 0
    assert [found.commit for found in store.read()] == ["c1"]


def test_the_same_id_of_another_source_is_another_event(store: SqlEventStore) -> None:
    ours = event(Kind.CHANGE_MERGED, "1 09:00", id="1", source="/a")
    theirs = event(Kind.CHANGE_MERGED, "1 09:00", id="1", source="/b")
    assert store.append([ours, theirs]) == 2


def test_two_clocks(url: str) -> None:
    late = open_store(url, clock=SteppedClock(at("9 00:00")))
    late.append([deployed("1 09:00", "c1")])
    (recorded,) = late.select()
    assert (recorded.event.occurred_at, recorded.received_at) == (at("1 09:00"), at("9 00:00"))
    assert recorded.sequence == late.last_sequence() == 1


def test_filters(store: SqlEventStore) -> None:
    store.append(
        [
            deployed("1 09:00", "c1", release="r1"),
            deployed("2 09:00", "c2", release="r2", environment="staging"),
            deployed("3 09:00", "c3", release="r3", service="other"),
            incident("3 10:00", "INC-1"),
            event(Kind.CHANGE_MERGED, "4 00:00", change="!7", commit="c4"),
        ]
    )

    def names(selection: Selection) -> list[str]:
        return [recorded.event.subject for recorded in store.select(selection)]

    assert names(Selection(since=at("2 09:00"), until=at("3 10:00"))) == ["r2", "r3"]
    assert names(Selection(kinds=[Kind.INCIDENT_DETECTED])) == ["INC-1"]
    assert names(Selection(kinds=[])) == []
    assert names(Selection(service="shop", environment="staging")) == ["r2"]
    assert names(Selection(commits=["c1", "c3"])) == ["r1", "r3"]
    assert names(Selection(changes=["!7"])) == ["subject"]
    assert names(Selection(releases=["r2"])) == ["r2"]
    assert [found.subject for found in store.read(service="other")] == ["r3"]


def test_sequence_of_an_empty_log_is_zero(store: SqlEventStore) -> None:
    assert store.last_sequence() == 0
    assert store.append([]) == 0


def test_a_naive_time_is_refused_before_anything_is_written(store: SqlEventStore) -> None:
    naive = DeliveryEvent(kind=Kind.CHANGE_MERGED, source="s", id="n", occurred_at=datetime(2026, 1, 1), subject="!1")  # noqa: DTZ001
    with pytest.raises(ValueError, match="no UTC offset"):
        store.append([deployed("1 09:00"), naive])
    assert list(store.read()) == []


def test_a_fact_counts_once_by_its_natural_key(store: SqlEventStore) -> None:
    def hook(delivery: str, attempt: int = 1, status: str = "success") -> DeliveryEvent:
        key = natural_key(provider="gitlab", project="shop", subject="deployment/7", status=status, attempt=attempt)
        return event(Kind.SERVICE_DEPLOYED, "1 09:00", id=delivery, data={"natural_key": key})

    assert store.append([hook("delivery-1"), hook("delivery-2")]) == 1
    assert store.append([hook("delivery-3"), hook("delivery-4", attempt=2), hook("delivery-5", status="failed")]) == 2
    assert sorted(found.id for found in store.read()) == ["delivery-1", "delivery-4", "delivery-5"]
    assert store.append([event(Kind.SERVICE_DEPLOYED, "1 09:00", id=str(n)) for n in range(3)]) == 3


@pytest.mark.parametrize("text", ["a\0b", "half \ud800 pair"])
def test_a_text_that_cannot_be_kept_is_refused_and_named(store: SqlEventStore, text: str) -> None:
    bad = event(Kind.CHANGE_MERGED, "1 00:00", id="bad", subject=text)
    with pytest.raises(ConfigError, match=r"/test bad.*NUL"):
        store.append([deployed("1 09:00"), bad])
    assert store.last_sequence() == 0


def test_texts_sort_by_code_point(store: SqlEventStore) -> None:
    names = ["b", "B", "a", "_", "é", "Z", "a b", "a-b", "ab"]
    store.append(event(Kind.CHANGE_MERGED, "1 00:00", id=name) for name in names)
    assert [found.id for found in store.read()] == sorted(names)


def test_secrets_do_not_get_into_the_log(store: SqlEventStore) -> None:
    clean = event(Kind.CHANGE_MERGED, "1 00:00", id="clean", subject="!1")
    dirty = event(
        Kind.CHANGE_MERGED, "2 00:00", id="dirty", subject="see https://me:hunter22@git.example.com",
        data={"log": "glpat-abcdefgh1234"},
    )  # fmt: skip
    store.append([clean, dirty])
    found = list(store.read())
    assert found[0] == clean
    assert "hunter22" not in found[1].subject
    assert found[1].data["log"] == "[masked]"


def test_a_reader_sees_one_state(store: SqlEventStore) -> None:
    store.append(event(Kind.CHANGE_MERGED, "1 00:00", id=f"{number:05}") for number in range(4500))
    reading = store.select()
    next(reading)
    store.append([event(Kind.CHANGE_MERGED, "1 00:00", id="99999")])
    assert sum(1 for _ in reading) == 4499
    assert sum(1 for _ in store.select()) == 4501


def test_a_log_that_is_not_there_is_an_error_for_readers(url: str) -> None:
    with pytest.raises(ConfigError, match="no event store here"):
        open_store(url, create=False)
    open_store(url)
    assert list(open_store(url, create=False).read()) == []


def test_a_log_of_a_newer_headgate_is_refused(store: SqlEventStore, url: str) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO headgate_schema VALUES (99, 0)")
    with pytest.raises(ConfigError, match=r"schema 99, this Headgate knows 5.*Upgrade Headgate"):
        open_store(url)


def test_writers_take_turns_and_readers_do_not_wait(store: SqlEventStore, url: str) -> None:
    impatient = open_store(url, busy_timeout_s=0.05)
    with store.database.writing():
        with pytest.raises(LockHeldError, match="locked by another process"):
            impatient.append([deployed("1 09:00")])
        assert list(impatient.read()) == []
    assert impatient.append([deployed("1 09:00")]) == 1


WRITER = """
import sys
from datetime import UTC, datetime
from observability.events import DeliveryEvent, Kind
from observability.projection import Projection
from observability.store import open_store

url, me = sys.argv[1:]
new, sequence = 0, 0
for number in range(40):
    store = open_store(url, busy_timeout_s=60)
    moment = datetime(2026, 11, 2, tzinfo=UTC)
    own = DeliveryEvent(
        kind=Kind.SERVICE_UPGRADED, source=me, id=str(number), occurred_at=moment, subject=me, service=me, environment="prod",
        commit=f"{me}-{number}" if number % 9 else "shared",
    )
    shared = DeliveryEvent(kind=Kind.PIPELINE_FINISHED, source="all", id=str(number), occurred_at=moment, subject="all")
    new += store.append([own, shared])
    assert store.last_sequence() > sequence
    sequence = store.last_sequence()
    if number % 10 == 0:
        Projection(store.database).refresh()
print(new)
"""


def test_many_processes_create_and_write_one_log(url: str) -> None:
    """Nothing is lost or doubled, and the counts of what was new add up over the processes."""
    repository = Path(__file__).resolve().parents[2]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, f"writer-{number}"],
            cwd=repository,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    counts = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    found = list(open_store(url, create=False).read())
    assert len(found) == sum(counts) == 5 * 40
    assert len({(e.source, e.id) for e in found}) == 5 * 40
    period = Period(start=DAY0 - timedelta(days=1), end=DAY0 + timedelta(days=1))
    kept = Projection(open_store(url).database).report(period)
    assert len(kept.services) == 4
    assert kept == evaluate_dora(found, period)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=histories(), seed=st.randoms(use_true_random=False))
def test_a_report_of_the_log_is_that_of_the_events(
    new_url: Urls, events: list[DeliveryEvent], seed: random.Random
) -> None:
    """Whatever the database, the order of arrival and the repetitions: so both databases report the same."""
    store = open_store(new_url())
    arriving = [*events, *events]
    seed.shuffle(arriving)
    cut = seed.randint(0, len(arriving))
    store.append(arriving[:cut])
    store.append(arriving[cut:])
    assert list(store.read()) == sorted(events, key=lambda e: (e.occurred_at, e.source, e.id))
    assert to_data(evaluate_dora(store.read(), PERIOD)) == to_data(evaluate_dora(events, PERIOD))


def test_both_databases_report_the_same_to_the_byte(tmp_path: Path, postgres: Postgres) -> None:
    log = [
        *(deployed(f"{day} 09:00", f"c{day % 7}", committed=f"{day} 03:00", release=f"r{day}") for day in range(30)),
        *(rolled_back(f"{day} 10:17", release=f"r{day}") for day in range(0, 30, 4)),
        *(incident(f"{day} 11:00", f"INC-{day}") for day in range(0, 30, 3)),
        *(incident(f"{day} 12:34", f"INC-{day}", resolved=True) for day in range(0, 30, 6)),
        *(deployed(f"{day} 13:00", service="ünïcode", environment="Staging") for day in range(3)),
    ]
    period = Period(start=DAY0, end=DAY0 + timedelta(days=30))
    with postgres.database() as name:
        texts = []
        for url, order in ((f"sqlite:///{tmp_path}/events.db", log), (postgres.url(name), log[::-1])):
            store = open_store(url)
            store.append(order)
            texts.append(json.dumps(to_data(evaluate_dora(store.read(), period))))
    assert texts[0] == texts[1]
    assert len(texts[0]) > 10_000
