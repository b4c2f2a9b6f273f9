"""Create, replace, patch and delete with the API server's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cicd.sandbox.kubernetes import api_errors as errors
from cicd.sandbox.kubernetes.api_patches import json_patch
from cicd.sandbox.kubernetes.api_resources import Resource
from cicd.sandbox.kubernetes.cluster import AlreadyExistsError, Cluster, Object, Ref, merge_patch
from headgate.errors import NotFoundError

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def read_object(resource: Resource, body: bytes) -> Object:
    """The body as an object of this kind; raises `StatusError` (400) for anything else."""
    try:
        value = json.loads(body)
    except ValueError:
        text = body.decode("utf-8", "replace")
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; "
            f"json parse error: unexpected end of JSON input ({text[:80]})"
        ) from None
    if not isinstance(value, dict) or not isinstance(value.get("metadata", {}), dict):
        raise errors.bad_request(f"the object provided is not a {resource.kind}")
    value.setdefault("apiVersion", resource.api_version)
    value.setdefault("kind", resource.kind)
    value.setdefault("metadata", {})
    found = (value["apiVersion"], value["kind"])
    if found != (resource.api_version, resource.kind):
        raise errors.bad_request(
            f"the API version or kind in the data ({found[0]}, {found[1]}) does not match the expected "
            f"({resource.api_version}, {resource.kind})"
        )
    _check_times(resource, value)
    return value


def _check_times(resource: Resource, value: Mapping[str, Any]) -> None:
    if resource.kind != "Lease":
        return
    for field in ("acquireTime", "renewTime"):
        text = (value.get("spec") or {}).get(field)
        if text is not None and not (isinstance(text, str) and _MICRO_TIME.fullmatch(text)):
            raise errors.bad_request(
                f'Lease in version "v1" cannot be handled as a Lease: parsing time "{text}" as '
                f'"2006-01-02T15:04:05.000000Z07:00": cannot parse "{text}" as "2006"'
            )


def create(cluster: Cluster, resource: Resource, namespace: str, value: Object) -> Object:
    """POST: 409 when the name is taken, 404 without the namespace, 422 for a bad name."""
    metadata = value["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{cluster.resource_version:05x}"
    name = metadata.get("name")
    if not name:
        raise errors.invalid(resource, "", "metadata.name", "Required value: name or generateName is required")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise errors.bad_name(resource, name)
    _place(cluster, resource, namespace, metadata)
    if resource.status:
        value.pop("status", None)
    try:
        return cluster.create(value)
    except AlreadyExistsError:
        raise errors.already_exists(resource, name) from None


def _place(cluster: Cluster, resource: Resource, namespace: str, metadata: Object) -> None:
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.setdefault("namespace", namespace) != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if cluster.get(Ref("", "v1", "Namespace", "", namespace)) is None:
        details = {"name": namespace, "kind": "namespaces"}
        raise errors.StatusError(404, "NotFound", f'namespaces "{namespace}" not found', details)


def replace(cluster: Cluster, resource: Resource, ref: Ref, value: Object, *, status: bool) -> Object:
    """PUT: 409 with a stale resourceVersion; a Lease that is missing is created, as on a real server."""
    metadata = value["metadata"]
    if metadata.setdefault("name", ref.name) != ref.name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({ref.name})"
        )
    if cluster.get(ref) is None and resource.kind == "Lease" and not metadata.get("resourceVersion"):
        return create(cluster, resource, ref.namespace, value)
    if resource.custom and not metadata.get("resourceVersion"):
        problem = "Invalid value: 0: must be specified for an update"
        raise errors.invalid(resource, ref.name, "metadata.resourceVersion", problem)
    return _write(cluster, resource, ref, lambda _: value, status=status)


def patch(cluster: Cluster, resource: Resource, ref: Ref, content_type: str, body: bytes, *, status: bool) -> Object:
    """PATCH with a merge patch or a JSON patch; a strategic merge patch is one for built-in kinds only (else 415).

    Lists are replaced whole in both merge patches: the sandbox keeps no merge keys.
    """
    known = (JSON_PATCH, MERGE) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC)
    if content_type not in known:
        raise errors.unsupported_media_type(content_type, known)
    try:
        change = json.loads(body)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from None

    def build(live: Object) -> Any:
        if content_type == JSON_PATCH:
            try:
                return json_patch(live, change)
            except (LookupError, ValueError, TypeError) as error:
                raise errors.StatusError(422, "Invalid", f"the server rejected our request: {error}") from None
        return merge_patch(live, change)

    return _write(cluster, resource, ref, build, status=status)


def _write(cluster: Cluster, resource: Resource, ref: Ref, build: Callable[[Object], Any], *, status: bool) -> Object:
    def change(live: Object) -> None:
        new = build(live)
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise errors.bad_request(f"the patched object is not a {resource.kind}")
        _check_times(resource, new)
        metadata = new["metadata"]
        expected = metadata.get("resourceVersion")
        if expected and expected != live["metadata"]["resourceVersion"]:
            raise errors.modified(resource, ref.name)
        if metadata.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            raise errors.modified(resource, ref.name)
        kept = dict(live)
        if status:
            new = {**kept, "status": new.get("status", {})}
        elif resource.status:
            new = {**new, "status": kept.get("status")} if "status" in kept else _without_status(new)
        live.clear()
        live.update({**new, "apiVersion": kept["apiVersion"], "kind": kept["kind"]})

    try:
        return cluster.update(ref, change)
    except NotFoundError:
        raise errors.not_found(resource, ref.name) from None


def _without_status(value: Mapping[str, Any]) -> Object:
    return {key: item for key, item in value.items() if key != "status"}


def delete(cluster: Cluster, resource: Resource, ref: Ref, body: bytes) -> Object:
    """DELETE, with `preconditions` (resourceVersion, uid) when the body names them."""
    try:
        options = json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise errors.bad_request(f"couldn't read the DeleteOptions: {error}") from None
    wanted = (options.get("preconditions") or {}) if isinstance(options, dict) else {}
    with cluster.locked():
        live = cluster.get(ref)
        if live is None:
            raise errors.not_found(resource, ref.name)
        for key, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(key) not in (None, live["metadata"][key]):
                raise errors.precondition(resource, ref.name, label, str(wanted[key]), live["metadata"][key])
        gone = cluster.delete(ref)
    if resource.kind in {"Pod", "Namespace"} or gone["metadata"].get("finalizers"):
        return gone
    group = {"group": resource.group} if resource.group else {}
    details = {"name": ref.name, **group, "kind": resource.plural, "uid": live["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
