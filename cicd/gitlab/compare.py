"""Commit ranges from GitLab's compare API, for who cannot clone.

It lists commits without their paths: services that share a repository need a clone.
API: https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cicd.gitlab.api import GitLabApi
from cicd.ranges.repository import refuse_history
from headgate.errors import NotFoundError, ServerFaultError
from headgate.git import is_sha
from observability.commits import Commit, parse_commit


class GitLabCompare:
    """`cicd.ranges.port.Comparer` over one project."""

    def __init__(self, api: GitLabApi, project: str) -> None:
        self._api = api
        self._project = project

    @property
    def name(self) -> str:
        return "gitlab"

    def between(self, since: str, until: str) -> Sequence[Commit]:
        """As the port says. Raises `ServerFaultError` when GitLab gave up comparing."""
        for sha in (since, until):
            if not is_sha(sha):
                raise NotFoundError(
                    f"{sha[:80]!r} is not a full commit id", next_step="Record deployments with the full commit id."
                )
        # Straight: `git log since..until`, and not from the point where the two parted.
        answer = self._api.get("/repository/compare", **{"from": since, "to": until, "straight": "true"})
        if answer.get("compare_timeout") is True and not answer.get("commits"):
            raise ServerFaultError("GitLab ran out of time", where=self._project, next_step="Use a mirror clone.")
        found = answer.get("commits")
        if not isinstance(found, list):
            raise ServerFaultError("the answer lists no commits", where=self._project, next_step="Update GitLab.")
        return refuse_history(tuple(_commit(item) for item in found if not _is_merge(item)), where=self._project)


def _commit(item: Mapping[str, Any]) -> Commit:
    kept = {key: item[key] for key in ("id", "committed_date", "message") if item.get(key) is not None}
    try:
        return parse_commit(kept)
    except ValueError as error:
        raise ServerFaultError(
            f"a commit cannot be read: {error}", where="GitLab", next_step="Check the address of the server."
        ) from error


def _is_merge(item: Mapping[str, Any]) -> bool:
    parents = item.get("parent_ids")
    return isinstance(parents, list) and len(parents) > 1
