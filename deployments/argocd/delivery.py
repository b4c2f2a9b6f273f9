"""Bring an application to a Git revision by the wait rule. Implements `deployments.release.ports.Delivery`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

from deployments.argocd.sansio import Application
from deployments.argocd.waiting import Done, Failed, Foreign, Pending, Stale, is_synced, obstacle, operation_state
from deployments.release.ports import Delivered, DeliveryFailed, NotYet, Wanted
from headgate.errors import ConflictError, RateLimitedError, RemoteTimeoutError, ServerFaultError, UnreachableError

# After one of these it is not known whether the sync was taken: look again instead of sending it again.
_DOUBTFUL = (RemoteTimeoutError, UnreachableError, ServerFaultError, RateLimitedError, ConflictError)


class Applications(Protocol):
    """One application, through Argo CD's server (`client.ArgoCd`) or without it (`core.CoreArgoCd`)."""

    def application(self, *, refresh: str | None = None) -> Application:
        """What Argo CD says now; with `refresh` after a comparison with Git."""
        ...

    def sync(self, *, revision: str, nonce: str) -> None:
        """Ask for a sync; it runs on after this returns."""
        ...


class ArgoDelivery:
    """Syncs one application. `attempts` bounds how often a sync that ended as Failed or Error is tried."""

    def __init__(
        self, argocd: Applications, *, attempts: int = 2, fresh: Callable[[], str] = lambda: uuid4().hex[:8]
    ) -> None:
        self._argocd, self._attempts, self._fresh = argocd, attempts, fresh
        self._sent: dict[str, str] = {}
        self._failures: dict[str, int] = {}

    def holds(self, accepts: Callable[[str], bool]) -> bool:
        """Whether nothing is running and the application is Synced at a revision that is accepted."""
        app = self._argocd.application(refresh="normal")
        return not app.busy and is_synced(app, accepts)

    def obstacle(self) -> str:
        """Whose operation has to end before anything of ours can begin; empty for none."""
        return obstacle(self._argocd.application())

    def agrees(self) -> bool:
        """Whether the application says Synced and Healthy. It can stay Progressing for ever because of an Ingress."""
        app = self._argocd.application(refresh="normal")
        return app.sync_status == "Synced" and app.health == "Healthy"

    def advance(self, wanted: Wanted) -> Delivered | NotYet | DeliveryFailed:
        """See `ports.Delivery`. Sends a sync only when the last operation is certainly not ours."""
        sent = self._sent.get(wanted.nonce)
        app = self._argocd.application(refresh=None if sent else "normal")
        view = operation_state(app, nonce=sent or wanted.nonce, accepts=wanted.accepts)
        match view:
            case Pending():
                return NotYet(why=view.why)
            case Done():
                return self._after(wanted, view.revision)
            case Failed():
                return self._failed(app, wanted, view)
            case Stale():
                return self._send(app, wanted, why=f"Argo CD synced {view.revision[:8] or 'nothing'}, an older commit")
            case Foreign():
                if view.busy:
                    return NotYet(why=view.why)
                if self._done_by_somebody(app, wanted):
                    return Delivered(revision=app.sync_revision)
                return self._send(app, wanted, why=view.why)

    def _after(self, wanted: Wanted, revision: str) -> Delivered | NotYet:
        """Our operation is done: compare with Git once more, because health and status lag behind it."""
        app = self._argocd.application(refresh="normal")
        if is_synced(app, wanted.accepts) or app.sync_revision != revision:
            # A newer commit on the branch, synced or not, does not undo what the operation applied.
            return Delivered(revision=revision)
        return NotYet(why=f"the application is {app.sync_status} at {app.sync_revision[:8]}")

    def _failed(self, app: Application, wanted: Wanted, view: Failed) -> NotYet | DeliveryFailed:
        failures = self._failures.get(wanted.nonce, 0) + 1
        self._failures[wanted.nonce] = failures
        if failures >= self._attempts:
            details = "; ".join(app.conditions)
            why = f"the sync ended as {view.phase}: {view.message}"
            return DeliveryFailed(why=f"{why} ({details})" if details else why)
        return self._send(app, wanted, why=f"the sync ended as {view.phase}")

    def _done_by_somebody(self, app: Application, wanted: Wanted) -> bool:
        """Auto-sync (or a person) has synced our revision already: a second sync would add nothing."""
        operation = app.operation
        return (
            operation is not None
            and operation.phase == "Succeeded"
            and not operation.dry_run
            and wanted.accepts(operation.revision)
            and is_synced(app, wanted.accepts)
        )

    def _send(self, app: Application, wanted: Wanted, *, why: str) -> NotYet:
        # Under auto-sync a hash is refused, also the newest: the branch is synced and the result checked.
        revision = app.target_revision if app.automated else wanted.revision
        nonce = f"{wanted.nonce}/{self._fresh()}"
        try:
            self._argocd.sync(revision=revision, nonce=nonce)
        except _DOUBTFUL as error:
            return NotYet(why=f"the sync may not have been taken: {error}")
        finally:
            self._sent[wanted.nonce] = nonce
        return NotYet(why=f"asked for a sync to {revision[:12]} ({why})")
