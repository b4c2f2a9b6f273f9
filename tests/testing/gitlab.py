"""A running sandbox GitLab with one project, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gitlab

from cicd.gitlab.forge import GitLabForge, connect
from cicd.sandbox.gitlab.sandbox import GitLabSandbox, Project
from headgate.git import Git, clone
from tests.testing.repositories import IDENTITY, commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

CI = """\
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
gate:
  script:
    - test ! -e broken
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A sandbox, its project, a work tree of it, and tokens."""

    sandbox: GitLabSandbox
    project: Project
    work: Git
    token: str

    @property
    def project_git(self) -> Git:
        return Git(path=self.project.repository)

    def push(self, files: Mapping[str, str], message: str, *, branch: str = "feature") -> str:
        self.work.run("checkout", "--quiet", "-B", branch)
        sha = commit_files(self.work, files, message)
        self.work.run("push", "--quiet", "origin", branch)
        return sha

    def client(self, token: str | None = None) -> gitlab.Gitlab:
        return gitlab.Gitlab(self.sandbox.url, private_token=token or self.token, timeout=60, keep_base_url=True)

    def forge(self, token: str | None = None, *, timeout_s: float = 60.0) -> GitLabForge:
        environ = {"HEADGATE_GITLAB_TOKEN": token or self.token}
        return connect(self.sandbox.url, self.project.path, environ=environ, clock=SteppedClock(), timeout_s=timeout_s)


@contextmanager
def running_gitlab(root: Path, files: Mapping[str, str], *, workers: int = 2, gated: bool = True) -> Iterator[World]:
    """A started sandbox whose project `shop/data-platform` holds `files` on `main`."""
    source = new_repository(root / "source")
    commit_files(source, files, "Initial commit")
    with GitLabSandbox(root / "gitlab", workers=workers) as sandbox:
        project = sandbox.create_project(
            "shop/data-platform", import_from=root / "source", only_allow_merge_if_pipeline_succeeds=gated
        )
        clone(project.clone_url, root / "work")
        work = Git(path=root / "work", extra_env=IDENTITY)
        yield World(sandbox=sandbox, project=project, work=work, token=sandbox.token("headgate-bot"))
