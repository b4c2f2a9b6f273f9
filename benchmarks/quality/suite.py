"""The suite of the benchmark: 29 expectations on orders, 20 that stream and 9 that need the whole column at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Expectation = tuple[str, dict[str, Any]]

STREAMING: tuple[Expectation, ...] = (
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_column_values_to_not_be_null", {"column": "order_id"}),
    ("expect_column_values_to_not_be_null", {"column": "customer_id"}),
    ("expect_column_values_to_not_be_null", {"column": "ordered_at"}),
    ("expect_column_values_to_not_be_null", {"column": "email", "mostly": 0.95}),
    ("expect_column_values_to_be_between", {"column": "quantity", "min_value": 1, "max_value": 9}),
    ("expect_column_values_to_be_between", {"column": "discount", "min_value": 0, "max_value": 0.5}),
    ("expect_column_values_to_be_between", {"column": "total", "min_value": 0, "max_value": 5000, "mostly": 0.999}),
    (
        "expect_column_values_to_be_between",
        {"column": "ordered_at", "min_value": "2024-01-01T00:00:00", "max_value": "2024-12-31T00:00:00"},
    ),
    (
        "expect_column_values_to_be_in_set",
        {"column": "status", "value_set": ["placed", "paid", "packed", "shipped", "delivered", "returned"]},
    ),
    ("expect_column_values_to_be_in_set", {"column": "currency", "value_set": ["EUR", "USD", "GBP", "CHF"]}),
    ("expect_column_values_to_match_regex", {"column": "email", "regex": r"^[^@\s]+@[^@\s]+\.[a-z]+$", "mostly": 0.99}),
    ("expect_column_values_to_match_regex", {"column": "sku", "regex": r"^SKU-[0-9]{6}$"}),
    ("expect_column_value_lengths_to_equal", {"column": "country", "value": 2}),
    ("expect_column_value_lengths_to_equal", {"column": "reference", "value": 20}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "shipped_at", "column_B": "ordered_at"}),
    ("expect_column_mean_to_be_between", {"column": "total", "min_value": 100, "max_value": 3000}),
    ("expect_column_stdev_to_be_between", {"column": "total", "min_value": 1, "max_value": 5000}),
    ("expect_column_sum_to_be_between", {"column": "quantity", "min_value": 1}),
    ("expect_column_max_to_be_between", {"column": "discount", "min_value": 0, "max_value": 0.9}),
)
HOLISTIC: tuple[Expectation, ...] = (
    ("expect_column_values_to_be_unique", {"column": "order_id"}),
    ("expect_column_values_to_be_unique", {"column": "reference"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["customer_id", "ordered_at", "sku"]}),
    ("expect_column_values_to_be_increasing", {"column": "order_id"}),
    ("expect_column_unique_value_count_to_be_between", {"column": "customer_id", "min_value": 1}),
    (
        "expect_column_distinct_values_to_equal_set",
        {"column": "status", "value_set": ["placed", "paid", "packed", "shipped", "delivered", "returned"]},
    ),
    (
        "expect_column_quantile_values_to_be_between",
        {
            "column": "total",
            "quantile_ranges": {"quantiles": [0.05, 0.5, 0.95], "value_ranges": [[1, 500], [100, 3000], [1000, 5000]]},
        },
    ),
    ("expect_column_median_to_be_between", {"column": "total", "min_value": 100, "max_value": 3000}),
)


def foreign_key(customers: Path) -> Expectation:
    """Orders without their customer: none."""
    name = str(customers).replace("'", "''")
    query = f"SELECT customer_id FROM {{batch}} WHERE customer_id NOT IN (SELECT customer_id FROM '{name}')"
    return "unexpected_rows_expectation", {"unexpected_rows_query": query}


def write(path: Path, customers: Path | None) -> Path:
    """The suite as a file of Great Expectations 1.x; without the foreign key where `customers` is None."""
    chosen = [*STREAMING, *HOLISTIC, *([foreign_key(customers)] if customers is not None else [])]
    suite = {
        "name": "orders",
        "expectations": [{"type": kind, "kwargs": kwargs, "meta": {}} for kind, kwargs in chosen],
        "meta": {"great_expectations_version": "1.24.1"},
    }
    path.write_text(json.dumps(suite, indent=1), encoding="utf-8")
    return path
