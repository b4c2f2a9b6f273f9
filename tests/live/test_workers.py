"""The agent and the router's front as servers of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live import objects
from tests.live.agent import NODE
from tests.live.kube import Kube
from tests.live.routing import is_ready
from tests.live.stack import Stack
from tests.live.waiting import eventually
from tests.live.workers import front_server

NAMESPACE, HOST = "worker-tests", "worker.example.com"
PODS = objects.PODS.format(namespace=NAMESPACE)


@pytest.fixture
def kube(stack: Stack, agent: str) -> Iterator[Kube]:
    """A namespace with one pod of the recommender behind an Ingress."""
    stack.namespace(NAMESPACE)
    kube = Kube(stack.kubeconfig)
    template = objects.pod_template("worker", "shop/recommender:1.4.0", node=NODE)
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": "worker"}}
    assert kube.create(PODS, pod)
    assert kube.create(objects.SERVICES.format(namespace=NAMESPACE), objects.service("worker-stable", app="worker"))
    assert kube.create(objects.INGRESSES.format(namespace=NAMESPACE), objects.ingress("worker", host=HOST))
    yield kube
    kube.delete(f"{PODS}/worker")
    eventually(lambda: kube.get(f"{PODS}/worker") is None, "the pod to be gone")
    kube.delete(f"/api/v1/namespaces/{NAMESPACE}")
    kube.close()


def _ready(kube: Kube, restarts: int) -> bool:
    pod: dict[str, Any] = kube.get(f"{PODS}/worker") or {}
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return bool(pod) and is_ready(pod) and statuses[0].get("restartCount") == restarts


def test_a_killed_agent_is_revived_with_its_pods_and_the_front_finds_them(stack: Stack, agent: str, kube: Kube) -> None:
    eventually(lambda: _ready(kube, 0), "the pod to be ready")
    front = front_server(stack, namespace=NAMESPACE, port=stack.layout.ports["router"])
    stack.servers.start(front)

    def asked() -> str:
        answer = httpx.get(f"{stack.layout.url('router')}/healthz", headers={"Host": HOST}, trust_env=False)
        return str(answer.headers.get("X-Version", ""))

    assert eventually(asked, "an answer of the pod by way of the front") == "1.4.0"
    stack.kill(agent)
    assert asked() == ""
    stack.revive(agent)
    eventually(lambda: _ready(kube, 1), "the pod to be ready again")
    assert eventually(asked, "an answer of the pod in its new process") == "1.4.0"
    stack.kill(front.name)
