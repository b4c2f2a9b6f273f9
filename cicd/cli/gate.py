"""`headgate gate`: run the gates of a change, explain a past verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cicd.cli.context import App, emit, output_option, say

if TYPE_CHECKING:
    from gates.verdict import Verdict

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def gate() -> None:
    """Run the gates of a change: unit, quality, dags."""


@gate.command()
@click.argument("names", metavar="[unit|quality|dags]...", nargs=-1, type=click.Choice(["unit", "quality", "dags"]))
@output_option()
@click.option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for verdict.json, verdict.txt, junit.xml, code-quality.json and note.md.",
)
@click.option("--junit", type=_FILE, help="Write the verdict as JUnit XML.")
@click.option("--code-quality", type=_FILE, help="Write the findings as GitLab Code Quality.")
@click.option(
    "--note/--no-note", default=None, help="Post note and commit statuses.  [default: in merge-request pipelines]"
)
@click.option("--commit", metavar="SHA", help="Commit being judged.  [default: from CI, else HEAD]")
@click.option("--full", is_flag=True, help="List the checks that passed, too.")
@click.pass_obj
def run(
    app: App,
    names: tuple[str, ...],
    output: str,
    report_dir: Path | None,
    junit: Path | None,
    code_quality: Path | None,
    note: bool | None,
    commit: str | None,
    full: bool,
) -> int:
    """Run all configured gates, or only those named, and say why.

    Exit codes: 0 passed, 1 blocked, 2 configuration, 4 undecided (error or inconclusive).
    """
    import os

    from cicd.gate_context import fetch_context
    from cicd.gate_publish import post, record
    from cicd.gate_run import Reports, check_writable, run_gates, write_reports
    from headgate.interrupts import stop_signals

    reports = Reports(folder=report_dir, junit=junit, code_quality=code_quality)
    context = fetch_context(app.root, os.environ, commit)
    check_writable(reports)
    with stop_signals():
        verdict = run_gates(app.config, app.root, names, clock=app.clock)
    _show(verdict, output, full=full, sections_at=int(app.clock.now().timestamp()) if context.in_gitlab else None)
    if note or (note is None and context.merge_request is not None):
        post(verdict, app.config, context)
    record(app, verdict, context)
    for path in write_reports(verdict, reports, context):
        say(f"wrote {path}")
    return int(verdict.exit_code)


@gate.command()
@click.argument("file", type=click.Path(path_type=Path))
@output_option()
@click.option("--full", is_flag=True, help="List the checks that passed, too.")
def explain(file: Path, output: str, full: bool) -> int:
    """Show the verdict in FILE, a verdict.json of an earlier run. Exits 0 whatever that verdict was."""
    from gates.report.json_form import parse_json
    from headgate.errors import ConfigError
    from headgate.exit_codes import ExitCode

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the verdict cannot be read: {error.strerror or error}",
            where=str(file),
            next_step="Name the verdict.json from the report folder of `headgate gate run`.",
        ) from error
    verdict, context = parse_json(data, str(file))
    if context:
        say(", ".join(f"{key} {value}" for key, value in context.items()))
    _show(verdict, output, full=full, sections_at=None)
    return ExitCode.PASS


def _show(verdict: Verdict, output: str, *, full: bool, sections_at: int | None) -> None:
    import os
    import sys

    from gates.report.json_form import to_data
    from gates.report.text import render_text

    if output != "table":
        emit(output, to_data(verdict), str)
        return
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    # click takes escape sequences out of what does not go to a terminal, the section marks of GitLab's log included.
    click.echo(render_text(verdict, colour=colour, sections_at=sections_at, full=full), color=True)
