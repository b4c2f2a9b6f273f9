"""Real Git repositories for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headgate.git import Git

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


def new_repository(path: Path, *, bare: bool = False) -> Git:
    """An empty repository with the branch `main`, independent of the machine's Git configuration."""
    path.mkdir(parents=True, exist_ok=True)
    git = Git(path=path, extra_env=IDENTITY)
    git.run("init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
    return git


def commit_files(git: Git, files: Mapping[str, str | bytes], message: str) -> str:
    """Write `files`, commit everything, and return the full commit id."""
    for name, content in files.items():
        target = git.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", message)
    return git.rev_parse("HEAD")
