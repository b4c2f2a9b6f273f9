"""ReplicaSets to pods, and the life of a pod: what the ReplicaSet controller, the scheduler and the kubelet do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, ref_of
from cicd.sandbox.kubernetes.controller import Change, set_status
from cicd.sandbox.kubernetes.pod_status import Process, is_ready, is_schedulable, pod_status
from cicd.sandbox.kubernetes.rollout_values import POD_TEMPLATE_HASH, owner_of, short_hash
from cicd.sandbox.kubernetes.workloads import Counters, Registry

NODE = "sandbox"
CRASH_BACK_OFF_S = 10.0


class PodController:
    """Keeps as many pods as each ReplicaSet wants, runs them, and counts them back into the ReplicaSet's status.

    `start_s`: from creation to running. `metrics_port`: where the pods' /metrics are served on loopback.
    """

    def __init__(self, cluster: Cluster, registry: Registry, *, start_s: float = 0.3, metrics_port: int = 0) -> None:
        self._cluster = cluster
        self._registry = registry
        self._start_s = start_s
        self.metrics_port = metrics_port
        self._number = 0
        self._lock = threading.Lock()
        self._processes: dict[tuple[str, str], Process] = {}

    def process(self, namespace: str, pod: str) -> Process | None:
        """The running side of a pod; None when there is no such pod."""
        with self._lock:
            return self._processes.get((namespace, pod))

    def reconcile_all(self) -> float | None:
        """One pass; returns the monotonic moment at which a pod changes by itself, or None."""
        self._scale_all()
        wakes = self._live_all()
        self._count_all()
        return min(wakes, default=None)

    def _scale_all(self) -> None:
        for item in self._cluster.list("apps", "ReplicaSet"):
            pods = self._owned(item)
            wanted = int(item["spec"].get("replicas", 0))
            for _ in range(wanted - len(pods)):
                self._cluster.create(self._new_pod(item))
            pods.sort(key=lambda pod: (is_ready(pod), pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
            for pod in pods[: max(len(pods) - wanted, 0)]:
                self._cluster.delete(ref_of(pod))

    def _owned(self, replica_set: Mapping[str, Any]) -> list[Object]:
        uid = replica_set["metadata"]["uid"]
        pods = self._cluster.list(
            "", "Pod", replica_set["metadata"]["namespace"], replica_set["spec"]["selector"]["matchLabels"]
        )
        return [
            pod for pod in pods if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())
        ]

    def _new_pod(self, replica_set: Mapping[str, Any]) -> Object:
        self._number += 1
        metadata, template = replica_set["metadata"], replica_set["spec"]["template"]
        name = f"{metadata['name']}-{short_hash(self._number)[:5]}"
        own = dict((template.get("metadata") or {}).get("annotations") or {})
        scrape = {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(self.metrics_port),
            "prometheus.io/path": f"/pods/{metadata['namespace']}/{name}/metrics",
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {**own, **scrape},
                "ownerReferences": [owner_of(replica_set)],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        }

    def _live_all(self) -> list[float]:
        now, wakes, seen = self._cluster.clock.monotonic(), [], set()
        for pod in self._cluster.list("", "Pod"):
            ref = ref_of(pod)
            seen.add((ref.namespace, ref.name))
            process = self._process_of(ref, pod, now)
            wake = self._live(process, now, schedulable=is_schedulable(pod))
            if wake is not None:
                wakes.append(wake)
            status = self._status_of(pod, process)
            if status != pod.get("status"):
                self._cluster.update(ref, _become(status))
        with self._lock:
            for key in self._processes.keys() - seen:
                del self._processes[key]
        return wakes

    def _process_of(self, ref: Ref, pod: Object, now: float) -> Process:
        with self._lock:
            found = self._processes.get((ref.namespace, ref.name))
            if found is None:
                labels = pod["metadata"].get("labels") or {}
                found = Process(
                    image=pod["spec"]["containers"][0].get("image", ""),
                    pod_hash=labels.get(POD_TEMPLATE_HASH, ""),
                    created=now,
                    counters=Counters(app=labels.get("app", ref.name)),
                )
                self._processes[ref.namespace, ref.name] = found
            return found

    def _live(self, process: Process, now: float, *, schedulable: bool) -> float | None:
        """Let time act on one process; returns when it acts next."""
        behaviour = self._registry.behaviour(process.image)
        if not schedulable or behaviour is None:
            return None if now >= process.created + self._start_s else process.created + self._start_s
        if process.started is None:
            since, delay = (process.created, self._start_s)
            if process.crashed is not None:
                since, delay = process.crashed, CRASH_BACK_OFF_S
            if now < since + delay:
                return since + delay
            process.started = now
            process.counters = Counters(app=process.counters.app)
        if behaviour.crash_after_s is None:
            return None
        end = process.started + behaviour.crash_after_s
        if now < end:
            return end
        process.started, process.crashed = None, now
        process.restarts += 1
        return now + CRASH_BACK_OFF_S

    def _status_of(self, pod: Object, process: Process) -> Object:
        return pod_status(
            pod,
            process,
            self._registry.behaviour(process.image),
            pulled=self._cluster.clock.monotonic() >= process.created + self._start_s,
            stamp=self._cluster.timestamp(),
        )

    def _count_all(self) -> None:
        for item in self._cluster.list("apps", "ReplicaSet"):
            pods = self._owned(item)
            ready = sum(is_ready(pod) for pod in pods)
            counts = {
                "replicas": len(pods),
                "fullyLabeledReplicas": len(pods),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": item["metadata"]["generation"],
            }
            status = {key: value for key, value in counts.items() if value or key == "replicas"}
            if status != item.get("status"):
                self._cluster.update(ref_of(item), set_status(status))


def _become(status: Object) -> Change:
    def change(pod: Object) -> None:
        pod["status"] = status
        if any(item["type"] == "PodScheduled" and item["status"] == "True" for item in status["conditions"]):
            pod["spec"]["nodeName"] = NODE

    return change
