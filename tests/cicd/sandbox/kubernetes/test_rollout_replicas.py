from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.kubernetes.rollout_replicas import (
    approximate,
    max_surge,
    max_unavailable,
    next_counts,
    set_weight,
    wanted_counts,
)
from cicd.sandbox.kubernetes.rollout_values import Facts, ReplicaSetFacts

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def _facts(*, replicas: int = 4, steps: Any = (), status: Any = None, sets: Any = (), **settings: Any) -> Facts:
    return Facts(
        name="reco",
        spec={"replicas": replicas, "strategy": {"canary": {"steps": list(steps), **settings}}},
        status=status or {},
        generation=1,
        revision=1,
        template_hash="new",
        replica_sets=tuple(sets),
        selectors={},
        now=NOW,
    )


def _set(pod_hash: str, replicas: int, available: int | None = None) -> ReplicaSetFacts:
    ready = replicas if available is None else available
    return ReplicaSetFacts(
        hash=pod_hash,
        name=f"reco-{pod_hash}",
        revision=1,
        replicas=replicas,
        actual=replicas,
        ready=ready,
        available=ready,
    )


@pytest.mark.parametrize(
    ("replicas", "weight", "surge", "expected"),
    [
        (4, 25, 1, (1, 3)),
        (4, 50, 1, (2, 2)),
        (4, 75, 1, (3, 1)),
        (4, 100, 1, (4, 0)),
        (4, 0, 1, (0, 4)),
        (10, 5, 1, (1, 10)),
        (1, 5, 1, (1, 1)),
        (1, 5, 0, (0, 1)),
        (0, 50, 1, (0, 0)),
    ],
)
def test_the_share_of_pods_comes_closest_to_the_weight(
    replicas: int, weight: int, surge: int, expected: tuple[int, int]
) -> None:
    assert approximate(replicas, weight, surge) == expected


@given(st.integers(2, 60), st.integers(1, 99), st.integers(1, 5))
def test_between_1_and_99_percent_both_versions_have_a_pod(replicas: int, weight: int, surge: int) -> None:
    canary, stable = approximate(replicas, weight, surge)
    assert canary >= 1
    assert stable >= 0
    assert replicas <= canary + stable <= replicas + 1


STEPS: tuple[dict[str, Any], ...] = ({"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0}, 25),
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 1}, 25),
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 3}, 50),
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 4}, 100),
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 3, "abort": True}, 0),
        ({"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0, "promoteFull": True}, 100),
        ({"currentPodHash": "new", "stableRS": "new"}, 100),
    ],
)
def test_weight_of_the_current_step(status: dict[str, Any], expected: int) -> None:
    assert set_weight(_facts(steps=STEPS, status=status)) == expected


@pytest.mark.parametrize(
    ("settings", "replicas", "surge", "unavailable"),
    [
        ({}, 4, 1, 1),
        ({}, 10, 3, 2),
        ({"maxSurge": 2, "maxUnavailable": 0}, 4, 2, 0),
        ({"maxSurge": "50%", "maxUnavailable": "50%"}, 3, 2, 1),
        ({"maxSurge": 0, "maxUnavailable": 0}, 4, 0, 1),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    settings: dict[str, Any], replicas: int, surge: int, unavailable: int
) -> None:
    facts = _facts(replicas=replicas, **settings)
    assert (max_surge(facts), max_unavailable(facts)) == (surge, unavailable)


def test_with_traffic_routing_stable_stays_at_full_size() -> None:
    status = {"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0}
    sets = (_set("new", 0), _set("old", 4))
    facts = _facts(steps=({"setWeight": 5},), status=status, sets=sets, trafficRouting={"nginx": {}})
    assert wanted_counts(facts) == next_counts(facts) == (1, 4)


@given(
    replicas=st.integers(1, 12),
    weight=st.integers(0, 100),
    new=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    old=st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_one_move_never_breaks_its_bounds(
    replicas: int, weight: int, new: tuple[int, int], old: tuple[int, int]
) -> None:
    status = {"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0}
    sets = (_set("new", new[0], min(new)), _set("old", old[0], min(old)))
    facts = _facts(replicas=replicas, steps=({"setWeight": weight},), status=status, sets=sets)
    moved_new, moved_old = next_counts(facts)
    want_new, want_old = wanted_counts(facts)

    total = new[0] + old[0]
    assert moved_new + moved_old <= max(total, replicas + max_surge(facts))
    assert min(new[0], want_new) <= moved_new <= max(new[0], want_new)
    assert min(old[0], want_old) <= moved_old <= max(old[0], want_old)
