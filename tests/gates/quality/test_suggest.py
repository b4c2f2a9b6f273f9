"""A suggested suite holds on the data it was made from, here and in Great Expectations itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.engines.duckdb import open_files
from gates.quality.metrics import Column, Failed, Kind, Metric, Schema
from gates.quality.reference import ReferenceRunner
from gates.quality.runner import SuiteJob
from gates.quality.suggest import ROWS, _down, _up, profile_needs, suggest_suite, unread
from gates.quality.suite import parse_suite

ORDERS = """SELECT range AS id, 'c' || (range % 30)::VARCHAR AS customer,
    ['new', 'paid', 'sent'][1 + range % 3] AS status, (range % 97)::DECIMAL(10, 2) / 4 AS amount,
    CASE WHEN range % 9 = 0 THEN NULL ELSE range * 0.5::DOUBLE END AS weight, NULL::INTEGER AS nothing,
    DATE '2026-01-01' + (range % 40)::INTEGER AS day, range % 2 = 0 AS gift,
    CASE WHEN range % 10 < 7 THEN NULL ELSE 'x' END AS rare, 'NaN'::DOUBLE AS nan
    FROM range(2000)"""


def suggested(folder: Path, query: str) -> dict[str, Any]:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{folder / 'a.parquet'}' (FORMAT parquet)")
    with open_files([folder / "a.parquet"]) as batch:
        schema = batch.schema()
        return suggest_suite("orders", schema, batch.compute(profile_needs(schema)), version="1.24.1")


def kinds(document: Mapping[str, Any], column: str) -> dict[str, Mapping[str, Any]]:
    return {
        entry["type"]: entry["kwargs"] for entry in document["expectations"] if entry["kwargs"].get("column") == column
    }


def test_what_is_suggested_for_a_table(tmp_path: Path) -> None:
    document = suggested(tmp_path, ORDERS)
    assert {entry["type"] for entry in document["expectations"] if "column" not in entry["kwargs"]} == {
        "expect_table_columns_to_match_set",
        "expect_table_row_count_to_be_between",
    }
    assert kinds(document, "id") == {
        "expect_column_values_to_not_be_null": {"column": "id"},
        "expect_column_values_to_be_unique": {"column": "id"},
        "expect_column_values_to_be_between": {"column": "id", "min_value": 0},
    }
    assert kinds(document, "status")["expect_column_values_to_be_in_set"]["value_set"] == ["new", "paid", "sent"]
    assert kinds(document, "customer")["expect_column_value_lengths_to_be_between"]["max_value"] == 3
    assert kinds(document, "amount")["expect_column_values_to_be_between"]["max_value"] == 24
    assert kinds(document, "weight")["expect_column_values_to_not_be_null"]["mostly"] == 0.88
    assert kinds(document, "nothing") == {}
    assert "expect_column_values_to_not_be_null" not in kinds(document, "rare")  # mostly null says nothing
    assert "expect_column_values_to_be_between" not in kinds(document, "nan")
    inferred = {"expect_column_values_to_be_between", "expect_column_values_to_be_in_set"}
    assert {entry["severity"] for entry in document["expectations"] if entry["type"] in inferred} == {"warning"}


def test_great_expectations_loads_it_and_it_holds(tmp_path: Path) -> None:
    document = suggested(tmp_path, ORDERS)
    suite = parse_suite(json.dumps(document).encode(), "orders.json")
    job = SuiteJob(name="orders", suite=suite, files=(tmp_path / "a.parquet",))
    found = ReferenceRunner().run([job], timeout_s=120.0)["orders"]
    assert not found.error
    assert len(found.results) == len(suite.expectations) > 12
    assert [(suite.expectations[entry.index].name, entry.raised) for entry in found.results if not entry.success] == []


def test_an_empty_table_has_only_its_columns(tmp_path: Path) -> None:
    document = suggested(tmp_path, "SELECT 1 AS id, 'x' AS name WHERE false")
    assert [entry["type"] for entry in document["expectations"]] == ["expect_table_columns_to_match_set"]


def test_what_could_not_be_measured_is_left_out() -> None:
    schema = Schema(columns=(Column(name="id", kind=Kind.INTEGER, native="BIGINT"),))
    values: dict[Metric, Any] = {need: Failed(reason="gone") for need in profile_needs(schema)} | {ROWS: 5}
    document = suggest_suite("s", schema, values, version="1.24.1")
    assert len(document["expectations"]) == 2


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (Failed(reason="Failed to read file"), "Failed to read file"),
        (Failed(reason="Out of Memory Error: 1 MiB used"), ""),
        (Failed(reason="no form", unsupported=True), ""),
    ],
)
def test_damaged_data_are_no_short_memory(failed: Failed, said: str) -> None:
    """Of large files, rows and nulls are known from footers: only what is read shows the damage."""
    schema = Schema(columns=(Column(name="id", kind=Kind.INTEGER, native="BIGINT"),))
    values: dict[Metric, Any] = dict.fromkeys(profile_needs(schema), 5)
    assert unread(schema, values) == ""
    assert unread(schema, values | {profile_needs(schema)[2]: failed}) == said


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15).map(float))
def test_bounds_are_rounded_outwards(value: float) -> None:
    assert Decimal(_down(value)) <= Decimal(value) <= Decimal(_up(value))


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [(0, 0, 0), (7, 0, 7), (123, 120, 130), (-123, -130, -120), (0.123, 0, 0.13), (-0.5, -0.5, -0.5)],
)
def test_bounds_have_two_digits(value: float, down: float, up: float) -> None:
    assert (_down(value), _up(value)) == (down, up)
