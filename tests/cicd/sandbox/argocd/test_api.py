"""The REST API beyond what the recordings say: rights, refusals, odd requests, the older actions endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicd.sandbox.argocd.accounts import Account, Accounts, Role
from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.argocd.wire import ApiError
from cicd.sandbox.kubernetes.cluster import Cluster
from headgate.clock import SystemClock
from tests.cicd.sandbox.argocd.world import REPO, Bench, config_map, manifest
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

ROLLOUT = json.dumps(
    {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "reco"},
        "spec": {"strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}},
    }
)
ACTION = {"namespace": "shop", "resourceName": "reco", "group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.push({"app/x.yaml": config_map("x"), "app/r.json": ROLLOUT})
        bench.create()
        bench.sync()
        yield bench


@pytest.mark.parametrize(
    ("account", "method", "path", "body", "status", "code"),
    [
        ("headgate", "GET", "/applications/app?project=default", None, 200, None),
        ("headgate", "GET", "/applications/app", None, 200, None),
        ("headgate", "POST", "/applications/app/sync", {"project": "default"}, 200, None),
        ("headgate", "POST", "/applications/app/resource/actions/v2", {**ACTION, "action": "abort"}, 200, None),
        ("headgate", "POST", "/applications", manifest("other"), 403, 7),
        ("headgate", "PATCH", "/applications/app", {"patch": "{}", "patchType": "merge"}, 403, 7),
        ("headgate", "POST", "/projects", {"project": {"metadata": {"name": "p"}}}, 403, 7),
        ("reader", "DELETE", "/applications/app/operation?project=default", None, 403, 7),
        ("reader", "POST", "/applications/app/sync", {"project": "default"}, 403, 7),
        ("reader", "GET", "/applications/app/resource-tree?project=default", None, 200, None),
        ("", "GET", "/applications", None, 401, 16),
        ("", "GET", "/applications/app/resource-tree?project=default", None, 401, 16),
        ("", "POST", "/applications", manifest("other"), 401, 16),
        ("", "GET", "/account/can-i/applications/get/default/app", None, 401, 16),
        ("", "GET", "/session/userinfo", None, 200, None),
        ("admin", "GET", "/applications/app?project=other", None, 404, 5),
        ("admin", "POST", "/applications/app/sync", {"project": "default", "revision": "nosuch"}, 400, 9),
        ("admin", "POST", "/applications/app/sync", {"project": "default", "revision": 5}, 400, 3),
        ("admin", "POST", "/applications/app/sync", {"project": "default", "prune": "yes"}, 400, 3),
        ("admin", "POST", "/applications/app/sync", {"project": "default", "infos": "x"}, 400, 3),
        ("admin", "POST", "/applications/app/sync", ["x"], 400, 3),
        ("admin", "POST", "/applications/app/resource/actions/v2", {**ACTION, "action": "restart-all"}, 500, 2),
        ("admin", "POST", "/applications/app/resource/actions", ["abort"], 400, 3),
        ("admin", "GET", "/applications/app/revisions/" + "f" * 40 + "/metadata", None, 500, 2),
        ("admin", "PUT", "/applications/app", {}, 501, 12),
        ("admin", "PATCH", "/applications/app", {"patch": "{", "patchType": "merge"}, 400, 3),
        ("admin", "PATCH", "/applications/app", {"patch": "[]", "patchType": "json"}, 400, 3),
        ("admin", "POST", "/projects", {"project": {"metadata": {"name": "p"}, "spec": {"syncWindows": [{}]}}}, 400, 3),
        ("admin", "POST", "/projects", {"project": "p"}, 400, 3),
        ("admin", "POST", "/session", {"username": ["x"]}, 400, 3),
    ],
)
def test_rights_and_refusals(
    bench: Bench, account: str, method: str, path: str, body: Any, status: int, code: int | None
) -> None:
    answer = bench.call(method, path, body, account=account)
    assert answer.status_code == status, answer.text
    assert answer.json().get("code") == code
    if code is not None:
        assert answer.json()["error"] == answer.json()["message"] != ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {}}, "application name is not valid"),
        ({"metadata": {"name": "-x"}}, "application name is not valid"),
        ({"spec": None}, "metadata and spec are required"),
        ({"spec": {"source": {}, "destination": {}}}, "repoURL and spec.destination are required"),
        (manifest("new", path="nosuch"), "nosuch: app path does not exist"),
        (manifest("new", project="nosuch"), "project nosuch which does not exist"),
        (manifest("new", syncPolicy="auto"), "an object is needed"),
        (manifest("new", source={"helm": "x"}), "an object is needed"),
        (manifest("app", source={"targetRevision": "HEAD"}), "existing application spec is different"),
    ],
)
def test_applications_that_are_not_created(bench: Bench, change: dict[str, Any], message: str) -> None:
    answer = bench.call("POST", "/applications", manifest("new") | change)
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert message in answer.json()["message"]


def test_a_role_is_limited_to_its_projects() -> None:
    role = Role(actions=("get", "action/argoproj.io/Rollout/*"), projects=("data-*",))
    assert role.allows("get", "data-science")
    assert role.allows("action/argoproj.io/Rollout/abort", "data-science")
    assert not role.allows("action/apps/Deployment/restart", "data-science")
    assert not role.allows("get", "web")
    assert not Role(actions=()).allows("get", "web")


def test_lists_show_what_the_caller_may_see(tmp_path: Path) -> None:
    limited = Account(name="limited", role=Role(actions=("get",), projects=("data",)))
    with Bench(tmp_path, accounts=[limited, Account(name="admin", role=Role(actions=("*",)))]) as bench:
        bench.push({"app/x.yaml": config_map("x")})
        bench.call("POST", "/projects", {"project": {"metadata": {"name": "data"}, "spec": {}}})
        bench.argo.create_application(
            manifest("a", project="data") | {"metadata": {"name": "a", "labels": {"team": "x"}}}
        )
        bench.argo.create_application(manifest("b"))

        def names(query: str, account: str = "admin") -> list[str]:
            items = bench.call("GET", f"/applications?{query}", account=account).json()["items"]
            return [item["metadata"]["name"] for item in items or []]

        assert names("") == ["a", "b"]
        assert names("", account="limited") == ["a"]
        assert names("projects=default") == ["b"]
        assert names("name=b") == ["b"]
        assert names("selector=team%3Dx") == ["a"]
        assert names("selector=team!%3Dx") == ["b"]
        assert names("selector=team") == ["a"]
        answer = bench.call("GET", "/applications?fields=items.metadata.name").json()
        assert answer == {"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}
        assert bench.call("GET", "/applications/b?project=default", account="limited").status_code == 403


def test_older_servers_know_only_the_first_form_of_actions(tmp_path: Path) -> None:
    with Bench(tmp_path, actions_v2=False) as bench:
        bench.push({"app/r.json": ROLLOUT})
        bench.create()
        bench.sync()
        path = "/applications/app/resource/actions"
        assert bench.call("POST", f"{path}/v2", {**ACTION, "action": "abort"}).status_code == 404
        query = "&".join(f"{key}={value}" for key, value in ACTION.items())
        assert bench.call("POST", f"{path}?{query}&project=default", "abort").json() == {}
        rollout = json.loads(
            bench.call("GET", f"/applications/app/resource?{query}&project=default").json()["manifest"]
        )
        assert rollout["status"]["abort"] is True


@pytest.mark.parametrize(
    ("status", "enabled"),
    [
        ({"currentPodHash": "a", "stableRS": "a"}, {"restart"}),
        (
            {"currentPodHash": "b", "stableRS": "a", "currentStepIndex": 0},
            {"restart", "abort", "pause", "promote-full", "skip-current-step"},
        ),
        (
            {"currentPodHash": "b", "stableRS": "a", "currentStepIndex": 1, "pauseConditions": [{}]},
            {"restart", "abort", "pause", "promote-full", "skip-current-step", "resume"},
        ),
        (
            {"currentPodHash": "b", "stableRS": "a", "abort": True, "currentStepIndex": 2},
            {"restart", "pause", "promote-full", "retry"},
        ),
    ],
)
def test_offered_actions(bench: Bench, status: dict[str, Any], enabled: set[str]) -> None:
    from cicd.sandbox.kubernetes.cluster import Ref

    ref = Ref("argoproj.io", "v1alpha1", "Rollout", "shop", "reco")
    bench.cluster.update(ref, lambda item: item.update(status=status))
    query = "&".join(f"{key}={value}" for key, value in ACTION.items())
    actions = bench.call("GET", f"/applications/app/resource/actions?{query}&project=default").json()["actions"]
    assert {item["name"] for item in actions if not item.get("disabled")} == enabled
    assert len(actions) == 7


def test_tokens() -> None:
    clock = SteppedClock()
    accounts = Accounts([Account(name="a", role=Role(actions=("*",)), password="secret-word")], clock)
    other = Accounts([Account(name="a", role=Role(actions=("*",)))], clock)
    caller = accounts.identify(f"Bearer {accounts.token('a')}")
    assert caller is not None
    assert caller.account.name == "a"
    assert accounts.identify(None) is None
    assert accounts.identify("Basic x.y.z") is None
    assert accounts.identify(f"Bearer {accounts.log_in('a', 'secret-word')}") is not None
    for header in (f"Bearer {other.token('a')}", "Bearer aW52.e30.x", "Bearer e30.W10.x", "Bearer é.é.é"):
        with pytest.raises(ApiError) as refused:
            accounts.identify(header)
        assert refused.value.status == 401
    with pytest.raises(ApiError):
        other.log_in("a", "")
    with pytest.raises(KeyError):
        accounts.token("nobody")


def test_the_sandbox_runs_by_itself_on_a_real_clock(tmp_path: Path) -> None:
    git = new_repository(tmp_path / "env")
    commit_files(git, {"app/x.yaml": config_map("x")}, "x")
    cluster = Cluster(SystemClock())
    changed = threading.Event()

    def watch(_: str, obj: dict[str, Any]) -> None:
        if obj["kind"] == "Application" and obj.get("status", {}).get("sync", {}).get("status") == "Synced":
            changed.set()

    with ArgoCdSandbox(cluster, repositories={REPO: git.path}) as argo:
        cluster.subscribe(watch)
        argo.create_application(manifest("app"))
        headers = {"Authorization": f"Bearer {argo.token()}", "Content-Type": "application/json"}
        answer = httpx.post(
            f"{argo.url}/api/v1/applications/app/sync", headers=headers, json={"project": "default"}, timeout=60
        )
        assert answer.status_code == 200
        assert changed.wait(60)
        assert argo.application("app")["status"]["operationState"]["phase"] == "Succeeded"
        argo.start()
    argo.stop()
