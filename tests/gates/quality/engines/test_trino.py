"""Trino's official client, where it is installed, against a stand-in; and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gates.quality.engines.base import QueryFailedError, SqlBatch
from gates.quality.engines.open import Limits
from gates.quality.engines.trino import kind_of, translate
from gates.quality.metrics import Aggregate, Count, Distinct, Failed, Kind
from gates.quality.sql import column
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from tests.gates.quality.engines.benches import opened
from tests.testing.private_server import free_port
from tests.testing.trino import Trino, trino_stand_in

TOTAL = Aggregate(function="sum", argument=column("n"))
DIFFERENT = Distinct(keys=(column("s"),))


@pytest.fixture
def server() -> Iterator[Trino]:
    pytest.importorskip("trino", reason="Trino: its client is not installed")
    with trino_stand_in() as state:
        state.rows = answers
        yield state


def answers(sql: str) -> Any:
    if sql.startswith("DESCRIBE"):
        names = ["Column", "Type", "Extra", "Comment"]
        return [(name, "varchar") for name in names], [["n", "bigint", "", ""], ["s", "varchar(10)", "", ""]]
    if "DISTINCT" in sql:
        return [("_col0", "bigint")], [[2]]
    return [("m0", "bigint"), ("m1", "decimal(38,0)")], [[3, "13835058055282163711"]]


def batch(server: Trino, table: str = "orders") -> SqlBatch:
    limits = Limits(connect_timeout_s=2, statement_timeout_s=60)
    return opened(f"trino://reader@127.0.0.1:{server.port}/hive/shop", table=table, limits=limits)


def test_metrics_are_computed(server: Trino) -> None:
    with batch(server) as orders:
        values = orders.compute([Count(), TOTAL, DIFFERENT])
    assert values == {Count(): 3, TOTAL: 13835058055282163711, DIFFERENT: 2}
    assert all('"hive"."shop"."orders"' in sql for sql in server.statements)
    assert "query_max_run_time=60s" in server.headers["X-Trino-Session"]
    assert (server.headers["X-Trino-User"], server.headers["X-Trino-Time-Zone"]) == ("reader", "UTC")


def test_a_query_that_is_refused(server: Trino) -> None:
    with batch(server) as orders:
        orders.schema()
        server.error = {"message": "line 1:8: no", "errorName": "COLUMN_NOT_FOUND", "errorType": "USER_ERROR"}
        assert orders.compute([TOTAL]) == {TOTAL: Failed(reason="line 1:8: no")}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("PERMISSION_DENIED", "USER_ERROR", AuthenticationError),
        ("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES", RemoteTimeoutError),
        ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", ServerFaultError),
    ],
)
def test_errors_of_the_server(server: Trino, name: str, kind: str, expected: type[HeadgateError]) -> None:
    with batch(server) as orders:
        orders.schema()
        server.error = {"message": "so it is", "errorName": name, "errorType": kind}
        with pytest.raises(expected, match="so it is"):
            orders.compute([TOTAL])


def test_the_user_is_not_let_in(server: Trino) -> None:
    server.status = 401
    with batch(server) as orders, pytest.raises(AuthenticationError):
        orders.schema()


def test_nobody_listens(server: Trino) -> None:
    server.port = free_port()
    with batch(server) as orders, pytest.raises(UnreachableError):
        orders.schema()


def test_a_password_is_not_sent_in_the_clear(server: Trino) -> None:
    with pytest.raises(ConfigError, match="https") as caught:
        opened(f"trino://u:some-password@127.0.0.1:{server.port}/c/s?http_scheme=http", table="t")
    assert "some-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("bigint", Kind.INTEGER),
        ("decimal(12,2)", Kind.DECIMAL),
        ("varchar(10)", Kind.STRING),
        ("timestamp(6)", Kind.TIMESTAMP),
        ("timestamp(3) with time zone", Kind.TIMESTAMP_TZ),
        ("array(bigint)", Kind.NESTED),
        ("interval day to second", Kind.INTERVAL),
        ("ipaddress", Kind.OTHER),
    ],
)
def test_kinds(native: str, kind: Kind) -> None:
    assert kind_of(native) is kind


class _RefusedError(Exception):
    """As the client's: an error with a name and a type."""

    error_name = "SYNTAX_ERROR"
    error_type = "USER_ERROR"
    message = "mismatched input"


_RefusedError.__module__ = "trino.exceptions"


def test_errors_are_told_by_the_names_that_trino_gives_them() -> None:
    assert isinstance(translate(_RefusedError(), "trino://h"), QueryFailedError)
    assert isinstance(translate(ConnectionResetError("reset"), "trino://h"), UnreachableError)
    ours = KeyError("not the client's")
    assert translate(ours, "trino://h") is ours
