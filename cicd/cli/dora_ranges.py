"""`headgate dora ranges`: which commits lie between two deployments, asked of Git or of the forge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, columns, emit, output_option, say
from cicd.stores import open_for, store_option
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from cicd.ranges.fill import Filled
    from cicd.ranges.port import Comparer


@click.command()
@click.option(
    "--repository", "repositories", multiple=True, metavar="[SERVICE=]URL|FOLDER",
    help="Where the commits are; SERVICE may be a pattern. May be repeated.  [default: observability.repositories, else the repository of headgate.yaml]",
)  # fmt: skip
@click.option("--gitlab", "gitlab", metavar="URL/PROJECT", help="Ask GitLab's compare API instead of cloning.")
@click.option(
    "--mirrors", type=click.Path(file_okay=False), help="Folder of the mirror clones.  [default: .headgate/mirrors]"
)
@click.option("--service", help="Only this service.")
@click.option("--environment", help="Only this environment.")
@store_option()
@output_option()
@click.pass_obj
def ranges(
    app: App, repositories: tuple[str, ...], gitlab: str | None, mirrors: str | None, service: str | None,
    environment: str | None, store_url: str | None, output: str,
) -> int:  # fmt: skip
    """Find the commits of each deployment that recorded only one.

    The commits since the deployment before are taken from a Git repository: a folder, or a mirror clone that is kept
    and brought up to date. They go into the event log, once, and `dora report` counts each of them. What cannot be
    compared is named and stays as it was.

    Exit codes: 0 all known, 2 an option or the store is wrong, 4 some could not be compared.
    """
    from cicd.ranges.fill import fill_gaps
    from observability.ranges import find_gaps

    store = open_for(app, store_url, create=False)
    gaps = find_gaps(store.read(), service=service, environment=environment)
    comparer_of = _comparers(app, repositories, gitlab, mirrors, store_url) if gaps else lambda _: None

    def show(filled: Filled) -> None:
        if filled.reason is not None:
            say(f"{filled.gap.service}: {filled.gap.since[:12]}..{filled.gap.until[:12]}: {filled.reason}")

    results = fill_gaps(gaps, comparer_of, store, show)
    rows: list[dict[str, Any]] = [
        {
            "service": one.gap.service, "environment": one.gap.environment, "since": one.gap.since,
            "until": one.gap.until, "commits": one.commits, "reason": one.reason,
        }
        for one in results
    ]  # fmt: skip
    known = sum(one.reason is None for one in results)
    data = {"compared": known, "open": len(results) - known, "ranges": rows}
    emit(output, data, lambda: _table(rows, known))
    return ExitCode.PASS if known == len(results) else ExitCode.UNDECIDED


def _table(rows: list[dict[str, Any]], known: int) -> str:
    if not rows:
        return "no deployment lacks its commits"
    shown = columns(rows, ("service", "environment", "since", "until", "commits"))
    return f"{shown}\n\n{known} of {len(rows)} ranges found"


def _comparers(
    app: App, repositories: tuple[str, ...], gitlab: str | None, mirrors: str | None, store_url: str | None
) -> Callable[[str], Comparer | None]:
    """Whom to ask about a service."""
    from pathlib import Path

    from cicd.ranges.fill import Place, Repositories, parse_place

    if gitlab is not None:
        if repositories:
            raise click.UsageError("give --repository or --gitlab, not both")
        return _forge(gitlab)
    base = Path.cwd() if store_url is not None else app.root
    places = [parse_place(text) for text in repositories]
    if not places and store_url is None:
        places = [Place(services=name, at=at) for name, at in app.config.observability.repositories.items()]
        places.append(Place(services="*", at=str(app.root)))
    if not places:
        raise click.UsageError("with --store alone nobody knows the repository; give --repository or --gitlab")
    return Repositories(places, Path(mirrors) if mirrors else base / ".headgate" / "mirrors").of


def _forge(text: str) -> Callable[[str], Comparer]:
    from cicd.gitlab.address import parse_project_url
    from cicd.gitlab.compare import GitLabCompare
    from cicd.gitlab.forge import connect

    address = parse_project_url(text, where="--gitlab")
    comparer = GitLabCompare(connect(address.server, address.project).api, address.project)
    return lambda _: comparer
