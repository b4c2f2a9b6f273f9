from __future__ import annotations

import socket
import stat
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml

from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from tests.testing.kubernetes_world import canary, rollout, service


def test_starting_and_stopping_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    sandbox = KubernetesSandbox(pod_start_s=0.05)
    sandbox.start()
    sandbox.start()
    assert httpx.get(f"{sandbox.url}/healthz").text == "ok"
    with httpx.stream(
        "GET",
        f"{sandbox.url}/api/v1/namespaces",
        params={"watch": "1"},
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as answer:
        assert answer.status_code == 200
        began = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - began < 5
    sandbox.stop()
    assert set(threading.enumerate()) <= before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(sandbox.url).port or 0)) != 0


def test_a_rollout_moves_in_real_time() -> None:
    with KubernetesSandbox(pod_start_s=0.05, rate=0) as sandbox:
        sandbox.registry.publish("shop/reco:1.0")
        done = threading.Event()
        sandbox.cluster.subscribe(
            lambda _, obj: done.set() if (obj.get("status") or {}).get("phase") == "Healthy" else None
        )
        for name in ("reco-canary", "reco-stable"):
            sandbox.cluster.apply(service(name, app="reco"))
        sandbox.cluster.apply(rollout("reco", "shop/reco:1.0", canary("reco")))
        assert done.wait(60)


def test_an_idle_sandbox_uses_next_to_no_processor_time() -> None:
    with KubernetesSandbox():
        before = time.process_time()
        threading.Event().wait(0.5)
        assert time.process_time() - before < 0.1


def test_the_kubeconfig_holds_the_token_and_is_private(tmp_path: Path) -> None:
    sandbox = KubernetesSandbox()
    try:
        path = sandbox.kubeconfig(tmp_path / "deep" / "config", namespace="argocd")
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert config["clusters"][0]["cluster"]["server"] == sandbox.url
        assert config["users"][0]["user"]["token"] == sandbox.token
        assert config["contexts"][0]["context"]["namespace"] == "argocd"
    finally:
        sandbox.stop()
