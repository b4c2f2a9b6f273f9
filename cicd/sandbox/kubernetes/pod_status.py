"""What a pod says about itself: phase, conditions and container states, from its process. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.kubernetes.workloads import Behaviour, Counters

Object = dict[str, Any]


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


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def pod_status(
    pod: Mapping[str, Any], process: Process, behaviour: Behaviour | None, *, pulled: bool, stamp: str
) -> Object:
    """The whole `status`; `behaviour` None is an image that nobody published, `pulled` says that its pull has ended.

    Times of what has not changed are kept from the present status; `stamp` is the time of what has.
    """
    old = pod.get("status") or {}
    running, ready = process.started is not None, process.is_serving(behaviour)
    status: Object = {
        "phase": "Running" if running or process.restarts else "Pending",
        "qosClass": "BestEffort",
        "conditions": _conditions(old, scheduled=is_schedulable(pod), ready=ready, stamp=stamp),
    }
    if not is_schedulable(pod):
        return status
    status |= {"hostIP": "127.0.0.1", "startTime": pod["metadata"]["creationTimestamp"]}
    if running:
        status |= {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
    container = {
        "name": pod["spec"]["containers"][0]["name"],
        "image": process.image,
        "imageID": f"docker.io/{process.image}" if running else "",
        "ready": ready,
        "started": running,
        "restartCount": process.restarts,
        "state": _container_state(process, known=behaviour is not None, pulled=pulled, old=old, stamp=stamp),
    }
    return {**status, "containerStatuses": [container]}


def is_schedulable(pod: Mapping[str, Any]) -> bool:
    """The one node has no labels: a pod that asks for some stays Pending."""
    return not pod["spec"].get("nodeSelector")


def _conditions(old: Mapping[str, Any], *, scheduled: bool, ready: bool, stamp: str) -> list[Object]:
    before = {item["type"]: item for item in old.get("conditions") or ()}
    facts = [("PodScheduled", scheduled, "Unschedulable")]
    if scheduled:
        facts += [
            ("Initialized", True, ""),
            ("ContainersReady", ready, "ContainersNotReady"),
            ("Ready", ready, "ContainersNotReady"),
        ]
    return [_condition(before.get(kind), kind, value, reason, stamp) for kind, value, reason in facts]


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
