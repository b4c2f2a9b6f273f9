from __future__ import annotations

from typing import Any

from cicd.sandbox.kubernetes.cluster import Object, Ref
from tests.testing.kubernetes_world import World, canary, rollout


def _ingress() -> Object:
    backend = {"service": {"name": "web-stable", "port": {"number": 80}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "web.example.com", "http": http}]},
    }


def _canary_ingress(world: World) -> Any:
    return world.cluster.get(Ref("networking.k8s.io", "v1", "Ingress", "shop", "web-web-canary"))


def _weight(world: World) -> str:
    return str(_canary_ingress(world)["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"])


def test_the_canary_ingress_carries_the_weight_and_leads_to_the_canary_service() -> None:
    world = World()
    world.publish("shop/web:1.0", "shop/web:1.1")
    world.services("web-canary", "web-stable", app="web")
    world.cluster.apply(_ingress())
    strategy = canary("web", [{"setWeight": 5}, {"pause": {}}], trafficRouting={"nginx": {"stableIngress": "web"}})
    world.apply(rollout("web", "shop/web:1.0", strategy))
    world.apply(rollout("web", "shop/web:1.1", strategy))

    found = _canary_ingress(world)
    assert _weight(world) == "5"
    assert found["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "web-canary"
    assert found["metadata"]["ownerReferences"][0]["name"] == "web"
    world.act("web", "abort")
    assert _weight(world) == "0"


def test_without_the_stable_ingress_there_is_no_canary_one() -> None:
    world = World()
    world.publish("shop/web:1.0")
    world.services("web-canary", "web-stable", app="web")
    strategy = canary("web", [], trafficRouting={"nginx": {"stableIngress": "web"}})
    assert world.apply(rollout("web", "shop/web:1.0", strategy))["phase"] == "Healthy"
    assert world.cluster.list("networking.k8s.io", "Ingress") == []
