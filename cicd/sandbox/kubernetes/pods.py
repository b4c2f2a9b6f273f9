"""ReplicaSets to pods, and the life of a pod: what the ReplicaSet controller, the scheduler and the kubelet do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, ref_of
from cicd.sandbox.kubernetes.controller import Change, set_status
from cicd.sandbox.kubernetes.rollout_values import POD_TEMPLATE_HASH, owner_of, short_hash
from cicd.sandbox.kubernetes.workloads import Behaviour, Counters, Registry

NODE = "sandbox"
CRASH_BACK_OFF_S = 10.0


@dataclass(slots=True, kw_only=True)
class Process:
    """The container of one pod. Times are of the clock's monotonic scale; `started` None: it does not run now."""

    image: str
    pod_hash: str
    created: float
    counters: Counters
    started: float | None = None
    crashed: float | None = None
    restarts: int = 0

    def is_serving(self, behaviour: Behaviour | None) -> bool:
        return self.started is not None and behaviour is not None and behaviour.ready


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
            wake = self._live(process, now, schedulable=not pod["spec"].get("nodeSelector"))
            if wake is not None:
                wakes.append(wake)
            status = self._status(pod, process)
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

    def _status(self, pod: Object, process: Process) -> Object:
        scheduled = not pod["spec"].get("nodeSelector")
        behaviour = self._registry.behaviour(process.image)
        running = process.started is not None
        ready = process.is_serving(behaviour)
        phase = "Running" if running or process.restarts else "Pending"
        status: Object = {"phase": phase, "qosClass": "BestEffort"}
        old = {item["type"]: item for item in (pod.get("status") or {}).get("conditions") or ()}
        facts = [("PodScheduled", scheduled, "Unschedulable")]
        if scheduled:
            facts += [
                ("Initialized", True, ""),
                ("ContainersReady", ready, "ContainersNotReady"),
                ("Ready", ready, "ContainersNotReady"),
            ]
        stamp = self._cluster.timestamp()
        status["conditions"] = [_condition(old.get(kind), kind, value, reason, stamp) for kind, value, reason in facts]
        if not scheduled:
            return status
        status |= {"hostIP": "127.0.0.1", "startTime": pod["metadata"]["creationTimestamp"]}
        if running:
            status |= {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
        pulled = self._cluster.clock.monotonic() >= process.created + self._start_s
        state = _container_state(
            process, known=behaviour is not None, pulled=pulled, old=pod.get("status"), stamp=stamp
        )
        container = pod["spec"]["containers"][0]
        status["containerStatuses"] = [
            {
                "name": container["name"],
                "image": process.image,
                "imageID": f"docker.io/{process.image}" if running else "",
                "ready": ready,
                "started": running,
                "restartCount": process.restarts,
                "state": state,
            }
        ]
        return status

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


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _become(status: Object) -> Change:
    def change(pod: Object) -> None:
        pod["status"] = status
        if any(item["type"] == "PodScheduled" and item["status"] == "True" for item in status["conditions"]):
            pod["spec"]["nodeName"] = NODE

    return change


def _condition(old: Mapping[str, Any] | None, kind: str, value: bool, reason: str, stamp: str) -> Object:
    since = old["lastTransitionTime"] if old and old["status"] == str(value) else stamp
    result = {"type": kind, "status": str(value), "lastTransitionTime": since}
    return result if value else {**result, "reason": reason}


def _container_state(process: Process, *, known: bool, pulled: bool, old: Any, stamp: str) -> Object:
    if process.started is not None:
        before = ((old or {}).get("containerStatuses") or [{}])[0]
        since = before.get("state", {}).get("running", {}).get("startedAt", stamp)
        return {"running": {"startedAt": since if before.get("restartCount") == process.restarts else stamp}}
    if process.restarts:
        text = "back-off 10s restarting failed container"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
    if not known and pulled:
        text = f'Back-off pulling image "{process.image}"'
        return {"waiting": {"reason": "ImagePullBackOff", "message": text}}
    return {"waiting": {"reason": "ContainerCreating"}}
