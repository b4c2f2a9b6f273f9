"""Entry point of `headgate`: names every command, imports none of them until it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from headgate import __version__
from headgate.exit_codes import ExitCode

# name -> (module:attribute, one line of help). The help of the group is printed from this table alone.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("cicd.cli.init:init", "Write a headgate.yaml from what the repository contains."),
    "doctor": ("cicd.cli.doctor:doctor", "Test every connection and name what is missing."),
    "config": ("cicd.cli.config:config", "Check headgate.yaml; print its JSON Schema."),
    "gate": ("cicd.cli.gate:gate", "Run the gates of a change: unit, quality, dags."),
    "quality": ("cicd.cli.quality:quality", "Data quality suites at the speed of a scan, with no configuration."),
    "dags": ("cicd.cli.dags:dags", "Deliver DAGs to the bucket that Composer reads."),
    "release": ("cicd.cli.release:release", "Roll a version out, watch it, promote or turn it back."),
    "analysis": ("cicd.cli.analysis:analysis", "The judge alone: on recorded counts, and what it would see."),
    "events": ("cicd.cli.events:events", "Record and list delivery events."),
    "dora": ("cicd.cli.dora:dora", "Report the five DORA metrics."),
    "serve": ("cicd.cli.serve:serve", "Dashboard, /metrics and event collector."),
    "sandbox": ("cicd.cli.sandbox:sandbox", "Run the embedded GitLab, Jenkins, Argo CD and Kubernetes."),
    "demo": ("cicd.cli.demo:demo", "The main job, end to end, on the sandbox."),
    "completion": ("cicd.cli.completion:completion", "Print the shell completion script."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when that command is invoked or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if near:
                raise click.UsageError(f"{error.message.rstrip('.')}. Did you mean {near[0]!r}?", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="headgate")
@click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="Configuration file.  [default: headgate.yaml, searched upwards]",
)
@click.pass_context
def cli(ctx: click.Context, config_path: str | None) -> None:
    """Release gate and GitOps delivery for data platforms.

    Exit codes: 0 pass, 1 verdict fail, 2 usage or configuration, 3 unexpected, 4 undecided, 5 would change, 130
    interrupted.
    """
    from cicd.cli.context import App

    ctx.obj = App(config_path=config_path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the documented exit code; the console script passes it to `sys.exit`."""
    try:
        result = cli.main(args=list(argv) if argv is not None else None, prog_name="headgate", standalone_mode=False)
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except BrokenPipeError:
        # The reader (head, less) went away. Point stdout elsewhere so that the interpreter's last flush is quiet.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PASS
    except Exception as error:  # noqa: BLE001 - the one place where every error becomes a message and an exit code
        from cicd.cli.failure import report

        return report(error)
    return result if isinstance(result, int) else ExitCode.PASS


def _interrupted() -> int:
    click.echo("\ninterrupted; run the same command again to continue", err=True)
    return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
