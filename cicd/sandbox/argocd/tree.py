"""The resource tree of an application: its resources and everything they own, as the API answers it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cicd.sandbox.argocd.compare import Key, images_of, owner_app
from cicd.sandbox.argocd.health import resource_health
from cicd.sandbox.kubernetes.cluster import Object, ref_of

REVISION = "rollout.argoproj.io/revision"
_WORKLOADS = frozenset({"Rollout", "ReplicaSet", "Deployment"})


def tree_objects(live: Mapping[Key, Object], app: str) -> list[Object]:
    """The application's objects and, level by level, those that they own; Endpoints belong to their Service."""
    found = {key: obj for key, obj in live.items() if owner_app(obj) == app}
    fresh: Collection[Object] = list(found.values())
    while fresh:
        parents = {obj["metadata"]["uid"] for obj in fresh}
        services = {(ref_of(obj).namespace, ref_of(obj).name) for obj in fresh if obj["kind"] == "Service"}
        below = {
            key: obj
            for key, obj in live.items()
            if key not in found and (_owners(obj) & parents or (obj["kind"] == "Endpoints" and key[2:] in services))
        }
        found |= below
        fresh = list(below.values())
    return [found[key] for key in sorted(found)]


def tree_summary(objects: Collection[Object]) -> Object:
    """`status.summary`: the addresses of the application's Ingresses and the images of its pods, each once, sorted."""
    urls = sorted({url for obj in objects if obj["kind"] == "Ingress" for url in _urls(obj.get("spec") or {})})
    images = sorted({image for obj in objects if obj["kind"] == "Pod" for image in images_of(obj)})
    summary: Object = {"externalURLs": urls, "images": images}
    return {key: value for key, value in summary.items() if value}


def _urls(ingress: Mapping[str, Any]) -> list[str]:
    secure = {host for item in ingress.get("tls") or () for host in item.get("hosts") or ()}
    return [
        f"{'https' if rule['host'] in secure else 'http'}://{rule['host']}{path.get('path') or '/'}"
        for rule in ingress.get("rules") or ()
        if rule.get("host")
        for path in (rule.get("http") or {}).get("paths") or ()
    ]


def resource_tree(objects: Collection[Object]) -> Object:
    """`{nodes: […]}`; a node names its parents, its health, and what the user interface shows of it."""
    services = {
        (ref_of(obj).namespace, ref_of(obj).name): obj["metadata"]["uid"] for obj in objects if obj["kind"] == "Service"
    }
    return {"nodes": [_node(obj, services) for obj in objects]}


def _owners(obj: Mapping[str, Any]) -> set[str]:
    return {str(owner.get("uid")) for owner in obj["metadata"].get("ownerReferences") or ()}


def _node(obj: Object, services: Mapping[tuple[str, str], str]) -> Object:
    ref, metadata = ref_of(obj), obj["metadata"]
    node: Object = {"group": ref.group, "version": ref.version, "kind": ref.kind, "namespace": ref.namespace}
    node |= {"name": ref.name, "uid": metadata["uid"], "parentRefs": _parents(obj, services), "info": _info(obj)}
    node["networkingInfo"] = _networking(obj)
    node["resourceVersion"] = metadata["resourceVersion"]
    node["images"] = images_of(obj) if obj["kind"] == "Pod" else []
    node["health"] = resource_health(obj)
    node["createdAt"] = metadata["creationTimestamp"]
    return {key: value for key, value in node.items() if value not in ("", None, [], {})}


def _parents(obj: Object, services: Mapping[tuple[str, str], str]) -> list[Object]:
    ref = ref_of(obj)
    if ref.kind == "Endpoints" and (ref.namespace, ref.name) in services:
        uid = services[(ref.namespace, ref.name)]
        return [{"version": "v1", "kind": "Service", "namespace": ref.namespace, "name": ref.name, "uid": uid}]
    parents = []
    for owner in obj["metadata"].get("ownerReferences") or ():
        group, _, version = str(owner.get("apiVersion", "v1")).rpartition("/")
        parent = {"group": group, "version": version, "kind": owner.get("kind"), "namespace": ref.namespace}
        parent |= {"name": owner.get("name"), "uid": owner.get("uid")}
        parents.append({key: value for key, value in parent.items() if value})
    return parents


def _info(obj: Object) -> list[Object]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    if obj["kind"] in _WORKLOADS:
        revision = (metadata.get("annotations") or {}).get(REVISION)
        return [{"name": "Revision", "value": f"Rev:{revision}"}] if revision else []
    if obj["kind"] != "Pod":
        return []
    containers = status.get("containerStatuses") or []
    ready = sum(1 for item in containers if item.get("ready"))
    node = obj["spec"].get("nodeName")
    total = len(obj["spec"].get("containers") or ())
    return [
        {"name": "Status Reason", "value": _reason(status)},
        {"name": "Node", "value": node} if node else {"name": "Node"},
        {"name": "Containers", "value": f"{ready}/{total}"},
        {"name": "cpu", "value": "0"},
        {"name": "memory", "value": "0"},
    ]


def _reason(status: Mapping[str, Any]) -> str:
    """What kubectl shows in the STATUS column."""
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    return str(status.get("reason") or status.get("phase") or "Pending")


def _networking(obj: Object) -> Object:
    if obj["kind"] == "Pod":
        return {"labels": dict(obj["metadata"].get("labels") or {})}
    if obj["kind"] == "Service":
        return {"targetLabels": dict(obj["spec"].get("selector") or {})}
    return {}
