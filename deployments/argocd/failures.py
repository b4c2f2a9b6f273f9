"""What an error answer of Argo CD means: by gRPC code first, because HTTP statuses hide the difference."""

from __future__ import annotations

import json
from collections.abc import Callable

from deployments.argocd.sansio import AppRef
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.http import Response, error_for_status
from headgate.secrets import mask

INVALID, UNKNOWN, DEADLINE, NOT_FOUND, DENIED, PRECONDITION, UNAVAILABLE, UNAUTHENTICATED = 3, 2, 4, 5, 7, 9, 14, 16


def failure(response: Response, app: AppRef, *, doing: str, permission: str) -> HeadgateError:
    """The error for a refused call.

    `doing` says what was tried ("sync the application reco"), `permission` the Argo CD right it needs, as it is
    written in a policy ("applications, sync, default/reco").
    """
    code, message = _code_and_message(response)
    make = _BY_CODE.get(code) if code is not None else None
    if make is None:
        return error_for_status(response) or ServerFaultError(
            f"Argo CD could not {doing}: {message}", where=response.where
        )
    return make(mask(message), app, doing, permission, response.where)


def error_code(response: Response) -> int | None:
    """The gRPC code of an error answer; None when the body is not Argo CD's."""
    return _code_and_message(response)[0]


def _code_and_message(response: Response) -> tuple[int | None, str]:
    try:
        body = json.loads(response.body)
    except ValueError:
        return None, response.text.strip()
    if not isinstance(body, dict):
        return None, response.text.strip()
    code = body.get("code")
    return (code if isinstance(code, int) else None), str(body.get("message") or body.get("error") or "no message")


def _unauthenticated(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return AuthenticationError(
        f"Argo CD does not accept the token ({message})",
        where=where,
        next_step="Set HEADGATE_ARGOCD_TOKEN to a valid token of an account or project role"
        " (`argocd account generate-token --account NAME`).",
    )


def window_closed(app: AppRef, where: str) -> RemoteStateError:
    """The error while a sync window forbids syncs."""
    return RemoteStateError(
        f"Argo CD refuses to sync the application {app.name}: blocked by sync window",
        where=where,
        next_step=f"Wait until the sync window of project {app.project} opens, or change it there.",
    )


def _denied(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:
    # A closed sync window and a missing right share code 7; only the text of the message tells them apart, and it
    # changes nothing but the advice given.
    if "sync window" in message:
        return window_closed(app, where)
    return AuthenticationError(
        f"Argo CD refused to {doing}: {message}",
        where=where,
        next_step=f"Give the account this right in argocd-rbac-cm or the project: `p, ACCOUNT, {permission}, allow`.",
    )


def _not_found(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return NotFoundError(
        f"Argo CD has no application {app.name!r} in project {app.project!r} ({message})",
        where=where,
        next_step="Correct argocd.app, argocd.project and argocd.namespace in headgate.yaml, or create the application.",
    )


def _precondition(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return ConflictError(
        f"Argo CD cannot {doing} now: {message}",
        where=where,
        next_step=f"Look at the application ({app.name}) in Argo CD, then run the command again.",
    )


def _invalid(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return ConfigError(
        f"Argo CD cannot {doing}: {message}",
        where=where,
        next_step=f"Check that the names in headgate.yaml are those of resources of the application {app.name}.",
    )


def _server(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return ServerFaultError(
        f"Argo CD failed to {doing}: {message}",
        where=where,
        next_step="Look at the log of argocd-server; then run the command again.",
    )


def _unavailable(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return UnreachableError(
        f"Argo CD could not {doing}: {message}",
        where=where,
        next_step="Wait until its parts are up again; then run the command again.",
    )


def _too_late(message: str, app: AppRef, doing: str, permission: str, where: str) -> HeadgateError:  # noqa: ARG001 - one shape for all
    return RemoteTimeoutError(
        f"Argo CD could not {doing} in time: {message}",
        where=where,
        next_step="Run the command again; raise argocd.timeout_s.",
    )


_BY_CODE: dict[int, Callable[[str, AppRef, str, str, str], HeadgateError]] = {
    UNAUTHENTICATED: _unauthenticated,
    DENIED: _denied,
    NOT_FOUND: _not_found,
    PRECONDITION: _precondition,
    INVALID: _invalid,
    UNKNOWN: _server,
    UNAVAILABLE: _unavailable,
    DEADLINE: _too_late,
}
