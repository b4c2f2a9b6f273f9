"""The core, one reconciliation at a time, and what can be seen in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cicd.sandbox.kubernetes.controller import gather
from cicd.sandbox.kubernetes.rollout_status import condition
from cicd.sandbox.kubernetes.rollout_values import Facts, Plan, ReplicaSetFacts, duration_s, template_hash
from cicd.sandbox.kubernetes.rollouts import reconcile
from cicd.sandbox.kubernetes.workloads import Behaviour
from tests.testing.kubernetes_world import World, blue_green, canary, rollout

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
TEMPLATE = {
    "metadata": {"labels": {"app": "reco"}},
    "spec": {"containers": [{"name": "app", "image": "shop/reco:1.1"}]},
}


def _spec(**changes: Any) -> dict[str, Any]:
    steps = [{"setWeight": 25}, {"pause": {}}, {"pause": {"duration": "5s"}}]
    base = {"replicas": 4, "selector": {"matchLabels": {"app": "reco"}}, "template": TEMPLATE}
    return {**base, "strategy": {"canary": {"steps": steps}}, **changes}


def _facts(status: dict[str, Any], *sets: ReplicaSetFacts, revision: int = 2, **spec: Any) -> Facts:
    return Facts(
        name="reco",
        spec=_spec(**spec),
        status=status,
        generation=4,
        revision=revision,
        template_hash="new",
        replica_sets=sets,
        selectors={},
        now=NOW,
    )


def _set(pod_hash: str, replicas: int, *, revision: int, available: int | None = None) -> ReplicaSetFacts:
    ready = replicas if available is None else available
    return ReplicaSetFacts(
        hash=pod_hash,
        name=f"reco-{pod_hash}",
        revision=revision,
        replicas=replicas,
        actual=replicas,
        ready=ready,
        available=ready,
    )


IN_FLIGHT = {
    "currentPodHash": "new",
    "stableRS": "old",
    "currentStepIndex": 1,
    "observedGeneration": "4",
    "updatedReplicas": 1,
    "replicas": 4,
    "availableReplicas": 4,
    "readyReplicas": 4,
}
NEW, OLD = _set("new", 1, revision=2), _set("old", 3, revision=1)


def _status(plan: Plan) -> dict[str, Any]:
    assert plan.status is not None
    return plan.status


def test_the_first_move_only_writes_the_revision() -> None:
    assert reconcile(_facts({}, revision=0)) == Plan(revision=1)
    assert reconcile(_facts(IN_FLIGHT, _set("old", 4, revision=1), revision=1)) == Plan(revision=2)


def test_going_back_to_an_old_template_makes_its_replica_set_the_newest() -> None:
    sets = (_set("new", 4, revision=1), _set("bad", 1, revision=2))
    assert reconcile(_facts(IN_FLIGHT, *sets, revision=2)) == Plan(revision=3)


def test_a_pause_step_pauses_once_and_keeps_its_start() -> None:
    first = _status(reconcile(_facts(IN_FLIGHT, NEW, OLD)))
    assert first["pauseConditions"] == [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T10:00:00Z"}]
    assert (first["phase"], first["message"], first["controllerPause"]) == ("Paused", "CanaryPauseStep", True)

    later = replace(_facts(first, NEW, OLD), now=NOW + timedelta(hours=1))
    conditions = _status(reconcile(later))
    settled = _status(reconcile(replace(later, status=conditions)))
    assert settled["pauseConditions"] == first["pauseConditions"]
    assert _status(reconcile(replace(later, status=settled))) == settled


def test_a_resumed_rollout_is_seen_progressing_on_its_pause_step_before_it_moves() -> None:
    resumed = {**IN_FLIGHT, "controllerPause": True, "conditions": []}
    paused = {"type": "Paused", "status": "True", "reason": "RolloutPaused", "message": "Rollout is paused"}
    progressing = {**paused, "type": "Progressing", "status": "Unknown"}
    times = {"lastTransitionTime": "2026-11-21T09:00:00Z", "lastUpdateTime": "2026-11-21T09:00:00Z"}
    resumed["conditions"] = [{**paused, **times}, {**progressing, **times}]

    between = _status(reconcile(_facts(resumed, NEW, OLD)))
    assert (between["currentStepIndex"], between["phase"], between["controllerPause"]) == (1, "Progressing", True)
    moved = _status(reconcile(_facts(between, NEW, OLD)))
    assert moved["currentStepIndex"] == 2
    assert "controllerPause" not in moved


def test_a_duration_pause_ends_by_itself_after_its_time() -> None:
    waiting = {"reason": "CanaryPauseStep", "startTime": "2026-11-21T09:59:58Z"}
    paused = {**IN_FLIGHT, "currentStepIndex": 2, "controllerPause": True, "pauseConditions": [waiting]}
    first = reconcile(_facts(paused, NEW, OLD))
    second = reconcile(_facts(_status(first), NEW, OLD))
    assert second.wake_at == datetime(2026, 11, 21, 10, 0, 3, tzinfo=UTC)

    late = replace(_facts(_status(second), NEW, OLD), now=NOW + timedelta(seconds=3, milliseconds=1))
    assert _status(reconcile(late))["currentStepIndex"] == 3


def test_abort_goes_to_step_0_and_says_which_revision() -> None:
    status = _status(reconcile(_facts({**IN_FLIGHT, "abort": True}, NEW, OLD)))
    assert status["currentStepIndex"] == 0
    assert status["abortedAt"] == "2026-11-21T10:00:00Z"
    assert status["message"] == "RolloutAborted: Rollout aborted update to revision 2"


def test_observed_generation_is_text_and_zeros_are_left_out() -> None:
    empty = _set("new", 0, revision=2)
    status = _status(reconcile(_facts(IN_FLIGHT, empty, _set("old", 4, revision=1))))
    assert status["observedGeneration"] == "4"
    assert "updatedReplicas" not in status


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"strategy": {}}, "spec.strategy: Required value"),
        ({"strategy": {"canary": {}, "blueGreen": {}}}, "Multiple Strategies can not be listed"),
        ({"selector": {}}, "spec.selector: Required value"),
        ({"selector": {"matchLabels": {"app": "other"}}}, "`selector` does not match template `labels`"),
        ({"template": {"metadata": {"labels": {"app": "reco"}}}}, "spec.template.spec.containers: Required value"),
        ({"strategy": {"canary": {"steps": [{"setWeight": 101}]}}}, "steps[0].setWeight: Invalid value: 101"),
        ({"strategy": {"canary": {"steps": [{"setWeight": 1, "pause": {}}]}}}, "steps[0]: Invalid value"),
        ({"strategy": {"canary": {"steps": [{"pause": {"duration": "soon"}}]}}}, 'Invalid value: "soon"'),
        ({"strategy": {"canary": {"steps": [{"analysis": {}}]}}}, "the sandbox runs setWeight and pause steps only"),
        ({"strategy": {"canary": {"trafficRouting": {"nginx": {}}}}}, "canaryService and stableService are required"),
        ({"strategy": {"canary": {"stableService": "gone"}}}, 'service "gone" not found'),
        ({"strategy": {"blueGreen": {}}}, "spec.strategy.activeService: Required value"),
        ({"strategy": {"blueGreen": {"activeService": "a", "previewService": "a"}}}, "same service for the active"),
    ],
)
def test_an_invalid_spec_is_degraded_and_touches_nothing(spec: dict[str, Any], message: str) -> None:
    plan = reconcile(_facts(IN_FLIGHT, NEW, OLD, **spec))
    status = _status(plan)
    assert status["phase"] == "Degraded"
    assert message in status["message"]
    assert status["message"].startswith('InvalidSpec: The Rollout "reco" is invalid: ')
    assert (plan.scale, plan.selectors, plan.revision) == ({}, {}, None)


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("90", 90), (7, 7), ("2m", 120), ("1h", 3600)])
def test_durations(text: Any, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["soon", "5 s", "-1", True, None, ""])
def test_not_durations(text: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(text)


def test_a_template_has_the_same_hash_with_and_without_what_the_server_fills_in() -> None:
    def pods(**container: Any) -> Any:
        return {"spec": {"containers": [{"name": "app", "image": "a:1", **container}]}}

    plain = template_hash(pods(ports=[{"containerPort": 80}]))
    assert plain == template_hash(pods(ports=[{"containerPort": 80, "protocol": "TCP"}], resources={}))
    assert plain != template_hash(pods(ports=[{"containerPort": 81}]))


def test_a_new_spec_is_seen_with_the_old_status_first() -> None:
    world = World()
    world.publish("shop/reco:1.0", "shop/reco:1.1")
    world.services("reco-canary", "reco-stable", app="reco")
    world.apply(rollout("reco", "shop/reco:1.0", canary("reco")))
    before = world.status("reco")
    world.states.clear()
    world.apply(rollout("reco", "shop/reco:1.1", canary("reco")))

    seen = [(state["metadata"]["generation"], state["status"]) for state in world.states]
    assert seen[:2] == [(3, before), (4, before)]
    assert seen[2][1]["observedGeneration"] == "4"


def test_services_follow_their_versions() -> None:
    world = World()
    world.publish("shop/reco:1.0", "shop/reco:1.1")
    world.services("reco-canary", "reco-stable", app="reco")
    world.apply(rollout("reco", "shop/reco:1.0", canary("reco")))
    world.apply(rollout("reco", "shop/reco:1.1", canary("reco")))

    images = world.images()
    facts = gather(world.cluster, world.rollout("reco"))
    assert {name: images[pods or ""] for name, pods in facts.selectors.items()} == {
        "reco-canary": "shop/reco:1.1",
        "reco-stable": "shop/reco:1.0",
    }


def test_an_aborted_blue_green_preview_is_scaled_down_after_the_delay() -> None:
    world = World()
    world.publish("shop/cat:1.0", "shop/cat:1.1")
    world.services("cat-active", "cat-preview", app="cat")
    world.apply(rollout("cat", "shop/cat:1.0", blue_green("cat"), replicas=2))
    world.apply(rollout("cat", "shop/cat:1.1", blue_green("cat"), replicas=2))
    assert world.act("cat", "abort")["replicas"] == 4
    world.run(31)
    assert world.status("cat")["replicas"] == 2


def _cats() -> World:
    world = World(rate=0, preview_rate=0)
    world.publish("shop/cat:1.0", "shop/cat:1.1", "shop/cat:1.2")
    world.services("cat-active", "cat-preview", app="cat")
    for version in ("1.0", "1.1"):
        world.apply(rollout("cat", f"shop/cat:{version}", blue_green("cat"), replicas=2))
    world.act("cat", "promote-full")
    return world


@pytest.mark.parametrize(("after_s", "phase"), [(5, "Healthy"), (40, "Paused")])
def test_going_back_is_instant_only_while_the_old_colour_waits(after_s: float, phase: str) -> None:
    world = _cats()
    world.run(after_s, step_s=0.5)
    status = world.apply(rollout("cat", "shop/cat:1.0", blue_green("cat"), replicas=2))
    assert status["phase"] == phase


def test_a_colour_that_came_back_in_time_keeps_its_pods() -> None:
    world = _cats()
    world.apply(rollout("cat", "shop/cat:1.0", blue_green("cat"), replicas=2))
    world.run(40, step_s=0.5)
    status = world.status("cat")
    assert (status["phase"], status["replicas"], status["readyReplicas"]) == ("Healthy", 2, 2)
    waiting = [
        item["metadata"]["annotations"].get("scale-down-deadline") for item in world.cluster.list("apps", "ReplicaSet")
    ]
    assert waiting == [None, None]


def test_a_retried_blue_green_pauses_again() -> None:
    world = World()
    world.publish("shop/cat:1.0", "shop/cat:1.1")
    world.services("cat-active", "cat-preview", app="cat")
    world.apply(rollout("cat", "shop/cat:1.0", blue_green("cat"), replicas=2))
    world.apply(rollout("cat", "shop/cat:1.1", blue_green("cat"), replicas=2))
    world.act("cat", "abort")
    status = world.act("cat", "retry")
    assert (status["phase"], status["message"]) == ("Paused", "BlueGreenPause")
    assert status["blueGreen"]["activeSelector"] == status["stableRS"] != status["currentPodHash"]


@pytest.mark.parametrize(
    ("settings", "seconds", "phase"),
    [
        ({"autoPromotionEnabled": True}, 2, "Healthy"),
        ({"autoPromotionEnabled": True, "autoPromotionSeconds": 10}, 5, "Paused"),
        ({"autoPromotionEnabled": True, "autoPromotionSeconds": 10}, 15, "Healthy"),
        ({}, 600, "Paused"),
    ],
)
def test_blue_green_promotion_without_a_hand(settings: dict[str, Any], seconds: float, phase: str) -> None:
    world = World(rate=0, preview_rate=0)
    world.publish("shop/cat:1.0", "shop/cat:1.1")
    world.services("cat-active", "cat-preview", app="cat")
    world.apply(rollout("cat", "shop/cat:1.0", blue_green("cat", **settings), replicas=2))
    world.apply(rollout("cat", "shop/cat:1.1", blue_green("cat", **settings), replicas=2), seconds=0)
    world.run(seconds, step_s=0.5)
    assert world.status("cat")["phase"] == phase


def test_more_replicas_are_added_without_a_new_version() -> None:
    world = World()
    world.publish("shop/reco:1.0")
    world.services("reco-canary", "reco-stable", app="reco")
    world.apply(rollout("reco", "shop/reco:1.0", canary("reco")))
    status = world.apply(rollout("reco", "shop/reco:1.0", canary("reco"), replicas=6))
    assert (status["replicas"], status["availableReplicas"], status["phase"]) == (6, 6, "Healthy")
    status = world.apply(rollout("reco", "shop/reco:1.0", canary("reco"), replicas=1))
    assert (status["replicas"], status["phase"]) == (1, "Healthy")


def test_old_replica_sets_are_kept_up_to_the_history_limit() -> None:
    world = World()
    world.services("reco-canary", "reco-stable", app="reco")
    for number in range(8):
        world.publish(f"shop/reco:{number}")
        world.apply(rollout("reco", f"shop/reco:{number}", canary("reco", [])))
    assert len(world.cluster.list("apps", "ReplicaSet")) == 4


def test_a_canary_that_is_never_ready_stays_one_pod_and_times_out() -> None:
    world = World()
    world.publish("shop/reco:1.0")
    world.publish("shop/reco:1.1", behaviour=Behaviour(ready=False))
    world.services("reco-canary", "reco-stable", app="reco")
    world.apply(rollout("reco", "shop/reco:1.0", canary("reco")))
    world.apply(rollout("reco", "shop/reco:1.1", canary("reco"), progressDeadlineSeconds=10))
    world.run(12)
    status = world.status("reco")
    assert (status["phase"], status["currentStepIndex"], status["updatedReplicas"]) == ("Degraded", 0, 1)
    progressing = condition(status, "Progressing")
    assert progressing is not None
    assert progressing["reason"] == "ProgressDeadlineExceeded"
    assert "abort" not in status


def test_a_malformed_rollout_does_not_stop_the_others() -> None:
    world = World()
    world.publish("shop/reco:1.0")
    world.services("reco-canary", "reco-stable", app="reco")
    broken = rollout("broken", "shop/x:1", {"canary": {}})
    broken["spec"]["replicas"] = "many"
    world.cluster.apply(broken)
    assert world.apply(rollout("reco", "shop/reco:1.0", canary("reco")))["phase"] == "Healthy"
