"""A small world for releases: sandbox Kubernetes and Argo CD over a real bare GitOps repository, and a headgate.yaml."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.kubernetes.cluster import Ref
from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from cicd.sandbox.kubernetes.workloads import Behaviour
from headgate.git import Git
from tests.testing.repositories import commit_files, new_repository

_ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: {name}
spec:
  replicas: 4
  progressDeadlineSeconds: 60
  strategy:
{strategy}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: app
          image: shop/{name}:1.0.0  # the version
          ports: [{{containerPort: 8080}}]
"""
_CANARY = """\
    canary:
      steps:
        - setWeight: 25
        - pause: {}
        - setWeight: 50
        - pause: {}"""
_BLUE_GREEN = """\
    blueGreen:
      activeService: cat-active
      previewService: cat-preview
      autoPromotionEnabled: false
      scaleDownDelaySeconds: 30"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: cat}}
  ports: [{{port: 80, targetPort: 8080}}]
"""
_FILES = {
    "reco/rollout.yaml": _ROLLOUT.format(name="reco", strategy=_CANARY),
    "cat/rollout.yaml": _ROLLOUT.format(name="cat", strategy=_BLUE_GREEN),
    "cat/services.yaml": _SERVICE.format(name="cat-active") + "---\n" + _SERVICE.format(name="cat-preview"),
}
REPO_URL = "https://git.example.com/shop/env.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWorld:
    """The servers, the bare GitOps repository, and the configuration file."""

    kubernetes: KubernetesSandbox
    argocd: ArgoCdSandbox
    repository: Git
    config: Path
    environ: dict[str, str]

    def rollout(self, name: str = "reco") -> dict[str, Any]:
        ref = Ref(group="argoproj.io", version="v1alpha1", kind="Rollout", namespace="shop", name=name)
        found = self.kubernetes.cluster.get(ref)
        assert found is not None
        return found

    def application(self, name: str = "reco") -> dict[str, Any]:
        return self.argocd.application(name)

    def messages(self) -> list[str]:
        """Messages of the commits on main, oldest first."""
        text = self.repository.run("log", "--reverse", "--format=%B%x1e", "main")
        return [part.strip() for part in text.split("\x1e") if part.strip()]

    def file(self, path: str = "reco/rollout.yaml") -> str:
        return self.repository.run("show", f"main:{path}")

    def publish(self, version: str, *, name: str = "reco", error_ratio: float = 0.0, ready: bool = True) -> None:
        self.kubernetes.registry.publish(f"shop/{name}:{version}", Behaviour(error_ratio=error_ratio, ready=ready))


def wait_until(condition: Callable[[], bool], *, what: str, timeout_s: float = 60.0) -> None:
    """Look every 20 ms until `condition` holds."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {timeout_s:g} s"
        time.sleep(0.02)


@contextlib.contextmanager
def release_world(
    root: Path, *, auto_sync: bool = False, deadline_s: float = 60.0, core: bool = False
) -> Iterator[ReleaseWorld]:
    """Everything up, version 1.0.0 of both services live; `core`: without Argo CD's server, and with a Lease as lock."""
    bare = new_repository(root / "env.git", bare=True)
    work = new_repository(root / "work")
    commit_files(work, _FILES, "First version")
    work.run("push", "--quiet", str(bare.path), "main")
    with contextlib.ExitStack() as stack:
        kubernetes = stack.enter_context(KubernetesSandbox(pod_start_s=0.05, rate=600, preview_rate=300))
        argocd = ArgoCdSandbox(kubernetes.cluster, repositories={REPO_URL: bare.path})
        argocd.start()
        stack.callback(argocd.stop)
        config = root / "headgate.yaml"
        config.write_text(_configuration(None if core else argocd.url, bare.path, deadline_s), encoding="utf-8")
        kubeconfig = kubernetes.kubeconfig(root / "kubeconfig")
        world = ReleaseWorld(
            kubernetes=kubernetes,
            argocd=argocd,
            repository=bare,
            config=config,
            environ={"KUBECONFIG": str(kubeconfig)}
            | ({} if core else {"HEADGATE_ARGOCD_TOKEN": argocd.token("headgate")}),
        )
        for name in ("reco", "cat"):
            world.publish("1.0.0", name=name)
            argocd.create_application(_application(name, auto_sync=True))
        wait_until(lambda: _live(world, "reco") and _live(world, "cat"), what="the first version")
        if not auto_sync:
            for name in ("reco", "cat"):
                _patch_policy(kubernetes, name)
        yield world


def _live(world: ReleaseWorld, name: str) -> bool:
    status = world.application(name).get("status") or {}
    return (status.get("sync") or {}).get("status") == "Synced" and (status.get("health") or {}).get(
        "status"
    ) == "Healthy"


def _patch_policy(kubernetes: KubernetesSandbox, name: str) -> None:
    ref = Ref(group="argoproj.io", version="v1alpha1", kind="Application", namespace="argocd", name=name)

    def manual(app: dict[str, Any]) -> None:
        app["spec"].pop("syncPolicy", None)

    kubernetes.cluster.update(ref, manual)


def _application(name: str, *, auto_sync: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "project": "default",
        "source": {"repoURL": REPO_URL, "path": name, "targetRevision": "main"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
    }
    if auto_sync:
        spec["syncPolicy"] = {"automated": {"selfHeal": True}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": spec,
    }


def _configuration(argocd: str | None, repository: Path, deadline_s: float) -> str:
    """With the address of Argo CD's server, or in core mode with a Lease."""
    place, lock = (f'url: "{argocd}"', "git") if argocd else ("mode: core", "lease")

    def service(name: str, strategy: str) -> str:
        return f"""\
        {name}:
          argocd: {{{place}, app: {name}, timeout_s: 60}}
          lock: {lock}
          gitops:
            repo: {repository}
            file: {name}/rollout.yaml
            key: spec.template.spec.containers[0].image
          kubernetes: {{namespace: shop, rollout: {name}}}
          strategy: {strategy}
          deadline_s: {deadline_s}
          poll_s: 0.1
"""

    return f"""\
version: 1
project: shop/data-platform
deploy:
  environments:
    prod:
      services:
{service("reco", "{canary: {steps: [25, 50], analysis: [error-ratio], max_step_s: 30}}")}\
{service("cat", "{blue_green: {analysis: [error-ratio], soak: [error-ratio], max_step_s: 30}}")}\
analysis:
  error-ratio:
    source: openmetrics
    errors: http_requests_total{{status=~"5.."}}
    total: http_requests_total
    max_ratio: 0.02
    min_total: 20
    interval_s: 0.25
    count: 2
"""
