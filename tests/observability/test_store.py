"""The event log on real SQLite files."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from headgate.errors import ConfigError, LockHeldError
from observability import schema
from observability.events import Kind
from observability.store import SqlEventStore, open_store
from tests.testing.delivery import deployed, event


@pytest.fixture
def store(tmp_path: Path) -> SqlEventStore:
    return open_store("sqlite:///log/events.db", root=tmp_path)


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
        ("mysql://db/events", "'mysql' are not supported"),
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


def test_a_log_of_a_newer_headgate_is_left_alone(store: SqlEventStore, tmp_path: Path) -> None:
    raw = sqlite3.connect(store.where)
    raw.execute("INSERT INTO headgate_schema VALUES (99, 0)")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match="schema 99, this Headgate knows 5"):
        open_store("sqlite:///log/events.db", root=tmp_path)


def test_an_event_of_a_newer_headgate_is_named(store: SqlEventStore) -> None:
    store.append([deployed("1 09:00")])
    raw = sqlite3.connect(store.where)
    raw.execute("UPDATE events SET kind = 'moon.landed'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match=r"moon\.landed"):
        list(store.read())


def test_a_lock_that_stays_is_told_apart(store: SqlEventStore, tmp_path: Path) -> None:
    impatient = open_store("sqlite:///log/events.db", root=tmp_path, busy_timeout_s=0.05)
    holder = sqlite3.connect(store.where, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LockHeldError, match="locked by another process"):
            impatient.append([deployed("1 09:00")])
        assert list(impatient.read()) == []  # readers do not wait for a writer
    finally:
        holder.close()


def test_the_file_is_left_alone_with_the_last_use_of_the_store(tmp_path: Path) -> None:
    """SQLite removes its write-ahead log when the last connection is closed."""
    store = open_store("sqlite:///events.db", root=tmp_path)
    store.append([deployed("1 09:00")])
    assert (tmp_path / "events.db-wal").exists()
    del store
    assert [path.name for path in tmp_path.iterdir()] == ["events.db"]


def test_data_is_stored_as_sorted_json(store: SqlEventStore) -> None:
    store.append([event(Kind.CHANGE_MERGED, "1 09:00", data={"b": 1, "a": "x"})])
    raw = sqlite3.connect(store.where)
    (text,) = raw.execute("SELECT data FROM events").fetchone()
    raw.close()
    assert list(json.loads(text)) == ["a", "b"]


OLD = """
CREATE TABLE events (
    seq INTEGER NOT NULL, source VARCHAR NOT NULL, id VARCHAR NOT NULL, kind VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    service VARCHAR, environment VARCHAR, commit_sha VARCHAR, committed_us BIGINT, outcome VARCHAR NOT NULL,
    change_id VARCHAR, release_id VARCHAR, url TEXT, data TEXT NOT NULL, occurred_us BIGINT NOT NULL,
    received_us BIGINT NOT NULL, PRIMARY KEY (seq), CONSTRAINT events_identity UNIQUE (source, id));
CREATE INDEX events_by_time ON events (occurred_us);
CREATE INDEX events_by_target ON events (service, environment, occurred_us);
CREATE INDEX events_by_commit ON events (commit_sha);
CREATE INDEX events_by_change ON events (change_id);
CREATE TABLE headgate_schema (version INTEGER NOT NULL, applied_us BIGINT NOT NULL, PRIMARY KEY (version));
INSERT INTO headgate_schema VALUES (1, 1795000000000000);
INSERT INTO events VALUES
    (1, '/a', '1', 'service.upgraded', 'r1', 'shop', 'prod', 'c1', 1793577600000000, 'success', '!1', 'r1',
     'https://gitlab.example.com/1', '{"version": "1.0"}', 1793610000000000, 1793610000000001),
    (7, '/a', '2', 'incident.detected', 'INC-1', NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, '{}',
     1793620000000000, 1793620000000001);
PRAGMA journal_mode=WAL;
"""


def test_a_log_of_the_first_version_is_brought_up_to_date_with_nothing_lost(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "old.db")
    raw.executescript(OLD)
    before = raw.execute("SELECT * FROM events ORDER BY seq").fetchall()
    raw.close()
    store = open_store("sqlite:///old.db", root=tmp_path, create=False)
    recorded = list(store.select())
    assert [(found.sequence, found.event.subject) for found in recorded] == [(1, "r1"), (7, "INC-1")]
    assert recorded[0].event.data == {"version": "1.0"}
    assert recorded[0].received_at - recorded[0].event.occurred_at == timedelta(microseconds=1)
    assert store.append([recorded[0].event, deployed("1 09:00")]) == 1
    assert store.last_sequence() == 8
    raw = sqlite3.connect(tmp_path / "old.db")
    assert [row[:-1] for row in raw.execute("SELECT * FROM events WHERE seq < 8 ORDER BY seq")] == before
    assert _shape(tmp_path / "old.db") == _shape(Path(open_store("sqlite:///new.db", root=tmp_path).where))
    raw.close()


def _shape(path: Path) -> set[tuple[object, ...]]:
    """Columns and indexes, as SQLite itself describes them."""
    raw = sqlite3.connect(path)
    columns = set(raw.execute("SELECT name, \"notnull\", pk FROM pragma_table_info('events')"))
    indexes = raw.execute("SELECT name, \"unique\", partial FROM pragma_index_list('events')").fetchall()
    inside = {(name, *row) for name, *_ in indexes for row in raw.execute(f"PRAGMA index_info('{name}')")}
    raw.close()
    return columns | set(indexes) | inside


def test_todays_tables_are_what_the_steps_make(tmp_path: Path) -> None:
    """The steps spell out their tables; the queries use `schema`."""
    store = open_store("sqlite:///steps.db", root=tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path}/direct.db", poolclass=NullPool)
    schema.events.create(engine)
    assert _shape(Path(store.where)) == _shape(tmp_path / "direct.db")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "old.db")
    raw.executescript(OLD)
    raw.execute("CREATE INDEX events_by_release ON events (release_id)")  # in the way of the second step
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match="events_by_release already exists"):
        open_store("sqlite:///old.db", root=tmp_path)
    raw = sqlite3.connect(tmp_path / "old.db")
    assert raw.execute("SELECT max(version) FROM headgate_schema").fetchone() == (1,)
    assert "natural_key" not in {row[1] for row in raw.execute("PRAGMA table_info('events')")}
    raw.close()
