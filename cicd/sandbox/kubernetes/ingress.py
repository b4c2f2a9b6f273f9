"""The canary Ingress that the Rollouts controller keeps for ingress-nginx: a copy of the stable one with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, copy_json
from cicd.sandbox.kubernetes.rollout_values import owner_of

PREFIX = "nginx.ingress.kubernetes.io"


def sync_canary_ingress(cluster: Cluster, rollout: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """Create or update `<rollout>-<stable Ingress>-canary` after `status.canary.weights`.

    Without nginx traffic routing, without weights or without the stable Ingress nothing is done.
    """
    canary = ((rollout.get("spec") or {}).get("strategy") or {}).get("canary") or {}
    stable_name = ((canary.get("trafficRouting") or {}).get("nginx") or {}).get("stableIngress")
    weights = (status.get("canary") or {}).get("weights")
    if not stable_name or not weights:
        return
    namespace = rollout["metadata"]["namespace"]
    stable = cluster.get(_ref(namespace, stable_name))
    if stable is None:
        return
    ref = _ref(namespace, f"{rollout['metadata']['name']}-{stable_name}-canary")
    annotations = {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": str(weights["canary"]["weight"])}
    spec = _redirect(stable["spec"], canary.get("stableService"), canary.get("canaryService"))
    if cluster.get(ref) is None:
        metadata = {"name": ref.name, "namespace": namespace, "annotations": annotations}
        cluster.create(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {**metadata, "ownerReferences": [owner_of(rollout)]},
                "spec": spec,
                "status": {"loadBalancer": {}},
            }
        )
        return

    def change(live: Object) -> None:
        live["spec"] = spec
        live["metadata"]["annotations"] = {**(live["metadata"].get("annotations") or {}), **annotations}

    cluster.update(ref, change)


def _ref(namespace: str, name: str) -> Ref:
    return Ref("networking.k8s.io", "v1", "Ingress", namespace, name)


def _redirect(spec: Any, stable: str | None, canary: str | None) -> Any:
    """The spec with every backend that is the stable Service replaced by the canary one."""
    if isinstance(spec, Mapping):
        result = {key: _redirect(value, stable, canary) for key, value in spec.items()}
        if isinstance(result.get("service"), dict) and result["service"].get("name") == stable:
            result["service"]["name"] = canary
        return result
    if isinstance(spec, list):
        return [_redirect(item, stable, canary) for item in spec]
    return copy_json(spec)
