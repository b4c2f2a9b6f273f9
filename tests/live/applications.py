"""Applications of Argo CD over real bare Git repositories, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.argocd.client import ArgoCd
from deployments.argocd.sansio import AppRef
from headgate.git import Git, clone
from headgate.http import HttpClient
from headgate.secrets import Secret
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack
from tests.live.waiting import eventually
from tests.testing.repositories import IDENTITY, commit_files, new_repository

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A GitOps repository: the bare one that Argo CD reads, and a clone to work in."""

    bare: Path
    work: Git

    @property
    def url(self) -> str:
        """What Argo CD reads."""
        return f"file://{self.bare}"

    def push(self, files: Mapping[str, str | bytes], message: str) -> str:
        """Commit and push; the commit's id."""
        sha = commit_files(self.work, files, message)
        self.work.run("push", "--quiet", "origin", "HEAD:main")
        return sha


def new_environment(folder: Path, files: Mapping[str, str | bytes]) -> Environment:
    """A bare repository in `folder` with one commit on `main`."""
    bare = new_repository(folder / "env.git", bare=True).path
    work = Git(path=clone(f"file://{bare}", folder / "env").path, extra_env=IDENTITY)
    environment = Environment(bare=bare, work=work)
    work.run("symbolic-ref", "HEAD", "refs/heads/main")
    environment.push(files, "first")
    return environment


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def application(name: str, url: str, path: str, namespace: str, **spec: object) -> Object:
    """An Application manifest in the project `default`."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": ARGOCD_NAMESPACE,
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": path, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            **spec,
        },
    }


@contextlib.contextmanager
def client(stack: Stack, app: str, account: str = "headgate", *, project: str = "default") -> Iterator[ArgoCd]:
    """Headgate's own client with an account's token."""
    headers: dict[str, str | Secret] = {"Authorization": f"Bearer {stack.argocd_token(account)}"}
    argocd = ArgoCd(HttpClient(stack.argocd_url, timeout_s=30, headers=headers), AppRef(name=app, project=project))
    with contextlib.closing(argocd):
        yield argocd


def sync(stack: Stack, app: str, revision: str, *, timeout_s: float = 60) -> None:
    """Sync by the minimal account; returns when the application is Synced at the revision and Healthy."""
    with client(stack, app) as argocd:
        argocd.application(refresh="normal")
        argocd.sync(revision=revision, nonce=f"smoke-{revision[:8]}")

        def settled() -> bool:
            found = argocd.application(refresh="normal")
            if found.operation is not None and found.operation.phase in {"Failed", "Error"}:
                raise AssertionError(found.operation.message)
            return (found.sync_status, found.sync_revision, found.health) == ("Synced", revision, "Healthy")

        eventually(settled, f"{app} Synced and Healthy at {revision}", timeout_s, last=argocd.application)
