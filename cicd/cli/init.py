"""`headgate init`: write down what the repository shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cicd.cli.context import App, say
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.config.detect import Detected


@click.command()
@click.option("--dry-run", is_flag=True, help="Print the file instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_obj
def init(app: App, dry_run: bool, force: bool) -> int:
    """Write a headgate.yaml from what the repository contains.

    Looks for tests/, dags/, gx/expectations/ with data of the same name, and the remote `origin`.
    """
    from cicd.config.detect import examine
    from cicd.config.load import parse_config
    from cicd.config.places import FILE_NAME, repository_root
    from cicd.config.scaffold import render_config

    target = Path(app.config_path) if app.config_path else repository_root(Path.cwd()) / FILE_NAME
    detected = examine(target.absolute().parent)
    text = render_config(detected)
    parse_config(text.encode(), str(target))
    if dry_run:
        click.echo(text, nl=False)
        return ExitCode.PASS
    _write(target, text, force=force)
    click.echo(_summary(detected, target))
    say("Next: complete it, then `headgate config check` and `headgate gate run`.")
    return ExitCode.PASS


def _write(target: Path, text: str, *, force: bool) -> None:
    from headgate.errors import ConfigError, UnsafeActionError

    try:
        with target.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UnsafeActionError(
            "the file exists already and is left as it is",
            where=str(target),
            next_step="Compare with `headgate init --dry-run`, or overwrite it with --force.",
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the file cannot be written: {error}",
            where=str(target),
            next_step="Correct the folder or its permissions.",
        ) from error


def _summary(detected: Detected, target: Path) -> str:
    gates = detected.config.gates
    seen = ["unit tests"] if gates.unit else []
    seen += [f"quality {check.name}" for check in gates.quality]
    seen += ["DAGs"] if gates.dags else []
    lines = [f"wrote {target}", f"  gates: {', '.join(seen) or 'none detected; they are there as comments'}"]
    return "\n".join([*lines, *(f"  {remark}" for remark in detected.remarks)])
