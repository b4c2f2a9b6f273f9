from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.kubernetes.cluster import (
    HISTORY,
    LAST_APPLIED,
    AlreadyExistsError,
    Cluster,
    ExpiredError,
    Object,
    Ref,
    merge_patch,
    ref_of,
    three_way_patch,
)
from headgate.errors import NotFoundError
from tests.testing.kubernetes_world import canary, rollout, rollout_ref, service
from tests.testing.stepped_clock import SteppedClock


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(SteppedClock())


def _config(name: str = "settings", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


def _ref(name: str = "settings") -> Ref:
    return Ref("", "v1", "ConfigMap", "shop", name)


def test_a_created_object_has_an_identity_and_whole_second_times(cluster: Cluster) -> None:
    made = cluster.create(rollout("reco", "shop/reco:1.0", canary("reco")))

    metadata = made["metadata"]
    assert metadata["creationTimestamp"] == "2026-11-21T10:36:20Z"
    assert metadata["generation"] == 1
    assert metadata["resourceVersion"] == str(cluster.resource_version)
    assert metadata["uid"]
    with pytest.raises(AlreadyExistsError, match="already exists"):
        cluster.create(made)


def test_what_goes_in_and_out_is_a_copy(cluster: Cluster) -> None:
    manifest = _config(a="1")
    made = cluster.create(manifest)
    manifest["data"]["a"] = made["data"]["a"] = "changed outside"
    seen = cluster.get(_ref())
    assert seen is not None
    seen["data"]["a"] = "changed outside"
    cluster.list("", "ConfigMap")[0]["data"]["a"] = "changed outside"

    again = cluster.get(_ref())
    assert again is not None
    assert again["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("change", "raised_by"),
    [
        (lambda item: item["spec"].update(replicas=9), 1),
        (lambda item: item.update(status={"phase": "Healthy"}), 0),
        (lambda item: item["metadata"].update(labels={"a": "b"}), 0),
    ],
    ids=["spec", "status", "metadata"],
)
def test_generation_counts_changes_of_the_spec(cluster: Cluster, change: Any, raised_by: int) -> None:
    cluster.create(rollout("reco", "shop/reco:1.0", canary("reco")))
    before = cluster.resource_version
    after = cluster.update(rollout_ref("reco"), change)

    assert after["metadata"]["generation"] == 1 + raised_by
    assert after["metadata"]["resourceVersion"] == str(before + 1)


def test_generation_of_an_application_counts_its_status_too(cluster: Cluster) -> None:
    app = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "reco"}, "spec": {}}
    made = cluster.create(app)

    def change(item: Object) -> None:
        item["status"] = {"sync": {"status": "Synced"}}

    assert cluster.update(ref_of(made), change)["metadata"]["generation"] == 2


def test_apply_removes_what_an_earlier_apply_set_and_keeps_what_others_set(cluster: Cluster) -> None:
    cluster.apply(service("reco", app="reco"))
    ref = Ref("", "v1", "Service", "shop", "reco")

    def inject(item: Object) -> None:
        item["spec"]["selector"]["rollouts-pod-template-hash"] = "abc"

    cluster.update(ref, inject)
    wanted = service("reco", app="reco")
    wanted["metadata"]["labels"] = {"team": "ml"}
    cluster.apply(wanted)
    del wanted["metadata"]["labels"]
    live = cluster.apply(wanted)

    assert live["spec"]["selector"] == {"app": "reco", "rollouts-pod-template-hash": "abc"}
    assert not live["metadata"].get("labels")
    assert live["metadata"]["annotations"][LAST_APPLIED].endswith("\n")
    assert '"targetPort":8080' in live["metadata"]["annotations"][LAST_APPLIED]


def test_applying_the_same_again_changes_nothing(cluster: Cluster) -> None:
    events: list[str] = []
    cluster.apply(service("reco", app="reco"))
    cluster.subscribe(lambda kind, _: events.append(kind))
    before = cluster.resource_version
    cluster.apply(service("reco", app="reco"))

    assert (cluster.resource_version, events) == (before, [])


def test_a_failed_update_leaves_the_object_as_it_was(cluster: Cluster) -> None:
    cluster.create(_config(a="1"))

    def change(item: Object) -> None:
        item["data"]["a"] = "2"
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        cluster.update(_ref(), change)
    found = cluster.get(_ref())
    assert found is not None
    assert found["data"] == {"a": "1"}


def test_an_update_cannot_change_the_identity(cluster: Cluster) -> None:
    made = cluster.create(_config(a="1"))

    def change(item: Object) -> None:
        item["metadata"].update(uid="other", name="other", resourceVersion="1")
        item["data"]["a"] = "2"

    changed = cluster.update(_ref(), change)
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["metadata"]["name"] == "settings"


def test_deleting_an_owner_deletes_what_it_owns(cluster: Cluster) -> None:
    owner = cluster.create(_config("owner"))
    child = _config("child")
    child["metadata"]["ownerReferences"] = [{"uid": owner["metadata"]["uid"]}]
    cluster.create(child)
    gone: list[str] = []
    cluster.subscribe(lambda kind, obj: gone.append(f"{kind} {obj['metadata']['name']}"))
    cluster.delete(_ref("owner"))

    assert gone == ["DELETED owner", "DELETED child"]
    assert cluster.list("", "ConfigMap") == []
    with pytest.raises(NotFoundError, match="not found"):
        cluster.delete(_ref("owner"))


def test_a_finalizer_holds_the_object_until_it_is_removed(cluster: Cluster) -> None:
    held = _config()
    held["metadata"]["finalizers"] = ["argocd"]
    cluster.create(held)
    marked = cluster.delete(_ref())
    assert marked["metadata"]["deletionTimestamp"] == "2026-11-21T10:36:20Z"

    def release(item: Object) -> None:
        item["metadata"]["finalizers"] = []

    cluster.update(_ref(), release)
    assert cluster.get(_ref()) is None


def test_changes_since_a_version_and_an_expired_version(cluster: Cluster) -> None:
    cluster.create(_config(a="0"))
    since = cluster.resource_version
    cluster.create(_config("second"))
    assert [(item.type, item.object["metadata"]["name"]) for item in cluster.changes_since(since)] == [
        ("ADDED", "second")
    ]
    for number in range(HISTORY):

        def change(item: Object, text: str = str(number)) -> None:
            item["data"]["a"] = f"n{text}"

        cluster.update(_ref(), change)
    with pytest.raises(ExpiredError, match="too old resource version: 2"):
        cluster.changes_since(since)


def test_unsubscribing_ends_the_calls(cluster: Cluster) -> None:
    events: list[str] = []
    unsubscribe = cluster.subscribe(lambda kind, _: events.append(kind))
    cluster.create(_config())
    unsubscribe()
    unsubscribe()
    cluster.delete(_ref())
    assert events == ["ADDED"]


def test_lists_are_selected_by_namespace_and_labels(cluster: Cluster) -> None:
    for namespace, name, labels in (("a", "one", {"x": "1"}), ("a", "two", {"x": "2"}), ("b", "one", {"x": "1"})):
        item = _config(name)
        item["metadata"] |= {"namespace": namespace, "labels": labels}
        cluster.create(item)

    def names(found: list[Object]) -> list[str]:
        return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in found]

    assert names(cluster.list("", "ConfigMap")) == ["a/one", "a/two", "b/one"]
    assert names(cluster.list("", "ConfigMap", "a")) == ["a/one", "a/two"]
    assert names(cluster.list("", "ConfigMap", None, {"x": "1"})) == ["a/one", "b/one"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
plain = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), plain, max_size=3)


@given(json_values, json_values)
def test_a_merge_patch_is_idempotent(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(objects, objects)
def test_applying_over_what_was_applied_gives_what_is_wanted(before: Object, wanted: Object) -> None:
    assert _shaped(merge_patch(before, three_way_patch(before, wanted)), wanted)


def _shaped(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(_shaped(found[key], wanted[key]) for key in wanted)
    return bool(found == wanted)
