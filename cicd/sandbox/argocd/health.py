"""Health of one resource and of an application, by Argo CD's rules (gitops-engine `health`, Rollout `health.lua`). Pure.

Kinds without a check (ConfigMap, AnalysisTemplate) have no health: they neither help nor harm the application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Health = dict[str, str]

# From best to worst; an application is as healthy as the worst of its resources.
_ORDER = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")


def worst(statuses: Iterable[str]) -> str:
    """The health of an application whose resources have these; Healthy when none has a health check."""
    return max(statuses, key=_ORDER.index, default="Healthy")


def has_check(group: str, kind: str) -> bool:
    """Whether resources of this kind have a health at all."""
    return (group, kind) in _CHECKS


def resource_health(obj: Mapping[str, Any]) -> Health | None:
    """The health of a live object, with a message where there is one; None for kinds without a check."""
    check = _CHECKS.get((str(obj["apiVersion"]).rpartition("/")[0], str(obj["kind"])))
    if obj["metadata"].get("deletionTimestamp"):
        return _health("Progressing", "Pending deletion")
    return check(obj) if check else None


def _health(status: str, message: str | None = None) -> Health:
    return {"status": status, "message": message} if message else {"status": status}


def rollout_health(obj: Mapping[str, Any]) -> Health:
    """Whether the controller has seen this generation comes first: an older status says nothing about the new spec."""
    status = obj.get("status") or {}
    if not _generation_observed(obj, status):
        return _health("Progressing", "Waiting for rollout spec update to be observed")
    conditions = {item.get("type"): item for item in status.get("conditions") or ()}
    if "InvalidSpec" in conditions:
        return _health("Degraded", conditions["InvalidSpec"].get("message"))
    phase = status.get("phase")
    if phase == "Paused":
        return _health("Suspended", status.get("message"))
    if phase in {"Healthy", "Progressing", "Degraded"}:
        return _health(phase, status.get("message"))
    return _health("Unknown", "Rollout has no phase")


def _generation_observed(obj: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """`observedGeneration` is a string; releases before 1.0 wrote a hash, which tells nothing."""
    observed = str(status.get("observedGeneration") or "")
    if not observed:
        return False
    generation = obj["metadata"].get("generation", 0)
    return not observed.isdecimal() or int(observed) > generation or int(observed) == generation


def _replica_set(obj: Mapping[str, Any]) -> Health:
    status = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return _health(
            "Progressing", "Waiting for rollout to finish: observed replica set generation less than desired generation"
        )
    wanted, available = obj.get("spec", {}).get("replicas", 1), status.get("availableReplicas", 0)
    if available < wanted:
        return _health(
            "Progressing", f"Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        )
    return _health("Healthy")


def _deployment(obj: Mapping[str, Any]) -> Health:
    spec, status = obj.get("spec", {}), obj.get("status") or {}
    if spec.get("paused"):
        return _health("Suspended", "Deployment is paused")
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return _health("Degraded", f'Deployment "{obj["metadata"]["name"]}" exceeded its progress deadline')
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return _health(
            "Progressing", "Waiting for rollout to finish: observed deployment generation less than desired generation"
        )
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if updated < wanted:
        return _health(
            "Progressing", f"Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated..."
        )
    if status.get("replicas", 0) > updated or status.get("availableReplicas", 0) < updated:
        return _health("Progressing", "Waiting for rollout to finish: replicas are still changing...")
    return _health("Healthy")


def _pod(obj: Mapping[str, Any]) -> Health:
    status = obj.get("status") or {}
    phase = status.get("phase")
    for container in status.get("containerStatuses") or ():
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason") or ""
        # A pod that cannot start is Degraded at once; ContainerCreating and the like are ordinary waiting.
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            return _health("Degraded", container["state"]["waiting"].get("message"))
    if phase == "Succeeded":
        return _health("Healthy")
    if phase == "Failed":
        return _health("Degraded", status.get("message"))
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return _health("Healthy" if phase == "Running" and ready else "Progressing")


def _service(obj: Mapping[str, Any]) -> Health:
    if (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return _health("Healthy")
    return _ingress(obj)


def _ingress(obj: Mapping[str, Any]) -> Health:
    """Without an address an Ingress is Progressing for ever, and so is its application."""
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    return _health("Healthy" if balancer.get("ingress") else "Progressing")


def _job(obj: Mapping[str, Any]) -> Health:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            return _health("Degraded", condition.get("message"))
        if condition.get("type") == "Complete" and condition.get("status") == "True":
            return _health("Healthy", condition.get("message"))
    return _health("Progressing")


_CHECKS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Health]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("argoproj.io", "Rollout"): rollout_health,
    ("batch", "Job"): _job,
    ("networking.k8s.io", "Ingress"): _ingress,
}
