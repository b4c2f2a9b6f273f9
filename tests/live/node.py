"""The node that the agent is: registration, and the Lease and status by which the cluster sees that it lives."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from headgate.clock import format_timestamp
from tests.live.kube import Kube
from tests.live.pods import NETWORK

TAINT_KEY = "live.headgate/local-processes"
TAINT = {"key": TAINT_KEY, "value": "true", "effect": "PreferNoSchedule"}
"""Not NoSchedule: the example's manifests run here as they are. Strangers go to other nodes where there are any."""
TOLERATION = {"key": TAINT_KEY, "operator": "Exists"}
BEAT_S = 5.0
LEASE_S = 40
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_HEALTH = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID"),
    ("Ready", "True", "KubeletReady"),
)


class Node:
    """Registers on `start()` and keeps the Lease and the status fresh until `stop()`.

    An API server that is away is asked again at the next beat.
    """

    def __init__(self, kube: Kube, name: str) -> None:
        self._kube, self.name = kube, name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"node {name}", daemon=True)
        self._path = f"/api/v1/nodes/{name}"

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, remove: bool) -> None:
        """End the heartbeat; with `remove` the Node and its Lease go too."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(30)
        if remove:
            self._kube.delete(self._path)
            self._kube.delete(f"{LEASES}/{self.name}")

    def ready(self) -> bool:
        """Whether the scheduler may use the node by now."""
        node = self._kube.get(self._path)
        return node is not None and is_schedulable(node)

    def _run(self) -> None:
        while True:
            wait_s = BEAT_S
            try:
                self._beat()
            except (httpx.HTTPError, OSError):
                wait_s = 0.5
            if self._stopping.wait(wait_s):
                return

    def _beat(self) -> None:
        now = datetime.now(UTC)
        if self._kube.merge(f"{self._path}/status", {"status": node_status(now)}) is None:
            self._kube.create("/api/v1/nodes", node(self.name))
            self._kube.merge(f"{self._path}/status", {"status": node_status(now)})
        renewed = {"holderIdentity": self.name, "leaseDurationSeconds": LEASE_S, "renewTime": _micro(now)}
        if self._kube.merge(f"{LEASES}/{self.name}", {"spec": renewed}) is None:
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            self._kube.create(LEASES, {**lease, "metadata": {"name": self.name}, "spec": renewed})


def is_schedulable(node: Mapping[str, Any]) -> bool:
    """Ready, and no taint of the node controller left."""
    taints = [item["key"] for item in node["spec"].get("taints") or ()]
    conditions = {item["type"]: item["status"] for item in (node.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and not any(key.startswith("node.kubernetes.io/") for key in taints)


def node(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "local-processes"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [TAINT], "podCIDR": str(NETWORK), "podCIDRs": [str(NETWORK)]},
    }


def node_status(now: datetime) -> dict[str, Any]:
    """As of a healthy node; it has room for more pods than this machine should run."""
    room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "100Gi", "pods": "200"}
    stamp = format_timestamp(now.replace(microsecond=0))
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": reason, "lastHeartbeatTime": stamp}
        for kind, status, reason in _HEALTH
    ]
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": str(NETWORK[1])}],
        "nodeInfo": {"operatingSystem": "linux", "kubeletVersion": "v1.36.3"},
    }


def _micro(now: datetime) -> str:
    """A Lease keeps microseconds, and wants all six digits."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
