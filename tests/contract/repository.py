"""The recorded commits, made again in a Git repository as a story needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.contract.manifests import COMMITS, Files
from tests.testing.repositories import commit_files, new_repository


class Repository:
    """A repository in `folder`; `added` are files that a recorded revision has here beside its own."""

    def __init__(self, folder: Path, added: Mapping[str, Files] | None = None) -> None:
        git = new_repository(folder)
        identity = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.com"}
        self._git = type(git)(path=git.path, extra_env={**git.extra_env, **identity})
        self._added = added or {}
        self.path = git.path
        self.commits: dict[str, str] = {}
        commit_files(self._git, {"README": "environments"}, "first")

    def push(self, name: str, revision: str) -> None:
        """Make the recorded commit `revision` of `name`, and those before it; once each."""
        for recorded, files, message in COMMITS[name]:
            if recorded not in self.commits:
                marker = {"log/" + recorded: message}  # a revert must be a commit of its own
                added = self._added.get(recorded, {})
                self.commits[recorded] = commit_files(self._git, {**files, **added, **marker}, message)
            if recorded == revision:
                return
