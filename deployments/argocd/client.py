"""A thin Argo CD client: sends what `sansio` builds. Writes are sent once; after a doubt, observe, then decide."""

from __future__ import annotations

from typing import Any

from deployments.argocd import sansio
from deployments.argocd.failures import DENIED, UNAUTHENTICATED, error_code, failure, window_closed
from deployments.argocd.sansio import Application, AppRef, Request, ResourceRef
from headgate.http import HttpClient, Response


class ArgoCd:
    """One application on one Argo CD server.

    `http` carries the base URL, the time limit (`refresh` blocks until Argo CD has reconciled) and the header
    `Authorization: Bearer ...`. Methods raise `TransportError` and `RemoteStateError` subclasses that name the cause
    and the right that is missing.
    """

    def __init__(self, http: HttpClient, app: AppRef) -> None:
        self._http = http
        self.app = app
        self._v1_only = False

    def application(self, *, refresh: str | None = None) -> Application:
        """What Argo CD says now; `refresh="normal"` compares with Git first."""
        request = sansio.get_application(self.app, refresh=refresh)
        return sansio.parse_application(self._call(request, f"read the application {self.app.name}", "get"))

    def sync(self, *, revision: str, nonce: str) -> None:
        """Ask for a sync; it runs on after this returns."""
        request = sansio.sync_application(self.app, revision=revision, nonce=nonce)
        self._call(request, f"sync the application {self.app.name}", "sync")

    def check_windows(self) -> None:
        """Raise `RemoteStateError` when a sync window is closed: a sync would be refused now."""
        response = self._call(sansio.get_sync_windows(self.app), "read the sync windows", "get")
        if not sansio.parse_sync_windows(response):
            raise window_closed(self.app, response.where)

    def manifest(self, resource: ResourceRef) -> dict[str, Any]:
        """The live manifest of a resource of the application."""
        request = sansio.get_resource(self.app, resource)
        return sansio.parse_manifest(self._call(request, f"read the {resource.kind} {resource.name}", "get"))

    def run_action(self, resource: ResourceRef, action: str) -> None:
        """Run a resource action (`resume`, `abort`, `promote-full`, `retry`). Falls back to the v1 endpoint on 404."""
        doing, right = (
            f"run {action} on the {resource.kind} {resource.name}",
            f"action/{resource.group}/{resource.kind}/{action}",
        )
        if not self._v1_only:
            response = self._send(sansio.run_action(self.app, resource, action))
            # A missing application is 404 with a code; an endpoint that is not there is 404 without one.
            if not (response.status in {404, 405, 501} and error_code(response) is None):
                self._check(response, doing, right)
                return
            self._v1_only = True
        self._call(sansio.run_action_v1(self.app, resource, action), doing, right)

    def user(self) -> str:
        """The account behind the token. An empty name means that the server took the call as anonymous."""
        return sansio.parse_answer(
            self._call(sansio.get_user_info(), "say who the token belongs to", "get"), "username"
        )

    def may(self, action: str) -> bool:
        """Whether the account may `get` or `sync` the application."""
        answer = self._call(sansio.may_i(self.app, action), "say what the account may do", "get")
        return sansio.parse_answer(answer, "value") == "yes"

    def may_run(self, resource: ResourceRef, action: str) -> bool:
        """Whether the account may run a resource action, asked without touching anything.

        The action is tried on a resource that cannot exist: without the right the answer is "denied", with it
        "not part of the application". (`can-i` says no for actions even to an administrator.)
        """
        nobody = ResourceRef(
            namespace=resource.namespace,
            name="headgate-probe-0",
            group=resource.group,
            version=resource.version,
            kind=resource.kind,
        )
        response = self._send(sansio.run_action(self.app, nobody, action))
        code = error_code(response)
        if code == UNAUTHENTICATED:
            self._check(response, f"run {action}", action)
        return code is not None and code != DENIED

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(self, request: Request, doing: str, right: str) -> Response:
        response = self._send(request)
        self._check(response, doing, right)
        return response

    def _send(self, request: Request) -> Response:
        return self._http.request(
            request.method,
            request.path,
            params=request.params,
            json=request.body,
            headers=request.headers,
            idempotent=request.repeatable,
            check=False,
        )

    def _check(self, response: Response, doing: str, right: str) -> None:
        if response.status >= 300:
            permission = f"applications, {right}, {self.app.project}/{self.app.name}"
            raise failure(response, self.app, doing=doing, permission=permission)
