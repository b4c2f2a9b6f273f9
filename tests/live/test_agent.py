"""Pods that really run: on the real Kubernetes with a real Argo Rollouts, by our agent and our router.

All pods of these tests run on a node of their own, so that its agent can be killed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from tests.live import objects
from tests.live.front import Front
from tests.live.kube import Kube
from tests.live.pods import ADDRESS, HASH_LABEL
from tests.live.record import Count
from tests.live.router import Load, Router
from tests.live.routing import is_ready
from tests.live.stack import Stack
from tests.live.waiting import eventually

ROOT = Path(__file__).parents[2]
NAMESPACE, NODE = "agent-tests", "agent-tests"
GOOD, BETTER, BAD = "shop/recommender:1.0.0", "shop/recommender:1.1.0", "shop/recommender:1.2.0-errors"
RATE = 80.0


class AgentProcess:
    """The agent as the program it is, to be killed and started again."""

    def __init__(self, kubeconfig: Path, folder: Path, targets: Path) -> None:
        options = ["--kubeconfig", kubeconfig, "--folder", folder, "--node", NODE, "--targets", targets]
        self._argv = [sys.executable, "-m", "tests.live.agent", *map(str, options)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert "ready" in self._process.stdout.readline()

    def end(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Place:
    """The namespace of these tests, seen as admin."""

    def __init__(self, stack: Stack, agent: AgentProcess) -> None:
        self.stack, self.agent = stack, agent
        self.kube = Kube(stack.kubeconfig)

    def create(self, kind: str, *manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            assert self.kube.create(kind.format(namespace=NAMESPACE), manifest)

    def pod(self, name: str, image: str, **spec: Any) -> None:
        template = objects.pod_template(name, image, node=NODE)
        metadata = {**template["metadata"], "name": name}
        self.create(
            objects.PODS,
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**template["spec"], **spec}},
        )

    def rollout(self, name: str, image: str, **canary: Any) -> None:
        self.create(objects.SERVICES, *(objects.service(f"{name}-{arm}", app=name) for arm in ("stable", "canary")))
        self.create(objects.INGRESSES, objects.ingress(name, host=f"{name}.example.com"))
        self.create(objects.ROLLOUTS, objects.rollout(name, image, objects.canary(name, **canary), node=NODE))

    def release(self, name: str, image: str) -> None:
        path = f"{objects.ROLLOUTS.format(namespace=NAMESPACE)}/{name}"
        self.kube.merge(path, {"spec": {"template": {"spec": {"containers": [objects.container(image)]}}}})

    def abort(self, name: str) -> None:
        path = f"{objects.ROLLOUTS.format(namespace=NAMESPACE)}/{name}/status"
        self.kube.merge(path, {"status": {"abort": True}})

    def delete(self, kind: str, name: str) -> None:
        self.kube.delete(f"{kind.format(namespace=NAMESPACE)}/{name}")

    def pods(self, app: str) -> list[dict[str, Any]]:
        path = objects.PODS.format(namespace=NAMESPACE)
        found: list[dict[str, Any]] = self.kube.list(path, {"labelSelector": f"app={app}"})["items"]
        return found

    def until(self, app: str, holds: Callable[[list[dict[str, Any]]], object], *, timeout_s: float = 30) -> Any:
        """The app's pods as soon as `holds` of them."""
        found: list[dict[str, Any]] = []

        def question() -> bool:
            found[:] = self.pods(app)
            return bool(holds(found))

        eventually(question, f"pods of {app}", timeout_s, last=lambda: [pod.get("status") for pod in found])
        return list(found)

    def until_ready(self, app: str, count: int, *, timeout_s: float = 30) -> Any:
        return self.until(
            app, lambda pods: sum(map(is_ready, pods)) == count and len(pods) == count, timeout_s=timeout_s
        )

    def query(self, query: str) -> dict[str, float]:
        """Values of an instant query by pod template hash."""
        answer = httpx.get(f"{self.stack.prometheus_url}/api/v1/query", params={"query": query}, trust_env=False)
        return {
            item["metric"].get("rollouts_pod_template_hash", ""): float(item["value"][1])
            for item in answer.raise_for_status().json()["data"]["result"]
        }


@pytest.fixture(scope="module")
def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    stack.namespace(NAMESPACE)
    targets = stack.prometheus_targets / f"{NODE}.json"
    agent = AgentProcess(stack.kubeconfig, tmp_path_factory.mktemp("agent"), targets)
    place = Place(stack, agent)
    yield place
    for kind in (objects.ROLLOUTS, objects.PODS):
        place.kube.delete(kind.format(namespace=NAMESPACE))
    eventually(lambda: not place.kube.list(objects.PODS.format(namespace=NAMESPACE))["items"], "all pods to be gone")
    agent.end(signal.SIGTERM)
    targets.unlink()
    place.kube.delete(f"/api/v1/nodes/{NODE}")
    place.kube.delete(f"/api/v1/namespaces/{NAMESPACE}")
    place.kube.close()


@pytest.fixture(scope="module")
def router(stack: Stack, place: Place) -> Iterator[Router]:
    with Router(stack.kubeconfig, namespace=NAMESPACE) as router:
        assert router.wait(10)
        yield router


def refused(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/healthz", timeout=5):
            return False
    except OSError:
        return True


def address(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["annotations"][ADDRESS])


def test_a_rollout_of_four_pods_is_up_in_a_moment_and_gone_in_a_moment(place: Place) -> None:
    began = time.monotonic()
    place.rollout("quick", GOOD)
    pods = place.until_ready("quick", 4)
    took_s = time.monotonic() - began
    addresses = [address(pod) for pod in pods]
    assert len({pod["status"]["podIP"] for pod in pods}) == len(set(addresses)) == 4
    place.delete(objects.ROLLOUTS, "quick")
    began = time.monotonic()
    place.until("quick", lambda pods: not pods)
    print(f"four pods: ready after {took_s:.2f} s, gone after {time.monotonic() - began:.2f} s")
    assert all(refused(address) for address in addresses)
    assert took_s < 15


def test_requests_follow_the_weight_and_prometheus_counts_the_same(place: Place, router: Router) -> None:
    host, began = "weighted.example.com", int(time.time())  # the record has whole seconds
    place.rollout("weighted", GOOD)
    place.until_ready("weighted", 4)
    place.release("weighted", BAD)
    place.until_ready("weighted", 5)
    eventually(lambda: router.weights().get(host) == 25, "a weight of 25 %", last=router.weights)
    for number in range(400):
        router.send(host, f"/recommend?user={number}")
    exact = router.record.count("service", since=began)
    assert {name: count.total for name, count in exact.items()} == {"weighted-stable": 300, "weighted-canary": 100}
    with Load(router, rate=RATE, host=host):
        place.abort("weighted")
        eventually(lambda: router.weights()[host] == 0, "no weight", last=router.weights)
    before = router.record.count("version", since=began)["1.2.0-errors"].total
    for number in range(100):
        router.send(host, f"/recommend?user={number}")
    by_version = router.record.count("version", since=began)
    assert by_version["1.2.0-errors"].total == before
    assert by_version["1.2.0-errors"].bad == int(before * 0.03)
    assert by_version["1.0.0"].bad == 0
    _prometheus_agrees(place, router.record.count("hash", since=began))


def _prometheus_agrees(place: Place, counts: dict[str, Count]) -> None:
    """To the last request: counters are compared as they are, not as rates."""
    total = f'sum by (rollouts_pod_template_hash) (http_requests_total{{namespace="{NAMESPACE}"}})'
    bad = total.replace("}}", "}").replace('"}', '",status=~"5.."}')
    seen: list[dict[str, tuple[float, float]]] = [{}]

    def question() -> bool:
        totals, bads = place.query(total), place.query(bad)
        seen[0] = {name: (totals.get(name, -1), bads.get(name, -1)) for name in counts}
        return seen[0] == {name: (count.total, count.bad) for name, count in counts.items()}

    eventually(question, f"Prometheus counts {counts}", last=lambda: seen[0])


def test_no_request_is_lost_while_pods_come_and_go(place: Place, router: Router) -> None:
    began = time.time()
    place.rollout("moving", GOOD, steps=[], scaleDownDelaySeconds=1)
    place.until_ready("moving", 4)
    with Load(router, rate=RATE, host="moving.example.com"):
        old = place.pods("moving")[0]["metadata"]["labels"][HASH_LABEL]
        place.release("moving", BETTER)
        place.until(
            "moving", lambda pods: pods and all(old != p["metadata"]["labels"][HASH_LABEL] for p in pods), timeout_s=60
        )
        pods = place.until_ready("moving", 4)
        place.delete(objects.PODS, pods[0]["metadata"]["name"])
        place.until_ready("moving", 4)
    counts = router.record.count("version", since=began)
    assert set(counts) == {"1.0.0", "1.1.0"}
    assert sum(count.bad for count in counts.values()) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_pods_end_with_the_agent_and_the_next_one_starts_them_again(place: Place, number: int) -> None:
    name = f"restarted-{number}"
    place.pod(name, GOOD)
    (before,) = place.until_ready(name, 1)
    place.agent.end(number)
    eventually(lambda: refused(address(before)), "the process ends with the agent")
    place.agent.start()
    (after,) = place.until(name, lambda pods: is_ready(pods[0]) and _app(pods[0])["restartCount"] == 1)
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not refused(address(after))
    place.delete(objects.PODS, name)


def _app(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


def test_a_pod_deleted_while_there_is_no_agent_is_removed_by_the_next(place: Place) -> None:
    place.pod("orphan", GOOD)
    place.until_ready("orphan", 1)
    place.agent.end(signal.SIGKILL)
    place.delete(objects.PODS, "orphan")
    assert place.pods("orphan")[0]["metadata"]["deletionTimestamp"]
    place.agent.start()
    place.until("orphan", lambda pods: not pods)


def test_never_ready_runs_has_no_requests_and_is_scraped(place: Place, router: Router) -> None:
    place.create(objects.SERVICES, objects.service("idle", app="idle"))
    place.pod("idle", "shop/recommender:never-ready")
    place.until("idle", lambda pods: pods and pods[0]["status"]["phase"] == "Running")
    series = f'count(http_requests_total{{namespace="{NAMESPACE}",pod="idle",status="500"}})'
    eventually(lambda: place.query(series) == {"": 1.0}, "its series of errors, from the start")
    assert not is_ready(place.pods("idle")[0])
    assert router.backends("idle") == ()
    assert router.send_to("idle", "/recommend?user=1").status == 503
    place.delete(objects.PODS, "idle")


def test_pod_addresses_are_real_behind_the_proxy(place: Place, router: Router) -> None:
    """With it Headgate's own scraping of pods works, which goes by the pod's address."""
    place.pod("proxied", BETTER)
    (pod,) = place.until_ready("proxied", 1)
    metrics = f"http://{pod['status']['podIP']}:{pod['metadata']['annotations']['prometheus.io/port']}/metrics"
    with Front(router) as front, httpx.Client(proxy=front.url, trust_env=False) as http:
        answer = eventually(lambda: _good(http.get(metrics)), "the pod's metrics by way of the proxy")
        assert http.get("http://10.88.255.254:80/metrics").status_code == 502
    assert 'http_requests_total{app="recommender",status="500"} 0' in answer.text
    assert answer.headers["X-Version"] == "1.1.0"
    place.delete(objects.PODS, "proxied")


def _good(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_a_crash_is_told_started_again_at_once_and_then_after_a_while(place: Place) -> None:
    place.pod("crashing", "shop/recommender:1.0.0-crash1")
    (pod,) = place.until("crashing", lambda pods: _reason(pods) == "CrashLoopBackOff" and _app(pods[0])["restartCount"])
    assert _app(pod)["restartCount"] == 1
    assert _app(pod)["lastState"]["terminated"]["exitCode"] == 1
    assert not is_ready(pod)
    place.delete(objects.PODS, "crashing")
    place.until("crashing", lambda pods: not pods)


def _reason(pods: list[dict[str, Any]]) -> str:
    return str(_state(pods).get("waiting", {}).get("reason", ""))


def _state(pods: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = pods[0]["status"].get("containerStatuses") if pods else None
    return dict(statuses[0]["state"]) if statuses else {}


def test_an_image_that_nobody_has(place: Place) -> None:
    place.pod("missing", "shop/recommender:9.9.9-missing")
    (pod,) = place.until("missing", _state)
    assert (pod["status"]["phase"], _reason([pod])) == ("Pending", "ErrImagePull")
    place.delete(objects.PODS, "missing")


def test_a_pod_that_ends_and_is_not_restarted_has_failed(place: Place) -> None:
    place.pod("once", "shop/recommender:1.0.0-crash1", restartPolicy="Never")
    (pod,) = place.until("once", lambda pods: pods and pods[0]["status"]["phase"] == "Failed")
    assert _app(pod)["state"]["terminated"]["exitCode"] == 1
    place.delete(objects.PODS, "once")


def test_pods_go_on_while_the_api_server_is_away(place: Place, router: Router) -> None:
    place.create(objects.SERVICES, objects.service("steady", app="steady"))
    place.pod("steady", GOOD)
    place.until_ready("steady", 1)
    eventually(lambda: router.backends("steady"), "the router knows the pod")
    began = time.time()
    with Load(router, rate=RATE, service="steady"):
        place.stack.kill("kube-apiserver")
        place.stack.revive("kube-apiserver")
        place.pod("later", GOOD)
        place.until_ready("later", 1)
    (pod,) = place.until_ready("steady", 1)
    assert _app(pod)["restartCount"] == 0
    counts = router.record.count("version", since=began)
    assert set(counts) == {"1.0.0"}
    assert counts["1.0.0"].bad == 0
    for name in ("steady", "later"):
        place.delete(objects.PODS, name)
