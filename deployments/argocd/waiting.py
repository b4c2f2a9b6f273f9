"""The wait rule: when is a sync of ours done? Pure.

Done only if nothing is queued, the last operation has ended, it carries our nonce, was no dry run, and synced a
revision that is ours. "Synced" on an old revision is not synced, and somebody else's operation is not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployments.argocd.sansio import Application


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Not finished; `why` says what is waited for."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Our operation succeeded and synced `revision`."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Our operation ended otherwise: `phase` is Failed or Error."""

    phase: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The last operation is not ours, or there is none; `busy` when it still runs and has to be waited for."""

    why: str
    busy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Our operation succeeded, but synced a revision that does not hold our version (Argo CD's Git cache was old)."""

    revision: str


OperationView = Pending | Done | Failed | Foreign | Stale


def operation_state(app: Application, *, nonce: str, accepts: Callable[[str], bool]) -> OperationView:
    """Where our operation stands.

    `nonce` matches exactly, or as the first part of `nonce/...` (an earlier attempt of the same release).
    `accepts` says whether a revision is ours: for a sync to a hash that hash alone; under auto-sync, where only the
    branch may be synced, a commit that descends from ours and still has our version.
    """
    operation = app.operation
    ours = operation is not None and _is_ours(operation.nonce, nonce) and not operation.dry_run
    if app.busy:
        return Pending(why="our operation runs") if ours else Foreign(why="an operation is queued or runs", busy=True)
    if operation is None:
        return Foreign(why="there was no operation yet", busy=False)
    if not operation.finished or operation.phase in {"Running", "Terminating"}:
        if ours:
            return Pending(why=f"our operation is {operation.phase}")
        return Foreign(why=f"another operation is {operation.phase}", busy=True)
    if not ours:
        return Foreign(why=f"the last operation ({operation.phase}) is not ours", busy=False)
    if operation.phase != "Succeeded":
        return Failed(phase=operation.phase, message=operation.message)
    return Done(revision=operation.revision) if accepts(operation.revision) else Stale(revision=operation.revision)


def obstacle(app: Application) -> str:
    """Whose operation holds the application, and how it stands; empty when there is none, or it is ours."""
    if not app.holder:
        return ""
    operation = app.operation
    # Between two tries it has an end time, and still runs.
    if operation is None or operation.phase not in {"Running", "Terminating"}:
        return f"an operation of {app.holder} is queued"
    asked = f" to {operation.asked[:12]}" if operation.asked else ""
    message = f": {operation.message}" if operation.message else ""
    return f"an operation of {app.holder}{asked} is {operation.phase}{message}"


def is_synced(app: Application, accepts: Callable[[str], bool]) -> bool:
    """Whether the comparison with Git says Synced at a revision that is ours."""
    return app.sync_status == "Synced" and accepts(app.sync_revision)


def _is_ours(found: str | None, nonce: str) -> bool:
    return found is not None and (found == nonce or found.startswith(f"{nonce}/"))
