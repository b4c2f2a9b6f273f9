"""TPC-H as a second data set: public, by tpchgen-cli, with a suite for each table and all of its foreign keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

Expectation = tuple[str, dict[str, Any]]

KEYS: Mapping[str, tuple[str, ...]] = {
    "region": ("r_regionkey",),
    "nation": ("n_nationkey",),
    "supplier": ("s_suppkey",),
    "customer": ("c_custkey",),
    "part": ("p_partkey",),
    "partsupp": ("ps_partkey", "ps_suppkey"),
    "orders": ("o_orderkey",),
    "lineitem": ("l_orderkey", "l_linenumber"),
}
FOREIGN: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "nation": (("n_regionkey", "region", "r_regionkey"),),
    "supplier": (("s_nationkey", "nation", "n_nationkey"),),
    "customer": (("c_nationkey", "nation", "n_nationkey"),),
    "partsupp": (("ps_partkey", "part", "p_partkey"), ("ps_suppkey", "supplier", "s_suppkey")),
    "orders": (("o_custkey", "customer", "c_custkey"),),
    "lineitem": (
        ("l_orderkey", "orders", "o_orderkey"),
        ("l_partkey", "part", "p_partkey"),
        ("l_suppkey", "supplier", "s_suppkey"),
    ),
}
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]


def _between(column: str, low: float, high: float) -> Expectation:
    return "expect_column_values_to_be_between", {"column": column, "min_value": low, "max_value": high}


def _among(column: str, values: list[str]) -> Expectation:
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": values}


def _like(column: str, regex: str) -> Expectation:
    return "expect_column_values_to_match_regex", {"column": column, "regex": regex}


MORE: Mapping[str, tuple[Expectation, ...]] = {
    "region": (_among("r_name", ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]),),
    "nation": (("expect_table_row_count_to_equal", {"value": 25}),),
    "supplier": (_like("s_name", r"^Supplier#\d{9}$"), _between("s_acctbal", -999.99, 9999.99)),
    "customer": (
        _among("c_mktsegment", SEGMENTS),
        _like("c_phone", r"^\d{2}-\d{3}-\d{3}-\d{4}$"),
        _between("c_acctbal", -999.99, 9999.99),
    ),
    "part": (
        _between("p_size", 1, 50),
        _like("p_brand", r"^Brand#\d\d$"),
        ("expect_column_unique_value_count_to_be_between", {"column": "p_brand", "min_value": 25, "max_value": 25}),
    ),
    "partsupp": (_between("ps_availqty", 1, 9999), _between("ps_supplycost", 1, 1000)),
    "orders": (
        _among("o_orderpriority", PRIORITIES),
        _among("o_orderstatus", ["F", "O", "P"]),
        _like("o_clerk", r"^Clerk#\d{9}$"),
        ("expect_column_median_to_be_between", {"column": "o_totalprice", "min_value": 1000, "max_value": 500000}),
    ),
    "lineitem": (
        _between("l_quantity", 1, 50),
        _between("l_discount", 0, 0.1),
        _among("l_returnflag", ["A", "N", "R"]),
        _among("l_shipmode", MODES),
        ("expect_column_mean_to_be_between", {"column": "l_quantity", "min_value": 20, "max_value": 30}),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "l_receiptdate", "column_B": "l_shipdate"},
        ),
    ),
}


def make(folder: Path, tool: Path, scale: float) -> Path:
    """The tables as Parquet, unless they are there already."""
    place = folder / f"tpch-{scale:g}"
    if not (place / "done").exists():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [tool, "parquet", "-s", f"{scale:g}", "--output-dir", place], check=True, stdout=subprocess.DEVNULL
        )
        (place / "done").touch()
    return place


def write(place: Path, table: str, others: Path) -> Path:
    """The suite of a table as a file in `place`; foreign keys are looked for in the tables in `others`."""
    path = place / f"{table}.json"
    chosen = expectations(table, others)
    suite = {"name": table, "expectations": [{"type": kind, "kwargs": kwargs, "meta": {}} for kind, kwargs in chosen]}
    path.write_text(json.dumps(suite, indent=1), encoding="utf-8")
    return path


def expectations(table: str, others: Path) -> list[Expectation]:
    """The suite of a table: its keys, its foreign keys, and what the specification says of its values."""
    keys = KEYS[table]
    chosen: list[Expectation] = [("expect_table_row_count_to_be_between", {"min_value": 1})]
    chosen.extend(("expect_column_values_to_not_be_null", {"column": name}) for name in _keys(table))
    if len(keys) == 1:
        chosen.append(("expect_column_values_to_be_unique", {"column": keys[0]}))
    else:
        chosen.append(("expect_compound_columns_to_be_unique", {"column_list": list(keys)}))
    for name, other, key in FOREIGN.get(table, ()):
        file = str(others / f"{other}.parquet").replace("'", "''")
        query = f"SELECT {name} FROM {{batch}} WHERE {name} NOT IN (SELECT {key} FROM '{file}')"
        chosen.append(("unexpected_rows_expectation", {"unexpected_rows_query": query}))
    chosen.extend(MORE[table])
    return chosen


def _keys(table: str) -> list[str]:
    return list(dict.fromkeys([*KEYS[table], *(name for name, _, _ in FOREIGN.get(table, ()))]))


def needed(table: str) -> list[str]:
    """The columns that the suite of a table is about."""
    names = [str(value) for _, kwargs in MORE[table] for key, value in kwargs.items() if key.startswith("column")]
    return list(dict.fromkeys([*_keys(table), *names]))


def rows(path: Path) -> int:
    (count,) = duckdb.sql(f"SELECT COUNT(*) FROM read_parquet('{path}')").fetchall()[0]
    return int(count)


_WRONG: Mapping[str, str] = {
    "orders": """SELECT * REPLACE (
        CASE WHEN place IN (10, 70) THEN 1 ELSE o_orderkey END AS o_orderkey,
        CASE WHEN place IN (5, 6, 7) THEN -1 ELSE o_custkey END AS o_custkey,
        CASE WHEN place = 99 THEN '6-NEVER' ELSE o_orderpriority END AS o_orderpriority,
        CASE WHEN place = 11 THEN 'Clerk 7' ELSE o_clerk END AS o_clerk)""",
    "lineitem": """SELECT * REPLACE (
        CASE WHEN place < 4 THEN 9 ELSE l_linenumber END AS l_linenumber,
        CASE WHEN place IN (1000, 2000) THEN -7 ELSE l_partkey END AS l_partkey,
        CASE WHEN place = 3000 THEN 51 ELSE l_quantity END AS l_quantity,
        CASE WHEN place = 4000 THEN l_shipdate ELSE l_receiptdate END AS l_receiptdate)""",
}
"""How rows are made wrong, by their place."""

SPOILT: Mapping[str, Mapping[str, int]] = {
    "orders": {
        "expect_column_values_to_be_unique": 3,
        "unexpected_rows_expectation": 3,
        "expect_column_values_to_be_in_set": 1,
        "expect_column_values_to_match_regex": 1,
    },
    "lineitem": {
        "unexpected_rows_expectation": 2,
        "expect_compound_columns_to_be_unique": 4,
        "expect_column_values_to_be_between": 1,
        "expect_column_pair_values_a_to_be_greater_than_b": 1,
    },
}
"""What must fail then, and for how many rows."""


def spoil(place: Path) -> Path:
    """The tables with wrong rows, in a folder of their own."""
    folder = place / "spoilt"
    folder.mkdir(exist_ok=True)
    for table, query in _WRONG.items():
        source = (
            f"(SELECT *, file_row_number AS place FROM read_parquet('{place / table}.parquet', file_row_number = true))"
        )
        wrong = f"SELECT * EXCLUDE (place) FROM ({query} FROM {source} ORDER BY place)"
        duckdb.execute(f"COPY ({wrong}) TO '{folder / table}.parquet' (FORMAT parquet)")
    return folder


def failed(command: Sequence[str | Path]) -> dict[str, int]:
    """The types of the expectations that fail by what a command prints, each with its number of rows."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return {
        entry["expectation_config"]["type"]: int(
            entry["result"]["unexpected_count" if "unexpected_count" in entry["result"] else "observed_value"]
        )
        for entry in json.loads(done.stdout)["results"]
        if not entry["success"]
    }
