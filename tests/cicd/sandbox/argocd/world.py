"""A sandbox Argo CD over a bare cluster (no Rollouts controller) that the test steps, and its API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.kubernetes.cluster import Cluster, Ref
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

REPO = "https://git.example.com/shop/env.git"


def config_map(name: str, **data: str) -> str:
    """A manifest as YAML."""
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}) + "\n"


def manifest(name: str = "app", path: str = "app", project: str = "default", **spec: Any) -> dict[str, Any]:
    """An Application."""
    source = {"repoURL": REPO, "path": path, "targetRevision": "main"} | spec.pop("source", {})
    destination = {"server": "https://kubernetes.default.svc", "namespace": "shop"}
    content = {"project": project, "source": source, "destination": destination, **spec}
    return {"metadata": {"name": name}, "spec": content}


class Bench:
    """The sandbox, its clock, its repository, and calls to its API."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.clock = SteppedClock()
        self.cluster = Cluster(self.clock)
        self.git = new_repository(folder / "env")
        self.argo = ArgoCdSandbox(self.cluster, repositories={REPO: self.git.path}, drive=False, **options)

    def push(self, files: Mapping[str, str], message: str = "change") -> str:
        return commit_files(self.git, files, message)

    def create(self, **spec: Any) -> None:
        self.argo.create_application(manifest(**spec))
        self.pass_time(0.3)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            self.argo.step()

    def call(self, method: str, path: str, body: Any = None, *, account: str = "admin") -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        if account:
            headers["Authorization"] = f"Bearer {self.argo.token(account)}"
        content = None if body is None else json.dumps(body).encode()
        return httpx.request(method, f"{self.argo.url}/api/v1{path}", headers=headers, content=content, timeout=60)

    def sync(self, name: str = "app", **body: Any) -> dict[str, Any]:
        """Sync and wait until it has ended and the application has been compared again; gives the application."""
        answer = self.call("POST", f"/applications/{name}/sync", {"project": "default", **body})
        assert answer.status_code == 200, answer.text
        self.pass_time(0.6)
        return self.argo.application(name)

    def live(self, name: str) -> dict[str, Any] | None:
        return self.cluster.get(Ref("", "v1", "ConfigMap", "shop", name))

    def __enter__(self) -> Self:
        self.argo.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.argo.stop()
