"""How requests find their pods: Ingress, Service and Pod objects in, decisions out. Pure.

The canary annotations are ingress-nginx's: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.live.pods import ADDRESS, HASH_LABEL

PREFIX = "nginx.ingress.kubernetes.io"
DEFAULT_TOTAL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The second service of a rule. A request with `header` set to "always" goes there, with "never" not; with
    `header_value` that value instead of "always"; all others by `weight` of `total`."""

    service: str
    weight: int = 0
    total: int = DEFAULT_TOTAL
    header: str = ""
    header_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests for `host` (empty: any) below `path` go to a service of the namespace."""

    namespace: str
    host: str
    path: str
    service: str
    canary: Canary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A ready pod: where it really is, and what it runs."""

    pod: str
    host: str
    port: int
    hash: str = ""
    version: str = ""


def parse_rules(ingresses: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules of all Ingresses; one with the annotation canary "true" joins the rule of the same host and path.

    A canary without such a rule has no effect, as with nginx.
    """
    rules: dict[tuple[str, str, str], Rule] = {}
    canaries: dict[tuple[str, str, str], Canary] = {}
    for ingress in sorted(ingresses, key=lambda item: str(item["metadata"]["name"])):
        notes = ingress["metadata"].get("annotations") or {}
        namespace = ingress["metadata"]["namespace"]
        for host, path, service in _backends(ingress):
            key = (namespace, host, path)
            if notes.get(f"{PREFIX}/canary") == "true":
                canaries.setdefault(key, parse_canary(service, notes))
            else:
                rules.setdefault(key, Rule(namespace=namespace, host=host, path=path, service=service))
    return tuple(replace(rule, canary=canaries.get(key)) for key, rule in rules.items())


def _backends(ingress: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for rule in (ingress.get("spec") or {}).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            service = (path.get("backend") or {}).get("service") or {}
            if service.get("name"):
                yield rule.get("host") or "", path.get("path") or "/", service["name"]


def parse_canary(service: str, annotations: Mapping[str, str]) -> Canary:
    """The canary annotations; a weight or total that is no number counts as absent, one beyond its limits is cut."""
    total = _number(annotations.get(f"{PREFIX}/canary-weight-total"), DEFAULT_TOTAL) or DEFAULT_TOTAL
    weight = _number(annotations.get(f"{PREFIX}/canary-weight"), 0)
    return Canary(
        service=service,
        weight=min(weight, total),
        total=total,
        header=annotations.get(f"{PREFIX}/canary-by-header", "").lower(),
        header_value=annotations.get(f"{PREFIX}/canary-by-header-value", ""),
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default


def find_rule(rules: Iterable[Rule], host: str, path: str) -> Rule | None:
    """The rule for a request: its own host before any host, then the longest path."""
    fitting = [rule for rule in rules if rule.host in {host, ""} and _below(path, rule.path)]
    return max(fitting, key=lambda rule: (rule.host != "", len(rule.path)), default=None)


def _below(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(prefix.rstrip("/") + "/")


def pick_service(rule: Rule, headers: Mapping[str, str], number: int) -> str:
    """The service for request `number` (counted from 0 per rule). Headers are named in lower case."""
    canary = rule.canary
    if canary is None:
        return rule.service
    sent = headers.get(canary.header) if canary.header else None
    if sent is not None:
        if sent == (canary.header_value or "always"):
            return canary.service
        if sent == "never" and not canary.header_value:
            return rule.service
    return canary.service if is_in_share(number, canary.weight, canary.total) else rule.service


def is_in_share(number: int, weight: int, total: int) -> bool:
    """Whether request `number` is of the canary's share: evenly spread, `weight` of any `total` in a row.

    nginx draws; an even spread gives tests the same share with fewer requests.
    """
    return (number + 1) * weight // total > number * weight // total


def find_backends(
    service: Mapping[str, Any] | None, pods: Iterable[Mapping[str, Any]], namespace: str
) -> tuple[Backend, ...]:
    """The pods that a Service selects and that may have requests: ready, not being deleted, with an address.

    A Service without a selector selects nothing.
    """
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    if not selector:
        return ()
    chosen = []
    for pod in pods:
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        fits = metadata["namespace"] == namespace and all(labels.get(key) == value for key, value in selector.items())
        address = (metadata.get("annotations") or {}).get(ADDRESS, "")
        if fits and address and not metadata.get("deletionTimestamp") and is_ready(pod):
            chosen.append(_backend(pod, address))
    return tuple(sorted(chosen, key=lambda backend: backend.pod))


def find_pods(pods: Iterable[Mapping[str, Any]]) -> dict[str, Backend]:
    """Every pod with an address, ready or not, by the address that the API has for it."""
    found = {}
    for pod in pods:
        ip = (pod.get("status") or {}).get("podIP")
        address = (pod["metadata"].get("annotations") or {}).get(ADDRESS, "")
        if ip and address:
            found[str(ip)] = _backend(pod, address)
    return found


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _backend(pod: Mapping[str, Any], address: str) -> Backend:
    host, _, port = address.rpartition(":")
    image = next((item.get("image") or "" for item in (pod.get("spec") or {}).get("containers") or ()), "")
    return Backend(
        pod=pod["metadata"]["name"],
        host=host,
        port=int(port),
        hash=(pod["metadata"].get("labels") or {}).get(HASH_LABEL, ""),
        version=image.partition(":")[2],
    )
