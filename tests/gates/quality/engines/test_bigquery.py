"""BigQuery's official client against a stand-in: what a run costs is known before it, and held to a limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlglot import exp

from gates.quality.engines.base import SqlBatch
from gates.quality.engines.open import Limits
from gates.quality.metrics import Aggregate, Count, Distinct, Failed, Kind, Query
from gates.quality.sql import column, literal, matches
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    ServerFaultError,
    UnreachableError,
)
from tests.gates.quality.engines.benches import opened
from tests.gates.quality.engines.contract import clock, count, than
from tests.testing.bigquery import BigQuery, bigquery_stand_in
from tests.testing.private_server import free_port

SCHEMA = [("n", "INTEGER"), ("s", "STRING"), ("at", "TIMESTAMP"), ("day", "DATETIME"), ("tags", "RECORD")]
TOTAL = Aggregate(function="sum", argument=column("n"))
DIFFERENT = Distinct(keys=(column("s"),))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    with bigquery_stand_in() as state:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", state.url)
        state.schema = SCHEMA
        state.bytes_read = lambda _: 1000
        state.rows = answers
        yield state


def answers(sql: str) -> Any:
    if "DISTINCT" in sql:
        return [("f0_", "INTEGER")], [["2"]]
    return [("m0", "INTEGER"), ("m1", "BIGNUMERIC")], [["3", "17"]]


def batch(max_bytes: int | None = None) -> SqlBatch:
    limits = Limits(max_bytes=max_bytes, connect_timeout_s=2, statement_timeout_s=5)
    return opened("bigquery://shop/curated?location=EU", table="orders", limits=limits)


def test_metrics_are_computed(server: BigQuery) -> None:
    with batch() as orders:
        assert orders.compute([Count(), TOTAL, DIFFERENT]) == {Count(): 3, TOTAL: 17, DIFFERENT: 2}
        assert [column.kind for column in orders.schema().columns] == [
            Kind.INTEGER,
            Kind.STRING,
            Kind.TIMESTAMP_TZ,
            Kind.TIMESTAMP,
            Kind.NESTED,
        ]
    assert all("`shop`.`curated`.`orders`" in run["query"]["query"] for run in server.run)
    assert server.dry == []


def test_within_the_limit_everything_is_estimated_before_anything_runs(server: BigQuery) -> None:
    with batch(max_bytes=2000) as orders:
        orders.compute([Count(), TOTAL, DIFFERENT])
    assert len(server.dry) == 2
    assert [run["query"]["query"] for run in server.run] == server.dry
    assert all(int(run["query"]["maximumBytesBilled"]) >= 2000 for run in server.run)


def test_above_the_limit_nothing_runs(server: BigQuery) -> None:
    with batch(max_bytes=1999) as orders, pytest.raises(ConfigError, match="2000 bytes, 1999 are allowed"):
        orders.compute([Count(), TOTAL, DIFFERENT])
    assert server.run == []


def test_what_was_read_before_counts(server: BigQuery) -> None:
    with batch(max_bytes=1500) as orders:
        orders.compute([Count(), TOTAL])
        with pytest.raises(ConfigError, match="2000 bytes"):
            orders.compute([DIFFERENT])
    assert len(server.run) == 1


def test_a_script_in_a_query_of_the_user_is_not_run(server: BigQuery) -> None:
    server.statement = lambda sql: "SCRIPT" if "DROP" in sql else "SELECT"
    hostile = Query(sql="SELECT 1) AS q; DROP TABLE orders; --")
    with batch() as orders:
        values = orders.compute([hostile, DIFFERENT])
    assert isinstance(values[hostile], Failed)
    assert values[DIFFERENT] == 2
    assert not any("DROP" in run["query"]["query"] for run in server.run)


def test_times_are_compared_in_the_type_of_their_column(server: BigQuery) -> None:
    with batch() as orders:
        zoned, plain = (
            orders.explain([count(than(exp.GT, column(name), clock(2024, 1, 1)))])[0] for name in ("at", "day")
        )
        listed = orders.explain([count(exp.In(this=column("at"), expressions=[literal(clock(2024, 1, 1))]))])[0]
    assert "CAST('2024-01-01 00:00:00+00:00' AS TIMESTAMP)" in zoned
    assert "CAST('2024-01-01 00:00:00+00:00' AS TIMESTAMP)" in listed
    assert "CAST('2024-01-01 00:00:00' AS DATETIME)" in plain


def test_a_pattern_that_re2_does_not_know_may_be_judged_elsewhere(server: BigQuery) -> None:
    metric = count(matches(column("s"), "a(?=b)"))
    with batch() as orders:
        orders.schema()
        server.error = (400, "invalidQuery", "Cannot parse regular expression: invalid perl operator: (?=")
        found = orders.compute([metric])[metric]
    assert found == Failed(reason=found.reason, unsupported=True)
    assert "regular expression" in found.reason


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "authError", AuthenticationError),
        (403, "accessDenied", AuthenticationError),
        (403, "quotaExceeded", RateLimitedError),
        (404, "notFound", NotFoundError),
        (429, "rateLimitExceeded", RateLimitedError),
        (500, "internalError", ServerFaultError),
        (503, "backendError", ServerFaultError),
    ],
)
def test_errors_of_the_service(server: BigQuery, status: int, reason: str, kind: type[HeadgateError]) -> None:
    with batch() as orders:
        orders.schema()
        server.error = (status, reason, "the service's own words")
        with pytest.raises(kind):
            orders.compute([Count()])


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    with batch() as orders, pytest.raises(UnreachableError):
        orders.schema()


@pytest.mark.parametrize("table", ["orders", "curated.orders", "shop.curated.orders"])
def test_names_of_tables(server: BigQuery, table: str) -> None:
    with opened("bigquery://shop/curated", table=table) as orders:
        assert "`shop`.`curated`.`orders`" in orders.explain([Count()])[0]


def test_a_dataset_is_missing(server: BigQuery) -> None:
    with pytest.raises(ConfigError, match="dataset"):
        opened("bigquery://shop", table="orders")
