"""`headgate dora import`: the past, from GitLab or from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from cicd.cli.context import App, emit, output_option, say
from cicd.stores import open_for, parse_when, store_option, time_zone
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.gitlab.backfill import Counted
    from cicd.gitlab.history import Resource

_TYPES = ("deployment", "rollback", "change", "incident")


@click.command("import")
@click.argument("source", metavar="SOURCE")
@click.option("--type", "record_type", type=click.Choice(_TYPES), help="Of CSV rows that name none.")
@click.option("--service", help="Service: of records that name none; instead of the project's path.")
@click.option("--environment", help="Environment: of records that name none; instead of GitLab's.")
@click.option("--branch", help="Branch that is deployed (GitLab).  [default: the project's default branch]")
@click.option(
    "--since", metavar="WHEN", help="What changed since then (GitLab).  [default: since the last import, else all]"
)
@click.option(
    "--progress",
    "folder",
    type=click.Path(file_okay=False),
    help="Where it is kept how far an import came.  [default: .headgate/imports]",
)
@store_option()
@output_option()
@click.pass_obj
def import_command(
    app: App, source: str, record_type: str | None, service: str | None, environment: str | None, branch: str | None,
    since: str | None, folder: str | None, store_url: str | None, output: str,
) -> int:  # fmt: skip
    """Import the past from SOURCE, of any age.

    SOURCE is a GitLab project (https://gitlab.example.com/group/project: its merge requests with their commits, its
    deployments and its incidents, with HEADGATE_GITLAB_TOKEN and scope read_api) or a file: JSON lines, a JSON array, or
    CSV (named .csv) with the keys of `headgate events schema` as columns; `-` is standard input.

    What is known already adds nothing, also if webhooks told it. An import that was interrupted goes on where it was.
    Exit codes: 0 imported, 2 an option, a line or the access is wrong, 4 GitLab could not be asked.
    """
    if source.startswith(("http://", "https://")):
        if record_type is not None:
            raise click.UsageError("--type is for CSV files")
        return _from_gitlab(
            app, source, service=service, environment=environment, branch=branch, since=since, folder=folder,
            store_url=store_url, output=output,
        )  # fmt: skip
    if branch or since or folder:
        raise click.UsageError("--branch, --since and --progress are for imports from GitLab")
    return _from_file(app, source, record_type, service, environment, store_url, output)


def _from_file(
    app: App, source: str, record_type: str | None, service: str | None, environment: str | None, store_url: str | None,
    output: str,
) -> int:  # fmt: skip
    from cicd.cli.events import show_import
    from cicd.event_import import import_file
    from observability.short_records import Defaults

    with _open(source) as file:
        summary = import_file(
            file,
            lambda: open_for(app, store_url, create=True),
            Defaults(service=service, environment=environment),
            record_type=record_type,
        )
    show_import(summary, output)
    return ExitCode.PASS


def _open(path: str) -> BinaryIO:
    import sys
    from pathlib import Path

    from headgate.errors import ConfigError

    if path == "-":
        return sys.stdin.buffer
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise ConfigError(
            f"the file cannot be read: {error.strerror}",
            where=path,
            next_step="Name a file, or https://SERVER/PROJECT.",
        ) from error


def _from_gitlab(
    app: App, url: str, *, service: str | None, environment: str | None, branch: str | None, since: str | None,
    folder: str | None, store_url: str | None, output: str,
) -> int:  # fmt: skip
    from pathlib import Path

    from cicd.gitlab.address import parse_project_url
    from cicd.gitlab.backfill import Progress, import_history
    from cicd.gitlab.forge import connect
    from cicd.gitlab.history import open_source

    address = parse_project_url(url, where="dora import")
    moment = parse_when(since, time_zone(app, None, store_url), "--since") if since else None
    with connect(address.server, address.project, clock=app.clock) as forge:
        found = open_source(forge.api, service=service, environment=environment, branch=branch)
        store = open_for(app, store_url, create=True)
        base = Path.cwd() if store_url is not None else app.root
        progress = Progress.load(
            Path(folder) if folder else base / ".headgate" / "imports",
            store.where, address.server, str(found.project.id), service or "", environment or "", branch or "",
        )  # fmt: skip
        if store.last_sequence() == 0:
            progress.reached.clear()  # a new log: what an older one had is not in it
        results = import_history(forge.api, found, store, progress, since=moment, say=_show)
    data = {
        resource.value: {"seen": counted.seen, "events": counted.read, "new": counted.new}
        for resource, counted in results.items()
    }
    emit(output, {"project": found.project.path_with_namespace, "service": found.name, **data}, lambda: _table(results))
    say("`headgate dora ranges` finds the commits of deployments that no merge request tells of")
    return ExitCode.PASS


def _show(resource: Resource, counted: Counted) -> None:
    if counted.seen and counted.seen % 1000 == 0:
        say(f"{resource.value.replace('_', ' ')}: {counted.seen}")


def _table(results: dict[Resource, Counted]) -> str:
    return "\n".join(
        f"{resource.value.replace('_', ' ')}: {counted.seen} seen, {counted.read} events, {counted.new} new"
        for resource, counted in results.items()
    )
