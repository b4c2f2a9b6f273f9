"""The embedded Kubernetes in one object."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cicd.sandbox.kubernetes.api import READ_VERBS, KubernetesApi, User
from cicd.sandbox.kubernetes.cluster import Cluster
from cicd.sandbox.kubernetes.manager import ControllerManager
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.traffic import Traffic
from cicd.sandbox.kubernetes.workloads import Registry
from cicd.sandbox.server import AppServer
from headgate.clock import Clock, SystemClock

NAMESPACES = ("default", "kube-system", "argocd", "shop")


class KubernetesSandbox:
    """A cluster with Rollouts, pods and traffic, served over HTTP on loopback.

    `cluster`, `registry` and `traffic` may be used before `start()`; `url` is known from the beginning. `pod_start_s`
    is the time from a pod's creation to its process running, `rate` the requests per second of users on each rollout.
    Start and stop with `with`, or by `start()` and `stop()`; both may be called twice.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        namespaces: Sequence[str] = NAMESPACES,
        port: int = 0,
        pod_start_s: float = 0.3,
        rate: float = 200,
        preview_rate: float = 50,
    ) -> None:
        self.cluster = Cluster(clock or SystemClock())
        self.registry = Registry()
        self.token = secrets.token_urlsafe(24)
        self.reader_token = secrets.token_urlsafe(24)
        for name in namespaces:
            self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        pods = PodController(self.cluster, self.registry, start_s=pod_start_s)
        self.traffic = Traffic(self.cluster, pods, self.registry, rate=rate, preview_rate=preview_rate)
        users = {self.token: User(name="headgate"), self.reader_token: User(name="reader", verbs=READ_VERBS)}
        self._server = AppServer(KubernetesApi(self.cluster, pods, users).app(), name="kubernetes", port=port)
        pods.metrics_port = self._server.port
        self._manager = ControllerManager(self.cluster, pods, self.traffic)

    @property
    def url(self) -> str:
        return self._server.url

    def kubeconfig(self, path: Path, *, namespace: str = "shop", reader: bool = False) -> Path:
        """Write a kubeconfig with a token for this server (mode 600) and return its path; `reader` may only look."""
        token = self.reader_token if reader else self.token
        text = f"""apiVersion: v1
kind: Config
current-context: sandbox
clusters:
- name: sandbox
  cluster: {{server: {self.url}}}
users:
- name: sandbox
  user: {{token: {token}}}
contexts:
- name: sandbox
  context: {{cluster: sandbox, user: sandbox, namespace: {namespace}}}
"""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self) -> None:
        self._server.start()
        self._manager.start()

    def stop(self) -> None:
        self._manager.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
