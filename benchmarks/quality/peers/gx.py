"""Great Expectations itself. Arguments: orders, customers, suite, `pandas` or `duckdb`."""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["GX_ANALYTICS_ENABLED"] = "false"
warnings.simplefilter("ignore")

import great_expectations as gx  # noqa: E402 - after the environment is set
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

orders, customers, suite_file, engine = sys.argv[1:5]


class Named(str):
    """A dialect that GX's list of them does not know."""

    __slots__ = ()
    value = property(str)


def duckdb_batch(context, folder):
    import duckdb
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    # a result of duckdb-engine is gone with its connection, and GX closes it before reading: 27 of 29 would raise
    engine._PERSISTED_CONNECTION_DIALECTS = (*engine._PERSISTED_CONNECTION_DIALECTS, Named("duckdb"))

    # and it knows no regular expressions of DuckDB
    from great_expectations.expectations.metrics.column_map_metrics import column_values_match_regex as module
    from sqlalchemy import func

    def regex(column, pattern, *_, **__):
        return func.regexp_matches(column, pattern)

    module.get_dialect_regex_expression = regex
    path = Path(folder) / "bench.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{orders}')")
    source = context.data_sources.add_sql(name="duckdb", connection_string=f"duckdb:///{path}")
    return (
        source.add_table_asset(name="orders", table_name="orders").add_batch_definition_whole_table("all").get_batch()
    )


def pandas_batch(context):
    import pandas as pd

    asset = context.data_sources.add_pandas(name="pandas").add_dataframe_asset(name="orders")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(orders)})


def main():
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    with tempfile.TemporaryDirectory() as folder:
        batch = duckdb_batch(context, folder) if engine == "duckdb" else pandas_batch(context)
        passed = raised = 0
        chosen = json.loads(Path(suite_file).read_text())["expectations"]
        if engine == "pandas":  # a query needs a SQL engine
            chosen = [item for item in chosen if item["type"] != "unexpected_rows_expectation"]
        suite = gx.ExpectationSuite(name="orders")
        for item in chosen:
            suite.add_expectation(get_expectation_impl(item["type"])(**item["kwargs"]))
        for result in batch.validate(suite).results:
            passed += bool(result.success)
            broken = bool(result.exception_info.get("raised_exception")) or any(
                isinstance(info, dict) and info.get("raised_exception") for info in result.exception_info.values()
            )
            raised += broken
        print(json.dumps({"checks": len(chosen), "passed": passed, "raised": raised}))


main()
