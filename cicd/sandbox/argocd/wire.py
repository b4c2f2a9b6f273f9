"""How Argo CD's API looks on the wire: gRPC codes with their HTTP statuses, and applications as Go writes them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from cicd.sandbox.kubernetes.cluster import Object, copy_json

APPLICATION_GROUP = "argoproj.io"
CONTROL_NAMESPACE = "argocd"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
REFRESH = "argocd.argoproj.io/refresh"


class Code(IntEnum):
    """The gRPC codes that Argo CD answers with; clients must branch on these, not on the HTTP status."""

    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    UNAUTHENTICATED = 16


# The gateway's table: FAILED_PRECONDITION is 400, not 412 or 409.
HTTP_STATUS: Mapping[Code, int] = {
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.PERMISSION_DENIED: 403,
    Code.FAILED_PRECONDITION: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAUTHENTICATED: 401,
}


class ApiError(Exception):
    """A refusal as the real server words it; the routes turn it into `{error, code, message}`."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        return HTTP_STATUS[self.code]

    @property
    def body(self) -> Object:
        return {"error": self.message, "code": int(self.code), "message": self.message}


def denied(message: str = "permission denied") -> ApiError:
    """403 code 7."""
    return ApiError(Code.PERMISSION_DENIED, message)


def application_not_found(name: str) -> ApiError:
    """404 code 5; only given to callers who named the project."""
    return ApiError(Code.NOT_FOUND, f'applications.argoproj.io "{name}" not found')


def invalid(message: str) -> ApiError:
    """400 code 3."""
    return ApiError(Code.INVALID_ARGUMENT, message)


def precondition(message: str) -> ApiError:
    """400 code 9."""
    return ApiError(Code.FAILED_PRECONDITION, message)


_UNCOMPARED: Mapping[str, Any] = {"status": "", "comparedTo": {"source": {"repoURL": ""}, "destination": {}}}
_METADATA = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels", "annotations")


def present(app: Mapping[str, Any]) -> Object:
    """An Application as the API answers it: without apiVersion and kind, with Go's zero values for what is unset.

    The health of single resources is not part of the stored object: the server fills it in when it is read.
    """
    status = copy_json(dict(app.get("status") or {}))
    status.setdefault("sync", copy_json(dict(_UNCOMPARED)))
    status.setdefault("health", {})
    status.setdefault("summary", {})
    status.setdefault("sourceHydrator", {})
    answer: Object = {
        "metadata": {key: copy_json(app["metadata"][key]) for key in _METADATA if app["metadata"].get(key)},
        "spec": copy_json(app.get("spec") or {}),
        "status": status,
    }
    if app.get("operation"):
        answer["operation"] = copy_json(app["operation"])
    return answer


def with_health(answer: Object, health: Mapping[tuple[str, str, str, str], Mapping[str, str]]) -> Object:
    """The answer with each resource's health as it is now; `health` is by (group, kind, namespace, name)."""
    for entry in answer["status"].get("resources") or ():
        key = (entry.get("group", ""), entry["kind"], entry.get("namespace", ""), entry["name"])
        if key in health:
            entry["health"] = dict(health[key])
    return answer


def select_fields(answer: Object, fields: str) -> Object:
    """Keep the dotted, comma-separated paths only; lists are filtered element by element. No paths keep everything."""
    paths = [path.split(".") for path in fields.split(",") if path]
    return _select(answer, paths) if paths else answer


def _select(value: Any, paths: list[list[str]]) -> Any:
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        return [_select(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key in value:
        below = [path[1:] for path in paths if path[0] == key]
        if below:
            kept[key] = _select(value[key], below)
    return kept
