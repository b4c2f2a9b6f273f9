"""Health of resources by Argo CD's rules, one row per state."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cicd.sandbox.argocd.health import resource_health, worst


def _object(kind: str, group: str = "", generation: int = 2, **content: Any) -> dict[str, Any]:
    version = f"{group}/v1" if group else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "generation": generation}, **content}


def _rollout(**status: Any) -> dict[str, Any]:
    return _object("Rollout", "argoproj.io", status=status)


@pytest.mark.parametrize(
    ("status", "health", "message"),
    [
        ({}, "Progressing", "Waiting for rollout spec update to be observed"),
        (
            {"observedGeneration": "1", "phase": "Healthy"},
            "Progressing",
            "Waiting for rollout spec update to be observed",
        ),
        (
            {"observedGeneration": "1", "phase": "Degraded", "abort": True},
            "Progressing",
            "Waiting for rollout spec update to be observed",
        ),
        ({"observedGeneration": "2", "phase": "Healthy"}, "Healthy", None),
        ({"observedGeneration": "2", "phase": "Paused", "message": "CanaryPauseStep"}, "Suspended", "CanaryPauseStep"),
        ({"observedGeneration": "2", "phase": "Progressing", "message": "more"}, "Progressing", "more"),
        (
            {"observedGeneration": "2", "phase": "Degraded", "message": "RolloutAborted: x"},
            "Degraded",
            "RolloutAborted: x",
        ),
        ({"observedGeneration": "6f5b8d", "phase": "Healthy"}, "Healthy", None),
        ({"observedGeneration": "2"}, "Unknown", "Rollout has no phase"),
        (
            {"observedGeneration": "2", "phase": "Healthy", "conditions": [{"type": "InvalidSpec", "message": "bad"}]},
            "Degraded",
            "bad",
        ),
    ],
)
def test_rollout(status: dict[str, Any], health: str, message: str | None) -> None:
    expected = {"status": health} | ({"message": message} if message else {})
    assert resource_health(_rollout(**status)) == expected


def _pod(phase: str, *, ready: bool = False, waiting: str | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    if waiting:
        status["containerStatuses"] = [{"state": {"waiting": {"reason": waiting, "message": "why"}}}]
    return _object("Pod", status=status)


@pytest.mark.parametrize(
    ("obj", "health"),
    [
        (_pod("Running", ready=True), "Healthy"),
        (_pod("Running"), "Progressing"),
        (_pod("Pending"), "Progressing"),
        (_pod("Pending", waiting="ContainerCreating"), "Progressing"),
        (_pod("Pending", waiting="ImagePullBackOff"), "Degraded"),
        (_pod("Running", waiting="CrashLoopBackOff"), "Degraded"),
        (_pod("Pending", waiting="ErrImagePull"), "Degraded"),
        (_pod("Failed"), "Degraded"),
        (_pod("Succeeded"), "Healthy"),
        (_object("Service", spec={"type": "ClusterIP"}), "Healthy"),
        (_object("Service", spec={"type": "LoadBalancer"}), "Progressing"),
        (_object("Ingress", "networking.k8s.io", status={"loadBalancer": {}}), "Progressing"),
        (_object("Ingress", "networking.k8s.io", status={"loadBalancer": {"ingress": [{"ip": "x"}]}}), "Healthy"),
        (_object("Job", "batch", status={}), "Progressing"),
        (_object("Job", "batch", status={"conditions": [{"type": "Failed", "status": "True"}]}), "Degraded"),
        (_object("Job", "batch", status={"conditions": [{"type": "Complete", "status": "True"}]}), "Healthy"),
        (
            _object(
                "ReplicaSet", "apps", spec={"replicas": 2}, status={"observedGeneration": 2, "availableReplicas": 2}
            ),
            "Healthy",
        ),
        (_object("ReplicaSet", "apps", spec={"replicas": 2}, status={"observedGeneration": 2}), "Progressing"),
        (_object("ReplicaSet", "apps", spec={"replicas": 0}, status={"observedGeneration": 1}), "Progressing"),
        (_object("Deployment", "apps", spec={"replicas": 1}, status={"observedGeneration": 1}), "Progressing"),
        (_object("Deployment", "apps", spec={"replicas": 1}, status={"observedGeneration": 2}), "Progressing"),
        (_object("Deployment", "apps", spec={"paused": True}), "Suspended"),
        (
            _object(
                "Deployment",
                "apps",
                spec={"replicas": 1},
                status={"observedGeneration": 2, "updatedReplicas": 1, "replicas": 2, "availableReplicas": 1},
            ),
            "Progressing",
        ),
        (
            _object(
                "Deployment",
                "apps",
                spec={"replicas": 1},
                status={"observedGeneration": 2, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1},
            ),
            "Healthy",
        ),
        (
            _object("Deployment", "apps", spec={}, status={"conditions": [{"reason": "ProgressDeadlineExceeded"}]}),
            "Degraded",
        ),
    ],
)
def test_other_kinds(obj: dict[str, Any], health: str) -> None:
    found = resource_health(obj)
    assert found is not None
    assert found["status"] == health


def test_kinds_without_a_check_have_no_health() -> None:
    assert resource_health(_object("ConfigMap")) is None


def test_what_is_being_deleted_is_progressing() -> None:
    obj = _object("Service", spec={})
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert resource_health(obj) == {"status": "Progressing", "message": "Pending deletion"}


def test_an_application_is_as_healthy_as_its_worst_resource() -> None:
    order = ["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]
    assert worst([]) == "Healthy"
    for better, poorer in itertools.combinations(order, 2):
        assert worst([better, poorer]) == worst([poorer, better]) == poorer
