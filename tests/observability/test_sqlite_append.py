"""Appending by the driver alone does what the store does, or leaves it to the store."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headgate.clock import SystemClock
from headgate.errors import ConfigError, LockHeldError
from observability import sqlite_snapshot
from observability.columns import COLUMNS
from observability.events import DeliveryEvent, Kind
from observability.migrations import CURRENT
from observability.schema import events
from observability.sqlite_append import append_plainly
from observability.store import open_store

CLOCK = SystemClock()
URL = "sqlite:///log/events.db"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def event(number: int, **more: object) -> DeliveryEvent:
    return DeliveryEvent(
        kind=Kind.SERVICE_DEPLOYED, source="/s", id=str(number), occurred_at=NOW + timedelta(seconds=number),
        subject="r", service="shop", environment="prod", outcome="success", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def schema(path: Path) -> set[tuple[str, str]]:
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    raw.close()
    return {(name, re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql))) for name, sql in found}


def test_a_new_log_has_the_schema_that_the_migrations_make(tmp_path: Path) -> None:
    open_store("sqlite:///migrated.db", root=tmp_path)
    assert append_plainly("sqlite:///plain.db", [event(1)], root=tmp_path, clock=CLOCK)
    assert schema(tmp_path / "plain.db") == schema(tmp_path / "migrated.db")
    assert CURRENT == sqlite_snapshot.VERSION
    assert tuple(column.name for column in events.columns if column.name != "seq") == COLUMNS


def test_the_store_reads_what_was_appended_and_goes_on(tmp_path: Path) -> None:
    first, second = event(1, data={"files": 3}, commit="a" * 40, committed_at=NOW), event(2)
    assert append_plainly(URL, [first], root=tmp_path, clock=CLOCK)
    store = open_store(URL, root=tmp_path, create=False)
    assert store.append([first, second]) == 1
    assert append_plainly(URL, [second, event(3)], root=tmp_path, clock=CLOCK)
    assert list(store.read()) == [first, second, event(3)]
    assert (tmp_path / "log/events.db").exists()


def test_a_natural_key_counts_once(tmp_path: Path) -> None:
    for number in (1, 2):
        assert append_plainly(URL, [event(number, data={"natural_key": "k"})], root=tmp_path, clock=CLOCK)
    assert [one.id for one in open_store(URL, root=tmp_path).read()] == ["1"]


def test_the_folder_is_kept_out_of_git(tmp_path: Path) -> None:
    assert append_plainly("sqlite:///.headgate/e.db", [event(1)], root=tmp_path, clock=CLOCK)
    assert (tmp_path / ".headgate/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "url", ["postgresql://h/d", "sqlite:///a.db?mode=ro", "sqlite://", "sqlite:///:memory:", "sqlite:///a%20b.db", "x"]
)
def test_an_unusual_url_is_left_to_the_store(tmp_path: Path, url: str) -> None:
    assert not append_plainly(url, [event(1)], root=tmp_path, clock=CLOCK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [1, CURRENT - 1, CURRENT + 1])
def test_another_schema_is_left_to_the_store(tmp_path: Path, version: int) -> None:
    store = open_store(URL, root=tmp_path)
    with sqlite3.connect(tmp_path / "log/events.db") as raw:
        raw.execute("DELETE FROM headgate_schema")
        raw.execute("INSERT INTO headgate_schema VALUES (?, 0)", (version,))
    raw.close()
    assert not append_plainly(URL, [event(1)], root=tmp_path, clock=CLOCK)
    assert list(store.read()) == []


def test_the_database_of_something_else_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as raw:
        raw.execute("CREATE TABLE events (mine)")
    raw.close()
    assert not append_plainly("sqlite:///other.db", [event(1)], root=tmp_path, clock=CLOCK)
    assert schema(tmp_path / "other.db") == {("events", "CREATE TABLE events(mine)")}


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, and longer than its header" * 30)
    with pytest.raises(ConfigError, match="not a Headgate event store"):
        append_plainly("sqlite:///text.db", [event(1)], root=tmp_path, clock=CLOCK)


def test_a_lock_that_is_held_too_long(tmp_path: Path) -> None:
    assert append_plainly(URL, [event(1)], root=tmp_path, clock=CLOCK)
    holder = sqlite3.connect(tmp_path / "log/events.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LockHeldError, match="stayed locked"):
        append_plainly(URL, [event(2)], root=tmp_path, clock=CLOCK, timeout_s=0.05)
    holder.execute("ROLLBACK")
    holder.close()
    assert append_plainly(URL, [event(2)], root=tmp_path, clock=CLOCK)


WRITER = """
import sys
from pathlib import Path
from tests.observability.test_sqlite_append import CLOCK, URL, event
from observability.sqlite_append import append_plainly
assert append_plainly(URL, [event(int(sys.argv[2]))], root=Path(sys.argv[1]), clock=CLOCK)
"""


def test_processes_that_begin_a_log_together(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], cwd=root) for number in range(4)
    ]
    assert [one.wait(60) for one in running] == [0] * 4
    assert {one.id for one in open_store(URL, root=tmp_path).read()} == {"0", "1", "2", "3"}
