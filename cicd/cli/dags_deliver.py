"""What `headgate dags plan`, `push` and `rollback` do at each target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, is_terminal, say
from cicd.cli.dags_targets import act_on_each, opened_targets, place, repository
from cicd.dags.airflow.options import WaitOptions
from cicd.dags.breakers import find_in_tree
from cicd.dags.delivery import Outcome, deliver
from cicd.dags.events import delivery_event
from cicd.dags.git.blobs import GitBlobs
from cicd.dags.model import DesiredFile, Manifest, OwnedFile
from cicd.dags.proposal import Age, Bundle, Loader, Proposal, propose
from cicd.dags.ranges import fetch_range
from cicd.dags.report import breakers_data, counts, plan_data, plan_text, where_text
from cicd.dags.sources import from_git
from cicd.dags.wiring import Destination
from cicd.dags.zipped import zipped
from headgate.errors import ConfigError, HeadgateError, NotFoundError
from headgate.exit_codes import ExitCode
from headgate.git import Git
from observability.commits import Commit

if TYPE_CHECKING:
    from cicd.dags.airflow.setup import WaitPlan

MakeLoader = Callable[[Destination, Bundle], Loader]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to deliver: `detailed` exits 5 when there are changes; `waiting` None never waits."""

    dry_run: bool
    yes: bool
    detailed: bool
    waiting: WaitOptions | None = None


@contextmanager
def from_commit(app: App, ref: str, *, as_zip: bool) -> Iterator[MakeLoader]:
    """A maker of loaders that read the commit from the repository of headgate.yaml, or the working directory's."""
    with ExitStack() as stack:

        def loader(destination: Destination, bundle: Bundle) -> Loader:
            git = Git(path=repository(app, destination))
            blobs = GitBlobs(git)
            stack.callback(blobs.close)
            load = from_git(git, blobs, destination.selection(ref), prefix=bundle.target.prefix)
            return zipped(load, f"{bundle.project}.zip") if as_zip or destination.zip else load

        yield loader


def deliver_to_each(
    app: App, loader: MakeLoader, source: str | None, where: dict[str, Any], output: str, manner: Manner
) -> int:
    """Plan or deliver at every target in turn; one that fails does not stop the others. Returns the worst exit code."""

    def act(destination: Destination, bundle: Bundle) -> tuple[dict[str, Any], ExitCode]:
        part, code = _one(app, destination, bundle, loader(destination, bundle), manner)
        changed = ExitCode.WOULD_CHANGE if manner.detailed and part["changed"] else ExitCode.PASS
        return part, code or changed

    with opened_targets(app, source, where, every=False) as opened:
        for destination, _ in opened:
            _plan_wait(destination, manner.waiting or WaitOptions(wait=False))  # complains before any is contacted
        return act_on_each(opened, act, output, _text)


def wait_at_each(app: App, where: dict[str, Any], output: str, options: WaitOptions, *, every_file: bool) -> int:
    """Wait at every target for the release in force. Returns the worst exit code."""
    from cicd.cli.dags_wait import Delivered, wait_and_react
    from cicd.dags.airflow.setup import open_waiter, plan_wait

    def act(destination: Destination, bundle: Bundle) -> tuple[dict[str, Any], ExitCode]:
        plan, manifest = plan_wait(destination, options), bundle.ledger.read().manifest
        if manifest is None:
            raise NotFoundError(
                f"{destination.project} was never delivered here, so there is nothing to wait for",
                where=destination.url,
                next_step="Push it first, or check --env, --target and --project.",
            )
        if plan is None:
            raise ConfigError("nothing says how to wait", next_step="Give --airflow-url URL.")
        with open_waiter(plan, app.clock) as waiter:
            delivered = Delivered(manifest=manifest, every=every_file)
            waited, code = wait_and_react(app, destination, bundle, waiter, delivered)
        data = {**place(destination), "release": manifest.release, "commit": manifest.commit, **waited}
        return data, code

    with opened_targets(app, None, where, every=False) as opened:
        for destination, _ in opened:
            plan_wait(destination, options)
        return act_on_each(opened, act, output, _release_text)


def _plan_wait(destination: Destination, options: WaitOptions) -> WaitPlan | None:
    """As `plan_wait`, whose import takes longer than a push that changes nothing."""
    if destination.airflow is None and options.silent:
        return None
    from cicd.dags.airflow.setup import plan_wait

    return plan_wait(destination, options)


def _waiting_lines(part: dict[str, Any]) -> tuple[str, ...]:
    if part.get("airflow") is None:
        return ()
    from cicd.cli.dags_wait import waiting_lines

    return waiting_lines(part)


def _release_text(part: dict[str, Any]) -> str:
    return "\n".join((f"{where_text(part)}: {part['release']}, commit {part['commit'][:12]}", *_waiting_lines(part)))


def _text(part: dict[str, Any]) -> str:
    return "\n".join((plan_text(part), *_waiting_lines(part)))


def _one(
    app: App, destination: Destination, bundle: Bundle, load: Loader, manner: Manner
) -> tuple[dict[str, Any], ExitCode]:
    ask = not manner.dry_run and not manner.yes and sys.stdin.isatty() and is_terminal()
    if manner.dry_run or ask:
        proposal = propose(bundle, load)
        deletes = counts(proposal.changes).get("delete", 0)
        if ask and deletes:
            click.confirm(f"{destination.url}: delete {deletes} object(s)?", abort=True, err=True)
    if manner.dry_run:
        tree, before = proposal.tree, proposal.books.manifest
        _warn_of_age(tree.commit, before, proposal.age)
        part = plan_data(place(destination), before=before, commit=tree.commit, changes=proposal.changes, after=None)
        return {**part, **_breakers(tree.files if proposal.changes else ())}, ExitCode.PASS
    plan = _plan_wait(destination, manner.waiting) if manner.waiting else None
    if plan is None:
        outcome = _deliver(app, destination, bundle, load)
        return _part(destination, outcome), ExitCode.PASS
    from cicd.cli.dags_wait import Delivered, wait_and_react
    from cicd.dags.airflow.setup import open_waiter

    with open_waiter(plan, app.clock) as waiter:
        try:
            known = waiter.look_before()
        except HeadgateError as error:
            error.next_step = (
                f"{error.next_step or ''} Nothing was delivered; --no-wait delivers without asking.".strip()
            )
            raise
        outcome = _deliver(app, destination, bundle, load)
        delivered = Delivered(
            manifest=outcome.manifest, touched=frozenset(change.path for change in outcome.changes), known=known
        )
        waited, code = wait_and_react(app, destination, bundle, waiter, delivered)
    return {**_part(destination, outcome), **waited}, code


def _deliver(app: App, destination: Destination, bundle: Bundle, load: Loader) -> Outcome:
    """Deliver and record. Where a run died before it recorded, the next one does."""

    git, ahead = Git(path=repository(app, destination)), dict[tuple[str | None, str], Future[tuple[Commit, ...]]]()

    def begin(proposal: Proposal) -> None:
        """While requests are on their way: what the event is recorded with, and the commits it names."""
        before, tree = proposal.books.manifest, proposal.tree
        beside.submit(import_module, "cicd.record")
        beside.submit(import_module, "observability.sqlite_append")
        if tree.restores is None:
            span = (before.commit if before else None, tree.commit)
            ahead[span] = beside.submit(fetch_range, git, *span, destination.source)

    def in_force(manifest: Manifest) -> None:
        from cicd.record import record

        span, commits = (manifest.previous_commit, manifest.commit), tuple[Commit, ...]()
        if span in ahead:
            commits = ahead[span].result()
        elif manifest.restores is None:
            commits = fetch_range(git, *span, destination.source)
        event = delivery_event(manifest, target=destination.url, environment=destination.environment, commits=commits)
        record(app, [event])

    with ThreadPoolExecutor(1, thread_name_prefix="dags-event") as beside:
        outcome = deliver(bundle, load, clock=app.clock, progress=_progress(), begin=begin, in_force=in_force)
    _warn_of_age(outcome.commit, outcome.before, outcome.age)
    if outcome.untidy:
        say(f"warning: {outcome.untidy}")
    return outcome


def _part(destination: Destination, outcome: Outcome) -> dict[str, Any]:
    data = plan_data(
        place(destination),
        before=outcome.before,
        commit=outcome.commit,
        changes=outcome.changes,
        after=outcome.manifest,
    )
    return {**data, **_breakers(outcome.manifest.files if outcome.changes else ())}


def _breakers(files: Iterable[DesiredFile | OwnedFile]) -> dict[str, Any]:
    """Said as warnings: the files are as they are in Git, and what is wrong there is for a merge request to mend."""
    data = breakers_data(find_in_tree((file.path, file.size) for file in files))
    for line in data["sync_warnings"]:
        say(f"warning: {line}")
    return data


def _warn_of_age(commit: str, before: Any, age: Age) -> None:
    if age.value == "older":
        say(
            f"warning: commit {commit[:12]} is older than {before.commit[:12]} of {before.release}: this goes back."
            " --refuse-older prevents it."
        )


def _progress() -> Callable[[int, int, str], None]:
    """On a terminal one line that is redrawn; in a log a line for every tenth of the work, if there is much."""
    terminal, much = is_terminal(), 100

    def show(done: int, total: int, path: str) -> None:
        if terminal:
            click.echo(f"\r\x1b[K{done}/{total} {path[-60:]}", nl=done == total, err=True)
        elif total >= much and done * 10 // total != (done - 1) * 10 // total:
            say(f"{done}/{total} objects")

    return show
