"""Waiting for DuckDB so that a signal ends it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from gates.quality.compare.attended import attended
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.open import Limits

ENDLESS = "SELECT sum(hash(a.i, b.i, c.i)) FROM range(1000000) a(i), range(1000000) b(i), range(1000000) c(i)"


def test_a_signal_ends_the_query_and_takes_its_files_with_it(tmp_path: Path) -> None:
    connection = DuckConnection(Limits(temp_directory=tmp_path))
    begun = threading.Event()

    def work() -> None:
        begun.set()
        while True:  # a signal between two queries must not be lost either
            connection.execute(ENDLESS)

    def stop() -> None:
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt):
        attended(connection, work)
    for thread in threading.enumerate():
        if thread.name == "headgate-compare":  # on its last lines
            thread.join(60)
    assert "headgate-compare" not in {thread.name for thread in threading.enumerate()}
    connection.close()
    assert not connection.closing_error
    assert list(tmp_path.iterdir()) == []


def test_what_the_work_returns_or_raises() -> None:
    connection = DuckConnection(Limits())
    try:
        assert attended(connection, lambda: connection.execute("SELECT 7").rows) == [(7,)]
        with pytest.raises(QueryFailedError):
            attended(connection, lambda: connection.execute("SELECT nothing"))
    finally:
        connection.close()
