"""What the API server fills in by itself when an object is written. Pure."""

from __future__ import annotations

import zlib
from typing import Any


def apply_defaults(obj: dict[str, Any]) -> None:
    """Add the defaults of the object's kind in place; applying them twice changes nothing."""
    kind = obj.get("kind")
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if kind == "Service":
        _service(obj, spec)
    elif kind in {"Rollout", "ReplicaSet"}:
        template = spec.get("template")
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            _containers(template["spec"])
    elif kind == "Pod":
        _containers(spec)


def _service(obj: dict[str, Any], spec: dict[str, Any]) -> None:
    name = f"{obj['metadata'].get('namespace')}/{obj['metadata'].get('name')}"
    number = zlib.crc32(name.encode())
    address = f"10.96.{number >> 8 & 0xFF}.{number % 254 + 1}"
    spec.setdefault("clusterIP", address)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("type", "ClusterIP")
    for port in _dicts(spec.get("ports")):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    obj.setdefault("status", {"loadBalancer": {}})


def _containers(pod_spec: dict[str, Any]) -> None:
    for container in _dicts(pod_spec.get("containers")):
        for port in _dicts(container.get("ports")):
            port.setdefault("protocol", "TCP")


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The dictionaries of a list; anything that is not one is left for validation to complain about."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
