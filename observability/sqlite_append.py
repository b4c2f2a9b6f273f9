"""Appending to a log on SQLite by the driver alone: all that most commands need of the log.

Loading the database library of `observability.store` takes longer than many a command. What is not plain (another
database, a log of an older or newer schema, a file of somebody else, an unusual URL) is left to that.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headgate.clock import Clock
from observability.columns import to_microseconds
from observability.events import DeliveryEvent
from observability.rows import to_rows
from observability.sqlite_file import INSERT, make_folder, use_write_ahead_log
from observability.sqlite_snapshot import STATEMENTS, VERSION

_PLAIN = re.compile(r"sqlite:///(?P<path>[^?#%:]+)")


def append_plainly(
    url: str, batch: Sequence[DeliveryEvent], *, root: Path, clock: Clock, timeout_s: float = 15.0
) -> bool:
    """As `EventStore.append` on `open_store(url, root=root)`; False, with nothing stored, where that has to do it.

    Raises what those raise.
    """
    plain = _PLAIN.fullmatch(url)
    rows = to_rows(batch, to_microseconds(clock.now())) if plain else []
    if plain is None or not rows:
        return plain is not None
    path = (root / Path(plain["path"]).expanduser()).absolute()
    make_folder(path.parent)
    with _opened(path, clock, timeout_s) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        done = _is_ready(cursor, clock)
        if done:
            cursor.executemany(INSERT, rows)
        cursor.execute("COMMIT" if done else "ROLLBACK")
    return done


@contextmanager
def _opened(path: Path, clock: Clock, timeout_s: float) -> Iterator[sqlite3.Cursor]:
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=FULL")
        use_write_ahead_log(cursor.execute, clock, clock.monotonic() + timeout_s)
        yield cursor
    except sqlite3.Error as error:
        from observability.sqlite import map_error

        raise map_error(error, str(path)) from error
    finally:
        if connection is not None:
            connection.close()  # what was not committed is undone


def _is_ready(cursor: sqlite3.Cursor, clock: Clock) -> bool:
    """Whether the log has the current schema; an empty file is given it."""
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        for statement in STATEMENTS:
            cursor.execute(statement)
        applied = to_microseconds(clock.now())
        steps = [(number, applied) for number in range(1, VERSION + 1)]
        cursor.executemany("INSERT INTO headgate_schema (version, applied_us) VALUES (?, ?)", steps)
        return True
    if "headgate_schema" not in tables:
        return False
    (found,) = cursor.execute("SELECT max(version) FROM headgate_schema").fetchone()
    return bool(found == VERSION)
