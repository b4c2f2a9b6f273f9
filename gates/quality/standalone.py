"""Suites on data, with no configuration: what `headgate quality` does. No command line here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gates.quality.engines.open import Limits, open_batch
from gates.quality.engines.port import Batch
from gates.quality.evaluate import Batch as Judgement
from gates.quality.evaluate import evaluate_suite
from gates.quality.findings import to_suite_result
from gates.quality.result_format import ResultFormat
from gates.quality.sampling import Sampling
from gates.quality.session import Job, SuiteFindings, first_needs, run_suites
from gates.quality.sources import AttendedBatch, Deadline, fallback_on
from gates.quality.suite import MAX_SUITE_BYTES, Suite, parse_suite
from gates.verdict import Outcome, Severity, Verdict, group
from headgate.errors import ConfigError, HeadgateError, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is looked at: a path, a glob or a URL, with the table of a database. `engine` chooses among those for files.

    `timeout_s` bounds everything that is done with it.
    """

    data: str
    table: str | None = None
    engine: str | None = None
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 1800.0

    @property
    def shown(self) -> str:
        """Its name in reports, without a password."""
        head, scheme, rest = self.data.partition("://")
        plain = f"{head}{scheme}{rest.rpartition('@')[2].partition('?')[0]}" if scheme else self.data
        return f"{plain} {self.table}" if self.table else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What passes. `fail_on`: the least severity whose failure blocks. `reveal`: columns whose values reports show.
    `sample_passes`: a sample without a failure passes.
    """

    allow_empty: bool = False
    fail_on: Severity = Severity.CRITICAL
    reveal: tuple[str, ...] = ()
    sample_passes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came out: the findings of each suite, one verdict on all of them (a child for each), who found it."""

    findings: tuple[SuiteFindings, ...]
    verdict: Verdict
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done: the engine, its columns, the first queries, and what is not asked of it (see `first_needs`)."""

    engine: str
    columns: tuple[tuple[str, str], ...]
    metrics: int
    queries: tuple[str, ...]
    aside: tuple[tuple[str, str, str], ...]


def read_suite(path: Path) -> Suite:
    """The suite in a file. Raises `ConfigError`, also where it cannot be read; nothing huge is loaded."""
    try:
        # A pipe of a shell (`<(jq ...)`) is welcome; a named one would be waited for until somebody writes.
        if path.is_fifo() and not path.is_relative_to("/dev") and not path.is_relative_to("/proc"):
            raise ConfigError("the suite is a named pipe", where=str(path), next_step="Name a file, or use /dev/stdin.")
        with path.open("rb") as file:
            data = file.read(MAX_SUITE_BYTES + 1)
        return parse_suite(data, str(path))
    except OSError as error:
        raise ConfigError(
            f"the suite cannot be read: {error.strerror or error}",
            where=str(path),
            next_step="Name a Great Expectations 1.x suite.",
        ) from error


def run(
    suites: Sequence[Suite],
    data: Data,
    *,
    result_format: ResultFormat,
    policy: Policy,
    parameters: Mapping[str, Any] | None = None,
) -> Report:
    """Run `suites` on `data`, all of them on one batch. Raises `HeadgateError` where the data cannot be looked at."""
    deadline = Deadline(timeout_s=data.timeout_s)
    jobs = [Job(suite=suite, result_format=result_format, parameters=parameters or {}) for suite in suites]
    with opened(data, deadline) as batch:
        findings = run_suites(jobs, batch, fallback=fallback_on(data.data, data.table, deadline))
        engine = batch.name
    return Report(findings=findings, verdict=judge(findings, data, policy, engine=engine), engine=engine)


def judge(findings: Sequence[SuiteFindings], data: Data, policy: Policy, *, engine: str) -> Verdict:
    """The verdict `quality`: a child for each suite, named for it."""
    names = _unique([found.suite.name for found in findings])
    nodes = [_judged(name, found, data, policy, engine) for name, found in zip(names, findings, strict=True)]
    return group("quality", nodes, required=names)


def _judged(name: str, found: SuiteFindings, data: Data, policy: Policy, engine: str) -> Verdict:
    strict = [entry for entry in Severity if _rank(entry) <= _rank(policy.fail_on)]
    expectations = tuple(
        replace(entry, severity=Severity.CRITICAL) if entry.severity in strict else entry
        for entry in found.suite.expectations
    )
    judgement = Judgement(
        name=name,
        suite=replace(found.suite, expectations=expectations, suite_parameters=found.parameters),
        files=(data.shown,),
        reveal=policy.reveal,
        allow_empty=policy.allow_empty,
        empty=Outcome.INCONCLUSIVE,
        sampling=None
        if data.limits.sample is None
        else Sampling(share=data.limits.sample, passes=policy.sample_passes),
    )
    return evaluate_suite(judgement, to_suite_result(name, found, engine=engine), source=engine)


def _rank(severity: Severity) -> int:
    return [Severity.CRITICAL, Severity.WARNING, Severity.INFO].index(severity)


def _unique(names: Sequence[str]) -> list[str]:
    """Suites may share a name; results may not."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    count: dict[str, int] = {}
    out = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} #{count[name]}")
    return out


def explain(
    suites: Sequence[Suite],
    data: Data,
    *,
    result_format: ResultFormat,
    parameters: Mapping[str, Any],
    execute: bool = False,
) -> Plan:
    """What `run` would send first, or with `execute` what it did send, rows of failures included.

    Without `execute`, only columns are read: their types, in large files the bounds of floats as well.
    """
    jobs = [Job(suite=suite, result_format=result_format, parameters=parameters) for suite in suites]
    with opened(data, Deadline(timeout_s=data.timeout_s)) as batch:
        schema = batch.schema()
        needs, aside = first_needs(jobs, batch)
        if execute:
            before = len(batch.queries)
            run_suites(jobs, batch)
            queries = tuple(batch.queries[before:])
        else:
            queries = batch.explain(needs)
        return Plan(
            engine=batch.name,
            columns=tuple((column.name, column.native) for column in schema.columns),
            metrics=len(needs),
            queries=queries,
            aside=aside,
        )


def suggest(name: str, data: Data) -> dict[str, Any]:
    """A suite that holds on `data` as it is now. Raises `TransportError` where it cannot be read."""
    from importlib.metadata import PackageNotFoundError, version

    from gates.quality.suggest import profile_needs, suggest_suite, unread

    try:
        form = version("great-expectations")
    except PackageNotFoundError:
        form = "1.0.0"
    with opened(data, Deadline(timeout_s=data.timeout_s)) as batch:
        schema = batch.schema()
        values = batch.compute(profile_needs(schema))
    wrong = unread(schema, values)
    if wrong:
        raise TransportError("the data cannot be read", where=data.shown, next_step=f"{batch.name} says: {wrong}")
    return suggest_suite(name, schema, values, version=form)


@contextlib.contextmanager
def opened(data: Data, deadline: Deadline) -> Iterator[Batch]:
    """The batch, closed afterwards: no connection and no spill file outlives it."""
    try:
        batch = AttendedBatch(
            lambda: open_batch(data.data, table=data.table, engine=data.engine, limits=data.limits), deadline
        )
    except HeadgateError as error:
        error.where = error.where or data.shown
        raise
    try:
        yield batch
    finally:
        batch.close()
