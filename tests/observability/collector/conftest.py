"""One collector for the tests of a module, on a log that is empty at the beginning of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete

from observability.collector.request import Limits
from observability.schema import events
from observability.store import SqlEventStore, open_store
from tests.testing.collector_server import Served, serving

LIMITS = Limits(body=64 * 1024, body_s=0.5, header_s=0.5)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SqlEventStore:
    return open_store("sqlite:///events.db", root=tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def running(log: SqlEventStore) -> Iterator[Served]:
    with serving(log, limits=LIMITS) as served:
        yield served


@pytest.fixture
def store(log: SqlEventStore) -> SqlEventStore:
    """The log, empty again."""
    with log.database.writing() as connection:
        connection.execute(delete(events))
    return log


@pytest.fixture
def site(running: Served, store: SqlEventStore) -> Served:
    """The server on the empty log, its counts from here on."""
    running.mark()
    return running
