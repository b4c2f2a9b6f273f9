"""The MySQL engine on a real MariaDB server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlglot import exp

from gates.quality.engines.mysql import kind_of
from gates.quality.engines.open import Limits
from gates.quality.metrics import Aggregate, Count, Distinct, Kind
from gates.quality.sql import column
from headgate.errors import AuthenticationError, ConfigError, RemoteTimeoutError
from tests.gates.quality.engines.benches import LIMITS, MariaDbBench, opened
from tests.gates.quality.engines.contract import ORDERS, TABLES, EngineContract, count, than
from tests.gates.quality.engines.servers import ServerContract, check_that_going_away_is_told
from tests.testing.mariadb import MariaDb


@pytest.fixture(scope="module")
def bench(mariadb: MariaDb) -> Iterator[MariaDbBench]:
    with mariadb.database() as name:
        made = MariaDbBench(mariadb, name)
        for table in TABLES:
            made.make(table)
        yield made


class TestContract(EngineContract, ServerContract):
    """The contract of every engine, and of those on servers."""

    slow = "select sleep(5)"

    def kinds_for(self, kind: Kind) -> tuple[Kind, ...]:
        return (Kind.INTEGER,) if kind is Kind.BOOLEAN else ()


def test_texts_compare_as_their_column_says(bench: MariaDbBench) -> None:
    bench.run(
        "create table words (w varchar(20) collate utf8mb4_general_ci)",
        "insert into words values ('Ab'), ('ab'), ('x')",
    )
    w = column("w")
    same, different = count(than(exp.EQ, w, "AB")), Distinct(keys=(w,))
    with bench.batch("words") as batch:
        assert batch.compute([same, different]) == {same: 2, different: 2}


def test_the_modes_of_the_server_do_not_matter(mariadb: MariaDb, bench: MariaDbBench) -> None:
    modes = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE,PIPES_AS_CONCAT"
    bench.run(f"set global sql_mode = '{modes}'")
    try:
        TestContract().test_hostile_values(bench)
        with bench.batch("orders") as batch:
            total = Aggregate(function="sum", argument=column("n"), where=than(exp.EQ, column("s"), "it's"))
            assert batch.compute([total])[total] == 5
    finally:
        bench.run("set global sql_mode = default")


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("int(11) unsigned", Kind.INTEGER),
        ("tinyint(1)", Kind.INTEGER),
        ("decimal(10,2)", Kind.DECIMAL),
        ("double", Kind.FLOAT),
        ("enum('a','b')", Kind.STRING),
        ("datetime(6)", Kind.TIMESTAMP),
        ("longblob", Kind.BINARY),
        ("json", Kind.NESTED),
        ("point", Kind.OTHER),
    ],
)
def test_kinds(native: str, kind: Kind) -> None:
    assert kind_of(native) is kind


def test_a_locked_table_is_told_in_time(mariadb: MariaDb, bench: MariaDbBench) -> None:
    bench.run("create table held (k int)")
    with mariadb.connect(bench.database) as connection, connection.cursor() as cursor:
        cursor.execute("lock tables held write")
        limits = Limits(lock_timeout_s=1)
        with opened(bench.url, table="held", limits=limits) as batch, pytest.raises(RemoteTimeoutError):
            batch.compute([Count()])


def test_the_user_may_read_nothing(bench: MariaDbBench) -> None:
    bench.run("create user stranger@'%' identified by 'strange-word'")
    try:
        url = bench.url.replace("headgate:correct%20horse%2Fbattery%40staple", "stranger:strange-word")
        with pytest.raises(AuthenticationError):
            opened(url, table="orders", limits=LIMITS)
    finally:
        bench.run("drop user stranger@'%'")


def test_a_table_of_another_database(mariadb: MariaDb, bench: MariaDbBench) -> None:
    url = mariadb.url("")
    with opened(url, table=f"{bench.database}.orders", limits=LIMITS) as batch:
        assert batch.compute([Count()])[Count()] == 6
    with pytest.raises(ConfigError, match="no database"):
        opened(url, table="orders", limits=LIMITS)


def test_an_unknown_option_of_the_connection(bench: MariaDbBench) -> None:
    with pytest.raises(ConfigError, match="local_infile"):
        opened(f"{bench.url}?local_infile=1", table="orders", limits=LIMITS)


def test_the_server_goes_away() -> None:
    server = MariaDb()
    try:
        bench = MariaDbBench(server, "mysql")
        bench.make(ORDERS)
        check_that_going_away_is_told(server, bench)
    finally:
        server.close()
