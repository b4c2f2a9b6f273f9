"""`headgate doctor`: does everything that headgate.yaml names answer, and with the rights that are needed?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, columns, emit, output_option
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from gates.verdict import Verdict


@click.command()
@click.option("--timeout-s", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="For each call.")
@click.option("--deadline-s", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="For all together.")
@output_option()
@click.pass_obj
def doctor(app: App, timeout_s: float, deadline_s: float, output: str) -> int:
    """Test every connection of headgate.yaml and name what is missing.

    Nothing is changed anywhere (the event store is created when it does not exist). Exit codes: 0 all is well; 1
    something is missing or refused; 2 headgate.yaml is not valid; 4 something could not be asked.
    """
    from cicd.doctor.checks import run_checks
    from cicd.doctor.plan import plan_connections

    config, root = app.loaded
    connections = plan_connections(config, root, clock=app.clock, timeout_s=timeout_s)
    verdict = run_checks(connections, clock=app.clock, deadline_s=deadline_s)
    data = {"outcome": verdict.outcome.value, "checks": [_row(leaf) for leaf in verdict.leaves()]}
    emit(output, data, lambda: _table(verdict))
    return ExitCode(verdict.exit_code)


def _row(leaf: Verdict) -> dict[str, Any]:
    return {
        "check": leaf.name,
        "outcome": leaf.outcome.value,
        "message": leaf.message,
        "next_step": leaf.fix,
        "duration_s": None if leaf.duration_s is None else round(leaf.duration_s, 3),
    }


def _table(verdict: Verdict) -> str:
    leaves = verdict.leaves()
    rows = [{"check": leaf.name, "outcome": leaf.outcome.value, "found": _one_line(leaf.message)} for leaf in leaves]
    lines = [columns(rows, ("check", "outcome", "found"))]
    advice = [f"{leaf.name}: {leaf.fix}" for leaf in leaves if leaf.fix and leaf.outcome.value in {"FAIL", "ERROR"}]
    if advice:
        lines += ["", "Next:", *(f"  {text}" for text in advice)]
    return "\n".join([*lines, "", f"{verdict.outcome.value}: {verdict.message}"])


def _one_line(text: str) -> str:
    return " ".join(text.split())
