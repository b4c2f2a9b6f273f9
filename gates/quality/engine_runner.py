"""The gate's `SuiteRunner` on Headgate's own engine: suites on the same data share one batch, and so one scan."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gates.quality.engines.open import Limits, open_batch
from gates.quality.engines.port import Batch
from gates.quality.findings import to_suite_result
from gates.quality.keys import KeyedBatch
from gates.quality.metrics import Count
from gates.quality.result_format import ResultFormat
from gates.quality.runner import SuiteJob, SuiteResult, SuiteRunner
from gates.quality.session import Job, SuiteFindings, run_suites
from gates.quality.sources import AttendedBatch, Deadline, fallback_on
from headgate.errors import HeadgateError

_INSTALL = "Install Headgate with the extra of this engine: `quality` for files, else `postgres`, `mysql` and so on."

Open = Callable[[Sequence[Path], str, str | None, Limits], Batch]


def open_job(files: Sequence[Path], data: str, table: str | None, limits: Limits) -> Batch:
    """The batch of a job: its files, or else what `data` names."""
    if files:
        from gates.quality.engines.duckdb import open_files

        return open_files(files, limits)
    return open_batch(data, table=table, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRunner(SuiteRunner):
    """Runs suites on Headgate's engine, what is not planned on Great Expectations. `open_batch` is a test's seam."""

    open_batch: Open = open_job
    name: str = "headgate"

    def run(self, jobs: Sequence[SuiteJob], *, timeout_s: float) -> Mapping[str, SuiteResult]:
        """Results by job name. Data that cannot be read is an error of the jobs on it, not of the others."""
        deadline = Deadline(timeout_s=timeout_s)
        together: dict[tuple[Any, ...], list[SuiteJob]] = {}
        for job in jobs:
            on = (job.files, job.data, job.table, job.key, job.memory_limit_mb, job.max_bytes, job.sample)
            together.setdefault(on, []).append(job)
        return {result.name: result for group in together.values() for result in self._group(group, deadline)}

    def _group(self, jobs: Sequence[SuiteJob], deadline: Deadline) -> Sequence[SuiteResult]:
        """The jobs on one batch."""
        try:
            return self._judged(jobs, deadline)
        except HeadgateError as error:
            text = f"{error.where}: {error.what}" if error.where else error.what
            fix = error.next_step or "Look at the data of this suite."
            return [SuiteResult(name=job.name, error=text, fix=fix) for job in jobs]
        except ModuleNotFoundError as error:
            return [SuiteResult(name=job.name, error=str(error), fix=_INSTALL) for job in jobs]
        except Exception as error:  # noqa: BLE001 - a driver's surprise must not take the other suites with it
            text = f"{type(error).__name__}: {error}"
            return [SuiteResult(name=job.name, error=text, fix="Look at the data of this suite.") for job in jobs]

    def _judged(self, jobs: Sequence[SuiteJob], deadline: Deadline) -> Sequence[SuiteResult]:
        first = jobs[0]
        limits = Limits(
            statement_timeout_s=deadline.left_s + 1,
            memory_limit_mb=first.memory_limit_mb,
            max_bytes=first.max_bytes,
            sample=first.sample,
        )
        inner = AttendedBatch(lambda: self.open_batch(first.files, first.data, first.table, limits), deadline)
        batch = KeyedBatch(inner, first.key) if inner.ordered else inner
        try:
            # Where rows have no position, their key stands for it.
            form = ResultFormat(index_columns=() if inner.ordered else first.key)
            asked = [Job(suite=job.suite, result_format=form, parameters={}) for job in jobs]
            found = run_suites(asked, batch, fallback=fallback_on(_source(first), first.table, deadline))
        finally:
            inner.close()
        keys = batch.keys if isinstance(batch, KeyedBatch) else {}
        results = [
            to_suite_result(job.name, entry, engine=inner.name, keys=keys, key=first.key)
            for job, entry in zip(jobs, found, strict=True)
        ]
        return [
            replace(self._with_file_rows(result, job.files, limits), remark=_set_aside(job, entry, limits))
            for job, entry, result in zip(jobs, found, results, strict=True)
        ]

    def _with_file_rows(self, result: SuiteResult, files: Sequence[Path], limits: Limits) -> SuiteResult:
        """The rows of each file where they are needed: to say in which of several files a failing row is."""
        rows = [example.row for entry in result.results for example in entry.examples if example.row is not None]
        if not rows or result.row_count is None:
            return result
        counts: list[int] = []
        for file in files:
            if sum(counts) > max(rows):
                break
            alone = len(files) == 1 and limits.sample is None
            counts.append(result.row_count if alone else self._count(file, limits))
        return replace(result, file_rows=(*counts, *(0 for _ in files[len(counts) :])))

    def _count(self, file: Path, limits: Limits) -> int:
        batch = self.open_batch((file,), "", None, replace(limits, sample=None))
        try:
            value = batch.compute([Count()])[Count()]
        finally:
            batch.close()
        return value if isinstance(value, int) else 0


def _set_aside(job: SuiteJob, found: SuiteFindings, limits: Limits) -> str:
    """What became of the failing rows; that they cannot be set aside changes nothing about the verdict."""
    if job.quarantine is None:
        return ""
    from gates.quality.quarantine import quarantine

    named = replace(found, suite=replace(found.suite, name=job.name))
    data = job.files or job.data
    try:
        (entry,) = quarantine(
            [named], data, job.quarantine, table=job.table, reveal=(*job.key, *job.reveal), limits=limits
        )
    except HeadgateError as error:
        return f"the failing rows are not set aside: {error.what}"
    left = f", without those of {len(entry.left_out)} expectations" if entry.left_out else ""
    return f"{entry.rows} failing rows set aside as {entry.path.name}{left}" if entry.path else ""


def _source(job: SuiteJob) -> str:
    """The data in the words of the fallback: exactly the files of this job."""
    if len(job.files) == 1:
        return glob.escape(str(job.files[0]))
    return job.data


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRunner(SuiteRunner):
    """Gives each job to the runner that it names; one without a name goes to the first."""

    runners: Mapping[str, SuiteRunner]
    name: str = "headgate"

    def run(self, jobs: Sequence[SuiteJob], *, timeout_s: float) -> Mapping[str, SuiteResult]:
        """All results. Every runner gets the whole time: it bounds each of them, and together they are few."""
        first = next(iter(self.runners))
        by_runner: dict[str, list[SuiteJob]] = {}
        for job in jobs:
            by_runner.setdefault(job.engine or first, []).append(job)
        results: dict[str, SuiteResult] = {}
        for name, mine in by_runner.items():
            for found in self.runners[name].run(mine, timeout_s=timeout_s).values():
                results[found.name] = replace(found, engine=found.engine or self.runners[name].name)
        return results
