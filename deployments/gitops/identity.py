"""Whose name is on our commits: the configured Git identity, else Headgate's own."""

from __future__ import annotations

from headgate.git import Git

_FALLBACK = {
    "GIT_AUTHOR_NAME": "Headgate",
    "GIT_AUTHOR_EMAIL": "headgate@localhost",
    "GIT_COMMITTER_NAME": "Headgate",
    "GIT_COMMITTER_EMAIL": "headgate@localhost",
}


def identity(git: Git) -> dict[str, str]:
    """Extra environment for commits: empty where Git knows who commits, so that a CI machine needs no set-up."""
    known = git.call("config", "--get", "user.email").returncode == 0 or "GIT_COMMITTER_EMAIL" in _environment(git)
    return {} if known else dict(_FALLBACK)


def _environment(git: Git) -> dict[str, str]:
    import os

    return dict(os.environ) | dict(git.extra_env)
