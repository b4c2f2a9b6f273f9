"""`headgate quality`: data quality alone, on any folder or database, with no configuration."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import emit, output_option, say
from cicd.cli.quantities import SECONDS, THREADS, Share, Size

if TYPE_CHECKING:
    from gates.quality.standalone import Data, Plan, Report

_FILE = click.Path(dir_okay=False, path_type=Path)


class QualityGroup(click.Group):
    """Knows `compare` without importing it: it brings what the other commands do not need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "compare"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "compare":
            from cicd.cli.quality_compare import compare

            return compare
        return super().get_command(ctx, cmd_name)


@click.group(cls=QualityGroup)
def quality() -> None:
    """Great Expectations suites at the speed of a scan: run, explain, suggest, compare."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is looked at, as `data`, `table`, `engine` and the limits."""
    options = [
        click.option("--data", required=True, metavar="PATH|GLOB|URL", help="Files, or a database by its URL."),
        click.option("--table", metavar="NAME", help="Table of the database: TABLE or SCHEMA.TABLE."),
        click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="What reads files.  [default: duckdb]"),
        click.option("--memory-limit", type=Size(), metavar="SIZE", help="Memory for the engine, as 512MB or 2GB."),
        click.option("--threads", type=THREADS, help="Threads of the engine.  [default: one a core]"),
        click.option("--max-bytes", type=Size(), metavar="SIZE", help="Refuse dearer queries before they run (BigQuery)."),
        click.option(
            "--timeout", type=SECONDS, default=1800.0, show_default=True,
            metavar="SECONDS", help="End everything after this.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The suites, as `suites` and `parameter`."""
    argument = click.argument("suites", metavar="SUITE...", nargs=-1, required=True, type=_FILE)
    option = click.option(
        "--parameter", multiple=True, metavar="NAME=VALUE", help="A suite parameter; VALUE is JSON, else text."
    )
    return argument(option(command))


@quality.command()
@suite_options
@data_options
@click.option(
    "--result-format",
    type=click.Choice(["BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"]),
    default="SUMMARY",
    show_default=True,
    help="How much each result tells.",
)
@click.option("--allow-empty", is_flag=True, help="A batch without rows, or a condition without rows, may pass.")
@click.option("--sample", type=Share(), metavar="SHARE", help="Look at a share of the rows only, as 1% or 0.01.")
@click.option("--sample-passes", is_flag=True, help="A sample in which everything holds passes; else it is undecided.")
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "warning", "info"]),
    default="critical",
    show_default=True,
    help="Least severity whose failure makes exit code 1.",
)
@click.option("--reveal", multiple=True, metavar="COLUMN", help="Show failing values of COLUMN in the table unmasked.")
@click.option(
    "--quarantine",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Set failing rows aside in FOLDER/<suite>.parquet, masked but for --reveal.",
)
@click.option("--junit", type=_FILE, help="Write the verdict as JUnit XML.")
@click.option("--full", is_flag=True, help="List the checks that passed in the table, too.")
@output_option()
def run(
    suites: tuple[Path, ...],
    result_format: str,
    allow_empty: bool,
    sample: float | None,
    sample_passes: bool,
    fail_on: str,
    reveal: tuple[str, ...],
    quarantine: Path | None,
    junit: Path | None,
    full: bool,
    output: str,
    parameter: tuple[str, ...],
    **source: Any,
) -> int:
    """Run Great Expectations suites on data. Several suites cost one scan.

    With `-o json`, stdout is one suite result in Great Expectations' shape; of several suites, a list of them.

    Exit codes: 0 every expectation holds, 1 one does not, 2 usage, suite or data not found, 4 undecided: an expectation
    could not be evaluated, there is none, or there is no data.
    """
    gc.set_threshold(100_000)  # what is imported and planned stays; looking for garbage in it is a tenth of a short run
    from gates.quality import standalone
    from gates.quality.result_format import parse_result_format
    from gates.verdict import Severity
    from headgate.interrupts import stop_signals

    if "duckdb" not in sys.modules:
        # What is loaded by now need not be looked through when the process ends: 40 ms. What DuckDB's binding brings
        # later must be: it complains about what is left.
        gc.freeze()
    if sample_passes and sample is None:
        raise click.UsageError("--sample-passes is about a sample: name its --sample.")
    data = _data(source, sample)
    with stop_signals():
        report = standalone.run(
            [standalone.read_suite(path) for path in suites],
            data,
            result_format=parse_result_format(result_format),
            policy=standalone.Policy(
                allow_empty=allow_empty, fail_on=Severity(fail_on), reveal=reveal, sample_passes=sample_passes
            ),
            parameters=_parameters(parameter),
        )
    _show(report, output, full=full, allow_empty=allow_empty, sample=sample)
    if junit:
        _write_junit(report, junit)
    if quarantine is not None:
        # Last, so that a folder that cannot be written does not take the results with it.
        with stop_signals():
            _set_aside(report, data, quarantine, reveal)
    return int(report.verdict.exit_code)


@quality.command()
@suite_options
@data_options
@click.option("--run", "execute", is_flag=True, help="Run the suites and print the queries that were really sent.")
@output_option()
def explain(suites: tuple[Path, ...], execute: bool, output: str, parameter: tuple[str, ...], **source: Any) -> int:
    """Print the queries of a run, and what goes elsewhere.

    These are the queries that a run sends, in their order. What only the data can say is not part of it: what failed
    expectations ask for afterwards (one query more), and what follows where a cheap proof fails. See --run.
    """
    from dataclasses import asdict

    from gates.quality import standalone
    from gates.quality.result_format import ResultFormat
    from headgate.exit_codes import ExitCode

    plan = standalone.explain(
        [standalone.read_suite(path) for path in suites],
        _data(source),
        result_format=ResultFormat(),
        parameters=_parameters(parameter),
        execute=execute,
    )
    document = asdict(plan) | {
        "columns": [{"name": name, "type": kind} for name, kind in plan.columns],
        "aside": [{"suite": suite, "expectation": name, "reason": why} for suite, name, why in plan.aside],
        "scans": len(plan.queries),
    }
    emit(output, document, lambda: _plan_text(plan))
    return ExitCode.PASS


@quality.command()
@data_options
@click.option("--name", metavar="NAME", help="Name of the suite.  [default: from the data]")
@click.option("--write", type=_FILE, help="Write the suite to a file instead of stdout; an existing one is kept.")
def suggest(name: str | None, write: Path | None, **source: Any) -> int:
    """Profile a table and write a suite that holds on it.

    The suite is one of Great Expectations 1.x. What follows from the values seen has severity warning. Read it before you rely on it.
    """
    import json

    from gates.quality import standalone
    from headgate.exit_codes import ExitCode
    from headgate.interrupts import stop_signals

    data = _data(source)
    with stop_signals():
        text = json.dumps(standalone.suggest(name or _name(data), data), indent=2, ensure_ascii=False)
    if write is None:
        click.echo(text)
        return ExitCode.PASS
    _write_new(write, text + "\n")
    say(f"wrote {write}")
    return ExitCode.PASS


def _data(source: dict[str, Any], sample: float | None = None) -> Data:
    from gates.quality.engines.open import Limits
    from gates.quality.standalone import Data

    memory, timeout_s = source["memory_limit"], source["timeout"]
    limits = Limits(
        connect_timeout_s=min(Limits().connect_timeout_s, timeout_s),
        lock_timeout_s=min(Limits().lock_timeout_s, timeout_s / 2),
        statement_timeout_s=timeout_s + 1,
        memory_limit_mb=None if memory is None else max(1, memory // 2**20),
        threads=source["threads"],
        max_bytes=source["max_bytes"],
        sample=sample,
    )
    return Data(data=source["data"], table=source["table"], engine=source["engine"], limits=limits, timeout_s=timeout_s)


def _parameters(given: tuple[str, ...]) -> dict[str, Any]:
    import json

    known: dict[str, Any] = {}
    for item in given:
        name, sign, text = item.partition("=")
        if not (name and sign):
            raise click.UsageError(f"--parameter {item!r}: write NAME=VALUE.")
        try:
            known[name] = json.loads(text)
        except ValueError:
            known[name] = text
    return known


def _set_aside(report: Report, data: Data, folder: Path, reveal: tuple[str, ...]) -> None:
    """Failing rows as Parquet; what became of those of each suite is said on stderr."""
    from gates.quality.quarantine import quarantine

    set_aside = quarantine(
        report.findings, data.data, folder, table=data.table, engine=data.engine, reveal=reveal, limits=data.limits
    )
    for entry in set_aside:
        if entry.path is not None:
            say(f"{entry.suite}: {entry.rows} failing rows set aside in {entry.path}")
        for name, reason in entry.left_out:
            say(f"{entry.suite}: rows of {name} are not set aside: {reason}")


def _show(report: Report, output: str, *, full: bool, allow_empty: bool, sample: float | None) -> None:
    """The result on stdout; what keeps it from a pass on stderr as well, where stdout is for a program."""
    import os

    if output == "table":
        from gates.report.text import render_text

        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.echo(render_text(report.verdict, colour=colour, full=full), color=True)
        return
    documents = [_document(report, at, allow_empty=allow_empty) for at in range(len(report.findings))]
    for document in documents if sample is not None else ():
        document["meta"]["sample"] = sample
    emit(output, documents[0] if len(documents) == 1 else documents, str)
    for node in report.verdict.children:
        if any(leaf.outcome.value != "PASS" for leaf in node.leaves()):
            say(f"{node.name}: {node.outcome.value} {node.message}")


def _document(report: Report, at: int, *, allow_empty: bool) -> dict[str, Any]:
    """One suite's result in Great Expectations' form; what is undecided is no success."""
    from gates.quality.results import suite_document

    found, verdict = report.findings[at], report.verdict.children[at]
    document = suite_document(found, engine=report.engine, parameters=found.parameters, allow_empty=allow_empty)
    document["success"] = document["success"] and verdict.outcome.value in ("PASS", "FAIL")
    document["meta"] |= {"outcome": verdict.outcome.value, "message": verdict.message}
    return document


def _write_junit(report: Report, path: Path) -> None:
    from gates.report.junit import render_junit
    from headgate.errors import ConfigError

    try:
        path.write_text(render_junit(report.verdict), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written: {error.strerror or error}", where=str(path), next_step="Correct the path."
        ) from error


def _write_new(path: Path, text: str) -> None:
    from headgate.errors import ConfigError, UnsafeActionError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UnsafeActionError(
            "the file exists already", where=str(path), next_step="Name another one, or move it away."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the suite cannot be written: {error.strerror or error}", where=str(path), next_step="Correct the path."
        ) from error


def _plan_text(plan: Plan) -> str:
    lines = [f"{plan.metrics} metrics on {plan.engine} in {len(plan.queries)} queries"]
    for number, query in enumerate(plan.queries, start=1):
        lines += ["", f"-- query {number}", query]
    if plan.aside:
        lines += ["", "not asked of the engine:"]
        lines += [f"  {suite} / {name}: {why}" for suite, name, why in plan.aside]
    return "\n".join(lines)


def _name(data: Data) -> str:
    """A name for a suite from what is looked at: the table, or the file or folder."""
    text = data.table or next(
        (part for part in reversed(Path(data.data).parts) if part.strip("/") and "*" not in part), ""
    )
    return re.sub(r"[^A-Za-z0-9_]+", "_", text.partition(".")[0] if not data.table else text).strip("_") or "suite"
