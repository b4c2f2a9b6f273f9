"""The Rollouts controller's shell: gathers facts from the cluster, asks the core, writes what it decided."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, ref_of
from cicd.sandbox.kubernetes.ingress import sync_canary_ingress
from cicd.sandbox.kubernetes.rollout_values import (
    MANAGED_BY,
    POD_TEMPLATE_HASH,
    REVISION,
    SCALE_DOWN_DEADLINE,
    Facts,
    Plan,
    ReplicaSetFacts,
    format_time,
    owner_of,
    parse_time,
    template_hash,
)
from cicd.sandbox.kubernetes.rollouts import reconcile

log = logging.getLogger(__name__)

DEFAULT_HISTORY = 10
Change = Callable[[Object], None]


class RolloutController:
    """Reconciles every Rollout in the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def reconcile_all(self) -> datetime | None:
        """One move for each rollout; returns the earliest moment at which one wants to be looked at again."""
        wakes: list[datetime] = []
        for rollout in self._cluster.list("argoproj.io", "Rollout"):
            try:
                wake = self._reconcile_one(ref_of(rollout))
            except Exception:  # one malformed Rollout must not stop all others
                log.exception("cannot reconcile the Rollout %s", rollout["metadata"]["name"])
                continue
            wakes += [wake] if wake is not None else []
        return min(wakes, default=None)

    def _reconcile_one(self, ref: Ref) -> datetime | None:
        with self._cluster.locked():
            rollout = self._cluster.get(ref)
            if rollout is None or rollout["metadata"].get("deletionTimestamp"):
                return None
            facts = gather(self._cluster, rollout)
            plan = reconcile(facts)
            self._perform(ref, rollout, facts, plan)
            return plan.wake_at

    def _perform(self, ref: Ref, rollout: Object, facts: Facts, plan: Plan) -> None:
        if plan.revision is not None:
            self._sync_revision(ref, rollout, facts, plan.revision)
            return
        for pod_hash, replicas in plan.scale.items():
            self._edit_replica_set(ref, facts, pod_hash, _set_replicas(replicas))
        for pod_hash, moment in plan.deadlines.items():
            self._edit_replica_set(ref, facts, pod_hash, _set_deadline(moment))
        for service, pod_hash in plan.selectors.items():
            service_ref = Ref("", "v1", "Service", ref.namespace, service)
            self._cluster.update(service_ref, _point(ref.name, pod_hash))
        if plan.status is not None:
            self._cluster.update(ref, set_status(plan.status))
            sync_canary_ingress(self._cluster, rollout, plan.status)
        self._forget_history(ref, facts)

    def _sync_revision(self, ref: Ref, rollout: Object, facts: Facts, revision: int) -> None:
        """The update that raises `generation` a second time: Go's types write `resources: {}` into containers."""
        if facts.new is None:
            self._cluster.create(new_replica_set(rollout, facts.template_hash, revision))
        else:
            self._edit_replica_set(ref, facts, facts.template_hash, lambda item: _set_revision(item, revision))

        def normalise(item: Object) -> None:
            _set_revision(item, revision)
            for container in item["spec"]["template"]["spec"].get("containers") or ():
                container.setdefault("resources", {})

        self._cluster.update(ref, normalise)

    def _edit_replica_set(self, ref: Ref, facts: Facts, pod_hash: str, change: Change) -> None:
        found = facts.replica_set(pod_hash)
        if found is not None:
            self._cluster.update(Ref("apps", "v1", "ReplicaSet", ref.namespace, found.name), change)

    def _forget_history(self, ref: Ref, facts: Facts) -> None:
        limit = facts.spec.get("revisionHistoryLimit")
        old = [item for item in facts.others if item.replicas == 0 and item.actual == 0]
        for item in old[DEFAULT_HISTORY if limit is None else int(limit) :]:
            self._cluster.delete(Ref("apps", "v1", "ReplicaSet", ref.namespace, item.name))


def gather(cluster: Cluster, rollout: Mapping[str, Any]) -> Facts:
    """What the core may look at, read from the cluster."""
    metadata, spec = rollout["metadata"], rollout.get("spec") or {}
    owned = [
        item
        for item in cluster.list("apps", "ReplicaSet", metadata["namespace"])
        if any(owner.get("uid") == metadata["uid"] for owner in item["metadata"].get("ownerReferences") or ())
    ]
    services = cluster.list("", "Service", metadata["namespace"])
    return Facts(
        name=metadata["name"],
        spec=spec,
        status=rollout.get("status") or {},
        generation=int(metadata["generation"]),
        revision=int((metadata.get("annotations") or {}).get(REVISION, 0)),
        template_hash=template_hash(spec.get("template")),
        replica_sets=tuple(_replica_set_facts(item) for item in owned),
        selectors={
            item["metadata"]["name"]: (item["spec"].get("selector") or {}).get(POD_TEMPLATE_HASH) for item in services
        },
        now=cluster.clock.now(),
    )


def new_replica_set(rollout: Mapping[str, Any], pod_hash: str, revision: int) -> Object:
    """The ReplicaSet of a rollout's present template, without pods yet."""
    metadata, spec = rollout["metadata"], rollout["spec"]
    template = spec["template"]
    labels = {**(template.get("metadata") or {}).get("labels", {}), POD_TEMPLATE_HASH: pod_hash}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{pod_hash}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_of(rollout)],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {**spec["selector"]["matchLabels"], POD_TEMPLATE_HASH: pod_hash}},
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
        "status": {"replicas": 0},
    }


def _replica_set_facts(item: Mapping[str, Any]) -> ReplicaSetFacts:
    annotations, status = item["metadata"].get("annotations") or {}, item.get("status") or {}
    until = annotations.get(SCALE_DOWN_DEADLINE)
    return ReplicaSetFacts(
        hash=item["metadata"]["labels"][POD_TEMPLATE_HASH],
        name=item["metadata"]["name"],
        revision=int(annotations.get(REVISION, 0)),
        replicas=int(item["spec"].get("replicas", 0)),
        actual=int(status.get("replicas", 0)),
        ready=int(status.get("readyReplicas", 0)),
        available=int(status.get("availableReplicas", 0)),
        scale_down_at=parse_time(until) if until else None,
    )


def _set_revision(item: Object, revision: int) -> None:
    item["metadata"].setdefault("annotations", {})[REVISION] = str(revision)


def set_status(status: Object) -> Change:
    """An edit that replaces the status."""

    def change(item: Object) -> None:
        item["status"] = status

    return change


def _set_replicas(replicas: int) -> Change:
    def change(item: Object) -> None:
        item["spec"]["replicas"] = replicas

    return change


def _set_deadline(moment: datetime | None) -> Change:
    def change(item: Object) -> None:
        annotations = item["metadata"].setdefault("annotations", {})
        annotations.pop(SCALE_DOWN_DEADLINE, None)
        if moment is not None:
            annotations[SCALE_DOWN_DEADLINE] = format_time(moment)

    return change


def _point(rollout: str, pod_hash: str) -> Change:
    def change(service: Object) -> None:
        service["spec"].setdefault("selector", {})[POD_TEMPLATE_HASH] = pod_hash
        service["metadata"].setdefault("annotations", {})[MANAGED_BY] = rollout

    return change
