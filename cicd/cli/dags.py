"""`headgate dags`: deliver DAGs from Git to the bucket that Airflow reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, columns, emit, output_option
from cicd.cli.quantities import Duration, Number
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.dags.airflow.options import WaitOptions
    from cicd.dags.proposal import Bundle, Loader
    from cicd.dags.wiring import Destination

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
_EVERYWHERE = click.option("--all", "everywhere", is_flag=True, help="Every target in headgate.yaml.")


_AIRFLOW = _options(
    click.option(
        "--wait-timeout", type=Duration(), metavar="SPAN", help="How long to wait, as 300s or 5m.  [default: 300s]"
    ),
    click.option("--airflow-url", metavar="URL", help="Address of Airflow's API server, without /api."),
    click.option(
        "--sync",
        "sync_s",
        type=Number(0, 3600),
        metavar="SECONDS",
        help="How long the bucket takes to reach Airflow.  [default: 60; file:// 0]",
    ),
)
_WAIT = click.option(
    "--wait/--no-wait", default=None, help="Wait until Airflow has parsed it.  [default: if `airflow` is configured]"
)
_BACK = _options(
    click.option("--rollback-on-failure", is_flag=True, help="On an import error bring the release before back."),
    click.option("--rollback-on-undecided", is_flag=True, help="Also when Airflow cannot be asked, or time is up."),
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
    type=Number(0, 3600),
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
@_EVERYWHERE
@_ALLOW
@_OLDER
@_ZIP
@_CODE
@click.pass_obj
def plan(
    app: App, /, *, source: str | None, ref: str, as_zip: bool, detailed_exitcode: bool, output: str, **where: Any
) -> int:
    """Show what a push would change."""
    from cicd.cli.dags_deliver import Manner, deliver_to_each, from_commit

    manner = Manner(dry_run=True, yes=True, detailed=detailed_exitcode)
    with from_commit(app, ref, as_zip=as_zip) as loader:
        return deliver_to_each(app, loader, source, where, output, manner)


@dags.command()
@_FROM
@_WHERE
@_EVERYWHERE
@_ALLOW
@_OLDER
@_ZIP
@_SETTLE
@_WAIT
@_AIRFLOW
@_BACK
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
    from cicd.cli.dags_deliver import Manner, deliver_to_each, from_commit

    manner = Manner(dry_run=dry_run, yes=yes, detailed=detailed_exitcode, waiting=_take_waiting(where))
    with from_commit(app, ref, as_zip=as_zip) as loader:
        return deliver_to_each(app, loader, source, where, output, manner)


@dags.command()
@click.option("--to", "release", metavar="RELEASE", help="Release to bring back.  [default: the one before]")
@_WHERE
@_EVERYWHERE
@_ALLOW
@_SETTLE
@_WAIT
@_AIRFLOW
@_ACT
@_CODE
@click.pass_obj
def rollback(
    app: App, /, *, release: str | None, dry_run: bool, yes: bool, detailed_exitcode: bool, output: str, **where: Any
) -> int:
    """Bring a kept release back, byte for byte, as a new release."""
    from cicd.cli.dags_deliver import Manner, deliver_to_each
    from cicd.dags.sources import from_release

    def loader(destination: Destination, bundle: Bundle) -> Loader:  # noqa: ARG001 - the source is in the bucket
        return from_release(bundle.ledger, release)

    manner = Manner(dry_run=dry_run, yes=yes, detailed=detailed_exitcode, waiting=_take_waiting(where))
    return deliver_to_each(app, loader, None, where, output, manner)


@dags.command()
@click.option("--every-file", is_flag=True, help="All DAG files of the release, not only what it changed.")
@_WHERE
@_EVERYWHERE
@_AIRFLOW
@_BACK
@click.pass_obj
def wait(app: App, /, *, every_file: bool, output: str, **where: Any) -> int:
    """Wait until Airflow has parsed the release in force."""
    from cicd.cli.dags_deliver import wait_at_each

    return wait_at_each(app, where, output, _take_waiting(where), every_file=every_file)


@dags.command()
@_WHERE
@click.pass_obj
def status(app: App, /, *, output: str, **where: Any) -> int:
    """Which commit is live, and whether the bucket still holds it."""
    from cicd.cli.dags_targets import act_on_each, opened_targets, place
    from cicd.dags.inspect import fetch_breakers, inspect
    from cicd.dags.report import breakers_data, status_data, status_text

    def look(destination: Destination, bundle: Bundle) -> tuple[dict[str, Any], ExitCode]:
        seen = inspect(bundle, app.clock.now())
        data = status_data(place(destination), seen.books, seen.drift, seen.foreign, seen.lock)
        return {**data, **breakers_data(fetch_breakers(bundle))}, ExitCode.PASS

    with opened_targets(app, None, where, every=True) as opened:
        return act_on_each(opened, look, output, status_text)


@dags.command()
@_WHERE
@click.pass_obj
def history(app: App, /, *, output: str, **where: Any) -> int:
    """The releases that can be rolled back to, newest first."""
    from cicd.cli.dags_targets import opened_targets, place
    from cicd.dags.report import history_data

    with opened_targets(app, None, where, every=True) as opened:
        parts = [history_data(place(item), bundle.ledger.read().manifest) for item, bundle in opened]
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
    from cicd.cli.dags_targets import act_on_each, opened_targets, place
    from cicd.dags.inspect import inspect
    from cicd.dags.report import drift_data, drift_text

    def look(destination: Destination, bundle: Bundle) -> tuple[dict[str, Any], ExitCode]:
        part = drift_data(place(destination), inspect(bundle, app.clock.now()).drift)
        return part, ExitCode.WOULD_CHANGE if detailed_exitcode and part["drift"] else ExitCode.PASS

    with opened_targets(app, None, where, every=True) as opened:
        return act_on_each(opened, look, output, drift_text)


def _take_waiting(given: dict[str, Any]) -> WaitOptions:
    """The options about waiting, taken out of `given`."""
    from cicd.dags.airflow.options import WaitOptions

    return WaitOptions(
        wait=given.pop("wait", True),
        timeout_s=given.pop("wait_timeout"),
        url=given.pop("airflow_url"),
        sync_s=given.pop("sync_s"),
        rollback_on_failure=given.pop("rollback_on_failure", False),
        rollback_on_undecided=given.pop("rollback_on_undecided", False),
    )
