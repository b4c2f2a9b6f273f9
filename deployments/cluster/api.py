"""A thin client of the Kubernetes API for single objects: read, create, replace, merge-patch, and "may I?"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from deployments.cluster.credentials import auth_headers, load_configuration, tls_context
from deployments.cluster.failures import failure, unreadable
from deployments.cluster.rights import REVIEWS, Right, is_allowed, review
from headgate.clock import Clock, SystemClock
from headgate.errors import ConfigError, ServerFaultError
from headgate.http import HttpClient, Response, RetryPolicy

Object = dict[str, Any]
_MERGE = "application/merge-patch+json"
_STARTING_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """One object: `resource` is the plural of its kind."""

    group: str
    version: str
    resource: str
    namespace: str
    name: str

    @property
    def collection(self) -> str:
        return f"/apis/{self.group}/{self.version}/namespaces/{quote(self.namespace, safe='')}/{self.resource}"

    @property
    def path(self) -> str:
        return f"{self.collection}/{quote(self.name, safe='')}"

    def right(self, verb: str, subresource: str = "") -> Right:
        """The right that a verb on it needs."""
        name = "" if verb == "create" else self.name
        return Right(
            verb=verb,
            group=self.group,
            resource=self.resource,
            subresource=subresource,
            namespace=self.namespace,
            name=name,
        )


class ClusterApi:
    """One cluster as one user. The kubeconfig is read at the first call; see `credentials.load_configuration`.

    Writes are sent once; a timeout leaves open whether one was done. `purpose` is what needs the cluster, for the
    message when the client is not installed. Methods raise `ConfigError`, `TransportError` and `RemoteStateError`
    subclasses; 403 names the right, 409 is `ConflictError`.

    An API server that was just started refuses everything until it has read its roles (seen on 1.36): what was allowed
    before counts as no contact for 30 s, and only then as a right that is missing.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        timeout_s: float = 10.0,
        clock: Clock | None = None,
        retry: RetryPolicy | None = None,
        purpose: str = "core mode",
    ) -> None:
        self._kubeconfig, self._context, self._timeout_s = kubeconfig, context, timeout_s
        self._clock, self._retry, self._purpose = clock or SystemClock(), retry, purpose
        self._granted: set[Right] = set()
        self._refused_since: dict[Right, float] = {}

    @property
    def where(self) -> str:
        """The address of the API server."""
        return self._http.base_url

    def version(self) -> str:
        """The version of the API server."""
        answer = self._send("GET", "/version").json()
        found = answer.get("gitVersion") if isinstance(answer, dict) else None
        if not isinstance(found, str):
            raise ConfigError(
                "this is not a Kubernetes API", where=self.where, next_step="Check the server in the kubeconfig."
            )
        return found

    def read(self, ref: ObjectRef) -> Response:
        """The object as the API server sends it."""
        return self._call("GET", ref.path, ref.right("get"))

    def get(self, ref: ObjectRef) -> Object:
        """The object."""
        return _object(self.read(ref))

    def create(self, ref: ObjectRef, value: Mapping[str, Any]) -> Object:
        """Create it; `ConflictError` when it is there."""
        return _object(self._call("POST", ref.collection, ref.right("create"), value))

    def replace(self, ref: ObjectRef, value: Mapping[str, Any]) -> Object:
        """Replace it; `ConflictError` when its `resourceVersion` is not that of `value` any more."""
        return _object(self._call("PUT", ref.path, ref.right("update"), value))

    def patch(self, ref: ObjectRef, change: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Merge `change` into it (null removes). With a `metadata.resourceVersion` in `change`, `ConflictError` when it
        was changed since.
        """
        path = f"{ref.path}/{subresource}" if subresource else ref.path
        return _object(self._call("PATCH", path, ref.right("patch", subresource), change))

    def missing(self, rights: Iterable[Right]) -> tuple[Right, ...]:
        """Those of the rights that the account has not, asked without touching anything."""
        return tuple(right for right in rights if not self._may(right))

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        http = self.__dict__.pop("_http", None)
        if http is not None:
            http.close()

    def _may(self, right: Right) -> bool:
        asking = Right(
            verb="create", group="authorization.k8s.io", resource="selfsubjectaccessreviews", namespace=right.namespace
        )
        allowed = is_allowed(self._call("POST", REVIEWS, asking, review(right), repeatable=True).json())
        if allowed:
            self._granted.add(right)
        return allowed

    def _call(
        self,
        method: str,
        path: str,
        right: Right,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool | None = None,
    ) -> Response:
        response = self._send(method, path, body, repeatable=repeatable)
        if response.status in {401, 403} and self._may_be_starting(right):
            raise ServerFaultError(
                f"the cluster refuses to {right}, which it allowed before (status {response.status}); it may be starting",
                where=response.where,
                next_step="If it goes on, look at the API server and at the Roles of the account.",
            )
        if response.status >= 300:
            raise failure(response, right)
        self._granted.add(right)
        self._refused_since.pop(right, None)
        return response

    def _may_be_starting(self, right: Right) -> bool:
        now = self._clock.monotonic()
        return right in self._granted and now - self._refused_since.setdefault(right, now) < _STARTING_S

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool | None = None
    ) -> Response:
        headers = auth_headers(self._settings)
        headers["Accept"] = "application/json"
        if method == "PATCH":
            headers["Content-Type"] = _MERGE
        return self._http.request(method, path, json=body, headers=headers, idempotent=repeatable, check=False)

    @cached_property
    def _settings(self) -> Any:
        return load_configuration(self._kubeconfig, self._context, purpose=self._purpose)

    @cached_property
    def _http(self) -> HttpClient:
        settings = self._settings
        return HttpClient(
            str(settings.host),
            timeout_s=self._timeout_s,
            clock=self._clock,
            retry=self._retry,
            verify=tls_context(settings),
        )


def _object(response: Response) -> Object:
    value = response.json()
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        raise unreadable(response, "no object with metadata")
    return value
