"""`headgate completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; load it with `eval "$(headgate completion bash)"`."""
    from cicd.cli.main import cli

    found = get_completion_class(shell)
    if found is None:  # pragma: no cover - the three names above are click's own
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "headgate", "_HEADGATE_COMPLETE").source())
