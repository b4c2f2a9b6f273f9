"""A Rollout driven over the Kubernetes API: which patch is sent, and when none is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployments.cluster.api import ClusterApi, Object, ObjectRef
from deployments.rollouts.core import ClusterRollout
from headgate.errors import AuthenticationError, ConflictError, NotFoundError, RemoteStateError
from tests.testing.bare_cluster import BareCluster, bare_cluster

PAUSED = {
    "currentPodHash": "new",
    "stableRS": "old",
    "currentStepIndex": 1,
    "phase": "Paused",
    "observedGeneration": "1",
    "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T10:00:00Z"}],
    "controllerPause": True,
}
SPEC = {"replicas": 4, "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareCluster]:
    with bare_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def name(cluster: BareCluster, request: pytest.FixtureRequest) -> str:
    made = f"r{abs(hash(request.node.name))}"
    cluster.put("Rollout", "shop", made, spec=SPEC, status=PAUSED)
    return made


@pytest.fixture
def api(cluster: BareCluster) -> ClusterApi:
    return cluster.api()


def _status(cluster: BareCluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("Rollout", "shop", name)["status"]
    return found


def test_resume_clears_the_pause_and_nothing_else(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    rollout = ClusterRollout(api, namespace="shop", name=name)
    snapshot = rollout.observe()
    assert (snapshot.step, snapshot.paused, snapshot.unpausing) == (1, True, False)
    rollout.resume()
    assert _status(cluster, name) == {key: value for key, value in PAUSED.items() if key != "pauseConditions"}
    assert rollout.observe().unpausing
    before = cluster.get("Rollout", "shop", name)["metadata"]["resourceVersion"]
    rollout.resume()  # twice is once: no step is skipped
    assert cluster.get("Rollout", "shop", name)["metadata"]["resourceVersion"] == before


def test_abort_and_promote(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    rollout = ClusterRollout(api, namespace="shop", name=name)
    rollout.observe()
    rollout.promote()
    assert _status(cluster, name) == PAUSED | {"promoteFull": True}
    rollout.abort()
    rollout.abort()
    assert _status(cluster, name) == PAUSED | {"promoteFull": True, "abort": True}


def test_promotion_of_what_is_stable_already_sends_nothing(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    cluster.change("Rollout", "shop", name, stableRS="new")
    rollout = ClusterRollout(api, namespace="shop", name=name)
    rollout.observe()
    rollout.promote()
    assert "promoteFull" not in _status(cluster, name)


def test_a_rollout_paused_by_its_spec_goes_on_as_well(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    api.patch(_ref(name), {"spec": {"paused": True}})
    rollout = ClusterRollout(api, namespace="shop", name=name)
    rollout.observe()
    rollout.resume()
    assert cluster.get("Rollout", "shop", name)["spec"]["paused"] is False
    assert "pauseConditions" not in _status(cluster, name)


def test_change_that_moves_nothing_is_no_obstacle(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    rollout = ClusterRollout(api, namespace="shop", name=name)
    rollout.observe()
    cluster.change("Rollout", "shop", name, readyReplicas=3)
    rollout.resume()
    assert "pauseConditions" not in _status(cluster, name)


class Racing(ClusterApi):
    """Right before each of the first `times` patches something happens in the cluster."""

    def __init__(self, cluster: BareCluster, times: int, happens: Callable[[int], None]) -> None:
        super().__init__(kubeconfig=str(cluster.kubeconfig()), timeout_s=60)
        self.times, self._happens = times, happens
        cluster.owned(self)

    def patch(self, ref: ObjectRef, change: Any, *, subresource: str = "") -> Object:
        if self.times:
            self.times -= 1
            self._happens(self.times)
        return super().patch(ref, change, subresource=subresource)


def test_lost_race_is_run_again_where_nothing_moved(cluster: BareCluster, name: str) -> None:
    racing = Racing(cluster, 3, lambda number: cluster.change("Rollout", "shop", name, readyReplicas=number))
    rollout = ClusterRollout(racing, namespace="shop", name=name)
    rollout.observe()
    rollout.resume()
    assert racing.times == 0
    assert "pauseConditions" not in _status(cluster, name)


@pytest.mark.parametrize(
    "moved", [{"currentStepIndex": 3}, {"currentPodHash": "newer", "currentStepIndex": 0}, {"abort": True}]
)
@pytest.mark.parametrize("during", [False, True], ids=["before the look", "between look and patch"])
def test_resume_of_another_step_than_the_one_that_was_judged_is_not_sent(
    cluster: BareCluster, name: str, moved: dict[str, Any], during: bool
) -> None:
    racing = Racing(cluster, int(during), lambda _: cluster.change("Rollout", "shop", name, **moved))
    rollout = ClusterRollout(racing, namespace="shop", name=name)
    rollout.observe()
    if not during:
        cluster.change("Rollout", "shop", name, **moved)
    with pytest.raises(ConflictError, match="has moved since it was looked at"):
        rollout.resume()
    assert _status(cluster, name)["pauseConditions"] == PAUSED["pauseConditions"]


def test_race_that_is_never_won_ends(cluster: BareCluster, name: str) -> None:
    racing = Racing(cluster, 99, lambda number: cluster.change("Rollout", "shop", name, readyReplicas=number))
    rollout = ClusterRollout(racing, namespace="shop", name=name)
    rollout.observe()
    with pytest.raises(ConflictError, match="has been modified"):
        rollout.resume()
    assert racing.times > 90


def test_missing_rollout_and_missing_right_are_named(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    with pytest.raises(NotFoundError, match=r"no rollouts\.argoproj\.io 'nosuch'.*kubernetes\.rollout"):
        ClusterRollout(api, namespace="shop", name="nosuch").observe()
    reader = cluster.api("reader-token")
    rollout = ClusterRollout(reader, namespace="shop", name=name)
    rollout.observe()
    for act in (rollout.abort, rollout.resume, rollout.promote):
        with pytest.raises(AuthenticationError, match=r"resources: \[rollouts/status\].*verbs: \[patch\]"):
            act()
    assert _status(cluster, name) == PAUSED


def test_object_of_another_kind_cannot_be_read(cluster: BareCluster, api: ClusterApi, name: str) -> None:
    cluster.change("Rollout", "shop", name, currentStepIndex="no number")
    with pytest.raises(RemoteStateError, match="currentStepIndex"):
        ClusterRollout(api, namespace="shop", name=name).observe()


def _ref(name: str) -> ObjectRef:
    return ObjectRef(group="argoproj.io", version="v1alpha1", resource="rollouts", namespace="shop", name=name)
