"""`headgate quality` on databases: the same commands, results by key instead of position, no password anywhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from tests.testing.postgres import PASSWORD, PASSWORD_IN_URL, USER, Postgres, postgres

__all__ = ["postgres"]

ROWS = [(1, 2.5, "new"), (2, -3.25, "paid"), (3, 0.0, None), (4, 8.0, "new")]
TABLE = "CREATE TABLE orders (id INTEGER, amount DOUBLE PRECISION, status VARCHAR(20))"
SUITE = {
    "name": "orders",
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "status", "mostly": 0.75}},
    ],
}


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.json").write_text(json.dumps(SUITE))
    return "orders.json"


@pytest.fixture
def postgres_url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The password is not in the URL but in the environment."""
    monkeypatch.setenv("HEADGATE_DATABASE_PASSWORD", PASSWORD)
    with postgres.database() as name:
        with psycopg.connect(postgres.url(name), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA sales")
            connection.execute(TABLE.replace("orders", "sales.orders"))
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO sales.orders VALUES (%s, %s, %s)", ROWS)
        yield f"postgresql://{USER}@127.0.0.1:{postgres.port}/{name}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute(TABLE)
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    return "sqlite:///shop.db"


@pytest.fixture
def duckdb_url(tmp_path: Path) -> str:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(TABLE)
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", ROWS)
    return "duckdb:///shop.duckdb"


@pytest.fixture(params=["postgres", "sqlite", "duckdb"])
def place(request: pytest.FixtureRequest) -> tuple[str, ...]:
    table = "sales.orders" if request.param == "postgres" else "orders"
    return ("--data", request.getfixturevalue(f"{request.param}_url"), "--table", table)


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_suite_on_a_table(suite: str, place: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "run", suite, *place, "-o", "json"]) == ExitCode.FAIL
    result = document(capsys)
    assert [entry["success"] for entry in result["results"]] == [True, False, True]
    assert result["results"][1]["result"]["partial_unexpected_list"] == [-3.25]
    assert result["meta"]["row_count"] == len(ROWS)


def test_the_plan_for_a_table(suite: str, place: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "explain", suite, *place, "-o", "json"]) == ExitCode.PASS
    assert any("amount" in query for query in document(capsys)["queries"])


@pytest.mark.usefixtures("suite")
def test_a_suite_suggested_from_a_table_holds(place: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "suggest", *place, "--write", "new.json"]) == ExitCode.PASS
    capsys.readouterr()
    assert main(["quality", "run", "new.json", *place, "-o", "json"]) == ExitCode.PASS
    assert document(capsys)["statistics"]["evaluated_expectations"] >= 5


@pytest.mark.parametrize("table", ["nowhere", "sales.nowhere", 'orders"; DROP TABLE orders; --', ""])
def test_a_table_that_is_not_there(
    suite: str, place: tuple[str, ...], table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quality", "run", suite, *place[:2], "--table", table]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("headgate: error: ")
    assert main(["quality", "run", suite, *place]) == ExitCode.FAIL  # the table is still there
    capsys.readouterr()


@pytest.mark.parametrize("slashes", ["///", "//"])
@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_an_absolute_path_may_have_three_slashes_or_four(
    suite: str, tmp_path: Path, scheme: str, slashes: str, request: pytest.FixtureRequest
) -> None:
    name = Path(request.getfixturevalue(f"{scheme}_url").rpartition("/")[2])
    data = f"{scheme}:{slashes}{tmp_path / name}"
    assert main(["quality", "run", suite, "--data", data, "--table", "orders"]) == ExitCode.FAIL


def test_a_database_needs_a_table(suite: str, place: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "run", suite, *place[:2]]) == ExitCode.USAGE
    assert "--table" in capsys.readouterr().err


def test_no_password_is_shown(
    suite: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a right one in a report, nor a wrong one in an error."""
    arguments = ["quality", "run", suite, "--table", "nowhere", "--data"]
    assert main([*arguments, postgres.url()]) == ExitCode.USAGE
    monkeypatch.setenv("HEADGATE_DATABASE_PASSWORD", "wrong and secret")
    assert main([*arguments, f"postgresql://{USER}@127.0.0.1:{postgres.port}/postgres"]) == ExitCode.USAGE
    said = capsys.readouterr()
    for secret in (PASSWORD, PASSWORD_IN_URL, "wrong and secret"):
        assert secret not in said.out + said.err
