"""The contract of locks, held by both adapters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from deployments.gitops.holder import Holder
from deployments.gitops.lock import GitLock
from headgate.git import clone
from tests.testing.lease_bench import LeaseBench
from tests.testing.lock_contract import LockContract
from tests.testing.repositories import IDENTITY, commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock


class GitBench:
    """Locks in a bare repository, each over a clone of its own."""

    def __init__(self, root: Path) -> None:
        self.clock = SteppedClock()
        self._root = root
        self._bare = new_repository(root / "env.git", bare=True)
        work = new_repository(root / "work")
        commit_files(work, {"readme": "x"}, "start")
        work.run("push", "--quiet", str(self._bare.path), "main")
        self._numbers = itertools.count()

    def lock(self, holder: Holder, *, gone: bool = False) -> GitLock:
        git = clone(str(self._bare.path), self._root / f"clone{next(self._numbers)}")
        return GitLock(
            replace(git, extra_env=IDENTITY),
            "reco/prod",
            clock=self.clock,
            holder=holder,
            gone=lambda _: gone,
            running=lambda _: False,
        )


class TestGitLock(LockContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> GitBench:
        return GitBench(tmp_path)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with KubernetesSandbox() as kubernetes:
        yield kubernetes.kubeconfig(tmp_path_factory.mktemp("kube") / "config")


class TestLeaseLock(LockContract):
    @pytest.fixture
    def bench(self, kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[LeaseBench]:
        made = LeaseBench(kubeconfig, namespace="shop", name=request.node.name.replace("_", "-"))
        yield made
        made.close()
