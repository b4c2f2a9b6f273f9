"""The sandbox as one thing: GitLab, Jenkins, Argo CD, Kubernetes and Cloud Storage on loopback, over a folder."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.gitlab.sandbox import GitLabSandbox
from cicd.sandbox.jenkins.sandbox import JenkinsSandbox
from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from headgate.clock import Clock, SystemClock

REQUESTS_PER_S = 400.0


class World:
    """All servers of the sandbox; `root` keeps repositories, clones and logs, and stays when the servers stop.

    Ports are free ones, chosen at start. Nothing leaves loopback. `environ` is what a job needs in its environment to
    reach the servers with the real clients.
    """

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        self.root = root = root.absolute()
        self.clock = clock or SystemClock()
        self._stack = contextlib.ExitStack()
        root.mkdir(parents=True, exist_ok=True)
        self.kubernetes = KubernetesSandbox(self.clock, rate=REQUESTS_PER_S, preview_rate=REQUESTS_PER_S / 2)
        self.argocd = ArgoCdSandbox(self.kubernetes.cluster, self.clock)
        self.gitlab = GitLabSandbox(root / "gitlab", self.clock)
        self.jenkins = JenkinsSandbox(root / "jenkins", self.clock)
        self.gcs = GcsSandbox()

    def start(self) -> None:
        """Start every server; when one fails the others are stopped again."""
        with contextlib.ExitStack() as stack:
            for server in (self.kubernetes, self.argocd, self.gitlab, self.jenkins, self.gcs):
                server.start()
                stack.callback(server.stop)
            self.kubeconfig = self.root / "kubeconfig"
            self.kubernetes.kubeconfig(self.kubeconfig)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Stop every server; may be called twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Base URL of each server by name."""
        return {
            "gitlab": self.gitlab.url,
            "jenkins": self.jenkins.url,
            "argocd": self.argocd.url,
            "kubernetes": self.kubernetes.url,
            "gcs": self.gcs.url,
        }

    @property
    def access(self) -> Mapping[str, str]:
        """Environment variables that point the real clients at the sandbox, tokens included (they open nothing else)."""
        return {
            "HEADGATE_ARGOCD_TOKEN": self.argocd.token("headgate"),
            "HEADGATE_JENKINS_USER": self.jenkins.user,
            "HEADGATE_JENKINS_TOKEN": self.jenkins.token,
            "KUBECONFIG": str(self.kubeconfig),
            "STORAGE_EMULATOR_HOST": self.gcs.url,
        }


def job_path() -> str:
    """PATH for jobs: the running interpreter's folder first, so that `headgate` and `python` are this installation's."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
