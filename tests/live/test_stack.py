"""The stack itself: that the servers are those that are pinned, furnished as said, and come back when killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.argocd.sansio import ResourceRef
from tests.live import settings
from tests.live.applications import Environment, application, client, new_environment, sync, tree
from tests.live.build import PARTS
from tests.live.stack import Stack
from tests.live.waiting import eventually

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "gitops"
NAMESPACE = "stack"
ROLLOUT = ResourceRef(namespace=NAMESPACE, name="probe")
VERSIONS = {part.name: part.version for part in PARTS}


def rollout(replicas: int, image: str) -> str:
    """A Rollout without pods needs no node."""
    container = {"name": "app", "image": image}
    template = {"metadata": {"labels": {"app": "probe"}}, "spec": {"containers": [container]}}
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "probe"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "probe"}},
            "strategy": {"canary": {}},
            "template": template,
        },
    }
    return json.dumps(manifest)


@pytest.fixture(scope="module")
def environment(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A repository with an application `probe` that has been created and not yet synced."""
    made = new_environment(tmp_path_factory.mktemp("environment"), {"probe/rollout.yaml": rollout(0, "shop/probe:1")})
    stack.namespace(NAMESPACE)
    manifest = application("probe", made.url, "probe", NAMESPACE)
    stack.cluster.apply(manifest)
    yield made
    stack.cluster.delete(manifest)


def get_json(url: str, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(url, headers=headers, timeout=10, trust_env=False).raise_for_status().json()


def live_image(stack: Stack) -> str:
    with client(stack, "probe") as argocd:
        return str(argocd.manifest(ROLLOUT)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_versions_are_the_pinned_ones(stack: Stack) -> None:
    assert stack.cluster.http.get("/version").json()["gitVersion"] == VERSIONS["kubernetes"]
    argocd = get_json(f"{stack.argocd_url}/api/version", stack.argocd_token("reader"))
    assert argocd["Version"].startswith(VERSIONS["argo-cd"])
    assert argocd["HelmVersion"].startswith(VERSIONS["helm"])
    metrics = httpx.get(f"{stack.layout.url('argo-rollouts-metrics')}/metrics", timeout=10, trust_env=False).text
    assert f'version="{VERSIONS["argo-rollouts"]}' in metrics
    assert get_json(f"{stack.layout.url('etcd')}/version")["etcdserver"] == VERSIONS["etcd"].removeprefix("v")
    assert get_json(f"{stack.prometheus_url}/api/v1/status/buildinfo")["data"]["version"].startswith("2.")


def test_an_application_from_git_is_synced_and_read_back(stack: Stack, environment: Environment) -> None:
    revision = environment.work.rev_parse("HEAD")
    sync(stack, "probe", revision)
    with client(stack, "probe") as argocd:
        found, manifest = argocd.application(), argocd.manifest(ROLLOUT)
    assert found.operation is not None
    assert (found.operation.phase, found.operation.nonce) == ("Succeeded", f"smoke-{revision[:8]}")
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/probe:1"
    assert manifest["status"]["phase"] == "Healthy"
    assert manifest["status"]["observedGeneration"] == str(manifest["metadata"]["generation"])


def test_the_examples_charts_are_rendered_by_real_helm(stack: Stack, tmp_path: Path) -> None:
    made = new_environment(tmp_path, tree(SHOP))
    namespace = stack.namespace("charts")
    for name in ("recommender", "catalogue"):
        manifest = application(f"{name}-chart", made.url, f"prod/{name}", namespace)
        manifest["spec"]["source"]["helm"] = {"parameters": [{"name": "replicas", "value": "0"}]}
        stack.cluster.apply(manifest)
        sync(stack, f"{name}-chart", made.work.rev_parse("HEAD"))
        with client(stack, f"{name}-chart") as argocd:
            live = argocd.manifest(ResourceRef(namespace=namespace, name=name))
        assert live["spec"]["template"]["spec"]["containers"][0]["image"] == f"shop/{name}:1.0.0"
        stack.cluster.delete(manifest)


@pytest.mark.parametrize(
    ("account", "rights"),
    [
        ("admin", (True, True, True)),
        ("headgate", (True, True, True)),
        ("reader", (True, False, False)),
        ("nobody", (False, False, False)),
    ],
)
def test_accounts_may_do_what_they_are_for(
    stack: Stack, environment: Environment, account: str, rights: tuple[bool, bool, bool]
) -> None:
    with client(stack, "probe", account) as argocd:
        assert argocd.user() == account
        assert (argocd.may("get"), argocd.may("sync"), argocd.may_run(ROLLOUT, "abort")) == rights


def test_the_administrator_logs_in_with_a_password(stack: Stack) -> None:
    body = {"username": "admin", "password": "wrong-" + settings.ADMIN_PASSWORD}
    answer = httpx.post(f"{stack.argocd_url}/api/v1/session", json=body, timeout=20, trust_env=False)
    assert answer.status_code == 401


@pytest.mark.parametrize(("user", "status"), [("admin", 200), ("headgate", 403), ("reader", 403), ("nobody", 403)])
def test_users_of_the_cluster_have_only_what_they_are_bound_to(stack: Stack, user: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {stack.kubernetes_token(user)}"}
    assert stack.cluster.http.get("/api/v1/namespaces", headers=headers).status_code == status


def test_prometheus_scrapes_what_the_target_files_name(stack: Stack) -> None:
    targets = [{"targets": [stack.layout.address("argo-rollouts-metrics")], "labels": {"pod": "smoke"}}]
    file = stack.prometheus_targets / "smoke.json"
    file.write_text(json.dumps(targets), "utf-8")

    def scraped() -> bool:
        url = f"{stack.prometheus_url}/api/v1/query"
        answer = httpx.get(url, params={"query": 'up{pod="smoke"}'}, timeout=10, trust_env=False).json()
        return any(row["value"][1] == "1" for row in answer["data"]["result"])

    eventually(scraped, "a scrape of the target")
    file.unlink()


@pytest.mark.parametrize("server", ["argocd-server", "kube-apiserver", "argocd-application-controller"])
def test_a_killed_server_comes_back_where_it_was(stack: Stack, environment: Environment, server: str) -> None:
    before = stack.servers.pids()
    stack.kill(server)
    assert server not in stack.servers.pids()
    stack.revive(server)
    after = stack.servers.pids()
    assert after.pop(server) != before.pop(server)
    assert after == before
    revision = environment.push({"probe/rollout.yaml": rollout(0, f"shop/probe:{server}")}, f"after {server}")
    sync(stack, "probe", revision)
    assert live_image(stack) == f"shop/probe:{server}"


def test_a_restarted_server_is_another_process(stack: Stack) -> None:
    before = stack.servers.pids()["argocd-server"]
    stack.restart("argocd-server")
    assert stack.servers.pids()["argocd-server"] != before
    with client(stack, "probe") as argocd:
        assert argocd.user() == "headgate"
