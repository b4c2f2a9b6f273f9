"""The official client works unchanged against the sandbox."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from cicd.sandbox.kubernetes.workloads import Behaviour
from tests.testing.kubernetes_world import canary, rollout, service

kubernetes = pytest.importorskip("kubernetes")
GROUP = ("argoproj.io", "v1alpha1", "shop", "rollouts")


@pytest.fixture(scope="module")
def api(sandbox: KubernetesSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = sandbox.kubeconfig(tmp_path_factory.mktemp("kube") / "config")
    client = kubernetes.config.new_client_from_config(str(path))
    yield client
    client.close()


def wait_for(check: Callable[[], bool], *, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.02)


def _phase(custom: Any, name: str) -> str:
    found = custom.get_namespaced_custom_object(*GROUP, name)
    status = found.get("status") or {}
    observed = status.get("observedGeneration") == str(found["metadata"]["generation"])
    return str(status.get("phase")) if observed else ""


def test_a_rollout_from_create_to_abort_and_back(sandbox: KubernetesSandbox, api: Any) -> None:
    core, custom = kubernetes.client.CoreV1Api(api), kubernetes.client.CustomObjectsApi(api)
    sandbox.registry.publish("shop/reco:1.0")
    sandbox.registry.publish("shop/reco:1.1", Behaviour(error_ratio=0.5))
    for name in ("reco-canary", "reco-stable"):
        core.create_namespaced_service("shop", service(name, app="reco"))
    manifest = rollout("reco", "shop/reco:1.0", canary("reco"))
    custom.create_namespaced_custom_object(*GROUP, manifest)
    wait_for(lambda: _phase(custom, "reco") == "Healthy")

    patch = {"spec": {"template": rollout("reco", "shop/reco:1.1", {})["spec"]["template"]}}
    dynamic = kubernetes.dynamic.DynamicClient(api)
    rollouts = dynamic.resources.get(api_version="argoproj.io/v1alpha1", kind="Rollout")
    rollouts.patch(name="reco", namespace="shop", body=patch, content_type="application/merge-patch+json")
    wait_for(lambda: _phase(custom, "reco") == "Paused")

    pods = core.list_namespaced_pod("shop", label_selector="app=reco").items
    new = [pod for pod in pods if pod.spec.containers[0].image == "shop/reco:1.1"]
    assert (len(pods), len(new)) == (4, 1)
    assert new[0].status.phase == "Running"
    wait_for(lambda: _scrape(new[0])["500"] > 5)

    abort = {"status": {"abort": True}}
    rollouts.status.patch(name="reco", namespace="shop", body=abort, content_type="application/merge-patch+json")
    wait_for(lambda: _phase(custom, "reco") == "Degraded")
    live = rollouts.get(name="reco", namespace="shop")
    assert live.status.message.startswith("RolloutAborted: ")
    custom.delete_namespaced_custom_object(*GROUP, "reco")
    wait_for(lambda: not core.list_namespaced_pod("shop", label_selector="app=reco").items)


def _scrape(pod: Any) -> dict[str, int]:
    notes = pod.metadata.annotations
    url = f"http://{pod.status.pod_ip}:{notes['prometheus.io/port']}{notes['prometheus.io/path']}"
    answer = httpx.get(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    found = re.findall(r'http_requests_total\{app="reco",status="(\d+)"\} (\d+)', answer.text)
    return {status: int(number) for status, number in found}


def test_metrics_are_readable_by_the_prometheus_parsers(sandbox: KubernetesSandbox) -> None:
    parsers = pytest.importorskip("prometheus_client")
    assert parsers
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as prometheus

    from cicd.sandbox.kubernetes.workloads import Counters, render_metrics

    counters = Counters(app="reco")
    counters.add(ok=15, bad=5, latency_s=0.1)
    for parse, kind in ((openmetrics, True), (prometheus, False)):
        families = {item.name: item for item in parse(render_metrics(counters, openmetrics=kind))}
        samples = {sample.labels["status"]: sample.value for sample in families["http_requests"].samples}
        assert samples == {"200": 15.0, "500": 5.0}
        assert families["http_request_duration_seconds"].type == "histogram"


def test_the_status_subresource_and_the_main_resource_keep_to_their_parts(sandbox: KubernetesSandbox, api: Any) -> None:
    custom = kubernetes.client.CustomObjectsApi(api)
    manifest = rollout("apart", "shop/apart:1", {"canary": {"steps": []}})
    made = custom.create_namespaced_custom_object(*GROUP, {**manifest, "status": {"phase": "Healthy"}})
    assert (made.get("status") or {}).get("phase") != "Healthy"

    both = {"spec": {"minReadySeconds": 3}, "status": {"promoteFull": True}}
    rollouts = kubernetes.dynamic.DynamicClient(api).resources.get(api_version="argoproj.io/v1alpha1", kind="Rollout")
    merge = "application/merge-patch+json"
    answer = rollouts.status.patch(name="apart", namespace="shop", body=both, content_type=merge).to_dict()
    assert "minReadySeconds" not in answer["spec"]
    assert answer["status"]["promoteFull"] is True
    answer = rollouts.patch(
        name="apart",
        namespace="shop",
        body={"status": {"message": "x"}, "spec": {"minReadySeconds": 3}},
        content_type=merge,
    ).to_dict()
    assert answer["spec"]["minReadySeconds"] == 3
    assert answer["status"].get("message") != "x"
    custom.delete_namespaced_custom_object(*GROUP, "apart")


def test_a_put_of_a_custom_object_needs_the_version_it_was_read_with(sandbox: KubernetesSandbox, api: Any) -> None:
    custom = kubernetes.client.CustomObjectsApi(api)
    place = ("argoproj.io", "v1alpha1", "argocd", "applications")
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "app"}, "spec": {"a": 1}}
    made = custom.create_namespaced_custom_object(*place, body)
    with pytest.raises(kubernetes.client.ApiException) as caught:
        custom.replace_namespaced_custom_object(*place, "app", body)
    assert caught.value.status == 422
    made["spec"]["a"] = 2
    changed = custom.replace_namespaced_custom_object(*place, "app", made)
    assert changed["metadata"]["generation"] == 2
    with pytest.raises(kubernetes.client.ApiException) as caught:
        custom.replace_namespaced_custom_object(*place, "app", made)
    assert caught.value.status == 409


def test_leases_are_taken_once(api: Any) -> None:
    leases, client = kubernetes.client.CoordinationV1Api(api), kubernetes.client
    lease = client.V1Lease(
        metadata=client.V1ObjectMeta(name="headgate"), spec=client.V1LeaseSpec(holder_identity="one")
    )
    leases.create_namespaced_lease("shop", lease)
    with pytest.raises(client.ApiException) as caught:
        leases.create_namespaced_lease("shop", lease)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    held = leases.read_namespaced_lease("headgate", "shop")
    held.spec.renew_time = datetime.now(UTC)
    leases.replace_namespaced_lease("headgate", "shop", held)
    with pytest.raises(client.ApiException) as caught:
        leases.replace_namespaced_lease("headgate", "shop", held)
    assert caught.value.status == 409
    leases.delete_namespaced_lease("headgate", "shop")


@pytest.mark.parametrize(("reader", "allowed"), [(False, True), (True, False)])
def test_may_i(sandbox: KubernetesSandbox, tmp_path: Path, reader: bool, allowed: bool) -> None:
    path = sandbox.kubeconfig(tmp_path / "config", reader=reader)
    client = kubernetes.config.new_client_from_config(str(path))
    attributes = {"verb": "patch", "group": "argoproj.io", "resource": "rollouts", "namespace": "shop"}
    review = {"spec": {"resourceAttributes": attributes}}
    answer = kubernetes.client.AuthorizationV1Api(client).create_self_subject_access_review(review)
    assert answer.status.allowed is allowed
    client.close()


def test_a_watch_follows_changes_and_ends(sandbox: KubernetesSandbox, api: Any) -> None:
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_config_map("default", {"metadata": {"name": "first"}})
    core.create_namespaced_config_map("argocd", {"metadata": {"name": "elsewhere"}})
    seen: list[tuple[str, str]] = []
    stream = kubernetes.watch.Watch()
    for event in stream.stream(core.list_namespaced_config_map, "default", timeout_seconds=10):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 1:
            core.create_namespaced_config_map("default", {"metadata": {"name": "second"}})
            core.patch_namespaced_config_map("second", "default", {"data": {"a": "1"}})
            core.delete_namespaced_config_map("second", "default")
        if len(seen) == 4:
            stream.stop()
    assert seen == [("ADDED", "first"), ("ADDED", "second"), ("MODIFIED", "second"), ("DELETED", "second")]


def test_version(api: Any) -> None:
    assert kubernetes.client.VersionApi(api).get_code().git_version == "v1.36.3"
