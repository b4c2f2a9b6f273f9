"""The SQL for BigQuery, Trino and Snowflake: kept, parsed for the dialect, exact, and hostile names stay names."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from gates.quality.engines.database import DatabaseBatch
from gates.quality.metrics import Kind, Metric
from gates.quality.sql import column, matches
from tests.gates.quality.engines.contract import HOSTILE_NAMES, HOSTILE_VALUES, aggregate, count, s, than
from tests.gates.quality.engines.goldens import FOLDER, HOSTILE_TABLE, batches, cases, golden

ENGINES = [pytest.param(batch, id=batch.name) for batch in batches()]


@pytest.mark.parametrize("batch", ENGINES)
def test_sql_is_as_kept(batch: DatabaseBatch) -> None:
    kept = (FOLDER / f"{batch.name}.sql").read_bytes().decode()
    assert golden(batch) == kept, "if meant: python -m tests.gates.quality.engines.goldens"


@pytest.mark.parametrize("batch", ENGINES)
def test_every_query_is_one_select_that_the_dialect_parses(batch: DatabaseBatch) -> None:
    for name, metric in cases():
        for text in batch.explain([metric]):
            trees = sqlglot.parse(text, read=batch.name)
            assert [type(tree) for tree in trees] == [exp.Select], name
            assert not list(trees[0].find_all(exp.Drop, exp.Command)), name  # type: ignore[union-attr]  # it is a Select


@pytest.mark.parametrize("batch", ENGINES)
def test_nothing_is_approximated(batch: DatabaseBatch) -> None:
    for name, metric in cases():
        for text in batch.explain([metric]):
            assert "APPROX" not in text.upper(), name


@pytest.mark.parametrize("batch", ENGINES)
def test_only_what_is_not_exact_is_refused(batch: DatabaseBatch) -> None:
    """An empty explanation is a metric that the engine has no exact form of."""
    refused = {name for name, metric in cases() if not batch.explain([metric])}
    assert refused == ({"json"} if batch.name == "snowflake" else set())


@pytest.mark.parametrize("batch", ENGINES)
@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_a_hostile_value_comes_out_of_the_parser_as_it_went_in(batch: DatabaseBatch, value: str) -> None:
    texts = [
        text for metric in (count(than(exp.EQ, s, value)), count(matches(s, value))) for text in batch.explain([metric])
    ]
    for text in texts:
        tree = sqlglot.parse_one(text, read=batch.name)
        assert value in {found.this for found in tree.find_all(exp.Literal)}
        assert {found.name for found in tree.find_all(exp.Column)} <= {"s"}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_one_identifier(name: str) -> None:
    for batch in batches(HOSTILE_TABLE, ((name, Kind.INTEGER),)):
        if batch.name == "bigquery" and "." in name:
            continue  # no column of BigQuery can be called so; its quoted names are paths
        for text in batch.explain([aggregate("sum", column(name))]):
            tree = sqlglot.parse_one(text, read=batch.name)
            table = tree.find(exp.Table)
            assert {found.name for found in tree.find_all(exp.Column)} == {name}
            assert table is not None
            assert (table.catalog, table.db, table.name) == HOSTILE_TABLE


@pytest.mark.parametrize("batch", ENGINES)
def test_all_that_streams_is_one_query(batch: DatabaseBatch) -> None:
    metrics: list[Metric] = [metric for name, metric in cases() if name in {"rows", "null", "sum", "mean", "epoch"}]
    assert len(metrics) == 5
    assert len(batch.explain(metrics)) == 1
