"""May it be merged, and merging it.

https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request: 401 without the right, 405 when it is not mergeable
(draft, closed, pipeline not successful), 409 when `sha` is not the head, 422 for a conflict (406 before GitLab 15).
"""

from __future__ import annotations

from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import MergeRequest, ProjectRecord, Role, User
from cicd.sandbox.gitlab.repository import MergeConflict, identity


class MergeRefused(Exception):  # noqa: N818 - an answer, turned into an HTTP status by the endpoint
    """GitLab's status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def detailed_status(instance: Instance, project: ProjectRecord, request: MergeRequest) -> str:
    """The `detailed_merge_status`: the first reason that stands in the way, or `mergeable`."""
    if request.state != "opened":
        return "not_open"
    if request.draft:
        return "draft_status"
    if project.only_allow_merge_if_pipeline_succeeds:
        pipeline = instance.head_pipeline(project, request)
        if pipeline is not None and pipeline.status in ("created", "pending", "running"):
            return "ci_still_running"
        if pipeline is None or pipeline.status != "success":
            return "ci_must_pass"
    if project.repository.conflicts(f"refs/heads/{request.target_branch}", request.sha):
        return "conflict"
    return "mergeable"


def merge(
    instance: Instance, project: ProjectRecord, request: MergeRequest, user: User, sha: str, message: str
) -> None:
    """Merge, or raise `MergeRefused`. `sha` and `message` may be empty."""
    instance.refresh(project)
    with instance.changing():
        if user.role < Role.DEVELOPER:
            raise MergeRefused(401, "401 Unauthorized")
        status = detailed_status(instance, project, request)
        if status not in ("mergeable", "conflict"):
            raise MergeRefused(405, "405 Method Not Allowed")
        if sha and sha != request.sha:
            raise MergeRefused(409, "SHA does not match HEAD of source branch")
        text = message or merge_message(project, request)
        try:
            merged = project.repository.merge(
                request.target_branch, request.sha, text, identity(user.name, f"{user.username}@example.com")
            )
        except MergeConflict as error:
            raise MergeRefused(422, "Branch cannot be merged") from error
        request.state, request.merge_commit_sha = "merged", merged
        request.merged_at = request.updated_at = instance.now()
        request.merged_by = user
    instance.refresh(project)


def merge_message(project: ProjectRecord, request: MergeRequest) -> str:
    """GitLab's default template of merge commits."""
    head = f"Merge branch '{request.source_branch}' into '{request.target_branch}'"
    return f"{head}\n\n{request.title}\n\nSee merge request {project.path}!{request.iid}\n"
