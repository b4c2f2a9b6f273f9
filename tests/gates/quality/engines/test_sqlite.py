"""The SQLite engine on a real file."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gates.quality.engines.open import Limits, open_batch
from gates.quality.metrics import Count, Failed, Kind, Quantiles, Query
from gates.quality.sql import column, matches, not_null
from headgate.errors import ConfigError, NotFoundError, RemoteTimeoutError, TransportError
from tests.gates.quality.engines.benches import SqliteBench, opened
from tests.gates.quality.engines.contract import TABLES, EngineContract, aggregate, count


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> SqliteBench:
    made = SqliteBench(tmp_path_factory.mktemp("sqlite"))
    for table in TABLES:
        made.make(table)
    return made


class TestContract(EngineContract):
    """The contract of every engine. Times are texts, decimals floats, booleans integers here."""

    exact_decimals = False
    exact_sums = False

    def comes_as(self, expected: Any, value: Any) -> bool:
        match expected:
            case datetime():
                return bool(value == expected.isoformat(sep=" "))
            case date():
                return bool(value == expected.isoformat())
            case Decimal():
                return bool(value == float(expected))
            case _:
                return bool(value == expected)


def test_a_name_that_is_no_column_never_becomes_a_text(bench: SqliteBench) -> None:
    """SQLite's own reading of "nothing" is the text nothing, which is not null in any row."""
    metric = count(not_null(column("nothing")))
    with bench.batch("orders") as batch:
        found = batch.compute([metric])[metric]
    assert isinstance(found, Failed)
    assert "nothing" in found.reason


def test_what_a_function_says_is_the_reason(bench: SqliteBench) -> None:
    metric = count(matches(column("s"), "(unclosed"))
    with bench.batch("orders") as batch:
        found = batch.compute([metric])[metric]
    assert isinstance(found, Failed)
    assert "unterminated subpattern" in found.reason


@pytest.mark.parametrize(("name", "content"), [("missing.db", None), ("text.db", b"not a database at all" * 100)])
def test_a_file_that_is_no_database(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError):
        opened(f"sqlite:///{tmp_path / name}", table="orders")
    assert {path.name for path in tmp_path.iterdir()} <= {name}


def test_a_damaged_database(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("create table t (k int)", "insert into t select value from json_each('[" + ",".join("1" * 9999) + "]')")
    data = bytearray(bench.path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    bench.path.write_bytes(data)
    with bench.batch("t") as batch, pytest.raises(TransportError, match="malformed"):
        batch.compute([Count()])


def test_no_such_table(bench: SqliteBench) -> None:
    with bench.batch("nowhere") as batch, pytest.raises(NotFoundError, match="nowhere"):
        batch.schema()


def test_a_locked_database_is_told_in_time(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("create table t (k int)")
    writer = sqlite3.connect(bench.path, isolation_level=None)
    try:
        with opened(bench.url, table="t", limits=Limits(lock_timeout_s=0.1)) as batch:
            writer.execute("begin exclusive")
            with pytest.raises(RemoteTimeoutError, match="locked"):
                batch.compute([Count()])
    finally:
        writer.close()


def test_a_query_that_takes_too_long(bench: SqliteBench) -> None:
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    with opened(bench.url, table="orders", limits=Limits(statement_timeout_s=0.1)) as batch:
        with pytest.raises(RemoteTimeoutError):
            batch.compute([Query(sql=endless)])
        assert batch.compute([Count()])[Count()] == 6


def test_a_log_of_writes_gives_one_state_for_the_whole_run(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("pragma journal_mode = wal", "create table t (k int)", "insert into t values (1), (2)")
    with bench.batch("t") as batch:
        before = batch.compute([Count()])[Count()]
        bench.run("insert into t values (3)")
        total = aggregate("sum", column("k"))
        assert (before, batch.compute([total])[total]) == (2, 3)


def test_a_reader_keeps_no_writer_from_its_work(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("create table t (k int)")
    with bench.batch("t") as batch:
        batch.compute([Count()])
        bench.run("insert into t values (3)")


def test_kinds_of_columns_without_a_type(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("create table t (a, b, c, d INTEGER)", "insert into t values (1, 'x', 1, 2), (null, 'y', 'z', 3)")
    bench.run("create view v as select a * 2 as a, b || b as b, c, d from t")
    for name in ("t", "v"):
        with bench.batch(name) as batch:
            assert [column.kind for column in batch.schema().columns] == [
                Kind.INTEGER,
                Kind.STRING,
                Kind.OTHER,
                Kind.INTEGER,
            ]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([2**62, 2**62], float(2**63)),
        ([2**62, -(2**62), 5], 5),
        ([0.1] * 10, 1.0),
        ([1, 0.5], 1.5),
        ([None], None),
    ],
)
def test_sums(tmp_path: Path, values: list[Any], total: float | None) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("create table t (k)", *(f"insert into t values ({'null' if v is None else v})" for v in values))
    metric = aggregate("sum", column("k"))
    with bench.batch("t") as batch:
        assert batch.compute([metric])[metric] == total


def test_a_value_that_cannot_be_read_is_the_failure_of_one_metric(tmp_path: Path) -> None:
    """SQLite has no types to refuse it: the mean of two texts breaks only when the answer is read."""
    with sqlite3.connect(tmp_path / "texts.db") as connection:
        connection.executescript("CREATE TABLE t (a TEXT, n INTEGER); INSERT INTO t VALUES ('x', 1), ('y', 2)")
    connection.close()
    between = Quantiles(argument=column("a"), probabilities=(0.5,), method="continuous")
    with contextlib.closing(open_batch(f"sqlite:///{tmp_path / 'texts.db'}", table="t")) as batch:
        found = batch.compute([between, Count(), aggregate("sum", column("n"))])
    assert isinstance(found[between], Failed)
    assert "cannot be read" in found[between].reason
    assert (found[Count()], found[aggregate("sum", column("n"))]) == (2, 3)
