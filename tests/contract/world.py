"""The sandbox under a clock that the test moves, with the recorded commits pushed as the story needs them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cicd.sandbox.argocd.accounts import ADMIN, READER, Account
from cicd.sandbox.argocd.controller import Timing
from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.argocd.wire import ApiError
from cicd.sandbox.kubernetes.api import KubernetesApi, User
from cicd.sandbox.kubernetes.cluster import Cluster, Ref
from cicd.sandbox.kubernetes.manager import ControllerManager
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.traffic import Traffic
from cicd.sandbox.kubernetes.workloads import Registry
from cicd.sandbox.server import AppServer
from tests.contract.exemptions import EXEMPTIONS
from tests.contract.manifests import COMMITS
from tests.contract.repository import Repository
from tests.contract.servers import Tempo
from tests.testing.stepped_clock import SteppedClock

REPO_URL = "https://git.example.com/shop/env.git"
TICK_S = 0.02
IDLE_TICK_S = 0.25
IDLE_AFTER_S = 1.0

# The accounts of the recording, with what they could do there.
ACCOUNTS = (
    Account(name="admin", role=ADMIN, password="right-password"),
    Account(name="headgate", role=READER),
    Account(name="reader", role=READER),
)
# Three segments, as a token has; the first one decodes to "invalid", which is not JSON.
GARBAGE = "aW52YWxpZA.token.text"
PACES = {
    "cold": Timing(first_s=1.2),  # the recorded controller took a second to look at its first application
    "slow": Timing(apply_s=60.0),  # the recorded operation waited for a hook
    "usual": Timing(),
}


class World:
    """Argo CD, Kubernetes with Rollouts, and a Git repository, all standing still until `advance` is called."""

    name = "sandbox"
    exemptions = EXEMPTIONS
    tempo = Tempo(stable_s=0.25, patience_s=6.0)

    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock()
        self.cluster = Cluster(self.clock)
        registry = Registry()
        for commits in COMMITS.values():
            for _, files, _ in commits:
                _publish(registry, files)
        pods = PodController(self.cluster, registry, start_s=0.05)
        self._manager = ControllerManager(self.cluster, pods, Traffic(self.cluster, pods, registry))
        self._kubernetes = AppServer(
            KubernetesApi(self.cluster, pods, {"cluster-token": User(name="test")}).app(), name="k"
        )
        for name in ("argocd", "shop"):
            self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self._repository = Repository(folder / "env")
        self.commits = self._repository.commits
        self.argo = ArgoCdSandbox(
            self.cluster, accounts=ACCOUNTS, repositories={REPO_URL: self._repository.path}, drive=False
        )
        self._idle_s = 0.0
        self._version = 0

    def push(self, repository: str, revision: str) -> None:
        """Make the recorded commit `revision`, and those before it; once each."""
        self._repository.push(repository, revision)

    def advance(self, seconds: float, poll: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass in small ticks until `poll`, called after each, says stop; True when it did."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end - 1e-9:
            idle = self._idle_s >= IDLE_AFTER_S
            self.clock.advance(min(IDLE_TICK_S if idle else TICK_S, max(end - self.clock.monotonic(), 1e-3)))
            if self._manager.is_due():
                self._manager.step()
            self.argo.step()
            version = self.cluster.resource_version
            self._idle_s = self._idle_s + TICK_S if version == self._version else 0.0
            self._version = version
            if poll():
                return True
        return False

    def send(self, method: str, path: str, headers: Mapping[str, str], body: Any, account: str) -> httpx.Response:
        """One call as the recording made it: the same headers (with a real token), the same body."""
        self._idle_s = 0.0
        kubernetes = path.startswith(("/apis/", "/api/v1/namespaces/"))
        server = self._kubernetes.url if kubernetes else self.argo.url
        sent = {key: value for key, value in headers.items() if key != "Authorization"}
        if "Authorization" in headers:
            token = {"garbage": GARBAGE, "not a token": "garbage"}.get(account) or self.argo.token(account)
            cluster_token = "garbage" if account == "garbage" else "cluster-token"
            sent["Authorization"] = f"Bearer {cluster_token if kubernetes else token}"
        is_text = isinstance(body, str)
        content = None if body is None else (body if is_text else json.dumps(body)).encode()
        return httpx.request(method, server + path, headers=sent, content=content, timeout=60)

    def argocd(self, account: str) -> tuple[str, str]:
        return self.argo.url, GARBAGE if account == "garbage" else self.argo.token(account)

    @contextlib.contextmanager
    def stream(self, path: str, account: str) -> Iterator[Iterator[str]]:
        headers = {"Authorization": f"Bearer {self.argo.token(account)}"}
        with httpx.stream("GET", self.argo.url + path, headers=headers, timeout=60) as response:
            response.raise_for_status()
            yield response.iter_lines()

    def application(self, name: str) -> dict[str, Any] | None:
        try:
            return self.argo.application(name)
        except ApiError:
            return None

    def rollout(self, name: str) -> dict[str, Any] | None:
        return self.cluster.get(Ref("argoproj.io", "v1alpha1", "Rollout", "shop", name))

    def config_map(self, name: str) -> dict[str, Any] | None:
        return self.cluster.get(Ref("", "v1", "ConfigMap", "shop", name))

    def replica_sets(self) -> list[dict[str, Any]]:
        return self.cluster.list("apps", "ReplicaSet")

    def create_application(self, manifest: Mapping[str, Any]) -> None:
        self.argo.create_application(manifest)

    def pace(self, of: str) -> None:
        self.argo.timing = PACES[of]

    def __enter__(self) -> Self:
        self._kubernetes.start()
        self.argo.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.argo.stop()
        self._kubernetes.stop()


def _publish(registry: Registry, files: Mapping[str, str]) -> None:
    for text in files.values():
        for part in text.split('"image": "')[1:]:
            registry.publish(part.partition('"')[0])
