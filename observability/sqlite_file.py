"""The file of a log on SQLite and the statements that it is used with. Light: the driver of the standard library alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headgate.clock import Clock
from headgate.errors import ConfigError
from observability.columns import COLUMNS

INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own names
_FOLDER = ".headgate"


def make_folder(folder: Path) -> None:
    """The folder of a log; one called `.headgate` is kept out of Git. Raises `ConfigError`."""
    try:
        if folder.name == _FOLDER and not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder of the event store cannot be made: {error.strerror or error}",
            where=str(folder),
            next_step="Choose a folder that may be written in observability.store (or --store).",
        ) from error


def use_write_ahead_log(execute: Callable[[str], Any], clock: Clock, deadline: float) -> None:
    """Switch the file to WAL, by a cursor's `execute`. SQLite does not wait for locks in this one statement, so the waiting is done here."""
    while True:
        try:
            execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or clock.monotonic() > deadline:
                raise
            clock.sleep(0.02)
