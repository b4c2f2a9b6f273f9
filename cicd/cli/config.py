"""`headgate config`: check the file, print its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, emit, output_option
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.config.model import Config


@click.group()
def config() -> None:
    """Check headgate.yaml; print its JSON Schema."""


@config.command()
@output_option()
@click.pass_obj
def check(app: App, output: str) -> int:
    """Validate headgate.yaml and list every problem with its line.

    Without a file, the configuration that would be detected is checked. Exit codes: 0 valid, 2 not.
    """
    from cicd.config.problems import InvalidConfigError

    try:
        found, root = app.loaded
    except InvalidConfigError as problems:
        if output == "table":
            raise
        listed = [
            {"line": p.position.line, "column": p.position.column, "key": p.key, "message": p.what}
            for p in problems.problems
        ]
        emit(output, {"valid": False, "file": problems.name, "problems": listed}, lambda: "")
        return ExitCode.USAGE
    summary = summarise(found)
    emit(output, {"valid": True, "root": str(root), **summary}, lambda: _table(found, summary))
    return ExitCode.PASS


@config.command()
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default="json", show_default=True)
def schema(output: str) -> int:
    """Print the JSON Schema of headgate.yaml, for editors and other checkers."""
    from cicd.config.schema import json_schema

    emit(output, json_schema(), lambda: "")
    return ExitCode.PASS


def summarise(config: Config) -> dict[str, Any]:
    """What a configuration sets up, as plain lists of names."""
    gates = config.gates
    environments = config.deploy.environments if config.deploy else {}
    return {
        "project": config.project,
        "gates": [name for name in ("unit", "quality", "dags") if getattr(gates, name)],
        "quality_checks": [check.name for check in gates.quality],
        "dag_targets": sorted(config.dags.targets) if config.dags else [],
        "services": [f"{name}/{service}" for name, env in environments.items() for service in env.services],
        "analysis": sorted(config.analysis),
    }


def _table(config: Config, summary: dict[str, Any]) -> str:
    lines = [f"valid: {config.project}"]
    for key, value in summary.items():
        if isinstance(value, list):
            lines.append(f"  {key.replace('_', ' '):<15} {', '.join(value) or '-'}")
    return "\n".join(lines)
