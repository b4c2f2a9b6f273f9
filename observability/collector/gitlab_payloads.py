"""The payloads of GitLab's webhooks, as far as they are read. Pure.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

from observability.collector.facts import CommitFact, Id, Origin, host, paths, sha
from observability.collector.moments import MaybeMoment, Moment
from observability.records import Foreign, Text


class Project(Foreign):
    """As in every payload (`Project#hook_attrs`)."""

    id: Id | None = None
    path_with_namespace: Text
    web_url: str = ""
    default_branch: str | None = None

    @property
    def origin(self) -> Origin:
        """Numbered, as a project may be renamed; only old payloads lack the number."""
        return Origin(
            provider="gitlab", project=f"{host(self.web_url, 'gitlab')}/{self.id or self.path_with_namespace}"
        )


class _Author(Foreign):
    name: str = ""


class _Commit(Foreign):
    id: Text
    message: str = ""
    timestamp: MaybeMoment = None
    added: tuple[str, ...] | None = None
    modified: tuple[str, ...] | None = None
    removed: tuple[str, ...] | None = None

    @property
    def fact(self) -> CommitFact:
        return CommitFact(
            sha=sha(self.id) or self.id,
            at=self.timestamp,
            message=self.message,
            paths=paths((self.added, self.modified, self.removed)),
        )


class Push(Foreign):
    ref: Text
    before: str | None = None
    after: str | None = None
    project: Project
    commits: tuple[_Commit, ...] = ()
    total_commits_count: int = 0


class _Request(Foreign):
    """`object_attributes` of a merge request."""

    iid: Id
    action: str | None = None
    state: str | None = None
    title: str = ""
    url: str | None = None
    created_at: MaybeMoment = None
    updated_at: MaybeMoment = None
    merged_at: MaybeMoment = None
    target_branch: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    last_commit: _Commit | None = None


class MergeRequest(Foreign):
    project: Project
    object_attributes: _Request


class _Run(Foreign):
    """`object_attributes` of a pipeline."""

    id: Id
    sha: str | None = None
    ref: str | None = None
    status: Text
    source: str | None = None
    name: str | None = None
    url: str | None = None
    created_at: MaybeMoment = None
    finished_at: MaybeMoment = None
    duration: float | None = None


class _RequestOfRun(Foreign):
    iid: Id


class Pipeline(Foreign):
    project: Project
    object_attributes: _Run
    merge_request: _RequestOfRun | None = None
    commit: _Commit | None = None


class _Environment(Foreign):
    name: Text
    action: str | None = None
    deployment_tier: str | None = None


class Job(Foreign):
    project: Project
    build_id: Id
    build_name: str = ""
    build_status: Text
    build_finished_at: MaybeMoment = None
    sha: str | None = None
    pipeline_id: Id | None = None
    retries_count: int = 0
    environment: _Environment | None = None


class Deployment(Foreign):
    project: Project
    deployment_id: Id
    deployable_id: Id | None = None
    deployable_url: str | None = None
    status: Text
    status_changed_at: Moment
    environment: Text
    environment_tier: str | None = None
    short_sha: str | None = None
    commit_url: str | None = None
    ref: str | None = None


class _Label(Foreign):
    title: str = ""


class _IssueAttributes(Foreign):
    iid: Id
    type: str | None = None
    issue_type: str | None = None
    title: str = ""
    state: str = ""
    action: str | None = None
    url: str | None = None
    created_at: Moment
    updated_at: MaybeMoment = None
    closed_at: MaybeMoment = None
    severity: str | None = None
    labels: tuple[_Label, ...] | None = None


class Issue(Foreign):
    project: Project
    object_attributes: _IssueAttributes
    labels: tuple[_Label, ...] | None = None
