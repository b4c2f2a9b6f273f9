"""What every engine on a server does when things go wrong; subclassed beside `EngineContract`."""

from __future__ import annotations

import traceback
from typing import Any, Protocol

import pytest

from gates.quality.engines.open import Limits
from gates.quality.metrics import Count
from gates.quality.sql import column
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RemoteTimeoutError,
    UnreachableError,
)
from headgate.exit_codes import ExitCode
from tests.gates.quality.engines.benches import LIMITS, opened
from tests.gates.quality.engines.contract import Bench, aggregate
from tests.testing.private_server import free_port

PASSWORD, IN_URL = "correct horse/battery@staple", "correct%20horse%2Fbattery%40staple"


class ServerBench(Bench, Protocol):
    url: str

    def run(self, *statements: str) -> None: ...


def failing(url: str, table: str | None = "orders", limits: Limits = LIMITS) -> HeadgateError:
    """The error of opening and reading; no part of it may show the password."""
    with pytest.raises(HeadgateError) as caught, opened(url, table=table, limits=limits) as batch:
        batch.schema()
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert IN_URL not in shown
    assert "wrong-password" not in shown
    return caught.value


class ServerContract:
    """Run for every engine whose server runs here."""

    def test_a_wrong_password(self, bench: ServerBench) -> None:
        error = failing(bench.url.replace(IN_URL, "wrong-password"))
        assert isinstance(error, AuthenticationError)
        assert error.exit_code is ExitCode.USAGE

    def test_a_password_from_the_environment(self, bench: ServerBench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADGATE_DATABASE_PASSWORD", PASSWORD)
        with opened(bench.url.replace(f":{IN_URL}", ""), table="orders", limits=LIMITS) as batch:
            assert batch.compute([Count()])[Count()] == 6
            assert PASSWORD not in f"{vars(batch)} {vars(batch.connection)}"

    def test_no_such_database(self, bench: ServerBench) -> None:
        error = failing(bench.url.rpartition("/")[0] + "/nowhere")
        assert isinstance(error, NotFoundError)
        assert "nowhere" in str(error)

    def test_no_such_table(self, bench: ServerBench) -> None:
        error = failing(bench.url, "nowhere")
        assert isinstance(error, NotFoundError)
        assert "nowhere" in str(error)

    def test_no_table_is_named(self, bench: ServerBench) -> None:
        assert isinstance(failing(bench.url, None), ConfigError)

    def test_nobody_listens(self, bench: ServerBench) -> None:
        head, _, path = bench.url.rpartition("/")
        error = failing(f"{head.rpartition(':')[0]}:{free_port()}/{path}")
        assert isinstance(error, UnreachableError)
        assert error.exit_code is ExitCode.UNDECIDED

    def test_a_query_that_takes_too_long(self, bench: ServerBench) -> None:
        limits = Limits(statement_timeout_s=0.3)
        with opened(bench.url, table="orders", limits=limits) as batch:
            batch.schema()
            with pytest.raises(RemoteTimeoutError):
                batch.connection.execute(self.slow)

    slow = ""
    """A query of more than a second."""

    def test_one_state_of_the_data_for_the_whole_run(self, bench: ServerBench) -> None:
        bench.run("create table moving (k int)", "insert into moving values (1), (2)")
        with bench.batch("moving") as batch:
            before = batch.compute([Count()])
            bench.run("insert into moving values (3)")
            total = aggregate("sum", column("k"))
            assert (before[Count()], batch.compute([total])[total]) == (2, 3)
        with bench.batch("moving") as batch:
            assert batch.compute([Count()])[Count()] == 3


class KillableServer(Protocol):
    def kill(self) -> None: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


def check_that_going_away_is_told(server: KillableServer, bench: Any) -> None:
    """Between two queries; the same command works again when the server is back."""
    with bench.batch("orders") as batch:
        assert batch.compute([Count()])[Count()] == 6
        server.kill()
        with pytest.raises(UnreachableError) as caught:
            batch.compute([aggregate("sum", column("n"))])
        assert caught.value.exit_code is ExitCode.UNDECIDED
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
