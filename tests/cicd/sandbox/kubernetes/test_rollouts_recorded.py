"""The settled states of the sandbox's Rollouts equal the recorded ones of Argo Rollouts 1.10, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cicd.sandbox.kubernetes.actions import apply_action
from cicd.sandbox.kubernetes.cluster import Object
from tests.testing.kubernetes_world import (
    World,
    blue_green,
    canary,
    comparable,
    recorded_rollouts,
    rollout,
    rollout_ref,
)


def _recorded_images(states: Mapping[float, Object]) -> dict[str, str]:
    return {
        value["status"]["currentPodHash"]: value["image"]
        for value in states.values()
        if value["status"].get("observedGeneration") == str(value["generation"])
        and value["status"].get("phase") != "Degraded"
    } | {
        value["status"]["currentPodHash"]: value["image"]
        for value in states.values()
        if value["status"].get("abort") and value["status"].get("observedGeneration") == str(value["generation"])
    }


class Recording:
    def __init__(self, file: str) -> None:
        self.states = recorded_rollouts(file)
        self.images = _recorded_images(self.states)

    def at(self, seconds: float) -> tuple[int, Any]:
        value = self.states[seconds]
        return value["generation"], comparable(value["status"], self.images)


def _ours(world: World, name: str) -> tuple[int, Any]:
    found = world.rollout(name)
    return found["metadata"]["generation"], comparable(found["status"], world.images())


def _canary_world() -> World:
    world = World()
    world.publish(*(f"shop/reco:1.{number}" for number in range(6)), "shop/reco:1.2-bad")
    world.services("reco-canary", "reco-stable", app="reco")
    return world


def _reco(version: str) -> Object:
    return rollout("reco", f"shop/reco:{version}", canary("reco"), progressDeadlineSeconds=60)


def test_canary_through_its_pauses_to_promoted_and_an_abort_with_nothing_in_flight() -> None:
    world, recording = _canary_world(), Recording("01-canary-good.jsonl")

    world.apply(_reco("1.0"))
    assert _ours(world, "reco") == recording.at(2.733)
    world.apply(_reco("1.1"))
    assert _ours(world, "reco") == recording.at(3.52)
    world.act("reco", "resume")
    assert _ours(world, "reco") == recording.at(4.71)
    world.run(5)
    apply_action(world.cluster, rollout_ref("reco"), "resume")
    assert _ours(world, "reco") == recording.at(9.307)  # polled between the resume and the controller's answer to it
    world.run(1)
    assert _ours(world, "reco") == recording.at(9.55)
    world.act("reco", "abort")
    assert _ours(world, "reco") == recording.at(9.772)


def test_canary_aborted_synced_again_retried_reverted_promoted_and_replaced() -> None:
    world, recording = _canary_world(), Recording("02-canary-abort-and-revert.jsonl")
    world.apply(_reco("1.0"))
    world.apply(_reco("1.1"))
    world.act("reco", "promote-full")
    assert _ours(world, "reco") == recording.at(1.025)
    world.act("reco", "retry")
    assert _ours(world, "reco") == recording.at(1.025)

    world.apply(_reco("1.2-bad"))
    world.act("reco", "abort")
    assert _ours(world, "reco") == recording.at(4.027)
    world.apply(_reco("1.2-bad"))
    assert _ours(world, "reco") == recording.at(7.466)
    world.act("reco", "retry")
    assert _ours(world, "reco") == recording.at(9.77)
    world.act("reco", "abort")
    assert _ours(world, "reco") == recording.at(9.877)
    world.apply(_reco("1.1"))
    assert _ours(world, "reco") == recording.at(10.576)

    world.apply(_reco("1.3"))
    assert _ours(world, "reco") == recording.at(12.352)
    world.act("reco", "skip-current-step", "promote-full")
    assert _ours(world, "reco") == recording.at(12.71)
    world.apply(_reco("1.4"))
    assert _ours(world, "reco") == recording.at(13.562)
    world.apply(_reco("1.5"))
    assert _ours(world, "reco") == recording.at(14.244)
    world.act("reco", "promote-full")
    assert _ours(world, "reco") == recording.at(16.442)


def test_blue_green_paused_switched_scaled_down_aborted_and_switched_back_at_once() -> None:
    world, recording = World(), Recording("03-blue-green.jsonl")
    world.publish(*(f"shop/cat:1.{number}" for number in range(4)))
    world.services("cat-active", "cat-preview", app="cat")

    def cat(version: str) -> Object:
        return rollout("cat", f"shop/cat:{version}", blue_green("cat"), replicas=2)

    world.apply(cat("1.0"))
    assert _ours(world, "cat") == recording.at(1.655)
    world.apply(cat("1.1"))
    assert _ours(world, "cat") == recording.at(2.336)
    world.act("cat", "resume")
    assert _ours(world, "cat") == recording.at(2.451)
    world.run(31)
    assert _ours(world, "cat") == recording.at(31.634)
    world.apply(cat("1.2"))
    world.act("cat", "abort")
    assert _ours(world, "cat") == recording.at(32.356)
    world.apply(cat("1.1"))
    assert _ours(world, "cat") == recording.at(34.907)
    world.apply(cat("1.3"))
    world.act("cat", "promote-full")
    assert _ours(world, "cat") == recording.at(36.574)
    world.apply(cat("1.1"))
    assert _ours(world, "cat") == recording.at(37.27)


def test_pods_that_never_start_with_and_without_abort_and_an_invalid_spec() -> None:
    world, recording = World(), Recording("07-progress-deadline.jsonl")
    world.publish("shop/late:1.0", "shop/late:1.1", "shop/late:1.3")
    steps = {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}

    def late(version: str, **more: Any) -> Object:
        return rollout("late", f"shop/late:{version}", steps, progressDeadlineSeconds=20, **more)

    never = {"nodeSelector": {"never": "there"}}
    world.apply(late("1.0"))
    assert _ours(world, "late") == recording.at(1.466)
    world.apply(late("1.1", pod=never))
    assert _ours(world, "late") == recording.at(2.07)
    world.run(21)
    assert _ours(world, "late") == recording.at(22.333)
    world.apply(late("1.0"))
    assert _ours(world, "late") == recording.at(24.873)
    world.apply(late("1.1", pod=never, progressDeadlineAbort=True))
    assert _ours(world, "late") == recording.at(25.457)
    world.run(21)
    assert _ours(world, "late") == recording.at(46.393)
    world.apply(late("1.0"))
    assert _ours(world, "late") == recording.at(48.959)
    bad = rollout("late", "shop/late:1.3", {"canary": {"steps": [{"setWeight": 200}]}}, progressDeadlineSeconds=20)
    world.apply(bad)
    assert _ours(world, "late") == recording.at(49.416)


def test_traffic_routing_reports_weights_and_keeps_stable_at_full_size() -> None:
    world, recording = World(), Recording("08-canary-nginx-and-analysis.jsonl")
    world.publish("shop/web:1.0", "shop/web:1.1")
    world.services("web-canary", "web-stable", app="web")
    # the recording has an analysis where the sandbox pauses
    steps: list[dict[str, Any]] = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]
    routing = {"nginx": {"stableIngress": "web"}}

    def web(version: str) -> Object:
        return rollout("web", f"shop/web:{version}", canary("web", steps, trafficRouting=routing))

    def without_conditions(found: tuple[int, Any]) -> Any:
        kept = {"canary", "HPAReplicas", "availableReplicas", "replicas", "readyReplicas", "updatedReplicas"}
        kept |= {"currentStepIndex", "stableRS", "currentPodHash", "observedGeneration"}
        return {key: value for key, value in found[1].items() if key in kept}

    world.apply(web("1.0"))
    assert _ours(world, "web") == recording.at(1.543)
    world.apply(web("1.1"))
    world.act("web", "resume")
    assert without_conditions(_ours(world, "web")) == without_conditions(recording.at(5.731))
    world.act("web", "resume")
    assert without_conditions(_ours(world, "web")) == without_conditions(recording.at(5.972))
