"""What counts as a difference between Git and the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.argocd.compare import (
    Pair,
    application_health,
    apply_order,
    differs,
    images_of,
    owner_app,
    pair_up,
    status_entry,
    sync_status,
    tracked,
)
from cicd.sandbox.kubernetes.cluster import Cluster, copy_object, ref_of
from tests.testing.stepped_clock import SteppedClock


def _config_map(name: str = "x", **data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


def _live(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as it lies in the cluster after an apply."""
    return Cluster(SteppedClock()).apply(manifest)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=3), values, max_size=4))
def test_what_was_just_applied_does_not_differ(data: dict[str, Any]) -> None:
    manifest = _config_map(data=data)
    assert not differs(manifest, _live(manifest))


@pytest.mark.parametrize(
    ("live", "different"),
    [
        ({"a": "1"}, False),
        ({"a": "2"}, True),
        ({}, True),
        ({"a": "1", "added by somebody": "x"}, False),
    ],
)
def test_only_what_git_says_counts(live: dict[str, str], different: bool) -> None:
    obj = _live(_config_map(a="1"))
    obj["data"] = live
    assert differs(_config_map(a="1"), obj) is different


def test_a_key_that_git_no_longer_has_is_a_difference() -> None:
    assert differs(_config_map(a="1"), _live(_config_map(a="1", b="2")))


def test_numbers_and_truth_are_not_the_same() -> None:
    assert differs(_config_map(a=True), {**_config_map(a=1)})


def test_injected_selectors_and_defaults_are_no_difference() -> None:
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]},
    }
    live = _live(service)
    live["spec"]["selector"]["rollouts-pod-template-hash"] = "abc"
    assert not differs(service, live)
    assert differs({**service, "spec": {**service["spec"], "ports": [{"port": 81}]}}, live)
    assert differs({**service, "spec": {**service["spec"], "ports": [{"port": 80}, {"port": 81}]}}, live)


def test_tracking_names_the_application_and_the_resource() -> None:
    obj = tracked(_config_map(), "reco")
    assert obj["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] == "reco:/ConfigMap:shop/x"
    assert owner_app(obj) == "reco"
    assert owner_app(_config_map()) == ""
    copied = copy_object(obj)
    copied["metadata"]["name"] = "copy"
    assert owner_app(copied) == ""


def test_pairs_of_git_and_cluster() -> None:
    same, new, gone = (tracked(_config_map(name), "app") for name in ("same", "new", "gone"))
    other = tracked(_config_map("other"), "another app")
    live = {ref_of(obj).key: obj for obj in (_live(same), _live(gone), _live(other))}
    pairs = pair_up([same, new], live, "app")
    entries = [status_entry(pair) for pair in pairs]
    assert [(item["name"], item["status"], item.get("requiresPruning")) for item in entries] == [
        ("gone", "OutOfSync", True),
        ("new", "OutOfSync", None),
        ("same", "Synced", None),
    ]
    assert entries[1]["health"] == {"status": "Missing"}
    assert sync_status(pairs) == "OutOfSync"
    assert sync_status(pairs[2:]) == "Synced"


def _pair(kind: str, api: str = "v1", *, live: bool = False) -> Pair:
    obj = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": {}}
    return Pair(target=obj, live=obj if live else None)


def test_a_missing_resource_counts_only_with_a_health_check() -> None:
    assert application_health([_pair("ConfigMap")]) == "Healthy"
    assert application_health([_pair("Service")]) == "Missing"
    assert application_health([_pair("Service", live=True), _pair("ConfigMap")]) == "Healthy"


def test_custom_resources_are_applied_last() -> None:
    pairs = [_pair("Rollout", "argoproj.io/v1alpha1"), _pair("Ingress", "networking.k8s.io/v1"), _pair("Service")]
    assert [pair.ref.kind for pair in apply_order(pairs)] == ["Service", "Ingress", "Rollout"]


@pytest.mark.parametrize(
    ("spec", "images"),
    [
        (
            {"template": {"spec": {"containers": [{"image": "a:1"}], "initContainers": [{"image": "b:1"}]}}},
            ["b:1", "a:1"],
        ),
        ({"containers": [{"image": "a:1"}, {"name": "no image"}]}, ["a:1"]),
        ({"template": None}, []),
        (None, []),
        ("text", []),
    ],
)
def test_images(spec: Any, images: list[str]) -> None:
    assert images_of({"spec": spec}) == images
