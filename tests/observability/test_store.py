"""The event log on real SQLite files."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import ConfigError, LockHeldError
from observability.events import DeliveryEvent, Kind
from observability.store import Selection, SqliteEventStore, open_store
from tests.testing.delivery import at, deployed, event, incident
from tests.testing.stepped_clock import SteppedClock


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return open_store("sqlite:///log/events.db", root=tmp_path)


def test_everything_comes_back_as_it_was(store: SqliteEventStore) -> None:
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


@settings(max_examples=25, deadline=None)
@given(ids=st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8), split=st.integers(0, 8))
def test_appending_counts_each_identity_once(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], split: int
) -> None:
    store = open_store("sqlite:///events.db", root=tmp_path_factory.mktemp("log"))
    batch = [event(Kind.PIPELINE_FINISHED, "1 00:00", id=name) for name in ids]
    assert store.append(batch[:split]) + store.append(batch[split:]) == len(set(ids))
    assert [found.id for found in store.read()] == sorted(set(ids))


def test_the_first_version_of_an_event_stays(store: SqliteEventStore) -> None:
    assert store.append([deployed("1 09:00", "c1", release="r1")]) == 1
    again = deployed("1 09:00", "c2", release="r1")
    assert store.append([again]) == 0
    assert [found.commit for found in store.read()] == ["c1"]


def test_the_same_id_of_another_source_is_another_event(store: SqliteEventStore) -> None:
    ours = event(Kind.CHANGE_MERGED, "1 09:00", id="1", source="/a")
    theirs = event(Kind.CHANGE_MERGED, "1 09:00", id="1", source="/b")
    assert store.append([ours, theirs]) == 2


def test_two_clocks(tmp_path: Path) -> None:
    late = open_store("sqlite:///events.db", root=tmp_path, clock=SteppedClock(at("9 00:00")))
    late.append([deployed("1 09:00", "c1")])
    (recorded,) = late.select()
    assert (recorded.event.occurred_at, recorded.received_at) == (at("1 09:00"), at("9 00:00"))
    assert recorded.sequence == late.last_sequence() == 1


def test_filters(store: SqliteEventStore) -> None:
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


def test_sequence_of_an_empty_log_is_zero(store: SqliteEventStore) -> None:
    assert store.last_sequence() == 0
    assert store.append([]) == 0


def test_a_naive_time_is_refused_before_anything_is_written(store: SqliteEventStore) -> None:
    naive = DeliveryEvent(kind=Kind.CHANGE_MERGED, source="s", id="n", occurred_at=datetime(2026, 1, 1), subject="!1")  # noqa: DTZ001
    with pytest.raises(ValueError, match="no UTC offset"):
        store.append([deployed("1 09:00"), naive])
    assert list(store.read()) == []


def test_the_folder_is_made_and_ours_is_hidden_from_git(tmp_path: Path) -> None:
    open_store("sqlite:///.headgate/events.db", root=tmp_path)
    assert (tmp_path / ".headgate" / ".gitignore").read_text() == "*\n"
    open_store("sqlite:///elsewhere/deep/events.db", root=tmp_path)
    assert not list((tmp_path / "elsewhere").rglob(".gitignore"))


def test_absolute_paths_ignore_the_root(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/a.db", root=tmp_path / "other").append([deployed("1 09:00")])
    assert len(list(open_store(f"sqlite:///{tmp_path}/a.db", create=False).read())) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("events.db", "not a store URL"),
        ("", "not a store URL"),
        ("postgresql://db/events", "'postgresql' are not supported"),
        ("sqlite://", "does not name a file"),
        ("sqlite:///:memory:", "does not name a file"),
        ("sqlite:///a.db?mode=ro", "does not name a file"),
    ],
)
def test_bad_urls(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        open_store(url, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_log_is_an_error_for_readers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no event store here"):
        open_store("sqlite:///no.db", root=tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_log(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to have a header\n" * 50)
    with pytest.raises(ConfigError, match="not a Headgate event store"):
        open_store("sqlite:///text.db", root=tmp_path)
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE invoices (id)")
    foreign.close()
    with pytest.raises(ConfigError, match="belongs to something else"):
        open_store("sqlite:///foreign.db", root=tmp_path)
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ConfigError, match="cannot be used"):
        open_store("sqlite:///folder.db", root=tmp_path)
    with pytest.raises(ConfigError, match="folder of the event store cannot be made"):
        open_store("sqlite:///text.db/events.db", root=tmp_path)


def test_a_log_of_a_newer_headgate_is_left_alone(store: SqliteEventStore, tmp_path: Path) -> None:
    raw = sqlite3.connect(store.where)
    raw.execute("INSERT INTO headgate_schema VALUES (99, 0)")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match="schema 99, this Headgate knows 1"):
        open_store("sqlite:///log/events.db", root=tmp_path)


def test_an_event_of_a_newer_headgate_is_named(store: SqliteEventStore) -> None:
    store.append([deployed("1 09:00")])
    raw = sqlite3.connect(store.where)
    raw.execute("UPDATE events SET kind = 'moon.landed'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match=r"moon\.landed"):
        list(store.read())


def test_a_lock_that_stays_is_told_apart(store: SqliteEventStore, tmp_path: Path) -> None:
    impatient = open_store("sqlite:///log/events.db", root=tmp_path, busy_timeout_s=0.05)
    holder = sqlite3.connect(store.where, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LockHeldError, match="locked by another process"):
            impatient.append([deployed("1 09:00")])
        assert list(impatient.read()) == []  # readers do not wait for a writer
    finally:
        holder.close()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from observability.events import DeliveryEvent, Kind
from observability.store import open_store

root, me = Path(sys.argv[1]), sys.argv[2]
new = 0
for number in range(40):
    store = open_store("sqlite:///.headgate/events.db", root=root, busy_timeout_s=60)
    moment = datetime(2026, 11, 2, tzinfo=UTC)
    own = DeliveryEvent(kind=Kind.PIPELINE_FINISHED, source=me, id=str(number), occurred_at=moment, subject=me)
    shared = DeliveryEvent(kind=Kind.PIPELINE_FINISHED, source="all", id=str(number), occurred_at=moment, subject="all")
    new += store.append([own, shared])
print(new)
"""


def test_many_processes_create_and_write_one_file(tmp_path: Path) -> None:
    """Nothing is lost or doubled, and the counts of what was new add up over the processes."""
    repository = Path(__file__).resolve().parents[2]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"writer-{number}"],
            cwd=repository,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    counts = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    found = list(open_store("sqlite:///.headgate/events.db", root=tmp_path, create=False).read())
    assert len(found) == sum(counts) == 5 * 40
    assert len({(e.source, e.id) for e in found}) == 5 * 40


def test_data_is_stored_as_sorted_json(store: SqliteEventStore) -> None:
    store.append([event(Kind.CHANGE_MERGED, "1 09:00", data={"b": 1, "a": "x"})])
    raw = sqlite3.connect(store.where)
    (text,) = raw.execute("SELECT data FROM events").fetchone()
    raw.close()
    assert list(json.loads(text)) == ["a", "b"]
