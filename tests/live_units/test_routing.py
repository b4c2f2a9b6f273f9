"""Which pod a request goes to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.pods import ADDRESS, HASH_LABEL
from tests.live.routing import (
    Canary,
    Rule,
    find_backends,
    find_rule,
    is_in_share,
    parse_canary,
    parse_rules,
    pick_service,
)

NGINX = "nginx.ingress.kubernetes.io"


def ingress(name: str, service: str, *, host: str = "web.example.com", path: str = "/", **notes: str) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    annotations = {f"{NGINX}/{key.replace('_', '-')}": value for key, value in notes.items()}
    return {
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
    }


STABLE = ingress("web", "web-stable")
CANARY = ingress("web-web-canary", "web-canary", canary="true", canary_weight="5")


@pytest.mark.parametrize("order", [(STABLE, CANARY), (CANARY, STABLE)])
def test_the_controllers_canary_ingress_joins_the_stable_one(order: tuple[dict[str, Any], ...]) -> None:
    (rule,) = parse_rules(order)
    assert (rule.host, rule.path, rule.service) == ("web.example.com", "/", "web-stable")
    assert rule.canary == Canary(service="web-canary", weight=5)


@pytest.mark.parametrize(
    "other",
    [
        ingress("c", "web-canary", canary="false", canary_weight="5", host="b.example.com"),
        ingress("c", "web-canary", canary="true", canary_weight="5", host="b.example.com"),
        ingress("c", "web-canary", canary="true", canary_weight="5", path="/b"),
    ],
)
def test_a_canary_of_another_rule_or_of_none_changes_nothing(other: dict[str, Any]) -> None:
    rule = find_rule(parse_rules([STABLE, other]), "web.example.com", "/recommend")
    assert rule is not None
    assert rule.canary is None


@pytest.mark.parametrize(
    ("notes", "weight", "total"),
    [
        ({}, 0, 100),
        ({"canary-weight": "25"}, 25, 100),
        ({"canary-weight": "25", "canary-weight-total": "1000"}, 25, 1000),
        ({"canary-weight": "250"}, 100, 100),
        ({"canary-weight": "many"}, 0, 100),
        ({"canary-weight": "-3"}, 0, 100),
        ({"canary-weight": "3", "canary-weight-total": "0"}, 3, 100),
    ],
)
def test_canary_weights(notes: dict[str, str], weight: int, total: int) -> None:
    canary = parse_canary("web-canary", {f"{NGINX}/{key}": value for key, value in notes.items()})
    assert (canary.weight, canary.total) == (weight, total)


@given(weight=st.integers(0, 1000), start=st.integers(0, 10**9), total=st.sampled_from([1, 7, 100, 1000]))
def test_of_any_total_requests_in_a_row_weight_go_to_the_canary(weight: int, start: int, total: int) -> None:
    weight = min(weight, total)
    assert sum(is_in_share(number, weight, total) for number in range(start, start + total)) == weight


@pytest.mark.parametrize(
    ("canary", "headers", "expected"),
    [
        (None, {}, "stable"),
        (Canary(service="canary"), {}, "stable"),
        (Canary(service="canary", weight=100), {}, "canary"),
        (Canary(service="canary", header="x-try"), {"x-try": "always"}, "canary"),
        (Canary(service="canary", weight=100, header="x-try"), {"x-try": "never"}, "stable"),
        (Canary(service="canary", header="x-try", header_value="me"), {"x-try": "me"}, "canary"),
        (Canary(service="canary", header="x-try", header_value="me"), {"x-try": "always"}, "stable"),
        (Canary(service="canary", weight=100, header="x-try", header_value="me"), {"x-try": "never"}, "canary"),
    ],
)
def test_pick_service(canary: Canary | None, headers: dict[str, str], expected: str) -> None:
    rule = Rule(namespace="shop", host="", path="/", service="stable", canary=canary)
    assert pick_service(rule, headers, 0) == expected


def test_a_quarter_is_a_quarter_of_the_requests() -> None:
    rule = Rule(namespace="shop", host="", path="/", service="stable", canary=Canary(service="canary", weight=25))
    assert Counter(pick_service(rule, {}, number) for number in range(400)) == {"stable": 300, "canary": 100}


@pytest.mark.parametrize(
    ("host", "path", "service"),
    [
        ("a", "/", "a-root"),
        ("a", "/recommend", "a-recommend"),
        ("a", "/recommend/x", "a-recommend"),
        ("a", "/recommended", "a-root"),
        ("b", "/", "any"),
        ("b", "/recommend", "any"),
    ],
)
def test_find_rule(host: str, path: str, service: str) -> None:
    rules = parse_rules(
        [
            ingress("1", "any", host=""),
            ingress("2", "a-root", host="a"),
            ingress("3", "a-recommend", host="a", path="/recommend"),
        ]
    )
    found = find_rule(rules, host, path)
    assert found is not None
    assert found.service == service
    assert find_rule(rules[1:], "c", path) is None


def pod(name: str, *, ready: str = "True", address: str = "127.0.0.1:4711", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": "web", HASH_LABEL: "abc"},
            "annotations": {ADDRESS: address} if address else {},
            **metadata,
        },
        "spec": {"containers": [{"name": "app", "image": "shop/recommender:1.1.0"}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def service(**selector: str) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": selector}}


def test_backends_are_the_ready_pods_of_the_service() -> None:
    pods = [
        pod("b"),
        pod("a"),
        pod("not-ready", ready="False"),
        pod("ending", deletionTimestamp="2026-11-21T12:00:00Z"),
        pod("nowhere", address=""),
        pod("elsewhere", namespace="other"),
    ]
    found = find_backends(service(app="web"), pods, "shop")
    assert [backend.pod for backend in found] == ["a", "b"]
    assert (found[0].host, found[0].port, found[0].hash, found[0].version) == ("127.0.0.1", 4711, "abc", "1.1.0")


@pytest.mark.parametrize("chosen", [None, service(), service(app="other"), service(app="web", **{HASH_LABEL: "def"})])
def test_a_service_that_selects_nothing_has_no_backends(chosen: dict[str, Any] | None) -> None:
    assert find_backends(chosen, [pod("a")], "shop") == ()
