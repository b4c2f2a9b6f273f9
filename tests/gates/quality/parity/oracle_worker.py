"""Great Expectations as the oracle, in a process of its own: `python -m`, a job a line on stdin, its answers a line.

Job: `{"kind": "pandas" | "sql", "data": FOLDER | URL, "cases": [{table, type, kwargs, result_format, parameters}]}`.
One validation for each case: in one suite together, expectations of 1.24 see each other's metrics.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any


def main() -> int:
    # Whatever is printed from here on must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    for line in sys.stdin:
        job = json.loads(line)
        open_batch = cache(_frames(context, job["data"]) if job["kind"] == "pandas" else _sql(context, job["data"]))
        json.dump([_answer(open_batch, case) for case in job["cases"]], answers)
        answers.write("\n")
        answers.flush()
    return 0


def _frames(context: Any, folder: str) -> Callable[[str], Any]:
    import pandas as pd

    asset = context.data_sources.add_or_update_pandas("frames").add_dataframe_asset("frame")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    return lambda table: whole.get_batch({"dataframe": pd.read_parquet(Path(folder) / f"{table}.parquet")})


def _sql(context: Any, url: str) -> Callable[[str], Any]:
    database = context.data_sources.add_or_update_sql("database", connection_string=url)

    def opened(table: str) -> Any:
        asset = database.add_table_asset(table, table_name=table)
        return asset.add_batch_definition_whole_table("whole").get_batch()

    return opened


def _answer(open_batch: Callable[[str], Any], case: Mapping[str, Any]) -> dict[str, Any]:
    """The result in Great Expectations' shape; `refused` where it does not even take the expectation."""
    from great_expectations.core import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        expectation = ExpectationConfiguration(type=case["type"], kwargs=case["kwargs"]).to_domain_obj()
        outcome = open_batch(case["table"]).validate(
            ExpectationSuite(name="one", expectations=[expectation]),
            result_format=case["result_format"],
            expectation_parameters=case["parameters"],
        )
        (result,) = outcome.to_json_dict()["results"]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"success": bool(result["success"]), "result": _plain(result["result"]), "raised": _raised(result)}


def _raised(result: Mapping[str, Any]) -> str:
    info = result.get("exception_info") or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    said = [str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")]
    return said[0] if said else ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


if __name__ == "__main__":
    sys.exit(main())
