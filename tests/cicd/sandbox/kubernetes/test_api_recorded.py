"""The HTTP API answers as the recorded Kubernetes 1.36 did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from tests.testing.kubernetes_world import SAMPLES

LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"


def _recorded() -> list[dict[str, Any]]:
    lines = (SAMPLES / "06-kubernetes-api.jsonl").read_text(encoding="utf-8").splitlines()
    calls = [json.loads(line) for line in lines]
    return [call for call in calls if "request" in call and "/leases" in call["request"]["path"]]


def _alike(value: Any, versions: Mapping[str, str]) -> Any:
    """The text of an answer without identities, times of creation and concrete resource versions."""
    text = json.dumps(value, sort_keys=True)
    for version, name in versions.items():
        text = re.sub(rf"\b{version}\b", name, text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UID", text)
    return re.sub(r'"creationTimestamp": "[^"]*"', '"creationTimestamp": "T"', text)


def test_the_story_of_a_lease_is_the_recorded_one(sandbox: KubernetesSandbox) -> None:
    """Every recorded call is sent again, with our own resource versions in place of the recorded ones."""
    ours: dict[str, str] = {}
    live = {"version": "", "uid": ""}
    recorded_names: dict[str, str] = {}
    for call in _recorded():
        request, expected = call["request"], call["response"]
        body = request["body"]
        content = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        for theirs, mine in ours.items():
            content = content.replace(theirs, mine)
        headers = dict(request["headers"])
        if "Authorization" in headers:
            token = "garbage" if call["note"] == "wrong token" else sandbox.token
            headers["Authorization"] = f"Bearer {token}"
        answer = httpx.request(
            request["method"], sandbox.url + request["path"], content=content, headers=headers, timeout=10
        )
        assert answer.status_code == expected["status"], (call["note"], answer.text)
        metadata = expected["body"].get("metadata", {}) if isinstance(expected["body"], dict) else {}
        if metadata.get("resourceVersion"):
            live = answer.json()["metadata"]
            ours |= {metadata["resourceVersion"]: live["resourceVersion"], metadata["uid"]: live["uid"]}
            recorded_names[metadata["resourceVersion"]] = f"V{len(recorded_names)}"
        names = {ours[key]: name for key, name in recorded_names.items()}
        assert _alike(answer.json(), names) == _alike(expected["body"], recorded_names), call["note"]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api", 200, "APIVersions"),
        ("/api/v1", 200, "APIResourceList"),
        ("/apis", 200, "APIGroupList"),
        ("/apis/argoproj.io", 200, "APIGroup"),
        ("/apis/apps/v1", 200, "APIResourceList"),
        ("/apis/argoproj.io/v1alpha1", 200, "APIResourceList"),
        ("/apis/coordination.k8s.io/v1", 200, "APIResourceList"),
        ("/apis/authorization.k8s.io/v1", 200, "APIResourceList"),
    ],
)
def test_discovery(http: httpx.Client, path: str, status: int, kind: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["kind"]) == (status, kind)


@pytest.mark.parametrize("path", ["/apis/none.example.com/v1/things", "/api/v1/things", "/nothing", "/api/v2"])
def test_what_is_not_served_is_a_plain_404(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"),
    [
        ("GET", "/api/v1/namespaces/shop/pods/none", None, {}, 404, "NotFound"),
        ("POST", "/api/v1/namespaces/gone/configmaps", {"metadata": {"name": "a"}}, {}, 404, "NotFound"),
        ("POST", "/api/v1/namespaces/shop/configmaps", {"metadata": {}}, {}, 422, "Invalid"),
        (
            "POST",
            "/api/v1/namespaces/shop/configmaps",
            {"kind": "Pod", "metadata": {"name": "a"}},
            {},
            400,
            "BadRequest",
        ),
        ("POST", "/api/v1/namespaces/shop/configmaps", [], {}, 400, "BadRequest"),
        (
            "POST",
            "/api/v1/namespaces/shop/configmaps",
            {"metadata": {"name": "a", "namespace": "argocd"}},
            {},
            400,
            "BadRequest",
        ),
        ("POST", "/api/v1/namespaces/shop/configmaps/a", {}, {}, 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces/shop/configmaps/none", None, {}, 404, "NotFound"),
        ("GET", "/api/v1/pods?labelSelector=a%3D%3D%3Db", None, {}, 400, "BadRequest"),
        ("GET", "/api/v1/pods?fieldSelector=nothing", None, {}, 400, "BadRequest"),
        (
            "PATCH",
            "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/none",
            {},
            {"Content-Type": "application/strategic-merge-patch+json"},
            415,
            "UnsupportedMediaType",
        ),
        (
            "PATCH",
            "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/none",
            {},
            {"Content-Type": "application/merge-patch+json"},
            404,
            "NotFound",
        ),
    ],
)
def test_errors_are_status_objects(
    http: httpx.Client, method: str, path: str, body: Any, headers: dict[str, str], status: int, reason: str
) -> None:
    content = None if body is None else json.dumps(body)
    answer = http.request(method, path, content=content, headers=headers)
    found = answer.json()
    assert (answer.status_code, found["kind"], found["reason"], found["code"]) == (status, "Status", reason, status)


def test_the_reader_may_look_and_not_touch(sandbox: KubernetesSandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.reader_token}"}
    assert httpx.get(f"{sandbox.url}{LEASES}", headers=headers).status_code == 200
    answer = httpx.post(f"{sandbox.url}{LEASES}", headers=headers, json={"metadata": {"name": "a"}})
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        'leases.coordination.k8s.io is forbidden: User "reader" cannot create resource "leases" '
        'in API group "coordination.k8s.io" in the namespace "shop"'
    )


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", {"a", "b", "c"}),
        ("x=1", {"a"}),
        ("x==1", {"a"}),
        ("x!=1", {"b", "c"}),
        ("x in (1, 2)", {"a", "b"}),
        ("x notin (1)", {"b", "c"}),
        ("x", {"a", "b"}),
        ("!x", {"c"}),
        ("x in (1,2),y=1", {"b"}),
    ],
)
def test_label_selectors(http: httpx.Client, selector: str, expected: set[str]) -> None:
    rows: dict[str, dict[str, str]] = {"a": {"x": "1"}, "b": {"x": "2", "y": "1"}, "c": {}}
    for name, labels in rows.items():
        http.post("/api/v1/namespaces/argocd/configmaps", json={"metadata": {"name": name, "labels": labels}})
    answer = http.get("/api/v1/namespaces/argocd/configmaps", params={"labelSelector": selector}).json()
    assert {item["metadata"]["name"] for item in answer["items"]} == expected
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")


def test_field_selectors(http: httpx.Client) -> None:
    answer = http.get("/api/v1/namespaces", params={"fieldSelector": "metadata.name=shop"}).json()
    assert [item["metadata"]["name"] for item in answer["items"]] == ["shop"]
    answer = http.get("/api/v1/namespaces", params={"fieldSelector": "metadata.name!=shop"}).json()
    assert "shop" not in {item["metadata"]["name"] for item in answer["items"]}


@pytest.mark.parametrize(
    ("operations", "data"),
    [
        ([{"op": "add", "path": "/data/b", "value": "2"}], {"a": "1", "b": "2"}),
        ([{"op": "replace", "path": "/data/a", "value": "9"}], {"a": "9"}),
        ([{"op": "remove", "path": "/data/a"}], {}),
        ([{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/x~1y", "value": "z"}], None),
        ([{"op": "move", "from": "/data/a", "path": "/data/c"}], {"c": "1"}),
        ([{"op": "copy", "from": "/data/a", "path": "/data/c"}], {"a": "1", "c": "1"}),
    ],
)
def test_json_patches(http: httpx.Client, operations: Any, data: Any) -> None:
    path = "/api/v1/namespaces/shop/configmaps"
    http.delete(f"{path}/patched")
    http.post(path, json={"metadata": {"name": "patched"}, "data": {"a": "1"}})
    headers = {"Content-Type": "application/json-patch+json"}
    answer = http.patch(f"{path}/patched", content=json.dumps(operations), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["data"] == ({"a": "1", "x/y": "z"} if data is None else data)


@pytest.mark.parametrize(
    "operations",
    [
        {},
        ["x"],
        [{"op": "remove", "path": "/data/none"}],
        [{"op": "test", "path": "/data/a", "value": "2"}],
        [{"op": "x", "path": ""}],
        [{"op": "remove", "path": "data"}],
    ],
)
def test_json_patches_that_do_not_fit_change_nothing(http: httpx.Client, operations: Any) -> None:
    path = "/api/v1/namespaces/shop/configmaps"
    http.delete(f"{path}/patched")
    made = http.post(path, json={"metadata": {"name": "patched"}, "data": {"a": "1"}}).json()
    headers = {"Content-Type": "application/json-patch+json"}
    answer = http.patch(f"{path}/patched", content=json.dumps(operations), headers=headers)
    assert answer.status_code == 422
    assert http.get(f"{path}/patched").json() == made


def test_a_watch_from_a_version_that_is_too_old_ends_with_410(http: httpx.Client, sandbox: KubernetesSandbox) -> None:
    from cicd.sandbox.kubernetes.cluster import HISTORY, ref_of

    made = sandbox.cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "busy", "namespace": "shop"}, "data": {}}
    )
    for number in range(HISTORY + 1):
        sandbox.cluster.update(ref_of(made), lambda item, text=str(number): item["data"].update(a=text))  # type: ignore[misc]
    answer = http.get("/api/v1/namespaces/shop/configmaps", params={"watch": "1", "resourceVersion": "1"})
    event = json.loads(answer.text)
    assert (answer.status_code, event["type"]) == (200, "ERROR")
    assert (event["object"]["reason"], event["object"]["code"]) == ("Expired", 410)
    assert event["object"]["message"].startswith("too old resource version: 1 (")
