"""One manifest per state, cut from recordings of a real controller, and what it must be read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.rollouts.snapshot import OtherStep, Pause, Phase, SetWeight, Strategy, weight_at
from deployments.rollouts.status import parse_rollout
from headgate.errors import RemoteStateError

SAMPLES = Path(__file__).parents[2] / "samples" / "rollouts"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return found


EXPECTED: dict[str, dict[str, object]] = {
    "canary_paused_step_1": {
        "observed": True, "phase": Phase.PAUSED, "step": 1, "weight": 25.0, "paused": True, "pause_ends": False,
        "unpausing": False, "in_flight": True, "settled": False, "waits_for_us": True, "stable_has_all_traffic": False,
        "versions": ("shop/reco:1.1",), "current": "7dbb59489c", "stable": "cd8bd885d", "weights": (25, 50, 75),
    },
    "canary_unpausing": {"phase": Phase.PROGRESSING, "unpausing": True, "paused": False, "waits_for_us": False},
    "canary_paused_in_timed_step": {"phase": Phase.PAUSED, "step": 3, "pause_ends": True, "waits_for_us": False, "weight": 50.0},
    "canary_more_replicas_needed": {"phase": Phase.PROGRESSING, "step": 4, "paused": False, "unpausing": False},
    "canary_promoted_healthy": {"settled": True, "in_flight": False, "weight": 100.0, "stable_has_all_traffic": True},
    "canary_not_observed_yet": {"observed": False, "settled": False, "waits_for_us": False},
    "canary_aborted": {
        "phase": Phase.DEGRADED, "aborted": True, "step": 0, "weight": 0.0, "in_flight": True, "settled": False,
        "stable_has_all_traffic": True, "unpausing": False,
    },
    "canary_reverted_healthy": {"settled": True, "aborted": False, "observed": True},
    "canary_promote_full_under_way": {"promoting": True, "in_flight": True, "settled": False},
    "bluegreen_paused_before_switch": {
        "strategy": Strategy.BLUE_GREEN, "phase": Phase.PAUSED, "weight": 0.0, "active": "75bf8d68c4",
        "preview": "779579c449", "step": None, "waits_for_us": True, "stable_has_all_traffic": True, "auto_promotes": False,
    },
    "bluegreen_switched_healthy": {"settled": True, "active": "779579c449", "weight": 100.0},
    "bluegreen_aborted": {"aborted": True, "in_flight": True, "stable_has_all_traffic": True, "settled": False},
    "bluegreen_cutover_pending": {"phase": Phase.PROGRESSING, "in_flight": True, "settled": False, "waits_for_us": False},
    "canary_degraded_progress_deadline": {"phase": Phase.DEGRADED, "aborted": False, "in_flight": True, "settled": False},
    "canary_degraded_invalid_spec": {"phase": Phase.DEGRADED, "aborted": False, "settled": False},
    "canary_aborted_by_progress_deadline": {"phase": Phase.DEGRADED, "aborted": True, "settled": False},
    "canary_nginx_weight_5": {"phase": Phase.PROGRESSING, "weight": 5.0, "stable_has_all_traffic": False},
    "canary_nginx_paused_weight_50": {"phase": Phase.PAUSED, "weight": 50.0, "waits_for_us": True},
    "canary_nginx_aborted_by_analysis": {"aborted": True, "weight": 0.0, "stable_has_all_traffic": True},
    "canary_paused_before_phase_existed": {"observed": True, "phase": Phase.PAUSED, "waits_for_us": True},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def test_recorded_state_is_read_as(name: str) -> None:
    snapshot = parse_rollout(load(name))
    assert {field: getattr(snapshot, field) for field in EXPECTED[name]} == EXPECTED[name]


def test_messages_name_the_reason_when_the_phase_does_not() -> None:
    manifest = load("canary_degraded_progress_deadline")
    assert "ProgressDeadlineExceeded" in parse_rollout(manifest).message
    del manifest["status"]["phase"], manifest["status"]["message"]
    snapshot = parse_rollout(manifest)
    assert snapshot.phase is Phase.DEGRADED
    assert "ProgressDeadlineExceeded" in snapshot.message


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({"abort": True}, Phase.DEGRADED),
        ({"pauseConditions": []}, Phase.PROGRESSING),
        ({"pauseConditions": [], "currentPodHash": ""}, Phase.UNKNOWN),
        (
            {"pauseConditions": [], "stableRS": "7dbb59489c", "updatedReplicas": 4, "availableReplicas": 4},
            Phase.HEALTHY,
        ),
        ({"conditions": [{"type": "InvalidSpec", "reason": "InvalidSpec"}]}, Phase.DEGRADED),
        ({"phase": "Invented"}, Phase.UNKNOWN),
    ],
)
def test_phase_is_derived_where_it_is_missing(change: dict[str, object], phase: Phase) -> None:
    manifest = load("canary_paused_before_phase_existed")
    manifest["status"] |= change
    assert parse_rollout(manifest).phase is phase


def test_steps_of_every_kind() -> None:
    manifest = load("canary_paused_step_1")
    manifest["spec"]["strategy"]["canary"]["steps"] = [
        {"setWeight": 5},
        {"pause": {"duration": "1m30s"}},
        {"pause": {"duration": 10}},
        {"pause": None},
        {"analysis": {"templates": []}},
    ]
    steps = parse_rollout(manifest).steps
    assert steps == (
        SetWeight(percent=5),
        Pause(duration_s=90),
        Pause(duration_s=10),
        Pause(),
        OtherStep(kind="analysis"),
    )
    assert [weight_at(steps, at) for at in (0, 1, 4, 5, None)] == [5, 5, 5, 100, 100]


def test_weights_of_the_version_before_are_not_taken_for_the_new_one() -> None:
    manifest = load("canary_nginx_paused_weight_50")
    manifest["status"]["canary"]["weights"]["canary"]["podTemplateHash"] = "older"
    assert parse_rollout(manifest).weight == 0


def test_no_status_at_all_is_not_observed() -> None:
    manifest = load("canary_paused_step_1")
    del manifest["status"]
    snapshot = parse_rollout(manifest)
    assert (snapshot.observed, snapshot.settled, snapshot.in_flight, snapshot.weight) == (False, False, False, 100.0)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"kind": "Deployment", "metadata": {"name": "x"}},
        {"kind": "Rollout"},
        {"kind": "Rollout", "spec": {"replicas": "many"}},
    ],
)
def test_what_is_no_rollout_is_an_error_with_a_next_step(manifest: dict[str, Any]) -> None:
    with pytest.raises(RemoteStateError) as caught:
        parse_rollout(manifest)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("fields", "by_itself"),
    [
        ({}, True),
        ({"autoPromotionEnabled": True}, True),
        ({"autoPromotionEnabled": False}, False),
        ({"autoPromotionEnabled": False, "autoPromotionSeconds": 0}, False),
        ({"autoPromotionEnabled": False, "autoPromotionSeconds": 1}, True),
    ],
)
def test_a_blue_green_target_that_switches_by_itself_is_recognised(fields: dict[str, object], by_itself: bool) -> None:
    manifest = load("bluegreen_aborted")
    services = {"activeService": "a", "previewService": "b"}
    manifest["spec"]["strategy"]["blueGreen"] = services | fields
    assert parse_rollout(manifest).auto_promotes is by_itself


def test_weights_are_those_that_split_the_traffic() -> None:
    manifest = load("canary_paused_step_1")
    steps = [{"setWeight": weight} for weight in (0, 25, 50, 100)]
    manifest["spec"]["strategy"]["canary"]["steps"] = steps
    assert parse_rollout(manifest).weights == (25, 50)
