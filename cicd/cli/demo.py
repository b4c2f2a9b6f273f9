"""`headgate demo`: the main job on the sandbox, ending in a table of proofs."""

from __future__ import annotations

from pathlib import Path

import click

from cicd.cli.context import App, emit, output_option, say

NAMES = ("good", "bad-data", "bad-canary", "blue-green")


@click.command()
@click.option(
    "--scenario", "scenarios", multiple=True, type=click.Choice(NAMES), help="Play only this one; may be repeated."
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="New folder for repositories, logs, events and the page.  [default: .headgate-demo/<time>]",
)
@click.option(
    "--shop",
    type=click.Path(path_type=Path, file_okay=False),
    help="The example platform to release.  [default: examples/shop of this checkout]",
)
@output_option()
@click.pass_obj
def demo(app: App, scenarios: tuple[str, ...], folder: Path | None, shop: Path | None, output: str) -> int:
    """Play the main job end to end on an embedded GitLab, Jenkins, Argo CD, Kubernetes and Cloud Storage.

    Exits 0 only if everything that was claimed was seen: a bad change was stopped, a good one is live.
    """
    from cicd.demo.proof import as_data, exit_code, render
    from cicd.demo.story import play

    root = new_folder(folder, app)
    story = play(scenarios or NAMES, root=root, shop=example_folder(shop), clock=app.clock, say=say)
    left = [{"what": what, "path": str(path)} for what, path in story.left]

    def table() -> str:
        paths = "\n".join(f"{item['what'] + ':':<22} {item['path']}" for item in left)
        return "\n\n".join([render(story.chapters), story.report, paths])

    emit(output, {"scenarios": as_data(story.chapters), "left": left}, table)
    return exit_code(story.chapters)


def new_folder(folder: Path | None, app: App) -> Path:
    """An empty folder; one with content is refused, so that nothing of a past run is taken for this one's."""
    from headgate.errors import ConfigError

    if folder is None:
        folder = Path(".headgate-demo") / app.clock.now().strftime("%Y%m%d-%H%M%S-%f")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("the folder is not empty", where=str(folder), next_step="Name a new one with --dir.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder cannot be made: {error}", where=str(folder), next_step="Name another."
        ) from error
    return folder.absolute()


def example_folder(shop: Path | None) -> Path:
    """The named example platform, or the one of this checkout."""
    return (shop or Path(__file__).resolve().parents[2] / "examples" / "shop").absolute()
