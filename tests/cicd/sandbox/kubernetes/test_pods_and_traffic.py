from __future__ import annotations

from typing import Any

import pytest

from cicd.sandbox.kubernetes.cluster import Ref
from cicd.sandbox.kubernetes.traffic import Traffic
from cicd.sandbox.kubernetes.workloads import Behaviour
from tests.testing.kubernetes_world import World, blue_green, canary, rollout


def _world(*images: str, **rates: float) -> World:
    world = World(**rates)
    world.publish(*images)
    world.services("reco-canary", "reco-stable", "reco-active", "reco-preview", app="reco")
    return world


def _pods(world: World, image: str) -> list[Any]:
    pods = world.cluster.list("", "Pod", "shop")
    return [pod for pod in pods if pod["spec"]["containers"][0]["image"] == image]


def _reco(version: str, **more: Any) -> Any:
    return rollout("reco", f"shop/reco:{version}", canary("reco"), **more)


def _by_image(traffic: Traffic) -> dict[str, tuple[int, int]]:
    return {item.image: (item.ok, item.bad) for item in traffic.answered("reco").values()}


def test_a_pod_runs_after_its_start_time_with_an_address_and_a_place_to_scrape() -> None:
    world = _world("shop/reco:1.0")
    world.cluster.apply(_reco("1.0"))
    world.manager.settle()
    pod = _pods(world, "shop/reco:1.0")[0]
    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}

    world.run(0.5)
    pod = _pods(world, "shop/reco:1.0")[0]
    name, status = pod["metadata"]["name"], pod["status"]
    assert (status["phase"], status["podIP"]) == ("Running", "127.0.0.1")
    assert status["containerStatuses"][0]["ready"] is True
    assert pod["metadata"]["labels"].keys() == {"app", "rollouts-pod-template-hash"}
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9",
        "prometheus.io/path": f"/pods/shop/{name}/metrics",
    }


@pytest.mark.parametrize(
    ("behaviour", "published", "phase", "reason"),
    [(None, False, "Pending", "ImagePullBackOff"), (Behaviour(crash_after_s=0.2), True, "Running", "CrashLoopBackOff")],
    ids=["unknown image", "crashing"],
)
def test_a_pod_that_does_not_serve_says_why(
    behaviour: Behaviour | None, published: bool, phase: str, reason: str
) -> None:
    world = _world()
    if published:
        world.publish("shop/reco:9", behaviour=behaviour)
    world.apply(_reco("9"), seconds=1)
    status = _pods(world, "shop/reco:9")[0]["status"]
    assert status["phase"] == phase
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    assert status["containerStatuses"][0]["ready"] is False


def test_a_crashed_pod_starts_again_with_counters_from_0() -> None:
    world = _world()
    world.publish("shop/reco:1.0", behaviour=Behaviour(crash_after_s=3))
    world.apply(_reco("1.0"), seconds=3)
    name = _pods(world, "shop/reco:1.0")[0]["metadata"]["name"]
    process = world.pods.process("shop", name)
    assert process is not None
    assert process.counters.ok > 100
    world.run(11)
    status = _pods(world, "shop/reco:1.0")[0]["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["ready"]) == (1, True)
    assert process.counters.ok < 100


def test_an_unready_pod_runs_and_gets_no_requests() -> None:
    world = _world()
    world.publish("shop/reco:1.0", behaviour=Behaviour(ready=False))
    world.apply(_reco("1.0"), seconds=2)
    status = _pods(world, "shop/reco:1.0")[0]["status"]
    assert status["containerStatuses"][0]["state"].keys() == {"running"}
    assert status["containerStatuses"][0]["ready"] is False
    assert world.traffic.answered("reco") == {}
    assert world.traffic.unanswered("reco") == pytest.approx(400, abs=60)


def test_a_deleted_pod_is_replaced() -> None:
    world = _world("shop/reco:1.0")
    world.apply(_reco("1.0"))
    before = {pod["metadata"]["name"] for pod in _pods(world, "shop/reco:1.0")}
    world.cluster.delete(Ref("", "v1", "Pod", "shop", min(before)))
    world.run(1)
    after = {pod["metadata"]["name"] for pod in _pods(world, "shop/reco:1.0")}
    assert len(after) == 4
    assert min(before) not in after


def test_deleting_a_rollout_deletes_its_pods_and_their_processes() -> None:
    world = _world("shop/reco:1.0")
    world.apply(_reco("1.0"))
    name = _pods(world, "shop/reco:1.0")[0]["metadata"]["name"]
    world.cluster.delete(Ref("argoproj.io", "v1alpha1", "Rollout", "shop", "reco"))
    world.run(1)
    assert world.cluster.list("", "Pod") == []
    assert world.pods.process("shop", name) is None


def test_endpoints_follow_the_selectors_and_the_readiness() -> None:
    world = _world("shop/reco:1.0", "shop/reco:1.1")
    world.apply(_reco("1.0"))
    world.apply(_reco("1.1"))
    found = {item["metadata"]["name"]: item for item in world.cluster.list("", "Endpoints")}
    assert len(found["reco-canary"]["subsets"][0]["addresses"]) == 1
    assert len(found["reco-stable"]["subsets"][0]["addresses"]) == 3
    slices = world.cluster.list("discovery.k8s.io", "EndpointSlice")
    owners = {item["metadata"]["ownerReferences"][0]["name"]: item for item in slices}
    assert len(owners["reco-stable"]["endpoints"]) == 3
    world.cluster.delete(Ref("", "v1", "Service", "shop", "reco-canary"))
    world.run(0.5)
    assert "reco-canary" not in {item["metadata"]["name"] for item in world.cluster.list("", "Endpoints")}


def test_requests_follow_the_share_of_pods() -> None:
    world = _world("shop/reco:1.0", "shop/reco:1.1")
    world.apply(_reco("1.0"))
    world.apply(_reco("1.1"))
    before = _by_image(world.traffic)
    world.run(10)
    gained = {image: sum(count) - sum(before.get(image, (0, 0))) for image, count in _by_image(world.traffic).items()}
    assert sum(gained.values()) == pytest.approx(2000, abs=2)
    assert gained["shop/reco:1.1"] == pytest.approx(500, abs=2)


@pytest.mark.parametrize(("rate", "expected"), [(200, 100), (30, 15), (7, 3.5)])
def test_requests_follow_the_weight_with_traffic_routing(rate: float, expected: float) -> None:
    world = _world("shop/reco:1.0", "shop/reco:1.1", rate=rate)
    strategy = canary("reco", [{"setWeight": 5}, {"pause": {}}], trafficRouting={"nginx": {"stableIngress": "reco"}})
    world.apply(rollout("reco", "shop/reco:1.0", strategy))
    world.apply(rollout("reco", "shop/reco:1.1", strategy))
    before = _by_image(world.traffic).get("shop/reco:1.1", (0, 0))
    world.run(10)
    gained = sum(_by_image(world.traffic)["shop/reco:1.1"]) - sum(before)
    assert gained == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("ratio", [0.0, 0.001, 0.1, 0.333, 1.0])
def test_errors_come_in_their_ratio(ratio: float) -> None:
    world = _world()
    world.publish("shop/reco:1.0", behaviour=Behaviour(error_ratio=ratio))
    world.apply(_reco("1.0"), seconds=30)
    ok, bad = _by_image(world.traffic)["shop/reco:1.0"]
    assert bad == pytest.approx((ok + bad) * ratio, abs=4)


def test_a_behaviour_published_later_changes_running_pods() -> None:
    world = _world("shop/reco:1.0")
    world.apply(_reco("1.0"), seconds=3)
    assert _by_image(world.traffic)["shop/reco:1.0"][1] == 0
    world.publish("shop/reco:1.0", behaviour=Behaviour(error_ratio=1.0))
    world.run(1)
    assert _by_image(world.traffic)["shop/reco:1.0"][1] == pytest.approx(200, abs=3)


def test_the_record_and_the_pods_counters_agree() -> None:
    world = _world("shop/reco:1.0")
    world.publish("shop/reco:1.1", behaviour=Behaviour(error_ratio=0.2))
    world.apply(_reco("1.0"))
    world.apply(_reco("1.1"), seconds=5)
    for image in ("shop/reco:1.1",):
        processes = [world.pods.process("shop", pod["metadata"]["name"]) for pod in _pods(world, image)]
        counted = [(item.counters.ok, item.counters.bad) for item in processes if item]
        assert (sum(ok for ok, _ in counted), sum(bad for _, bad in counted)) == _by_image(world.traffic)[image]


def test_users_never_see_the_preview_and_checks_do() -> None:
    world = _world("shop/reco:1.0")
    world.publish("shop/reco:1.1", behaviour=Behaviour(error_ratio=0.5))
    world.apply(rollout("reco", "shop/reco:1.0", blue_green("reco")))
    world.apply(rollout("reco", "shop/reco:1.1", blue_green("reco")), seconds=5)
    assert set(_by_image(world.traffic)) == {"shop/reco:1.0"}
    (checked,) = [item for item in world.traffic.checks("reco").values() if item.image == "shop/reco:1.1"]
    assert checked.bad == pytest.approx(checked.total / 2, abs=4)
    assert checked.total == pytest.approx(235, abs=20)

    world.act("reco", "abort", seconds=5)
    assert set(_by_image(world.traffic)) == {"shop/reco:1.0"}


def test_after_an_abort_the_bad_version_answers_nobody() -> None:
    world = _world("shop/reco:1.0")
    world.publish("shop/reco:1.1", behaviour=Behaviour(error_ratio=0.5))
    world.apply(_reco("1.0"))
    world.apply(_reco("1.1"))
    world.act("reco", "abort")
    before = world.traffic.answered("reco")
    world.run(5)
    after = world.traffic.answered("reco")
    moved = {after[key].image for key in after if after[key] != before.get(key)}
    assert moved == {"shop/reco:1.0"}
    assert all(item.last_s < world.clock.monotonic() - 5 for item in after.values() if item.image == "shop/reco:1.1")


def test_the_rate_can_be_changed_and_switched_off() -> None:
    world = _world("shop/reco:1.0", rate=10)
    world.apply(_reco("1.0"), seconds=2)
    slow = sum(_by_image(world.traffic)["shop/reco:1.0"])
    assert slow == pytest.approx(17, abs=4)
    world.traffic.rate = 0
    world.run(2)
    assert sum(_by_image(world.traffic)["shop/reco:1.0"]) == slow
