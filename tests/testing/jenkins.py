"""A running sandbox Jenkins with a delivery repository, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cicd.jenkins.client import JenkinsJobs
from cicd.jenkins.transport import Transport
from cicd.sandbox.jenkins.sandbox import JenkinsSandbox
from headgate.clock import SystemClock
from headgate.secrets import Secret
from tests.testing.repositories import commit_files, new_repository

HEAD = """\
pipeline {
    agent any
    parameters {
        string(name: 'SERVICE', defaultValue: 'recommender', description: 'Service')
        string(name: 'HEADGATE_REQUEST', defaultValue: '', description: 'Set by the caller')
    }
"""


def jenkinsfile(*scripts: str, sections: str = "") -> str:
    """A pipeline of one stage that runs `scripts`; `sections` go before its stages."""
    steps = "\n".join(f"sh '''{script}'''" for script in scripts)
    return f"{HEAD}{sections}\n stages {{ stage('Release') {{ steps {{ {steps} }} }} }}\n}}\n"


class QuickClock(SystemClock):
    """The machine's clock, that sleeps a hundredth of what it is asked."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 1.0) / 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A sandbox, and the path of a repository for its jobs."""

    sandbox: JenkinsSandbox
    repo: str

    def jobs(self, *, user: str | None = None, token: str | None = None, timeout_s: float = 60.0) -> JenkinsJobs:
        clock = QuickClock()
        transport = Transport(
            self.sandbox.url,
            user or self.sandbox.user,
            Secret(token or self.sandbox.token),
            clock=clock,
            timeout_s=timeout_s,
        )
        return JenkinsJobs(transport, clock=clock)

    def posts(self) -> int:
        """How many builds were asked for."""
        return sum(method == "POST" and "/build" in path for method, path in self.sandbox.router.requests)


@contextmanager
def running_jenkins(root: Path) -> Iterator[World]:
    """A started sandbox and a repository `delivery` with one file."""
    git = new_repository(root / "delivery")
    commit_files(
        git, {"README": "delivery\n", "Jenkinsfile": jenkinsfile("echo from the repository")}, "Initial commit"
    )
    with JenkinsSandbox(root / "jenkins") as sandbox:
        yield World(sandbox=sandbox, repo=str(root / "delivery"))
