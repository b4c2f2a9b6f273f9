"""Great Expectations itself, in a process of its own: `python -m gates.quality.worker`, a job as JSON on stdin.

In a process of its own because the import takes seconds and 200 MB, because it prints, and because (with pyspark and
without grpcio) it may end the interpreter with status 0 in the middle of the import. So the result is a file that
must exist, be complete and name every suite: a return code alone means nothing.

Job: `{"result": FILE, "network": BOOL, "folder": FOLDER, "suites": [TASK]}`. Relative paths count from `folder`. A task has
`name`, `suite_parameters`, `expectations`, and where the rows are: `files`, or `source` (`{"kind": "files", "data",
"table"}`, read as the engine DuckDB reads them, of which only `columns` are needed; or `{"kind": "database", "url",
"table"}`, read by Great Expectations itself). `key` names columns that identify a row; `result_format` is Great
Expectations' own (SUMMARY); `separately` keeps what one expectation computes from the next.
Result: `{"version": 1, "engine": TEXT, "suites": [{"name", "error", "row_count", "file_rows", "results": [..]}]}`
with the results in Great Expectations' own shape, each with the `index` of its expectation and `example_keys`.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gates.quality.worker_data import open_task

RESULT_VERSION = 1
# Great Expectations returns 20 partial values; more than a report shows.
_RESULT_FORMAT = {"result_format": "SUMMARY"}


def main() -> int:
    job = json.load(sys.stdin)
    # Whatever is printed from here on, by whichever library, must not end up where a result is read.
    os.dup2(2, 1)
    if not job.get("network"):
        forbid_network()
    engine, run_suite = _load_engine()
    # Only now: until here the current folder is an empty one, which nothing can be imported from.
    os.chdir(job.get("folder", "."))
    suites = [run_suite(task) for task in job["suites"]]
    document = {"version": RESULT_VERSION, "engine": engine, "suites": suites}
    target = Path(job["result"])
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(_plain(document), allow_nan=False), encoding="utf-8")
    partial.replace(target)
    return 0


def forbid_network() -> None:
    """Make every connection attempt of this process fail: the data is local, and nothing may be told to anybody."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}:
            raise PermissionError(f"the data quality worker does not use the network ({event} {arguments[-1]!r})")

    sys.addaudithook(refuse)


def _load_engine() -> tuple[str, Any]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}

    def run_suite(task: Mapping[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        outcome: dict[str, Any] = {"name": task["name"], "error": "", "results": []}
        try:
            opened = open_task(context, task)
            outcome |= {"row_count": opened.rows, "file_rows": list(opened.file_rows)}
            outcome["results"] = _validate(opened.batch, opened.frame, task)
        except Exception as error:  # noqa: BLE001 - one unreadable batch must not take the other suites with it
            outcome["error"] = f"{type(error).__name__}: {error}"
        return outcome | {"duration_s": time.monotonic() - started}

    return f"great_expectations {gx.__version__}", run_suite


def _validate(batch: Any, frame: Any, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Results in Great Expectations' shape, in no particular order, each with its `index`."""
    results: list[dict[str, Any]] = []
    groups = _groups(task["expectations"], results)
    if task.get("separately"):
        groups = [[expectation] for group in groups for expectation in group]
    for group in groups:
        try:
            answer = batch.validate(
                _suite(task["name"], group),
                result_format=task.get("result_format", _RESULT_FORMAT),
                expectation_parameters=task["suite_parameters"],
            ).to_json_dict()
        except Exception as error:  # noqa: BLE001 - a parameter that means nothing must not take the others with it
            text = f"{type(error).__name__}: {error}"
            results += [_raised(expectation.meta["headgate_index"], text) for expectation in group]
            continue
        for result in answer["results"]:
            config = result["expectation_config"]
            result["index"] = config["meta"].pop("headgate_index")
            config["kwargs"].pop("batch_id", None)
            rows = result["result"].get("partial_unexpected_index_list")
            result["example_keys"] = [] if frame is None else _keys(frame, task.get("key", []), rows)
            results.append(result)
    return results


def _groups(entries: Iterable[Mapping[str, Any]], results: list[dict[str, Any]]) -> list[list[Any]]:
    """Expectations to validate together. What cannot be built goes to `results` as raised.

    The suite's own constructor only logs an invalid expectation and leaves it out, so each is built here.
    """
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    together: list[Any] = []
    alone: list[list[Any]] = []
    for index, entry in enumerate(entries):
        # Without its id: an expectation that has one counts as part of another suite and is refused.
        known = {key: entry[key] for key in ("type", "kwargs", "severity", "notes", "description") if key in entry}
        given = entry.get("meta")
        meta = dict(given) if isinstance(given, dict) else {}
        try:
            built = ExpectationConfiguration(**known, meta=meta | {"headgate_index": index}).to_domain_obj()
        except Exception as error:  # noqa: BLE001 - whatever it is, this expectation was not judged
            results.append(_raised(index, f"{type(error).__name__}: {error}"))
            continue
        # In 1.24 quantile expectations on one column in one run all get the quantiles of the first.
        if entry["type"] == "expect_column_quantile_values_to_be_between":
            alone.append([built])
        else:
            together.append(built)
    return ([together] if together else []) + alone


def _suite(name: str, expectations: list[Any]) -> Any:
    from great_expectations.core import ExpectationSuite

    return ExpectationSuite(name=name, expectations=expectations)


def _raised(index: int, message: str) -> dict[str, Any]:
    return {
        "index": index,
        "success": False,
        "result": {},
        "exception_info": {"raised_exception": True, "exception_message": message, "exception_traceback": None},
    }


def _keys(frame: Any, columns: list[str], rows: list[Any] | None) -> list[dict[str, Any]]:
    """The key columns of the unexpected rows, in their order; columns that do not exist are left out."""
    present = [column for column in columns if column in frame.columns]
    if not present or not rows:
        return []
    return [{column: frame.at[row, column] for column in present} for row in rows if isinstance(row, int)]


def _plain(value: Any) -> Any:
    """`value` as JSON can carry it: numpy scalars as numbers, NaN and infinities as null, the rest as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


if __name__ == "__main__":
    sys.exit(main())
