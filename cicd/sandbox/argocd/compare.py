"""Target state against live state: what is out of sync, how healthy it is, and in which order it is applied. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.argocd.health import has_check, resource_health, worst
from cicd.sandbox.argocd.wire import TRACKING_ID
from cicd.sandbox.kubernetes.cluster import LAST_APPLIED, Object, Ref, copy_object, ref_of

Key = tuple[str, str, str, str]

# gitops-engine's order of kinds within a sync; kinds that are not listed (custom resources) come last.
_KIND_ORDER = (
    "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget",
    "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
    "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service", "DaemonSet",
    "Pod", "ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job",
    "CronJob", "IngressClass", "Ingress", "APIService",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One resource of an application: what Git wants and what the cluster has; at least one of them is there."""

    target: Object | None
    live: Object | None

    @property
    def ref(self) -> Ref:
        found = self.target or self.live
        if found is None:
            raise ValueError("a pair needs a target or a live object")
        return ref_of(found)

    @property
    def in_sync(self) -> bool:
        """Both are there and nothing that Git says differs; a resource that Git no longer has is out of sync."""
        return self.target is not None and self.live is not None and not differs(self.target, self.live)


def tracked(manifest: Mapping[str, Any], app: str) -> Object:
    """The manifest with the annotation by which Argo CD knows that the resource belongs to the application."""
    copy = copy_object(manifest)
    ref = ref_of(copy)
    identity = f"{app}:{ref.group}/{ref.kind}:{ref.namespace}/{ref.name}"
    copy["metadata"]["annotations"] = {**(copy["metadata"].get("annotations") or {}), TRACKING_ID: identity}
    return copy


def owner_app(obj: Mapping[str, Any]) -> str:
    """The application that the object belongs to; "" for an untracked one and for a copy of a tracked one."""
    identity = str((obj["metadata"].get("annotations") or {}).get(TRACKING_ID) or "")
    app, _, rest = identity.partition(":")
    ref = ref_of(obj)
    return app if rest == f"{ref.group}/{ref.kind}:{ref.namespace}/{ref.name}" else ""


def pair_up(targets: Iterable[Object], live: Mapping[Key, Object], app: str) -> list[Pair]:
    """Targets with their live objects, and the live objects of the application that Git no longer has."""
    wanted = {ref_of(target).key: target for target in targets}
    pairs = {key: Pair(target=target, live=live.get(key)) for key, target in wanted.items()}
    for key, obj in live.items():
        if key not in pairs and owner_app(obj) == app:
            pairs[key] = Pair(target=None, live=obj)
    return [pairs[key] for key in sorted(pairs)]


def differs(target: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether applying the target would change what Git has a say in.

    Defaults of the API server, injected selectors and status are ignored; a key that an earlier apply set and the
    target no longer has is a difference.
    """
    annotations = live["metadata"].get("annotations") or {}
    try:
        previous = json.loads(annotations.get(LAST_APPLIED) or "{}")
    except ValueError:
        previous = {}
    wanted = {key: value for key, value in target.items() if key != "status"}
    return _differs(wanted, live, previous if isinstance(previous, dict) else {})


def _differs(wanted: Any, live: Any, previous: Any) -> bool:
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return bool(wanted) or live is not None
        before = previous if isinstance(previous, dict) else {}
        gone = [key for key in before.keys() - wanted.keys() if key in live]
        if any(not isinstance(before[key], dict) or _differs({}, live[key], before[key]) for key in gone):
            return True
        return any(_differs(value, live.get(key), before.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(wanted) != len(live):
            return not (not wanted and live is None)
        before_items = previous if isinstance(previous, list) and len(previous) == len(wanted) else [None] * len(wanted)
        return any(_differs(*items) for items in zip(wanted, live, before_items, strict=True))
    return bool(wanted != live) or type(wanted) is not type(live)


def status_entry(pair: Pair) -> Object:
    """The resource's line in `status.resources`, with the health that `GET` shows."""
    ref = pair.ref
    entry: Object = {"group": ref.group, "version": ref.version, "kind": ref.kind, "namespace": ref.namespace}
    entry["name"] = ref.name
    entry["status"] = "Synced" if pair.in_sync else "OutOfSync"
    if pair.target is None:
        entry["requiresPruning"] = True
    health = {"status": "Missing"} if pair.live is None else resource_health(pair.live)
    if health is not None:
        entry["health"] = health
    return {key: value for key, value in entry.items() if value != ""}


def sync_status(pairs: Iterable[Pair]) -> str:
    """Synced, or OutOfSync as soon as one resource is."""
    return "Synced" if all(pair.in_sync for pair in pairs) else "OutOfSync"


def application_health(pairs: Iterable[Pair]) -> str:
    """The worst of the resources; a missing one counts only if its kind has a health check."""
    statuses = []
    for pair in pairs:
        if pair.live is not None:
            health = resource_health(pair.live)
            statuses += [health["status"]] if health else []
        elif has_check(pair.ref.group, pair.ref.kind):
            statuses.append("Missing")
    return worst(statuses)


def apply_order(pairs: Iterable[Pair]) -> list[Pair]:
    """The order in which a sync applies resources: by kind, then by name."""

    def rank(pair: Pair) -> tuple[int, str, str, str]:
        ref = pair.ref
        known = _KIND_ORDER.index(ref.kind) if ref.kind in _KIND_ORDER else len(_KIND_ORDER)
        return known, ref.kind, ref.namespace, ref.name

    return sorted(pairs, key=rank)


def images_of(obj: Mapping[str, Any]) -> list[str]:
    """The container images in a workload's pod template, or in a pod itself."""
    spec = obj.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    template = spec.get("template")
    pod = (template.get("spec") or {}) if isinstance(template, dict) else spec
    containers = [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())] if isinstance(pod, dict) else []
    return [str(item["image"]) for item in containers if isinstance(item, dict) and item.get("image")]
