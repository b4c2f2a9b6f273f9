"""Expectations that are not planned here: Great Expectations judges them, in a process of its own.

On pandas for files, on SQL (through SQLAlchemy) for databases. Slow to start, but what it says is what Great
Expectations says. Every expectation gets a result: its own, or one that says why it was not judged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gates.quality.engines.open import file_of
from gates.quality.reference import INSTALL, WORKER, WorkerError, raised_text, run_worker
from gates.quality.result_format import ResultFormat
from gates.quality.worker import RESULT_VERSION

_URL_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
"""The drivers that Headgate installs, where the URL names none."""
_DIALECTS = {
    "bigquery": "sqlalchemy-bigquery",
    "snowflake": "snowflake-sqlalchemy",
    "trino": "trino[sqlalchemy]",
}
"""What Great Expectations needs besides, where Headgate's own engine does with the official client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the rows are, in the words of `gates.quality.engines.open.open_batch`.

    `data` is a path, a glob or the URL of a database, then with `table`. Files are read as the engine DuckDB reads them.
    """

    data: str
    table: str | None = None


def run_fallback(
    entries: Sequence[Mapping[str, Any]],
    source: Source,
    *,
    result_format: ResultFormat,
    suite_parameters: Mapping[str, Any],
    timeout_s: float,
    worker: str = WORKER,
) -> tuple[dict[str, Any], ...]:
    """One result in Great Expectations' shape for each of `entries` (expectations as a suite has them), in their order.

    Never raises for what is in the data or the suite. An engine that is missing, crashes, hangs (`timeout_s` counts
    for all entries together) or leaves no complete answer gives results that raised: nothing was judged, none passes.
    """
    if not entries:
        return ()
    lacking = _lacking(source.data)
    if lacking:
        return tuple(_not_judged(entry, lacking) for entry in entries)
    task = {
        "name": "suite",
        "source": _description(source),
        "columns": _columns(entries),
        "suite_parameters": dict(suite_parameters),
        "expectations": [dict(entry) for entry in entries],
        "result_format": _wanted(result_format),
        "separately": True,
    }
    try:
        document = run_worker([task], timeout_s=timeout_s, worker=worker, network="://" in source.data)
        found = _parse(document)
    except WorkerError as error:
        found = {}
        reason = f"{str(error).rstrip('.')}. {error.fix}"
    else:
        reason = "Great Expectations returned no result for this expectation"
    return tuple(_complete(found.get(index), entry, reason) for index, entry in enumerate(entries))


def _complete(found: dict[str, Any] | None, entry: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The result with the whole configuration: the worker gets no ids, and cannot tell what it could not build."""
    if found is None:
        return _not_judged(entry, reason)
    config = found["expectation_config"] or entry
    return found | {"expectation_config": {**config, **({"id": entry["id"]} if "id" in entry else {})}}


class _Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Result(_Foreign):
    index: int
    success: bool
    expectation_config: dict[str, Any] | None = None
    result: dict[str, Any]
    meta: dict[str, Any] = {}
    exception_info: dict[str, Any]


class _Suite(_Foreign):
    error: str = ""
    results: list[_Result]


class _Answer(_Foreign):
    version: int
    suites: list[_Suite]


def _parse(document: bytes) -> dict[int, dict[str, Any]]:
    """The results by index. One that comes twice is left out: it cannot be relied on."""
    try:
        answer = _Answer.model_validate_json(document)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "document"
        raise WorkerError(f"the engine's result cannot be read: {place}: {problem['msg']}", INSTALL) from error
    if answer.version != RESULT_VERSION or len(answer.suites) != 1:
        raise WorkerError(f"the engine's result has version {answer.version}, not {RESULT_VERSION}", INSTALL)
    (suite,) = answer.suites
    if suite.error:
        raise WorkerError(suite.error, "Look at the data, and at what Great Expectations needs to read it.")
    indices = [result.index for result in suite.results]
    return {result.index: _shaped(result) for result in suite.results if indices.count(result.index) == 1}


def _shaped(result: _Result) -> dict[str, Any]:
    """Great Expectations' `exception_info` is flat, or has an entry for each metric that raised: here always flat."""
    message = raised_text(result.exception_info)
    return {
        "success": result.success and not message,
        "expectation_config": result.expectation_config,
        "result": result.result,
        "meta": result.meta,
        "exception_info": _exception_info(message),
    }


def _exception_info(message: str) -> dict[str, Any]:
    return {"raised_exception": bool(message), "exception_message": message or None, "exception_traceback": None}


def _not_judged(entry: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {
        "success": False,
        "expectation_config": dict(entry),
        "result": {},
        "meta": {},
        "exception_info": _exception_info(reason),
    }


def _wanted(result_format: ResultFormat) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "result_format": str(result_format.level),
        "partial_unexpected_count": result_format.partial_count,
    }
    if result_format.index_columns:
        wanted["unexpected_index_column_names"] = list(result_format.index_columns)
    return wanted | {
        "include_unexpected_rows": result_format.include_rows,
        "exclude_unexpected_values": result_format.exclude_values,
    }


def _lacking(data: str) -> str:
    """Why Great Expectations cannot open `data` at all, and what to do; "" where nothing is known against it."""
    scheme = data.partition("://")[0].lower() if "://" in data else ""
    if scheme == "spark":
        return (
            "this type is not planned, and Great Expectations does not judge it on tables of a Spark catalogue. Name the "
            "files of the table by their path, or write it as unexpected_rows_expectation."
        )
    package = _DIALECTS.get(scheme.partition("+")[0])
    if package is None or _has_dialect(scheme):
        return ""
    return (
        f"this type is not planned, and Great Expectations reads {scheme}:// through SQLAlchemy only, for which a package "
        f"is missing. Install it: pip install '{package}'; or write it as unexpected_rows_expectation."
    )


def _has_dialect(scheme: str) -> bool:
    import sqlalchemy.exc
    from sqlalchemy.dialects import registry

    try:
        registry.load(scheme.replace("+", "."))
    except (sqlalchemy.exc.NoSuchModuleError, ImportError):
        return False
    return True


def _description(source: Source) -> dict[str, Any]:
    head, colon, rest = source.data.partition("://")
    scheme = head.lower()
    if not colon or scheme in {"file", "duckdb"}:
        return {"kind": "files", "data": source.data, "table": source.table}
    # SQLite makes a file that is not there: a path is to be taken here as its engine takes it.
    if scheme == "sqlite":
        rest = f"/{file_of(source.data).absolute()}"
    url = f"{_URL_DRIVERS.get(scheme, head)}://{rest}"
    return {"kind": "database", "url": _with_password(url), "table": source.table}


def _with_password(url: str) -> str:
    """The worker does not get Headgate's environment variables, so the password travels with its job, on stdin."""
    import sqlalchemy

    password = os.environ.get("HEADGATE_DATABASE_PASSWORD")
    parsed = sqlalchemy.make_url(url)
    if not password or parsed.password:
        return url
    return parsed.set(password=password).render_as_string(hide_password=False)


def _columns(entries: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The only columns that are looked at; None where that cannot be told from the suite."""
    wanted: dict[str, None] = {}
    for entry in entries:
        kwargs = entry.get("kwargs")
        if not isinstance(kwargs, dict) or kwargs.get("row_condition") or "column_index" in kwargs:
            return None
        named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
        listed = kwargs.get("column_list", [])
        if not isinstance(listed, list) or not (named or listed):
            return None
        wanted |= dict.fromkeys(json.dumps(name) if not isinstance(name, str) else name for name in [*named, *listed])
    return list(wanted)
