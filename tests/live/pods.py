"""What the node agent decides, without doing it: which processes to start and stop for a list of pods, and what the
pods' status is. Pure: pods of the API and views of processes in, plans and status documents out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from headgate.clock import format_timestamp

HASH_LABEL = "rollouts-pod-template-hash"
ADDRESS = "live.headgate/address"
"""Annotation with the real host:port: a pod's own address is made up, and all pods share one host."""
NETWORK = ipaddress.ip_network("10.88.0.0/16")
"""Where pods' addresses come from: endpoints refuse loopback ones."""
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 10.0, 300.0
PROBE_PERIOD_S = 1.0

Key = tuple[str, str]
"""UID of the pod and name of the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container of a pod's spec. `probe` is the path asked for readiness, /healthz where the spec names none."""

    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: str = "/healthz"
    restarts: int = 0
    ran: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod bound to our node. `status` is what the API has, `restarts` and `ran` of its containers are read there."""

    uid: str
    namespace: str
    name: str
    containers: tuple[ContainerSpec, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    grace_s: float = 30.0
    restart_policy: str = "Always"
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.status.get("phase") in {"Succeeded", "Failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A container's process at one moment. `port` and `started` are None until it listens; `exit_code` until it ended;
    a process ended by signal n has 128 + n."""

    restarts: int = 0
    port: int | None = None
    ready: bool = False
    stopping: bool = False
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    last: View | None = None

    @property
    def exited(self) -> bool:
        return self.exit_code is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`start` and `stop` are processes, `forget` views that nobody needs any more, `remove` pods (by UID) to delete."""

    start: tuple[Key, ...] = ()
    stop: tuple[Key, ...] = ()
    forget: tuple[Key, ...] = ()
    remove: tuple[str, ...] = ()


def parse_pod(raw: Mapping[str, Any]) -> Pod:
    """A pod of the API."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    known = {item["name"]: item for item in status.get("containerStatuses") or ()}
    grace_s = metadata.get("deletionGracePeriodSeconds")
    return Pod(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        containers=tuple(_container(item, known.get(item["name"]) or {}) for item in spec.get("containers") or ()),
        labels=metadata.get("labels") or {},
        deleting=bool(metadata.get("deletionTimestamp")),
        grace_s=float(30 if grace_s is None else grace_s),
        restart_policy=spec.get("restartPolicy") or "Always",
        status=status,
    )


def _container(raw: Mapping[str, Any], status: Mapping[str, Any]) -> ContainerSpec:
    probe = (raw.get("readinessProbe") or {}).get("httpGet") or {}
    state = status.get("state") or {}
    return ContainerSpec(
        name=raw["name"],
        image=raw.get("image") or "",
        environment={item["name"]: str(item["value"]) for item in raw.get("env") or () if "value" in item},
        probe=probe.get("path") or "/healthz",
        restarts=int(status.get("restartCount") or 0),
        ran="running" in state or "terminated" in state or bool(status.get("lastState")),
    )


def backoff_s(restarts: int) -> float:
    """How long a container that has ended waits before its next start: the first restart is at once, then 10 s, 20 s."""
    return 0.0 if restarts < 1 else min(FIRST_BACKOFF_S * 2 ** min(restarts - 1, 10), LONGEST_BACKOFF_S)


def plan(pods: Iterable[Pod], views: Mapping[Key, View], known: Collection[str], now: datetime) -> Plan:
    """What to do so that the processes become those of `pods`. `known` are the images that can be run."""
    start: list[Key] = []
    stop: list[Key] = []
    remove: list[str] = []
    present = {pod.uid: pod for pod in pods}
    for pod in present.values():
        if pod.deleting:
            own = {key: view for key, view in views.items() if key[0] == pod.uid}
            stop += [key for key, view in own.items() if not view.exited and not view.stopping]
            if all(view.exited for view in own.values()):
                remove.append(pod.uid)
        elif not pod.finished:
            start += [
                (pod.uid, item.name)
                for item in pod.containers
                if item.image in known and _due(pod, views.get((pod.uid, item.name)), now)
            ]
    orphans = {key: view for key, view in views.items() if key[0] not in present}
    stop += [key for key, view in orphans.items() if not view.exited and not view.stopping]
    forget = tuple(key for key, view in orphans.items() if view.exited)
    return Plan(start=tuple(start), stop=tuple(stop), forget=forget, remove=tuple(remove))


def _due(pod: Pod, view: View | None, now: datetime) -> bool:
    if view is None:
        return True
    if view.exit_code is None or view.finished is None or not _restarts(pod, view.exit_code):
        return False
    return now >= view.finished + timedelta(seconds=backoff_s(view.restarts))


def _restarts(pod: Pod, exit_code: int) -> bool:
    return pod.restart_policy == "Always" or (pod.restart_policy == "OnFailure" and exit_code != 0)


def pod_status(pod: Pod, views: Mapping[str, View], known: Collection[str], ip: str, now: datetime) -> dict[str, Any]:
    """The pod's status as a kubelet would report it; `views` by container name.

    An address that the pod already has is repeated: the API does not let it change.
    """
    address = pod.status.get("podIP") or ip
    containers = [_container_status(pod, item, views.get(item.name), known) for item in pod.containers]
    ready = not pod.deleting and bool(containers) and all(item["ready"] for item in containers)
    phase = _phase(pod, views)
    done = phase == "Succeeded"
    reason = "PodCompleted" if done else None if ready else "ContainersNotReady"
    wanted = [
        ("PodReadyToStartContainers", "True", None),
        ("Initialized", "True", None),
        ("ContainersReady", "True" if ready else "False", reason),
        ("Ready", "True" if ready else "False", reason),
    ]
    return {
        "phase": phase,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": str(NETWORK[1]),
        "startTime": pod.status.get("startTime") or _stamp(now),
        "conditions": _conditions(pod.status.get("conditions") or (), wanted, now),
        "containerStatuses": containers,
    }


def _phase(pod: Pod, views: Mapping[str, View]) -> str:
    if pod.finished:
        return str(pod.status["phase"])
    found = [views.get(item.name) for item in pod.containers]
    codes = [view.exit_code for view in found if view is not None and view.exit_code is not None]
    over = len(codes) == len(pod.containers) and not any(_restarts(pod, code) for code in codes)
    if over and not pod.deleting:
        return "Failed" if any(codes) else "Succeeded"
    begun = all(view is not None and (view.started or view.restarts) for view in found)
    return "Running" if begun or any(item.ran for item in pod.containers) else "Pending"


def _container_status(pod: Pod, spec: ContainerSpec, view: View | None, known: Collection[str]) -> dict[str, Any]:
    name = {"name": spec.name, "image": spec.image, "imageID": f"local/{spec.image}"}
    if view is None:
        waiting = {"reason": "ContainerCreating"}
        if spec.image not in known:
            waiting = {"reason": "ErrImagePull", "message": f"no registry has {spec.image!r}"}
        state: dict[str, Any] = {"waiting": waiting}
        return {**name, "ready": False, "started": False, "restartCount": spec.restarts, "state": state}
    ready = view.ready and not view.stopping and not view.exited
    status = {**name, "ready": ready, "started": view.started is not None and not view.exited}
    status["restartCount"] = view.restarts
    last = _terminated(view.last) if view.last is not None else None
    if view.exit_code is not None and _restarts(pod, view.exit_code) and not pod.deleting:
        message = f"back-off {backoff_s(view.restarts):.0f}s restarting failed container {spec.name}"
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        last = _terminated(view)
    elif view.exited:
        status["state"] = _terminated(view)
    elif view.started is None:
        status["state"] = {"waiting": {"reason": "ContainerCreating"}}
    else:
        status["state"] = {"running": {"startedAt": _stamp(view.started)}}
    return {**status, "lastState": last or {}}


def _terminated(view: View) -> dict[str, Any]:
    ended: dict[str, Any] = {"exitCode": view.exit_code or 0, "reason": "Error" if view.exit_code else "Completed"}
    if view.started is not None:
        ended["startedAt"] = _stamp(view.started)
    if view.finished is not None:
        ended["finishedAt"] = _stamp(view.finished)
    return {"terminated": ended}


def _conditions(
    old: Iterable[Mapping[str, Any]], wanted: Iterable[tuple[str, str, str | None]], now: datetime
) -> list[dict[str, Any]]:
    """Conditions of others are kept as they are; the time changes only with the status."""
    before = {item["type"]: item for item in old}
    result: dict[str, dict[str, Any]] = {kind: dict(item) for kind, item in before.items()}
    for kind, status, reason in wanted:
        same = kind in before and before[kind].get("status") == status
        since = before[kind].get("lastTransitionTime") if same else None
        result[kind] = {"type": kind, "status": status, "lastTransitionTime": since or _stamp(now)}
        if reason is not None:
            result[kind]["reason"] = reason
    return list(result.values())


def _stamp(moment: datetime) -> str:
    """The API keeps whole seconds."""
    return format_timestamp(moment.replace(microsecond=0))


def covers(observed: Any, wanted: Any) -> bool:
    """Whether `observed` has everything of `wanted`: the server adds fields, such as a null lastProbeTime."""
    if isinstance(wanted, Mapping):
        return isinstance(observed, Mapping) and all(covers(observed.get(key), item) for key, item in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(observed, list) or len(observed) != len(wanted):
            return False
        return all(covers(theirs, ours) for theirs, ours in zip(observed, wanted, strict=True))
    return bool(observed == wanted)


def free_address(taken: Collection[str]) -> str:
    """The first pod address that nobody has; the network's first one is the node's."""
    for host in range(2, NETWORK.num_addresses - 1):
        address = str(NETWORK[host])
        if address not in taken:
            return address
    raise RuntimeError(f"no address left in {NETWORK}")


def scrape_targets(pods: Iterable[Pod], views: Mapping[Key, View]) -> list[dict[str, Any]]:
    """Prometheus file_sd: every listening process, ready or not, with the labels of its pod."""
    found = []
    for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name)):
        for container in pod.containers:
            view = views.get((pod.uid, container.name))
            if view is None or view.port is None or view.exited:
                continue
            labels = {"namespace": pod.namespace, "pod": pod.name, "container": container.name}
            if HASH_LABEL in pod.labels:
                labels["rollouts_pod_template_hash"] = pod.labels[HASH_LABEL]
            found.append({"targets": [f"127.0.0.1:{view.port}"], "labels": labels})
    return found


def address_annotations(port: int) -> dict[str, str]:
    """Where the pod really is, for the router and for those who scrape."""
    return {
        ADDRESS: f"127.0.0.1:{port}",
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
    }
