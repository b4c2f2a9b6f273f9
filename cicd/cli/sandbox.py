"""`headgate sandbox`: the embedded environment on its own, for rehearsing a release policy."""

from __future__ import annotations

from pathlib import Path

import click

from cicd.cli.context import App, say


@click.group()
def sandbox() -> None:
    """GitLab, Jenkins, Argo CD, Kubernetes with Rollouts and Cloud Storage on loopback."""


@sandbox.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".headgate-demo/sandbox"),
    show_default=True,
    help="New folder for repositories, logs and the kubeconfig.",
)
@click.option(
    "--shop",
    type=click.Path(path_type=Path, file_okay=False),
    help="The example platform to set up.  [default: examples/shop of this checkout]",
)
@click.option("--once", is_flag=True, help="Set up, print, and stop again; for checking an installation.")
@click.pass_obj
def up(app: App, folder: Path, shop: Path | None, once: bool) -> int:
    """Start everything with the example platform on it, print addresses and variables, and stay until Ctrl-C.

    The variables are printed as `export` lines on stdout: `headgate sandbox up > env` in one terminal, `. ./env` in
    another. The tokens open nothing but this sandbox.
    """
    from cicd.cli.demo import example_folder, new_folder
    from cicd.demo.stage import Stage
    from cicd.sandbox.world import World
    from headgate.exit_codes import ExitCode

    with World(new_folder(folder, app), app.clock) as world:
        stage = Stage(world, example_folder(shop), say)
        stage.prepare()
        for name, url in world.endpoints.items():
            say(f"{name + ':':<12} {url}")
        say(f"{'clone:':<12} {stage.clone}")
        for name, value in stage.job_environment.items():
            click.echo(f"export {name}='{value}'")
        if not once:
            say("running; Ctrl-C ends it")
            _stay()
    return ExitCode.PASS


def _stay() -> None:
    import signal
    import threading

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
