from __future__ import annotations

from typing import Any

import pytest

from cicd.sandbox.kubernetes.actions import ACTIONS, apply_action
from cicd.sandbox.kubernetes.cluster import Cluster
from headgate.errors import NotFoundError, RemoteStateError
from tests.testing.kubernetes_world import canary, rollout, rollout_ref
from tests.testing.stepped_clock import SteppedClock

PAUSED = {
    "pauseConditions": [{"reason": "CanaryPauseStep"}],
    "controllerPause": True,
    "currentStepIndex": 1,
    "currentPodHash": "new",
    "stableRS": "old",
}


def _acted(action: str, status: dict[str, Any]) -> Any:
    cluster = Cluster(SteppedClock())
    cluster.create({**rollout("reco", "shop/reco:1.0", canary("reco")), "status": status})
    return apply_action(cluster, rollout_ref("reco"), action)


@pytest.mark.parametrize(
    ("action", "before", "changed", "removed"),
    [
        ("resume", PAUSED, {}, {"pauseConditions"}),
        ("resume", {"phase": "Healthy"}, {}, set()),
        ("abort", PAUSED, {"abort": True}, set()),
        ("retry", {**PAUSED, "abort": True}, {}, {"abort"}),
        ("retry", PAUSED, {}, set()),
        ("promote-full", PAUSED, {"promoteFull": True}, set()),
        ("promote-full", {**PAUSED, "stableRS": "new"}, {}, set()),
        ("skip-current-step", PAUSED, {"currentStepIndex": 2}, {"pauseConditions"}),
        ("skip-current-step", {**PAUSED, "currentStepIndex": 6}, {}, set()),
    ],
)
def test_an_action_edits_the_status(
    action: str, before: dict[str, Any], changed: dict[str, Any], removed: set[str]
) -> None:
    expected = {key: value for key, value in {**before, **changed}.items() if key not in removed}
    assert _acted(action, before)["status"] == expected


def test_pause_and_resume_by_hand() -> None:
    assert _acted("pause", {})["spec"]["paused"] is True


def test_an_unknown_action_names_the_known_ones() -> None:
    with pytest.raises(RemoteStateError, match="no action nosuch") as caught:
        _acted("nosuch", {})
    assert all(name in str(caught.value) for name in ACTIONS)


def test_an_action_on_nothing() -> None:
    with pytest.raises(NotFoundError):
        apply_action(Cluster(SteppedClock()), rollout_ref("reco"), "abort")
