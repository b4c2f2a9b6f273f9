"""Manifests for live tests: a Rollout of the example's recommender with its Services and its Ingress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.live.node import TOLERATION

Object = dict[str, Any]
STEPS: tuple[Mapping[str, Any], ...] = ({"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}})
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts"
SERVICES = "/api/v1/namespaces/{namespace}/services"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
PODS = "/api/v1/namespaces/{namespace}/pods"


def container(image: str) -> Object:
    return {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
    }


def pod_template(name: str, image: str, *, node: str | None = None) -> Object:
    """A pod of one container; with `node` it runs there and nowhere else."""
    spec: Object = {"containers": [container(image)], "tolerations": [TOLERATION]}
    if node is not None:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def rollout(
    name: str, image: str, strategy: Mapping[str, Any], *, replicas: int = 4, node: str | None = None, **spec: Any
) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": dict(strategy),
            "template": pod_template(name, image, node=node),
            **spec,
        },
    }


def canary(name: str, *, steps: Sequence[Mapping[str, Any]] = STEPS, routed: bool = True, **more: Any) -> Object:
    """A canary strategy; `routed` by the nginx Ingress `name`, else by the number of pods."""
    settings: Object = {
        "stableService": f"{name}-stable",
        "canaryService": f"{name}-canary",
        "steps": list(steps),
        **more,
    }
    if routed:
        settings["trafficRouting"] = {"nginx": {"stableIngress": name}}
    return {"canary": settings}


def service(name: str, *, app: str) -> Object:
    spec = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(name: str, *, host: str) -> Object:
    """All requests for `host` to the service `name`-stable."""
    backend = {"service": {"name": f"{name}-stable", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
    }
