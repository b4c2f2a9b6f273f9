"""A sample fails what fails in it, and passes what the policy says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from gates.quality.engine_runner import EngineRunner
from gates.quality.engines.open import Limits, open_batch
from gates.quality.gate import QualityCheck, run_quality
from gates.quality.metrics import Count, Rows
from gates.quality.sampling import surely_above
from gates.quality.sql import column
from gates.verdict import Outcome, Verdict
from headgate.clock import SystemClock
from headgate.errors import ConfigError
from tests.testing.tables import write_query

QUERY = "SELECT i AS id, i % 10 = 0 AS odd, (i % 100)::DOUBLE AS amount, 'x' AS same FROM range(20000) t(i)"
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
SAME = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "same"}}
COUNT = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 20000}}
MEAN = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "amount", "min_value": 49.5, "max_value": 49.5},
}
EXISTS = {"type": "expect_column_to_exist", "kwargs": {"column": "none"}}
SET = {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "amount", "value_set": [1, 2]}}


def mostly(share: float) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "odd", "value_set": [False], "mostly": share},
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_query(folder / "data" / "0.parquet", f"SELECT * FROM ({QUERY}) WHERE id < 7000 ORDER BY id")
    write_query(folder / "data" / "1.parquet", f"SELECT * FROM ({QUERY}) WHERE id >= 7000 ORDER BY id")
    return folder


def judged(root: Path, *entries: dict[str, Any], **settings: Any) -> Verdict:
    (root / "s.json").write_text(json.dumps({"name": "s", "expectations": list(entries)}))
    check = QualityCheck(name="orders", suite="s.json", data="data/*.parquet", **({"sample": 0.1} | settings))
    return run_quality([check], root=root, runner=EngineRunner(), clock=SystemClock()).children[0]


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        (UNIQUE, Outcome.PASS),
        (SAME, Outcome.FAIL),
        (COUNT, Outcome.INCONCLUSIVE),
        (MEAN, Outcome.INCONCLUSIVE),
        (EXISTS, Outcome.FAIL),
        (SET, Outcome.FAIL),
        (mostly(0.8), Outcome.PASS),
        (mostly(0.91), Outcome.INCONCLUSIVE),
        (mostly(0.97), Outcome.FAIL),
        (mostly(1.0), Outcome.FAIL),
    ],
)
def test_what_a_sample_decides(root: Path, entry: dict[str, Any], outcome: Outcome) -> None:
    verdict = judged(root, entry, sample_passes=True)
    leaf = next(node for node in verdict.children if node.name not in {"rows", "sample"})
    assert leaf.outcome is outcome, leaf.message
    assert verdict.outcome is outcome
    assert "on a sample of 10 % of the rows" in verdict.message


def test_a_sample_passes_only_if_the_policy_says_so(root: Path) -> None:
    verdict = judged(root, UNIQUE)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    sample = verdict.children[-1]
    assert sample.message == "only a sample of 10 % of the rows was looked at: it can fail a check, not pass it"
    assert judged(root, UNIQUE, sample_passes=True).outcome is Outcome.PASS
    assert judged(root, UNIQUE, sample=None).outcome is Outcome.PASS
    assert judged(root, SAME).outcome is Outcome.FAIL


def test_rows_of_a_sample_are_named_by_their_place_in_all_rows(root: Path) -> None:
    (leaf,) = [node for node in judged(root, mostly(1.0), key=("id",)).children if node.outcome is Outcome.FAIL]
    assert leaf.details
    for line in leaf.details[:5]:
        place, key = line.split(" of ")[0].removeprefix("row "), line.split("(id=")[1].split(")")[0]
        assert int(place) == int(key) - (7000 if "1.parquet" in line else 0)


def test_an_empty_sample_says_nothing(tmp_path: Path) -> None:
    write_query(tmp_path / "data" / "0.parquet", f"SELECT * FROM ({QUERY}) WHERE id < 0")
    for allow_empty in (False, True):
        verdict = judged(tmp_path, UNIQUE, sample_passes=True, allow_empty=allow_empty)
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.children[0].message == "0 rows in the sample: it says nothing (data/0.parquet)"


@pytest.mark.parametrize("kind", ["parquet", "csv", "table", "view"])
def test_every_query_sees_the_same_rows(root: Path, tmp_path: Path, kind: str) -> None:
    limits = Limits(sample=0.05, temp_directory=tmp_path)
    if kind == "csv":
        data, table = str(write_query(tmp_path / "a.csv", QUERY, options="FORMAT csv, HEADER")), None
    elif kind == "parquet":
        data, table = str(root / "data"), None
    else:
        with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
            connection.execute(f"CREATE TABLE orders AS {QUERY}; CREATE VIEW seen AS SELECT * FROM orders")
        data, table = f"duckdb:///{tmp_path}/shop.duckdb", {"table": "orders", "view": "seen"}[kind]
    counted = []
    for _ in range(2):
        batch = open_batch(data, table=table, limits=limits)
        try:
            assert [item.name for item in batch.schema().columns] == ["id", "odd", "amount", "same"]
            rows = Rows(of=exp.GTE(this=column("id"), expression=exp.Literal.number(0)), columns=("id",), limit=None)
            found = batch.compute([Count(), rows])
            assert found[Count()] == len({row[0] for row in found[rows].rows})
            counted.append(found[Count()])
        finally:
            batch.close()
    assert 700 < counted[0] < 1300
    assert len(set(counted)) == 1
    assert not list(tmp_path.glob("headgate-*"))


def test_engines_that_cannot_sample_say_so(tmp_path: Path) -> None:
    for data in ("sqlite:///shop.db", "mysql://u@h/shop", "bigquery://p/d"):
        with pytest.raises(ConfigError, match="cannot give every query the same sample"):
            open_batch(data, table="orders", limits=Limits(sample=0.1))


@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.001, 0.999))
def test_more_of_the_same_is_surer(count: int, of: int, share: float) -> None:
    count = min(count, of)
    if surely_above(count, of, share):
        assert count / of > share
        assert surely_above(count * 4, of * 4, share)
        assert surely_above(min(count + 1, of), of, share)
