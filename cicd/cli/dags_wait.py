"""Waiting for Airflow at one target, and what follows: the event of a failure, and the way back where it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cicd.cli.context import App, say
from cicd.dags.airflow.report import wait_data, wait_text
from cicd.dags.airflow.setup import Waiter
from cicd.dags.airflow.values import FileResult, FileState, Outcome, WaitResult
from cicd.dags.delivery import deliver
from cicd.dags.events import delivery_event, failure_event
from cicd.dags.ledger import Books
from cicd.dags.model import Manifest
from cicd.dags.proposal import Bundle, Loader, Tree
from cicd.dags.sources import from_release
from cicd.dags.wiring import Destination
from cicd.record import record
from headgate.errors import ConflictError, HeadgateError
from headgate.exit_codes import ExitCode

_CODES = {Outcome.PARSED: ExitCode.PASS, Outcome.FAILED: ExitCode.FAIL, Outcome.UNDECIDED: ExitCode.UNDECIDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The release to wait for. `known`: see `cicd.dags.airflow.decide.Facts`; `every` looks at all of its DAG files."""

    manifest: Manifest
    touched: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    every: bool = False


def wait_and_react(
    app: App, destination: Destination, bundle: Bundle, waiter: Waiter, delivered: Delivered
) -> tuple[dict[str, Any], ExitCode]:
    """Wait; on a failure record it and, where the plan says so, bring the release before back and wait for that.

    Gives the keys `airflow` and `rollback` of the result, and the exit code, which is that of the release: going back
    does not mend it.
    """
    manifest = delivered.manifest
    say(
        f"{destination.name}: waiting until Airflow has parsed {manifest.release} (at most {waiter.plan.terms.timeout_s:g} s)"
    )
    result = _wait(bundle, waiter, delivered, destination.name)
    data: dict[str, Any] = {"airflow": wait_data(result), "rollback": None}
    if result.outcome is Outcome.FAILED:
        failure = failure_event(
            manifest,
            target=destination.url,
            environment=destination.environment,
            at=app.clock.now(),
            reason=_reason(result),
        )
        record(app, [failure])
    if result.outcome in waiter.plan.rollback_on:
        data["rollback"] = _go_back(app, destination, bundle, waiter, manifest)
    return data, _CODES[result.outcome]


def waiting_lines(part: dict[str, Any]) -> tuple[str, ...]:
    """What a target's part says about waiting, for a person."""
    if part.get("airflow") is None:
        return ()
    lines = [wait_text(part["airflow"])]
    back = part["rollback"]
    if back is not None and back["error"]:
        lines.append(f"  not rolled back: {back['error']}")
    elif back is not None:
        lines.append(f"  rolled back: {back['release']} is in force, with the files of {back['restores']}")
        lines += [f"  {line}" for line in wait_text(back["airflow"]).splitlines()]
    elif part["airflow"]["outcome"] != Outcome.PARSED:
        lines.append(f"  {part['release']} stays in force; `headgate dags rollback` brings the release before back")
    return tuple(lines)


def _go_back(app: App, destination: Destination, bundle: Bundle, waiter: Waiter, failed: Manifest) -> dict[str, Any]:
    """Bring the release before `failed` back, and wait for it. What goes wrong is told, not raised."""
    say(f"{destination.name}: bringing back the release before {failed.release}")
    # What the failed release brought has to go, however much that is.
    allowed = replace(bundle, rules=replace(bundle.rules, allow_mass_delete=True), refuse_older=False)
    try:
        outcome = deliver(allowed, _only_after(failed, bundle), clock=app.clock, progress=lambda *_: None)
    except HeadgateError as error:
        return {"release": None, "restores": None, "error": str(error), "airflow": None}
    touched = frozenset(change.path for change in outcome.changes)
    result = _wait(bundle, waiter, Delivered(manifest=outcome.manifest, touched=touched), destination.name)
    event = delivery_event(
        outcome.manifest,
        target=destination.url,
        environment=destination.environment,
        outcome="success" if result.outcome is Outcome.PARSED else "error",
        at=app.clock.now(),
    )
    record(app, [event])
    return {
        "release": outcome.manifest.release,
        "restores": outcome.manifest.restores,
        "error": None,
        "airflow": wait_data(result),
    }


def _wait(bundle: Bundle, waiter: Waiter, delivered: Delivered, name: str) -> WaitResult:
    """Wait. A bucket that cannot be read is an outcome as well: the release is in force all the same."""
    try:
        return waiter.wait(
            bundle,
            delivered.manifest,
            touched=delivered.touched,
            known=delivered.known,
            every=delivered.every,
            progress=_progress(name),
        )
    except HeadgateError as error:
        return WaitResult(outcome=Outcome.UNDECIDED, files=(), reason=f"the release could not be read back: {error}")


def _only_after(failed: Manifest, bundle: Bundle) -> Loader:
    """The files of the release before, as long as nobody has put another in force."""
    load = from_release(bundle.ledger, None)

    def guarded(books: Books) -> Tree:
        there = books.manifest
        if there is None or there.release != failed.release:
            raise ConflictError(
                f"another delivery put {there.release if there else 'nothing'} in force meanwhile",
                where=bundle.ledger.layout.manifest,
                next_step="Nothing was changed.",
            )
        return load(books)

    return guarded


def _reason(result: WaitResult) -> str:
    failed = [item for item in result.files if item.state is FileState.IMPORT_ERROR]
    named = ", ".join(item.path for item in failed[:5])
    return f"import error in {named}: {failed[0].cause}" if failed else result.reason


def _progress(name: str) -> Callable[[Sequence[FileResult]], None]:
    def show(files: Sequence[FileResult]) -> None:
        left = sum(item.state is FileState.PENDING for item in files)
        say(f"{name}: Airflow has decided {len(files) - left} of {len(files)} file(s)")

    return show
