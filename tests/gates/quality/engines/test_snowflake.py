"""Snowflake without a server: URLs, names, the client's errors as ours, columns as the client describes them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import pytest

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import Cursor, DbApiConnection
from gates.quality.engines.open import open_batch
from gates.quality.engines.snowflake import SnowflakeBatch, kind_of, translate
from gates.quality.metrics import Kind
from headgate.errors import AuthenticationError, ConfigError, RemoteTimeoutError, UnreachableError

WHERE = "snowflake://user@account/SHOP"


def error(name: str, text: str, number: int | None = None) -> Exception:
    """An exception as the client raises it."""
    kind = type(name, (Exception,), {"__module__": "snowflake.connector.errors"})
    found: Exception = kind(text)
    vars(found)["errno"] = number
    return found


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (error("ProgrammingError", "SQL compilation error\nline 1", 2003), QueryFailedError, "SQL compilation error"),
        (error("DataError", "Numeric value 'x' is not recognized", 100038), QueryFailedError, "not recognized"),
        (error("ProgrammingError", "canceled", 604), RemoteTimeoutError, "a query was stopped"),
        (error("ProgrammingError", "Insufficient privileges", 3001), AuthenticationError, "Insufficient"),
        (error("DatabaseError", "Incorrect username or password", 390100), AuthenticationError, "Incorrect"),
        (error("ForbiddenError", "403", 290403), AuthenticationError, "403"),
        (error("OperationalError", "Could not connect", 250001), UnreachableError, "Could not connect"),
        (ConnectionResetError("reset"), UnreachableError, "reset"),
    ],
)
def test_the_clients_errors_are_ours(raised: Exception, kind: type[Exception], said: str) -> None:
    found = translate(raised, WHERE)
    assert type(found) is kind
    assert said in str(found)
    assert "line 1" not in str(found)


def test_an_error_of_nobodys_stays_what_it_is() -> None:
    raised = KeyError("x")
    assert translate(raised, WHERE) is raised


@pytest.mark.parametrize(
    ("data", "table", "said"),
    [
        ("snowflake://user@account/SHOP", "ORDERS", "database, schema or table is missing"),
        ("snowflake://user@account", "PUBLIC.ORDERS", "database, schema or table is missing"),
        ("snowflake://user@account/SHOP/PUBLIC", None, "no table is named"),
        ("snowflake://user@account/SHOP/PUBLIC", "a.b.c.d", "4 parts"),
    ],
)
def test_a_name_must_be_whole(data: str, table: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_batch(data, table=table)


@pytest.mark.skipif(importlib.util.find_spec("snowflake") is not None, reason="the client is installed")
def test_without_the_client_it_says_what_to_install() -> None:
    with pytest.raises(ConfigError) as raised:
        open_batch("snowflake://user@account/SHOP/PUBLIC", table="ORDERS")
    assert "pip install 'headgate[snowflake]'" in str(raised.value)


class Described:
    """A cursor and its connection: whatever is asked, the answer is a description of columns."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.description: Sequence[Sequence[Any]] | None = [("name",), ("type",), ("kind",)]

    def cursor(self) -> Cursor:
        return self

    def execute(self, operation: str, /) -> None:
        self.asked.append(operation)

    def fetchall(self) -> Sequence[Sequence[Any]]:
        return [("ID", "NUMBER(38,0)", "COLUMN"), ('say "hi"', "VARCHAR(16777216)", "COLUMN")]

    def fetchmany(self, size: int, /) -> Sequence[Sequence[Any]]:
        return self.fetchall()[:size]

    def close(self) -> None:
        """Nothing to close."""


def test_columns_are_described_by_their_exact_names() -> None:
    raw = Described()
    batch = SnowflakeBatch(DbApiConnection(raw, lambda error: error), ("SHOP", 'a"b', "x; DROP"), where=WHERE)
    assert [(column.name, column.kind) for column in batch.schema().columns] == [
        ("ID", Kind.INTEGER),
        ('say "hi"', Kind.STRING),
    ]
    assert raw.asked == ['DESCRIBE TABLE "SHOP"."a""b"."x; DROP"']


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("NUMBER(38,0)", Kind.INTEGER),
        ("NUMBER(10, 2)", Kind.DECIMAL),
        ("TIMESTAMP_NTZ(9)", Kind.TIMESTAMP),
        ("TIMESTAMP_LTZ(9)", Kind.TIMESTAMP_TZ),
        ("VARIANT", Kind.NESTED),
        ("GEOGRAPHY", Kind.OTHER),
    ],
)
def test_kinds_of_types(native: str, kind: Kind) -> None:
    assert kind_of(native) is kind
