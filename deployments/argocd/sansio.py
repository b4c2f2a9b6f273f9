"""The Argo CD REST API without I/O: build requests, read answers into frozen values, map errors.

Measured on Argo CD 3.2: every call but GET needs a JSON content type even without a body; `project` is always sent
because a missing application is otherwise 403; errors are told apart by the gRPC `code`, not by the HTTP status.
Schemas: https://github.com/argoproj/argo-cd/blob/master/assets/swagger.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.errors import ServerFaultError
from headgate.http import Response, excerpt
from headgate.secrets import mask

INFO_NAME = "headgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRef:
    """Which application: its name, its project, and the namespace of the Application resource (None: the server's)."""

    name: str
    project: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    """A resource that an application manages."""

    namespace: str
    name: str
    group: str = "argoproj.io"
    version: str = "v1alpha1"
    kind: str = "Rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to be sent; `body` is sent as JSON when it is not None. `repeatable`: sending it twice does no harm."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    repeatable: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.method == "GET" else {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The last (or running) operation of an application.

    `phase` is Running, Terminating, Failed, Error or Succeeded. `revision` is what was synced (empty: nothing yet),
    `asked` what was asked for. `nonce` is the value of our `info` entry. `finished` says that it has an end time.
    """

    phase: str
    message: str = ""
    revision: str = ""
    asked: str = ""
    nonce: str | None = None
    dry_run: bool = False
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What Argo CD says of an application.

    `busy` means that an operation is queued or running, `holder` whose it is (empty when it is ours, or none is).
    `automated` means that auto-sync is on. Times have whole seconds there and cannot be compared for order; they are
    not read. `health` lags behind its resources.
    """

    name: str
    project: str
    target_revision: str
    sync_status: str
    sync_revision: str
    health: str
    busy: bool
    automated: bool
    operation: Operation | None = None
    conditions: tuple[str, ...] = ()
    holder: str = ""


def get_application(app: AppRef, *, refresh: str | None = None) -> Request:
    """The application; `refresh` normal or hard blocks until it has been compared with Git anew."""
    params = _scope(app) | ({"refresh": refresh} if refresh else {})
    return Request(method="GET", path=_path(app), params=params, repeatable=True)


def sync_application(app: AppRef, *, revision: str, nonce: str) -> Request:
    """Sync to `revision`; the nonce comes back in the operation. Never pruned: a release changes one workload."""
    body: dict[str, Any] = {
        "name": app.name,
        "project": app.project,
        "revision": revision,
        "prune": False,
        "infos": [{"name": INFO_NAME, "value": nonce}],
    }
    if app.namespace:
        body["appNamespace"] = app.namespace
    return Request(method="POST", path=f"{_path(app)}/sync", body=body)


def get_resource(app: AppRef, resource: ResourceRef) -> Request:
    """The live manifest of one resource."""
    return Request(
        method="GET", path=f"{_path(app)}/resource", params=_scope(app) | _resource(resource), repeatable=True
    )


def run_action(app: AppRef, resource: ResourceRef, action: str) -> Request:
    """A resource action such as `resume` or `abort`, by the v2 endpoint."""
    body = {"name": app.name, "project": app.project, "action": action} | _resource(resource)
    if app.namespace:
        body["appNamespace"] = app.namespace
    return Request(method="POST", path=f"{_path(app)}/resource/actions/v2", body=body)


def run_action_v1(app: AppRef, resource: ResourceRef, action: str) -> Request:
    """The same on servers that have no v2 endpoint: the body is the action as a JSON string."""
    params = _scope(app) | _resource(resource)
    return Request(method="POST", path=f"{_path(app)}/resource/actions", params=params, body=action)


def get_sync_windows(app: AppRef) -> Request:
    """The sync windows of the application, and whether it can be synced now."""
    return Request(method="GET", path=f"{_path(app)}/syncwindows", params=_scope(app), repeatable=True)


def get_user_info() -> Request:
    """Who the token belongs to."""
    return Request(method="GET", path="/api/v1/session/userinfo", repeatable=True)


def may_i(app: AppRef, action: str) -> Request:
    """Whether the account may `get` or `sync` the application (the server cannot answer for resource actions)."""
    subject = quote(f"{app.project}/{app.name}", safe="/")
    return Request(method="GET", path=f"/api/v1/account/can-i/applications/{action}/{subject}", repeatable=True)


def parse_application(response: Response) -> Application:
    """The application in an answer. Raises `ServerFaultError` for anything else."""
    raw = _validated(_RawApplication, response)
    source = raw.spec.source or (raw.spec.sources[0] if raw.spec.sources else _RawSource())
    status = raw.status
    automated = raw.spec.sync_policy.automated if raw.spec.sync_policy else None
    return Application(
        name=raw.metadata.name,
        project=raw.spec.project,
        target_revision=source.target_revision or "HEAD",
        sync_status=status.sync.status or "Unknown",
        sync_revision=status.sync.revision or next(iter(status.sync.revisions or ()), ""),
        health=status.health.status or "Unknown",
        busy=raw.operation is not None,
        automated=automated is not None and automated.enabled is not False,
        operation=_operation(status.operation_state),
        conditions=tuple(f"{item.type}: {item.message}" for item in status.conditions or ()),
        holder=_holder(raw.operation),
    )


def parse_sync_windows(response: Response) -> bool:
    """Whether the windows let the application be synced by hand now. Raises `ServerFaultError`."""
    raw = _validated(_RawWindows, response)
    return raw.can_sync or not raw.assigned  # JSON leaves a `false` out as it likes


def parse_manifest(response: Response) -> dict[str, Any]:
    """The live manifest of a resource, which travels as a JSON string. Raises `ServerFaultError`."""
    raw = _validated(_RawManifest, response)
    try:
        manifest = json.loads(raw.manifest)
    except ValueError as error:
        raise _unreadable(response, "the manifest is not JSON") from error
    if not isinstance(manifest, dict):
        raise _unreadable(response, "the manifest is not an object")
    return manifest


def parse_answer(response: Response, key: str) -> str:
    """One text field of a small answer (`username`, `value`); empty when it is not there."""
    body = response.json()
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _operation(raw: _RawOperationState | None) -> Operation | None:
    if raw is None or not raw.phase:
        return None
    sync = raw.operation.sync if raw.operation else None
    result = raw.sync_result
    infos = (raw.operation.info if raw.operation else None) or ()
    return Operation(
        phase=raw.phase,
        message=" ".join(raw.message.split()),  # of Git's own words there can be several lines
        revision=(result.revision or next(iter(result.revisions or ()), "")) if result else "",
        asked=(sync.revision or "") if sync else "",
        nonce=next((info.value for info in infos if info.name == INFO_NAME), None),
        dry_run=bool(sync and sync.dry_run),
        finished=raw.finished_at is not None,
    )


def _holder(raw: _RawOperation | None) -> str:
    """Whose operation it is; empty for ours and for none."""
    if raw is None or any(info.name == INFO_NAME for info in raw.info or ()):
        return ""
    by = raw.initiated_by or _RawInitiator()
    return by.username or ("auto-sync" if by.automated else "somebody")


def _path(app: AppRef) -> str:
    return f"/api/v1/applications/{quote(app.name, safe='')}"


def _scope(app: AppRef) -> dict[str, str]:
    return {"project": app.project} | ({"appNamespace": app.namespace} if app.namespace else {})


def _resource(resource: ResourceRef) -> dict[str, str]:
    return {
        "namespace": resource.namespace,
        "resourceName": resource.name,
        "group": resource.group,
        "version": resource.version,
        "kind": resource.kind,
    }


class _Raw(BaseModel):
    """Somebody else's payload: unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class _RawInfo(_Raw):
    name: str
    value: str


class _RawSync(_Raw):
    revision: str | None = None
    dry_run: bool = Field(default=False, alias="dryRun")


class _RawInitiator(_Raw):
    username: str = ""
    automated: bool = False


class _RawOperation(_Raw):
    sync: _RawSync | None = None
    info: tuple[_RawInfo, ...] | None = None
    initiated_by: _RawInitiator | None = Field(default=None, alias="initiatedBy")


class _RawWindows(_Raw):
    can_sync: bool = Field(default=False, alias="canSync")
    assigned: tuple[dict[str, Any], ...] | None = Field(default=None, alias="assignedWindows")


class _RawResult(_Raw):
    revision: str = ""
    revisions: tuple[str, ...] | None = None


class _RawOperationState(_Raw):
    phase: str = ""
    message: str = ""
    operation: _RawOperation | None = None
    sync_result: _RawResult | None = Field(default=None, alias="syncResult")
    finished_at: datetime | None = Field(default=None, alias="finishedAt")


class _RawHealth(_Raw):
    status: str | None = None


class _RawSyncStatus(_Raw):
    status: str | None = None
    revision: str | None = None
    revisions: tuple[str, ...] | None = None


class _RawCondition(_Raw):
    type: str = ""
    message: str = ""


class _RawStatus(_Raw):
    sync: _RawSyncStatus = _RawSyncStatus()
    health: _RawHealth = _RawHealth()
    operation_state: _RawOperationState | None = Field(default=None, alias="operationState")
    conditions: tuple[_RawCondition, ...] | None = None


class _RawSource(_Raw):
    target_revision: str | None = Field(default=None, alias="targetRevision")


class _RawAutomated(_Raw):
    enabled: bool | None = None


class _RawSyncPolicy(_Raw):
    automated: _RawAutomated | None = None


class _RawSpec(_Raw):
    project: str = "default"
    source: _RawSource | None = None
    sources: tuple[_RawSource, ...] | None = None
    sync_policy: _RawSyncPolicy | None = Field(default=None, alias="syncPolicy")


class _RawMetadata(_Raw):
    name: str


class _RawApplication(_Raw):
    metadata: _RawMetadata
    spec: _RawSpec
    status: _RawStatus = _RawStatus()
    operation: _RawOperation | None = None


class _RawManifest(_Raw):
    manifest: str


_Model = TypeVar("_Model", bound=_Raw)


def _validated(model: type[_Model], response: Response) -> _Model:
    try:
        return model.model_validate(response.json())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _unreadable(response, f"{place}: {first['msg']}") from error


def _unreadable(response: Response, why: str) -> ServerFaultError:
    return ServerFaultError(
        mask(f"this is not an answer of Argo CD ({why}): {excerpt(response.text)[:120]!r}"),
        where=response.where,
        next_step="Check that the URL is the Argo CD server and that no proxy answers in its place.",
    )
