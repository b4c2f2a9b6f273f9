"""The router and its front against the sandbox's API (without its controllers), with real HTTP services as pods."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from cicd.sandbox.kubernetes.api import KubernetesApi, User
from cicd.sandbox.kubernetes.cluster import Cluster, Ref
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.workloads import Registry
from cicd.sandbox.server import AppServer
from headgate.clock import SystemClock
from tests.live import objects
from tests.live.front import Front
from tests.live.pods import ADDRESS, HASH_LABEL
from tests.live.record import Count
from tests.live.router import Load, Router
from tests.live.waiting import eventually

HOST = "web.example.com"


class Service(ThreadingHTTPServer):
    """Answers everything with one status."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@contextlib.contextmanager
def serving(status: int = 200) -> Iterator[str]:
    """The address of a service."""
    with Service(status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class World:
    """Objects of the sandbox as the agent and the Rollouts controller would write them."""

    def __init__(self, cluster: Cluster, router: Router) -> None:
        self.cluster, self.router = cluster, router

    def create(self, *manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            manifest["metadata"]["namespace"] = "shop"
            self.cluster.create(manifest)

    def pod(self, name: str, address: str, *, app: str = "web", ip: str = "10.88.0.2") -> None:
        metadata = {"name": name, "labels": {"app": app, HASH_LABEL: f"hash-{app}"}, "annotations": {ADDRESS: address}}
        spec = {"containers": [{"name": "app", "image": f"shop/{app}:1.0.0"}]}
        status = {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
        self.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})

    def canary(self, weight: int) -> None:
        self.create(objects.service("web-stable", app="web"), objects.service("web-canary", app="new"))
        annotated = objects.ingress("web", host=HOST)
        annotated["metadata"] = {
            "name": "web-web-canary",
            "annotations": {
                "nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": str(weight),
            },
        }
        annotated["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "web-canary"
        self.create(objects.ingress("web", host=HOST), annotated)

    def weigh(self, weight: int) -> None:
        ref = Ref("networking.k8s.io", "v1", "Ingress", "shop", "web-web-canary")

        def change(live: dict[str, Any]) -> None:
            live["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] = str(weight)

        self.cluster.update(ref, change)
        eventually(lambda: self.router.weights() == {HOST: weight}, "the weight", last=self.router.weights)

    def knows(self, service: str, pods: int) -> None:
        eventually(lambda: len(self.router.backends(service)) == pods, f"{pods} pods of {service}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    cluster = Cluster(SystemClock())
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    api = KubernetesApi(cluster, PodController(cluster, Registry()), {"t": User(name="router")})
    config = tmp_path / "config"
    with AppServer(api.app(), name="kubernetes") as server:
        config.write_text(json.dumps(kubeconfig(server.url)))
        with Router(config, namespace="shop") as router:
            assert router.wait(30)
            yield World(cluster, router)


def kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }


def test_a_weight_holds_for_the_next_request(world: World) -> None:
    with serving() as old, serving(500) as new:
        world.pod("old", old)
        world.pod("new", new, app="new", ip="10.88.0.3")
        world.canary(25)
        world.knows("web-canary", 1)
        world.knows("web-stable", 1)
        world.weigh(25)
        for _ in range(40):
            world.router.send(HOST, "/recommend?user=1")
        assert world.router.record.count("service") == {
            "web-stable": Count(total=30),
            "web-canary": Count(total=10, bad=10),
        }
        world.weigh(0)
        answers = [world.router.send(HOST, "/recommend?user=1") for _ in range(10)]
    assert {answer.service for answer in answers} == {"web-stable"}
    assert answers[0].body == b"/recommend?user=1"
    assert world.router.record.count("hash")["hash-web"] == Count(total=40)


def test_a_pod_that_gives_no_answer_is_passed_over(world: World) -> None:
    with serving() as gone:
        pass
    with serving() as there:
        world.pod("gone", gone)
        world.pod("there", there, ip="10.88.0.3")
        world.create(objects.service("web", app="web"))
        world.knows("web", 2)
        answers = [world.router.send_to("web", "/") for _ in range(4)]
    assert {answer.backend.pod for answer in answers if answer.backend} == {"there"}
    assert world.router.record.count("version") == {"1.0.0": Count(total=4)}
    assert world.router.send_to("web", "/").status == 503
    assert world.router.record.count("version")[""] == Count(total=1, bad=1)


def test_a_host_that_no_ingress_has_is_404_and_counted(world: World) -> None:
    assert world.router.send("nobody.example.com", "/").status == 404
    assert world.router.record.count("service") == {"": Count(total=1, bad=1)}


def test_load_goes_on_until_it_is_stopped(world: World) -> None:
    with serving() as address:
        world.pod("one", address)
        world.create(objects.service("web", app="web"))
        world.knows("web", 1)
        with Load(world.router, rate=500, service="web"):
            eventually(lambda: world.router.record.count("service").get("web", Count()).total >= 50, "50 requests")
        sent = world.router.record.count("service")["web"]
    assert sent.bad == 0
    assert world.router.record.count("service")["web"] == sent


def test_load_wants_one_aim(world: World) -> None:
    with pytest.raises(ValueError, match="either"):
        Load(world.router, rate=1, service="web", host=HOST)


def test_front_routes_by_host_and_is_the_pods_network(world: World) -> None:
    with serving() as address, Front(world.router) as front:
        world.pod("one", address, ip="10.88.0.7")
        world.canary(0)
        world.knows("web-stable", 1)
        world.weigh(0)
        direct, proxied = build_opener(ProxyHandler({})), build_opener(ProxyHandler({"http": front.url}))
        with direct.open(Request(f"{front.url}/recommend?user=1", headers={"Host": HOST}), timeout=30) as answer:
            assert (answer.read(), answer.headers["X-Pod"]) == (b"/recommend?user=1", "one")
        with proxied.open("http://10.88.0.7:4711/metrics", timeout=30) as answer:
            assert answer.read() == b"/metrics"
        for opener, url, status in ((direct, f"{front.url}/", 404), (proxied, "http://10.88.9.9/", 502)):
            with pytest.raises(HTTPError) as caught:
                opener.open(url, timeout=30)
            caught.value.close()
            assert caught.value.code == status
    assert world.router.record.count("service") == {"web-stable": Count(total=1), "": Count(total=1, bad=1)}


def test_a_router_stops_at_once(world: World) -> None:
    before = {thread.name for thread in threading.enumerate() if thread.name.startswith("watch ")}
    assert len(before) == 3
    world.router.stop()
    assert not [thread for thread in threading.enumerate() if thread.name in before]
