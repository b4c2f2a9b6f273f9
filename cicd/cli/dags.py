"""`headgate dags`: deliver DAGs from Git to the bucket that Airflow reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, columns, emit, is_terminal, output_option, say
from headgate.errors import ConfigError, HeadgateError
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.dags.proposal import Age, Bundle, Loader
    from cicd.dags.wiring import Destination, Permissions

_Command = Callable[..., Any]


def _options(*options: _Command) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_WHERE = _options(
    click.option(
        "--env", "environments", multiple=True, metavar="NAME", help="Target in headgate.yaml; may be repeated."
    ),
    click.option(
        "--target", metavar="URL", help="gs://BUCKET/dags, s3://BUCKET/dags or file:///FOLDER, without headgate.yaml."
    ),
    click.option("--project", metavar="NAME", help="Name of the bundle, with --target.  [default: dags]"),
    output_option(),
)
_FROM = _options(
    click.option("--source", metavar="FOLDER", help="DAG folder in the repository.  [default: dags]"),
    click.option(
        "--ref", default="HEAD", show_default=True, metavar="COMMIT", help="Commit, branch or tag to deliver."
    ),
)
_CODE = click.option("--detailed-exitcode", is_flag=True, help="Exit 5 when there are differences.")
_ALLOW = _options(
    click.option("--adopt", is_flag=True, help="Take over foreign objects at the paths of the files."),
    click.option("--repair", is_flag=True, help="Overwrite or delete what was changed by hand since the release."),
    click.option("--allow-mass-delete", is_flag=True, help="Delete more than max_delete_ratio of the owned files."),
    click.option("--allow-root", is_flag=True, help="Deliver to the root of a bucket."),
    click.option("--allow-overlap", is_flag=True, help="Share a folder with another bundle."),
)
_OLDER = click.option("--refuse-older", is_flag=True, help="Refuse a commit that is older than the one in force.")
_ZIP = click.option("--zip", "as_zip", is_flag=True, help="Deliver one file PROJECT.zip, which changes in one step.")
_SETTLE = click.option(
    "--settle",
    "settle_s",
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help="Pause after new helpers arrived and before helpers are deleted.  [default: settle_s]",
)
_ACT = _options(
    click.option("--dry-run", is_flag=True, help="Print the plan, change nothing."),
    click.option("--yes", is_flag=True, help="Do not ask before deleting, on a terminal."),
)


@click.group()
def dags() -> None:
    """Deliver DAGs to the bucket that Composer reads, as releases that can be rolled back."""


@dags.command()
@_FROM
@_WHERE
@_ALLOW
@_OLDER
@_ZIP
@_CODE
@click.pass_obj
def plan(
    app: App, /, *, source: str | None, ref: str, as_zip: bool, detailed_exitcode: bool, output: str, **where: Any
) -> int:
    """Show what a push would change."""
    with _from_commit(app, ref, as_zip=as_zip) as loader:
        return _deliver(app, loader, source, where, output, dry_run=True, detailed=detailed_exitcode, yes=True)


@dags.command()
@_FROM
@_WHERE
@_ALLOW
@_OLDER
@_ZIP
@_SETTLE
@_ACT
@_CODE
@click.pass_obj
def push(
    app: App,
    /,
    *,
    source: str | None,
    ref: str,
    as_zip: bool,
    dry_run: bool,
    yes: bool,
    detailed_exitcode: bool,
    output: str,
    **where: Any,
) -> int:
    """Deliver the tree of a commit and put it in force."""
    with _from_commit(app, ref, as_zip=as_zip) as loader:
        return _deliver(app, loader, source, where, output, dry_run=dry_run, detailed=detailed_exitcode, yes=yes)


@dags.command()
@click.option("--to", "release", metavar="RELEASE", help="Release to bring back.  [default: the one before]")
@_WHERE
@_ALLOW
@_SETTLE
@_ACT
@_CODE
@click.pass_obj
def rollback(
    app: App, /, *, release: str | None, dry_run: bool, yes: bool, detailed_exitcode: bool, output: str, **where: Any
) -> int:
    """Bring a kept release back, byte for byte, as a new release."""
    from cicd.dags.sources import from_release

    def loader(destination: Destination, bundle: Bundle) -> Loader:  # noqa: ARG001 - the source is in the bucket
        return from_release(bundle.ledger, release)

    return _deliver(app, loader, None, where, output, dry_run=dry_run, detailed=detailed_exitcode, yes=yes)


@dags.command()
@_WHERE
@click.pass_obj
def status(app: App, /, *, output: str, **where: Any) -> int:
    """Which commit is live, and whether the bucket still holds it."""
    from cicd.dags.inspect import inspect
    from cicd.dags.report import status_data, status_text

    parts = []
    with _opened(app, None, where, every=True) as opened:
        for destination, bundle in opened:
            seen = inspect(bundle, app.clock.now())
            parts.append(status_data(_place(destination), seen.books, seen.drift, seen.foreign, seen.lock))
    emit(output, {"targets": parts}, lambda: "\n".join(map(status_text, parts)))
    return ExitCode.PASS


@dags.command()
@_WHERE
@click.pass_obj
def history(app: App, /, *, output: str, **where: Any) -> int:
    """The releases that can be rolled back to, newest first."""
    from cicd.dags.report import history_data

    with _opened(app, None, where, every=True) as opened:
        parts = [history_data(_place(item), bundle.ledger.read().manifest) for item, bundle in opened]
    rows = [{"env": part["environment"], **row} for part in parts for row in part["releases"]]
    names = ("env", "release", "commit", "released_at", "restores", "in_force")
    emit(output, {"targets": parts}, lambda: columns(rows, names))
    return ExitCode.PASS


@dags.command()
@_WHERE
@_CODE
@click.pass_obj
def drift(app: App, /, *, detailed_exitcode: bool, output: str, **where: Any) -> int:
    """Name the objects that were changed in the bucket since the release."""
    from cicd.dags.inspect import inspect
    from cicd.dags.report import drift_data, drift_text

    with _opened(app, None, where, every=True) as opened:
        parts = [drift_data(_place(item), inspect(bundle, app.clock.now()).drift) for item, bundle in opened]
    emit(output, {"targets": parts}, lambda: "\n".join(map(drift_text, parts)))
    return ExitCode.WOULD_CHANGE if detailed_exitcode and any(part["drift"] for part in parts) else ExitCode.PASS


@contextmanager
def _from_commit(app: App, ref: str, *, as_zip: bool) -> Iterator[Callable[[Destination, Bundle], Loader]]:
    """A maker of loaders that read the commit from the repository of headgate.yaml, or the working directory's."""
    from cicd.dags.gitblobs import GitBlobs
    from cicd.dags.sources import from_git
    from cicd.dags.zipped import zipped
    from headgate.git import Git

    opened: list[GitBlobs] = []

    def loader(destination: Destination, bundle: Bundle) -> Loader:
        git = Git(path=app.root if destination.configured else Path.cwd())
        blobs = GitBlobs(git)
        opened.append(blobs)
        load = from_git(git, blobs, destination.selection(ref), prefix=bundle.target.prefix)
        return zipped(load, f"{bundle.project}.zip") if as_zip or destination.zip else load

    try:
        yield loader
    finally:
        for blobs in opened:
            blobs.close()


def _deliver(
    app: App,
    /,
    loader: Callable[[Destination, Bundle], Loader],
    source: str | None,
    where: dict[str, Any],
    output: str,
    *,
    dry_run: bool,
    detailed: bool,
    yes: bool,
) -> int:
    """Plan or deliver to every target in turn; the first that fails stops the rest."""
    from cicd.dags.report import plan_text

    parts: list[dict[str, Any]] = []
    with _opened(app, source, where, every=False) as opened:
        try:
            for destination, bundle in opened:
                parts.append(_one(app, destination, bundle, loader(destination, bundle), dry_run=dry_run, yes=yes))
        except HeadgateError:
            waiting = [destination.environment or destination.url for destination, _ in opened[len(parts) + 1 :]]
            if waiting:
                say(f"not started: {', '.join(waiting)}")
            raise
        finally:
            if parts:
                emit(output, {"targets": parts}, lambda: "\n".join(map(plan_text, parts)))
    return ExitCode.WOULD_CHANGE if detailed and any(part["changed"] for part in parts) else ExitCode.PASS


def _one(
    app: App, destination: Destination, bundle: Bundle, load: Loader, *, dry_run: bool, yes: bool
) -> dict[str, Any]:
    from cicd.dags.delivery import deliver
    from cicd.dags.proposal import propose
    from cicd.dags.report import counts, plan_data

    ask = not dry_run and not yes and sys.stdin.isatty() and is_terminal()
    if dry_run or ask:
        proposal = propose(bundle, load)
        deletes = counts(proposal.changes).get("delete", 0)
        if ask and deletes:
            click.confirm(f"{destination.url}: delete {deletes} object(s)?", abort=True, err=True)
    if dry_run:
        tree, before = proposal.tree, proposal.books.manifest
        _warn_of_age(tree.commit, before, proposal.age)
        return plan_data(_place(destination), before=before, commit=tree.commit, changes=proposal.changes, after=None)
    outcome = deliver(bundle, load, clock=app.clock, progress=_progress())
    _warn_of_age(outcome.commit, outcome.before, outcome.age)
    if outcome.untidy:
        say(f"warning: {outcome.untidy}")
    _record(app, destination, outcome.manifest)
    return plan_data(
        _place(destination),
        before=outcome.before,
        commit=outcome.commit,
        changes=outcome.changes,
        after=outcome.manifest,
    )


def _warn_of_age(commit: str, before: Any, age: Age) -> None:
    if age.value == "older":
        say(
            f"warning: commit {commit[:12]} is older than {before.commit[:12]} of {before.release}: this goes back."
            " --refuse-older prevents it."
        )


def _record(app: App, destination: Destination, manifest: Any) -> None:
    """Record the release in force. A repeat is recognised by its id, so a run that died before this is made up for."""
    from cicd.dags.events import delivery_event
    from cicd.record import record

    record(app, [delivery_event(manifest, target=destination.url, environment=destination.environment)])


@contextmanager
def _opened(
    app: App, source: str | None, where: dict[str, Any], *, every: bool
) -> Iterator[list[tuple[Destination, Bundle]]]:
    """The targets that the options name. Raises `ConfigError` before any is contacted."""
    from cicd.dags.wiring import Permissions, choose_destinations, destination_from_flags, open_bundle

    environments, target, project = where.pop("environments"), where.pop("target"), where.pop("project")
    permissions: Permissions = Permissions(**where)
    if target is not None:
        if len(environments) > 1:
            raise ConfigError("--target is one place, but several --env were given", next_step="Leave out one of them.")
        name = environments[0] if environments else None
        chosen: tuple[Destination, ...] = (
            destination_from_flags(target, project=project, source=source, environment=name),
        )
    else:
        if project is not None:
            raise ConfigError("--project needs --target", next_step="With headgate.yaml set dags.project.")
        config = app.config.dags
        if config is None:
            raise ConfigError(
                "there is no `dags` section in the configuration",
                next_step="Add dags.targets to headgate.yaml, or give --target URL.",
            )
        if source is not None:
            config = config.model_copy(update={"source": source})
        chosen = choose_destinations(config, environments, every=every)
    with ExitStack() as stack:
        opened = []
        for item in chosen:
            bundle = open_bundle(item, permissions, clock=app.clock)
            stack.callback(bundle.target.close)
            opened.append((item, bundle))
        yield opened


def _place(destination: Destination) -> dict[str, Any]:
    return {"environment": destination.environment, "target": destination.url, "project": destination.project}


def _progress() -> Callable[[int, int, str], None]:
    """On a terminal one line that is redrawn; in a log a line for every tenth of the work, if there is much."""
    terminal, much = is_terminal(), 100

    def show(done: int, total: int, path: str) -> None:
        if terminal:
            click.echo(f"\r\x1b[K{done}/{total} {path[-60:]}", nl=done == total, err=True)
        elif total >= much and done * 10 // total != (done - 1) * 10 // total:
            say(f"{done}/{total} objects")

    return show
