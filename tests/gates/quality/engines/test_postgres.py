"""The PostgreSQL engine on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlglot import exp

from gates.quality.engines.open import Limits
from gates.quality.metrics import Aggregate, Count, Distinct, Duplicated, Failed, Kind, Metric, Orphans, Query, Rows
from gates.quality.sql import column, literal, not_null
from headgate.errors import AuthenticationError, RemoteTimeoutError
from tests.gates.quality.engines.benches import LIMITS, PostgresBench, opened
from tests.gates.quality.engines.contract import ORDERS, TABLES, EngineContract, among, count, is_null, than
from tests.gates.quality.engines.servers import ServerContract, check_that_going_away_is_told
from tests.testing.postgres import Postgres


@pytest.fixture(scope="module")
def bench(postgres: Postgres) -> Iterator[PostgresBench]:
    with postgres.database() as name:
        made = PostgresBench(postgres, name)
        for table in TABLES:
            made.make(table)
        yield made


class TestContract(EngineContract, ServerContract):
    """The contract of every engine, and of those on servers."""

    slow = "select pg_sleep(5)"


PROVEN = """
create table city (code text primary key, country text not null);
create table visit (
    id bigint primary key, code text references city, day date not null, stars int check (stars between 1 and 5),
    price numeric(10, 2) check (price >= 0), kind varchar(10) check (kind in ('a', 'b')), note text unique, loose int,
    load double precision check (load > 0.5), low int, unique (day, loose));
insert into city values ('x', 'X'), ('y', 'Y');
insert into visit select i, 'x', date '2024-01-01' + i, 1 + i % 5, i, 'a', null, i, i, i from generate_series(1, 20) i;
alter table visit add constraint unchecked check (low > 10) not valid;
create view seen as select * from visit;
create table parent (k int primary key);
create table child () inherits (parent);
insert into parent values (1);
insert into child values (1);
"""


@pytest.fixture(scope="module")
def proven(postgres: Postgres) -> Iterator[PostgresBench]:
    with postgres.database() as name:
        made = PostgresBench(postgres, name)
        made.run(PROVEN)
        yield made


stars, price, kind, load, low = map(column, ("stars", "price", "kind", "load", "low"))


def outside(value: exp.Expression, least: Any, most: Any) -> Any:
    return exp.or_(than(exp.LT, value, least), than(exp.GT, value, most))


PROOFS: tuple[tuple[str, Metric, int, int], ...] = (
    ("primary key", Duplicated(keys=(column("id"),)), 0, 0),
    ("more than the primary key", Duplicated(keys=(column("day"), column("id"))), 0, 0),
    ("unique, nulls left out", Duplicated(keys=(column("note"),), where=not_null(column("note"))), 0, 0),
    ("unique, nulls count", Duplicated(keys=(column("note"),)), 20, 1),
    ("unique pair", Duplicated(keys=(column("day"), column("loose")), where=not_null(column("loose"))), 0, 0),
    ("half of a unique pair", Duplicated(keys=(column("loose"),), where=not_null(column("loose"))), 0, 1),
    ("not null", count(is_null(column("day"))), 0, 0),
    ("may be null", count(is_null(stars)), 0, 1),
    ("never null", count(not_null(column("day"))), 20, 1),
    ("bounds", count(outside(stars, 1, 5)), 0, 0),
    ("wider bounds", count(outside(stars, 0, 9)), 0, 0),
    ("narrower bounds", count(outside(stars, 2, 5)), 4, 1),
    ("between", count(exp.not_(exp.Between(this=stars.copy(), low=literal(1), high=literal(5)))), 0, 0),
    ("one bound", count(than(exp.LT, price, 0)), 0, 0),
    ("one bound and a free one", count(outside(price, 0, 19)), 1, 1),
    ("strict bound", count(than(exp.LTE, load, 0.5)), 0, 0),
    ("strict bound, just above", count(than(exp.LTE, load, 1)), 1, 1),
    ("set", count(exp.not_(among(kind, "a", "b", "c"))), 0, 0),
    ("smaller set", count(exp.not_(among(kind, "b"))), 20, 1),
    ("a constraint that is not valid", count(than(exp.LTE, low, 10)), 10, 1),
    ("foreign key", Orphans(keys=(column("code"),), other="city", other_keys=("code",)), 0, 0),
    ("no foreign key", Orphans(keys=(column("code"),), other="city", other_keys=("country",)), 20, 1),
    ("different primary keys", Distinct(keys=(column("id"),)), 20, 1),
)


@pytest.mark.parametrize(("metric", "value", "queries"), [pytest.param(m, v, q, id=i) for i, m, v, q in PROOFS])
def test_constraints_prove_or_leave_it_to_a_query(
    proven: PostgresBench, metric: Metric, value: int, queries: int
) -> None:
    with proven.batch("visit") as batch:
        assert batch.compute([metric])[metric] == value
        assert len(batch.queries) == queries
    with proven.batch("seen") as batch:  # the same rows without the constraints
        other = batch.compute([metric])[metric]
        assert other == value


def test_different_values_of_a_key_are_counted_without_a_sort(proven: PostgresBench) -> None:
    with proven.batch("visit") as batch:
        batch.compute([Distinct(keys=(column("id"),))])
        assert "DISTINCT" not in batch.queries[0]


def test_a_key_of_a_parent_says_nothing_of_its_children(proven: PostgresBench) -> None:
    metric = Duplicated(keys=(column("k"),))
    with proven.batch("parent") as batch:
        assert batch.compute([metric])[metric] == 2


def test_a_disabled_foreign_key_proves_nothing(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.run(
            PROVEN,
            "alter table visit disable trigger all",
            "insert into visit (id, code, day) values (99, 'gone', '2030-01-01')",
        )
        metric = Orphans(keys=(column("code"),), other="city", other_keys=("code",))
        with bench.batch("visit") as batch:
            assert batch.compute([metric])[metric] == 1


def test_kinds_and_names_of_types(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.run(
            "create type mood as enum ('sad', 'glad')",
            "create domain size as int check (value > 0)",
            "create table t (a varchar(20), b size, c mood, d text[], e jsonb, f timestamptz, g uuid, h char(3), i interval,"
            " j real, k bytea, l int4range, m time, n inet)",
        )
        with bench.batch("t") as batch:
            found = {column.name: (column.kind, column.native) for column in batch.schema().columns}
    assert found["a"] == (Kind.STRING, "character varying(20)")
    assert [found[name][0] for name in "bcdefghijklmn"] == [
        Kind.INTEGER,
        Kind.STRING,
        Kind.NESTED,
        Kind.NESTED,
        Kind.TIMESTAMP_TZ,
        Kind.OTHER,
        Kind.STRING,
        Kind.INTERVAL,
        Kind.FLOAT,
        Kind.BINARY,
        Kind.OTHER,
        Kind.TIME,
        Kind.OTHER,
    ]


def test_times_that_python_has_not_arrive_as_text(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.run(
            "create table t (d date, s timestamp)",
            "insert into t values ('infinity', '0044-03-15 BC'), ('2024-01-01', now())",
        )
        highest, lowest = (
            Aggregate(function="max", argument=column("d")),
            Aggregate(function="min", argument=column("s")),
        )
        least = Aggregate(function="min", argument=column("d"))
        with bench.batch("t") as batch:
            values = batch.compute([highest, lowest, least])
    assert values == {highest: "infinity", lowest: "0044-03-15 00:00:00 BC", least: date(2024, 1, 1)}


def test_a_table_of_another_schema(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.run(
            'create schema "odd.one"',
            'create table "odd.one"."T ""x" as select 1 as k',
            'create table "odd.one".o as select 1 as k',
        )
        metric = Orphans(keys=(column("k"),), other="o", other_keys=("k",))
        with opened(bench.url, table='"odd.one"."T ""x"', limits=LIMITS) as batch:
            assert batch.compute([Count(), metric]) == {Count(): 1, metric: 0}


def test_the_user_may_read_nothing(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.run("create role stranger login password 'strange-word'", "create table secret (k int)")
        try:
            url = bench.url.replace("headgate:correct%20horse%2Fbattery%40staple", "stranger:strange-word")
            with opened(url, table="secret", limits=LIMITS) as batch, pytest.raises(AuthenticationError):
                batch.compute([Count()])
        finally:
            bench.run("drop role stranger")


def test_a_query_that_writes_through_a_function(bench: PostgresBench) -> None:
    bench.run(
        "create sequence numbers",
        "create function wipe() returns int language sql as 'delete from victims returning 1'",
    )
    metrics = [Query(sql="SELECT nextval('numbers')"), Query(sql="SELECT wipe()")]
    with bench.batch("orders") as batch:
        values = batch.compute([*metrics, Count()])
    assert [isinstance(values[metric], Failed) for metric in metrics] == [True, True]
    assert values[Count()] == 6


def test_a_locked_table_is_told_in_time(postgres: Postgres) -> None:
    with postgres.database() as name:
        bench = PostgresBench(postgres, name)
        bench.make(ORDERS)
        with postgres.connect(name) as connection, connection.transaction():
            connection.execute("lock table orders in access exclusive mode")
            limits = Limits(lock_timeout_s=0.2)
            with (
                opened(bench.url, table="orders", limits=limits) as batch,
                pytest.raises(RemoteTimeoutError, match="locked"),
            ):
                batch.compute([Count()])


def test_the_server_goes_away() -> None:
    server = Postgres()
    try:
        bench = PostgresBench(server, "postgres")
        bench.make(ORDERS)
        bench.run("checkpoint")  # the server is as careless as it is fast
        check_that_going_away_is_told(server, bench)
        server.start()
        bench = PostgresBench(server, "postgres")
        with bench.batch("orders") as batch:
            assert batch.compute([Count()])[Count()] == 6
    finally:
        server.close()


def test_an_unknown_option_of_the_connection(bench: PostgresBench) -> None:
    with pytest.raises(Exception, match="nonsense") as caught:
        opened(f"{bench.url}?nonsense=1", table="orders", limits=LIMITS)
    assert type(caught.value).__name__ == "ConfigError"


def test_a_sample_is_the_same_for_every_query(bench: PostgresBench) -> None:
    bench.run("create table sampled as select i as id, i % 2 as v from generate_series(1, 20000) as t(i)")
    limits = replace(LIMITS, sample=0.05)
    condition = exp.EQ(this=column("v"), expression=exp.Literal.number(0))
    with opened(bench.url, table="sampled", limits=limits) as batch:
        rows = Rows(of=condition.copy(), columns=("id",), limit=None)
        found = batch.compute([Count(), Count(condition=condition), Distinct(keys=(column("id"),)), rows])
    assert 700 < found[Count()] < 1300
    assert found[Count(condition=condition)] == len(found[rows].rows)
    assert found[Distinct(keys=(column("id"),))] == found[Count()]
