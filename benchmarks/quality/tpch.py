"""TPC-H as a second data set: public, by tpchgen-cli, with a suite for each table and all of its foreign keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def write(place: Path, table: str) -> Path:
    """The suite of a table as a file."""
    keys = KEYS[table]
    chosen: list[Expectation] = [("expect_table_row_count_to_be_between", {"min_value": 1})]
    present = dict.fromkeys([*keys, *(name for name, _, _ in FOREIGN.get(table, ()))])
    chosen.extend(("expect_column_values_to_not_be_null", {"column": name}) for name in present)
    if len(keys) == 1:
        chosen.append(("expect_column_values_to_be_unique", {"column": keys[0]}))
    else:
        chosen.append(("expect_compound_columns_to_be_unique", {"column_list": list(keys)}))
    for name, other, key in FOREIGN.get(table, ()):
        file = str(place / f"{other}.parquet").replace("'", "''")
        query = f"SELECT {name} FROM {{batch}} WHERE {name} NOT IN (SELECT {key} FROM '{file}')"
        chosen.append(("unexpected_rows_expectation", {"unexpected_rows_query": query}))
    chosen.extend(MORE[table])
    path = place / f"{table}.json"
    suite = {"name": table, "expectations": [{"type": kind, "kwargs": kwargs, "meta": {}} for kind, kwargs in chosen]}
    path.write_text(json.dumps(suite, indent=1), encoding="utf-8")
    return path
