"""An application without Argo CD's server ("core mode"): its Application object in the cluster, read and patched.

What the server does for a call is done here the way the server does it (Argo CD 3.2, `util/argo/argo.go`
`SetAppOperation`, `server/application/application.go` `Sync`): a sync is put into `operation`, the state of the
operation before is removed, and both only if the object has not changed since it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.argocd.sansio import INFO_NAME, Application, AppRef, Operation, parse_application
from deployments.cluster.api import ClusterApi, ObjectRef
from deployments.cluster.failures import unreadable
from deployments.cluster.rights import Right
from headgate.clock import Clock
from headgate.errors import ConflictError, NotFoundError, RemoteStateError, RemoteTimeoutError
from headgate.http import Response

NAMESPACE = "argocd"
REFRESH = "argocd.argoproj.io/refresh"
_ATTEMPTS = 4
_BLOCKED = "blocked by sync window"


class CoreArgoCd:
    """One application in one cluster. Implements `deployments.argocd.delivery.Applications`.

    `timeout_s` bounds the wait for the application controller to compare with Git, `poll_s` lies between two looks.
    """

    def __init__(
        self, cluster: ClusterApi, app: AppRef, *, clock: Clock, timeout_s: float = 30.0, poll_s: float = 0.2
    ) -> None:
        self._cluster, self.app, self._clock = cluster, app, clock
        self._timeout_s, self._poll_s = timeout_s, poll_s
        self._ref = ObjectRef(
            group="argoproj.io",
            version="v1alpha1",
            resource="applications",
            namespace=app.namespace or NAMESPACE,
            name=app.name,
        )

    @property
    def rights(self) -> tuple[Right, ...]:
        """What it needs in the cluster."""
        return self._ref.right("get"), self._ref.right("patch")

    def application(self, *, refresh: str | None = None) -> Application:
        """What Argo CD says now; `refresh` normal or hard waits until it has been compared with Git anew.

        Raises `RemoteStateError` when an operation of ours waits for a sync window, and asks for its end: nobody would
        watch over it when the window opens (the controller ends it then, without having synced). Raises
        `RemoteTimeoutError` when the comparison does not happen in time.
        """
        response = self._compared(refresh) if refresh else self._cluster.read(self._ref)
        found = parse_application(response)
        if found.project != self.app.project:
            raise NotFoundError(
                f"the application {found.name} belongs to project {found.project!r}, not {self.app.project!r}",
                where=response.where,
                next_step="Correct argocd.project in headgate.yaml.",
            )
        operation = found.operation
        if operation and not operation.finished and operation.nonce is not None and _BLOCKED in operation.message:
            self._end(response, operation)
        return found

    def sync(self, *, revision: str, nonce: str) -> None:
        """Ask for a sync; it runs on after this returns. `ConflictError` while another operation is queued or runs."""
        for attempt in range(1, _ATTEMPTS + 1):
            app = _body(self._cluster.read(self._ref))
            if app.get("operation"):
                raise ConflictError(
                    f"Argo CD cannot sync the application {self.app.name} now: another operation is already in progress",
                    where=self._ref.path,
                    next_step="Wait until it ends (`headgate release resume` continues), or end it in Argo CD.",
                )
            change = {
                "metadata": {"resourceVersion": app["metadata"]["resourceVersion"]},
                "operation": sync_operation(app, revision=revision, nonce=nonce),
                # A merge patch keeps what it does not name: without this the controller would run our operation with
                # leftovers of the one before, such as its list of resources.
                "status": {"operationState": None},
            }
            try:
                self._cluster.patch(self._ref, change)
                return
            except ConflictError:  # the controller writes its status often; look again at what is there now
                if attempt == _ATTEMPTS:
                    raise

    def _compared(self, refresh: str) -> Response:
        """The application after a comparison: the controller removes the annotation when it has written the result."""
        self._cluster.patch(self._ref, {"metadata": {"annotations": {REFRESH: refresh}}})
        until = self._clock.monotonic() + self._timeout_s
        while True:
            response = self._cluster.read(self._ref)
            if REFRESH not in (_body(response)["metadata"].get("annotations") or {}):
                return response
            if self._clock.monotonic() >= until:
                raise RemoteTimeoutError(
                    f"Argo CD has not compared the application {self.app.name} with Git within {self._timeout_s:g} s",
                    where=response.where,
                    next_step="Look at argocd-application-controller and argocd-repo-server, or raise argocd.timeout_s.",
                )
            self._clock.sleep(self._poll_s)

    def _end(self, response: Response, operation: Operation) -> None:
        if operation.phase != "Terminating":
            version = _body(response)["metadata"]["resourceVersion"]
            end = {"metadata": {"resourceVersion": version}, "status": {"operationState": {"phase": "Terminating"}}}
            self._cluster.patch(self._ref, end)
        raise RemoteStateError(
            f"Argo CD refused to sync the application {self.app.name}: cannot sync: blocked by sync window",
            where=response.where,
            next_step=f"Wait until the sync window of project {self.app.project} opens, or change it there.",
        )


def sync_operation(app: Mapping[str, Any], *, revision: str, nonce: str) -> dict[str, Any]:
    """The operation that Argo CD's server would make of a sync: the application's own sync options and retries apply.

    Never pruned: a release changes one workload.
    """
    spec = app.get("spec") or {}
    policy = spec.get("syncPolicy") or {}
    sync: dict[str, Any] = {"revision": revision}
    if policy.get("syncOptions"):
        sync["syncOptions"] = list(policy["syncOptions"])
    operation: dict[str, Any] = {
        "initiatedBy": {"username": "headgate"},
        "info": [{"name": INFO_NAME, "value": nonce}],
        "sync": sync,
    }
    if policy.get("retry"):
        operation["retry"] = dict(policy["retry"])
    return operation


def _body(response: Response) -> dict[str, Any]:
    body = response.json()
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        raise unreadable(response, "no object with metadata")
    return body
