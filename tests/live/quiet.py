"""A node without programs: its pods run and are ready at once, and end at once, on paper only.

For tests of Argo CD's and Argo Rollouts' answers, as they were recorded: dozens of pods that nobody asks anything.
While it is there the other nodes take no new pods.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headgate.clock import format_timestamp
from tests.live.kube import Informer, Kube
from tests.live.node import Node
from tests.live.waiting import eventually

NAME = "quiet"
_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


@contextlib.contextmanager
def quiet_node(kubeconfig: Path) -> Iterator[None]:
    """The node, as the only one that takes pods."""
    kube = Kube(kubeconfig)
    node = Node(kube, NAME)
    numbers = itertools.count(2)

    def changed() -> None:
        for pod in pods.items():
            _play(kube, pod, numbers)

    pods = Informer(kube, "/api/v1/pods", {"fieldSelector": f"spec.nodeName={NAME}"}, changed)
    others: list[str] = []
    try:
        node.start()
        pods.start()
        eventually(node.ready, f"the node {NAME} is ready")
        others = [name for name in _schedulable(kube) if name != NAME]
        for name in others:
            kube.merge(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
        yield
    finally:
        for name in others:
            kube.merge(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}})
        node.stop(remove=True)
        pods.stop()
        kube.close()


def _schedulable(kube: Kube) -> list[str]:
    items = kube.list("/api/v1/nodes")["items"]
    return [item["metadata"]["name"] for item in items if not item["spec"].get("unschedulable")]


def _play(kube: Kube, pod: Mapping[str, Any], numbers: Iterator[int]) -> None:
    """What a kubelet would do about the pod now."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    if "deletionTimestamp" in metadata:
        kube.delete(path, uid=metadata["uid"], grace_s=0)
    elif pod["status"].get("phase") == "Pending":
        number = next(numbers)
        kube.merge(f"{path}/status", {"status": _running(pod, f"10.89.{number // 250}.{number % 250 + 2}")})


def _running(pod: Mapping[str, Any], address: str) -> dict[str, Any]:
    now = format_timestamp(datetime.now(UTC).replace(microsecond=0))
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in _CONDITIONS],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in pod["spec"]["containers"]
        ],
    }
