"""Great Expectations itself as the engine: one subprocess for all suites of the gate.

The reference: slow to start, but what it says is what Great Expectations says.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import gates
from gates.quality.runner import Example, ExpectationResult, SuiteJob, SuiteResult
from gates.quality.worker import RESULT_VERSION
from gates.subprocesses import environment, tail
from headgate import process

INSTALL = "Install Headgate with its extra `quality`, or look at what the engine printed."
WORKER = "gates.quality.worker"


class WorkerError(Exception):
    """The worker left nothing that can be used; the text says what was seen, `fix` what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


def run_worker(tasks: Sequence[Mapping[str, Any]], *, timeout_s: float, worker: str, network: bool = False) -> bytes:
    """What the worker wrote about `tasks` (see `gates.quality.worker`). Raises `WorkerError` when it wrote nothing."""
    job = {"network": network, "folder": str(Path.cwd()), "suites": list(tasks)}
    with tempfile.TemporaryDirectory(prefix="headgate-quality-") as folder:
        target = Path(folder) / "result.json"
        done = process.run(
            # -P: a module in the current folder must not stand in for one of the engine's.
            [sys.executable, "-P", "-m", worker],
            timeout_s=timeout_s,
            cwd=Path(folder),
            env=worker_environment(),
            stdin=json.dumps(job | {"result": str(target)}, default=str),
        )
        if done.timed_out:
            raise WorkerError(
                f"the suites were not done within {timeout_s:g} s",
                "Raise timeout_s of the quality gate, or give it less data.",
            )
        try:
            return target.read_bytes()
        except OSError as error:
            said = " | ".join(tail(done.stderr, lines=3)) or "nothing printed"
            raise WorkerError(f"the engine left no result (status {done.returncode}): {said}", INSTALL) from error


class ReferenceRunner:
    """A `SuiteRunner` that starts `worker`, a module run with `python -m` (see `gates.quality.worker`)."""

    name = "great_expectations"

    def __init__(self, *, worker: str = WORKER) -> None:
        self._worker = worker

    def run(self, jobs: Sequence[SuiteJob], *, timeout_s: float) -> Mapping[str, SuiteResult]:
        """Results by job name. A worker that crashes, hangs or leaves no complete result is an error of every job."""
        if not jobs:
            return {}
        try:
            document = run_worker([_task(job) for job in jobs], timeout_s=timeout_s, worker=self._worker)
        except WorkerError as error:
            return _all_failed(jobs, str(error), error.fix)
        return parse_result(document, jobs)


def parse_result(document: bytes, jobs: Sequence[SuiteJob]) -> Mapping[str, SuiteResult]:
    """Read what the worker wrote. A job it does not name, and a document it could not have written, is an error."""
    try:
        answer = _Answer.model_validate_json(document)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "document"
        return _all_failed(jobs, f"the engine's result cannot be read: {place}: {problem['msg']}", INSTALL)
    if answer.version != RESULT_VERSION:
        return _all_failed(jobs, f"the engine's result has version {answer.version}, not {RESULT_VERSION}", INSTALL)
    found = {suite.name: suite for suite in answer.suites}
    return {
        job.name: _result(found[job.name])
        if job.name in found
        else SuiteResult(name=job.name, error="the engine's result does not mention this suite", fix=INSTALL)
        for job in jobs
    }


class _Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Found(_Foreign):
    """`result` of one expectation; which of them are there depends on its type."""

    observed_value: Any = None
    element_count: int | None = None
    missing_count: int | None = None
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    partial_unexpected_list: list[Any] = Field(default_factory=list)
    partial_unexpected_index_list: list[Any] | None = None
    details: dict[str, Any] | None = None


class _Result(_Foreign):
    index: int
    success: bool | None = None
    result: _Found = _Found()
    exception_info: dict[str, Any] | None = None
    example_keys: list[dict[str, Any]] = Field(default_factory=list)


class _SuiteAnswer(_Foreign):
    name: str
    error: str = ""
    row_count: int | None = None
    file_rows: list[int] = Field(default_factory=list)
    results: list[_Result] = Field(default_factory=list)
    duration_s: float | None = None


class _Answer(_Foreign):
    version: int
    suites: list[_SuiteAnswer]


def _task(job: SuiteJob) -> dict[str, Any]:
    return {
        "name": job.name,
        "files": [str(path) for path in job.files],
        "key": list(job.key),
        "suite_parameters": dict(job.suite.suite_parameters),
        "expectations": [dict(expectation.raw) for expectation in job.suite.expectations],
    }


def worker_environment() -> dict[str, str]:
    """No telemetry, no cloud account picked up from the environment, and this package importable from anywhere."""
    package_root = str(Path(gates.__file__).resolve().parent.parent)
    kept = {name: value for name, value in environment().items() if not name.startswith("GX_CLOUD_")}
    path = [package_root, *filter(None, [kept.get("PYTHONPATH", "")])]
    return kept | {"GX_ANALYTICS_ENABLED": "false", "PYTHONPATH": ":".join(path), "PYTHONWARNINGS": "ignore"}


def _all_failed(jobs: Sequence[SuiteJob], error: str, fix: str) -> Mapping[str, SuiteResult]:
    return {job.name: SuiteResult(name=job.name, error=error, fix=fix) for job in jobs}


def _result(suite: _SuiteAnswer) -> SuiteResult:
    return SuiteResult(
        name=suite.name,
        error=suite.error,
        fix="Look at the data files of this suite." if suite.error else "",
        row_count=suite.row_count,
        file_rows=tuple(suite.file_rows),
        results=tuple(_expectation(result) for result in suite.results),
        duration_s=suite.duration_s,
    )


def _expectation(answer: _Result) -> ExpectationResult:
    found = answer.result
    return ExpectationResult(
        index=answer.index,
        success=answer.success,
        raised=raised_text(answer.exception_info),
        observed=found.observed_value,
        element_count=found.element_count,
        missing_count=found.missing_count,
        unexpected_count=found.unexpected_count,
        unexpected_percent=found.unexpected_percent,
        examples=_examples(answer),
        details=found.details,
    )


def raised_text(info: Mapping[str, Any] | None) -> str:
    """The exception's text. The info is flat, or one entry per metric that raised."""
    entries = [] if info is None else ([info] if "raised_exception" in info else list(info.values()))
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return " ".join(str(entry.get("exception_message") or "an exception without a message").split())
    return ""


def _examples(answer: _Result) -> tuple[Example, ...]:
    values, rows = answer.result.partial_unexpected_list, answer.result.partial_unexpected_index_list or []
    keys = answer.example_keys
    return tuple(
        Example(
            value=value,
            row=rows[at] if at < len(rows) and isinstance(rows[at], int) else None,
            key=tuple(keys[at].items()) if at < len(keys) else (),
        )
        for at, value in enumerate(values)
    )
