"""Where a gate runs: which commit, merge request and job. Read from GitLab's CI variables, else from Git. Pure parts first.

Variables: https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from headgate.clock import parse_timestamp
from headgate.errors import HeadgateError
from headgate.git import Git, is_sha


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """What is being judged, and from where.

    `commit` is the full id of the head of the change, None where not known; `committed_at` its committer date.
    `merge_request` is the iid, None outside of merge-request pipelines. `in_gitlab` says that the log is GitLab's.
    """

    commit: str | None = None
    committed_at: datetime | None = None
    merge_request: int | None = None
    branch: str | None = None
    pipeline_id: int | None = None
    job_id: str = ""
    job_url: str = ""
    project_url: str = ""
    in_gitlab: bool = False

    @property
    def change(self) -> str | None:
        return None if self.merge_request is None else f"!{self.merge_request}"

    @property
    def blob_url(self) -> str:
        return f"{self.project_url}/-/blob/{self.commit}" if self.project_url and self.commit else ""


def parse_context(environ: Mapping[str, str]) -> GateContext:
    """The context as far as CI variables tell it; everything None or empty outside of GitLab."""
    iid, pipeline = environ.get("CI_MERGE_REQUEST_IID", ""), environ.get("CI_PIPELINE_ID", "")
    # In a merged-results pipeline CI_COMMIT_SHA is a commit that exists nowhere else; the change is the branch's head.
    head = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA", "")
    return GateContext(
        commit=head if is_sha(head) else None,
        merge_request=int(iid) if re.fullmatch(r"[0-9]{1,12}", iid) else None,
        branch=environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or environ.get("CI_COMMIT_BRANCH") or None,
        pipeline_id=int(pipeline) if re.fullmatch(r"[0-9]{1,15}", pipeline) else None,
        job_id=environ.get("CI_JOB_ID", ""),
        job_url=environ.get("CI_JOB_URL", ""),
        project_url=environ.get("CI_PROJECT_URL", "").rstrip("/"),
        in_gitlab=environ.get("GITLAB_CI") == "true",
    )


def fetch_context(root: Path, environ: Mapping[str, str], commit: str | None = None) -> GateContext:
    """The context completed from the repository at `root`.

    `commit` (a revision) overrides what CI says; it must exist. Without Git, and without CI, the commit stays unknown.
    Raises `NotFoundError` or `ConfigError` for a `commit` that does not exist.
    """
    context = parse_context(environ)
    git = Git(path=root)
    try:
        sha = git.rev_parse(commit) if commit else (context.commit or git.rev_parse("HEAD"))
        return replace(context, commit=sha, committed_at=_committed_at(git, sha))
    except HeadgateError:
        if commit:
            raise
        return context


def fetch_changed(root: Path, environ: Mapping[str, str]) -> frozenset[str] | None:
    """The files that the merge request changes, relative to `root`; None where that cannot be known for sure.

    Outside of merge-request pipelines, and in a clone too shallow to hold the commit it branched off, it cannot.
    """
    base = environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
    if not is_sha(base):
        return None
    try:
        # The work tree and not a commit is judged, so it is compared; both names of a renamed file count.
        out = Git(path=root).run("diff", "--name-only", "--no-renames", "--relative", "-z", base, "--")
    except HeadgateError:
        return None
    return frozenset(name for name in out.split("\0") if name)


def base_revision(environ: Mapping[str, str]) -> str | None:
    """What a merge request is compared with, as GitLab says: the commit it branched off, else its target branch."""
    base = environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
    if is_sha(base):
        return base
    target = environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
    return f"origin/{target}" if target else None


def _committed_at(git: Git, sha: str) -> datetime | None:
    """Committer date; None for a commit that this clone does not hold."""
    done = git.call("show", "--no-patch", "--format=%cI", sha)
    try:
        return parse_timestamp(done.stdout.strip()) if done.returncode == 0 else None
    except ValueError:
        return None
