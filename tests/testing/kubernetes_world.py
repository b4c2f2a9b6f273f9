"""A whole sandbox cluster without threads or sockets, driven by a clock that the test moves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cicd.sandbox.kubernetes.actions import apply_action
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref
from cicd.sandbox.kubernetes.manager import ControllerManager
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.traffic import Traffic
from cicd.sandbox.kubernetes.workloads import Behaviour, Registry
from tests.testing.stepped_clock import SteppedClock

SAMPLES = Path(__file__).parents[1] / "samples" / "argo"
STEPS: tuple[Mapping[str, Any], ...] = (
    {"setWeight": 25},
    {"pause": {}},
    {"setWeight": 50},
    {"pause": {"duration": "5s"}},
    {"setWeight": 75},
    {"pause": {}},
)


class World:
    """Apply, act and let time pass; everything settles before a call returns."""

    def __init__(self, *, rate: float = 200, preview_rate: float = 50) -> None:
        self.clock = SteppedClock()
        self.cluster = Cluster(self.clock)
        self.registry = Registry()
        self.pods = PodController(self.cluster, self.registry, metrics_port=9)
        self.traffic = Traffic(self.cluster, self.pods, self.registry, rate=rate, preview_rate=preview_rate)
        self.manager = ControllerManager(self.cluster, self.pods, self.traffic)
        self.states: list[Object] = []
        self.cluster.subscribe(self._remember)

    def _remember(self, _: str, obj: Object) -> None:
        if obj["kind"] == "Rollout":
            self.states.append(obj)

    def publish(self, *images: str, behaviour: Behaviour | None = None) -> None:
        for image in images:
            self.registry.publish(image, behaviour)

    def services(self, *names: str, app: str) -> None:
        for name in names:
            self.cluster.apply(service(name, app=app))

    def run(self, seconds: float, *, step_s: float = 0.1) -> None:
        """Let time pass in steps, with requests."""
        for _ in range(round(seconds / step_s)):
            self.manager.settle()
            self.traffic.tick()
            self.clock.advance(step_s)
        self.manager.settle()
        self.traffic.tick()

    def apply(self, manifest: Mapping[str, Any], *, seconds: float = 1.0) -> Object:
        self.cluster.apply(manifest)
        self.run(seconds)
        return self.status(manifest["metadata"]["name"])

    def act(self, name: str, *actions: str, seconds: float = 1.0) -> Object:
        for action in actions:
            apply_action(self.cluster, rollout_ref(name), action)
            self.manager.settle()
        self.run(seconds)
        return self.status(name)

    def rollout(self, name: str) -> Object:
        found = self.cluster.get(rollout_ref(name))
        assert found is not None
        return found

    def status(self, name: str) -> Object:
        status: Object = self.rollout(name)["status"]
        return status

    def images(self) -> dict[str, str]:
        """Image by pod template hash."""
        return {
            item["metadata"]["labels"]["rollouts-pod-template-hash"]: item["spec"]["template"]["spec"]["containers"][0][
                "image"
            ]
            for item in self.cluster.list("apps", "ReplicaSet")
        }


def rollout_ref(name: str) -> Ref:
    return Ref("argoproj.io", "v1alpha1", "Rollout", "shop", name)


def service(name: str, *, app: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def rollout(
    name: str, image: str, strategy: Mapping[str, Any], *, replicas: int = 4, pod: Any = None, **spec: Any
) -> Object:
    """A Rollout manifest; `pod` adds fields to the pod spec."""
    container = {"name": "app", "image": image, "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": {"app": name}},
            "strategy": dict(strategy),
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **(pod or {})}},
            **spec,
        },
    }


def canary(name: str, steps: Sequence[Mapping[str, Any]] = STEPS, **more: Any) -> Object:
    settings = {"canaryService": f"{name}-canary", "stableService": f"{name}-stable", "steps": list(steps)}
    return {"canary": {**settings, **more}}


def blue_green(name: str, **more: Any) -> Object:
    services = {"activeService": f"{name}-active", "previewService": f"{name}-preview"}
    return {"blueGreen": {**services, "autoPromotionEnabled": False, "scaleDownDelaySeconds": 30, **more}}


def recorded_rollouts(file: str) -> dict[float, Object]:
    """The states of a Rollout in a recording, by seconds since its start."""
    found: dict[float, Object] = {}
    for line in (SAMPLES / file).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("observed") == "rollout":
            found[entry["t"]] = entry["value"]
    return found


def comparable(status: Mapping[str, Any], images: Mapping[str, str]) -> Object:
    """A status whose hashes are named by their images, without times and without the order of its conditions."""
    text = json.dumps(status)
    for pod_hash, image in images.items():
        text = text.replace(pod_hash, image)
    result: Object = json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "T", text))
    if "currentStepHash" in result:
        result["currentStepHash"] = "S"
    conditions = [
        {key: item[key] for key in ("type", "status", "reason", "message")} for item in result.pop("conditions", [])
    ]
    result["conditions"] = sorted(conditions, key=lambda item: str(item["type"]))
    return result
