"""Endpoints and EndpointSlices: which ready pods stand behind each Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref
from cicd.sandbox.kubernetes.pod_status import is_ready
from cicd.sandbox.kubernetes.rollout_values import owner_of, short_hash


def reconcile_endpoints(cluster: Cluster) -> None:
    """Bring the Endpoints (same name, no owner) and the EndpointSlice (owned) of every Service up to date."""
    for service in cluster.list("", "Service"):
        selector = service["spec"].get("selector")
        if not selector:
            continue
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        pods = [pod for pod in cluster.list("", "Pod", namespace, selector) if (pod.get("status") or {}).get("podIP")]
        meta = {"namespace": namespace, "labels": dict(service["metadata"].get("labels") or {})}
        _put(cluster, {**_endpoints(service, pods), "metadata": {**meta, "name": name}})
        slice_name = f"{name}-{short_hash(service['metadata']['uid'])[:5]}"
        labels = {
            **meta["labels"],
            "kubernetes.io/service-name": name,
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        owned = {**meta, "name": slice_name, "labels": labels, "ownerReferences": [owner_of(service)]}
        _put(cluster, {**_slice(service, pods), "metadata": owned})
    _collect_orphans(cluster)


def _put(cluster: Cluster, wanted: Object) -> None:
    group, _, version = wanted["apiVersion"].rpartition("/")
    meta = wanted["metadata"]
    ref = Ref(group, version, wanted["kind"], meta["namespace"], meta["name"])
    if cluster.get(ref) is None:
        cluster.create(wanted)
        return

    def change(live: Object) -> None:
        for key, value in wanted.items():
            if key != "metadata":
                live[key] = value

    cluster.update(ref, change)


def _collect_orphans(cluster: Cluster) -> None:
    names = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in cluster.list("", "Service")}
    for item in cluster.list("", "Endpoints"):
        meta = item["metadata"]
        if (meta["namespace"], meta["name"]) not in names:
            cluster.delete(Ref("", "v1", "Endpoints", meta["namespace"], meta["name"]))


def _target(pod: Mapping[str, Any]) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _endpoints(service: Mapping[str, Any], pods: list[Object]) -> Object:
    groups: dict[str, list[Object]] = {"addresses": [], "notReadyAddresses": []}
    for pod in pods:
        address = {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName"), "targetRef": _target(pod)}
        groups["addresses" if is_ready(pod) else "notReadyAddresses"].append(address)
    subset: Object = {key: value for key, value in groups.items() if value}
    ports = [{"port": port.get("targetPort"), "protocol": "TCP"} for port in service["spec"].get("ports") or ()]
    subsets = [{**subset, "ports": ports}] if subset else []
    return {"apiVersion": "v1", "kind": "Endpoints", "subsets": subsets}


def _slice(service: Mapping[str, Any], pods: list[Object]) -> Object:
    entries = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": False},
            "nodeName": pod["spec"].get("nodeName"),
            "targetRef": _target(pod),
        }
        for pod in pods
    ]
    ports = [
        {"name": "", "port": port.get("targetPort"), "protocol": "TCP"} for port in service["spec"].get("ports") or ()
    ]
    head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    return {**head, "endpoints": entries, "ports": ports}
