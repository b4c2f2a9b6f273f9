"""JSON forms of GitLab's REST API v4. Pure; field names and nulls as in https://docs.gitlab.com/api/."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cicd.sandbox.gitlab.model import (
    Deployment,
    Environment,
    Job,
    MergeRequest,
    Note,
    Pipeline,
    ProjectRecord,
    User,
)
from cicd.sandbox.gitlab.repository import Commit

Shape = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """Milliseconds and `Z`, as GitLab writes times."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 6)


class Shapes:
    """Renders records of the instance at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def user(self, user: User) -> Shape:
        return {
            "id": user.id,
            "username": user.username,
            "name": user.name,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self._url}/{user.username}",
        }

    def current_user(self, user: User) -> Shape:
        return self.user(user) | {
            "email": f"{user.username}@example.com",
            "commit_email": f"{user.username}@example.com",
            "bot": False,
            "two_factor_enabled": False,
            "is_admin": user.username == "root",
        }

    def project(self, project: ProjectRecord, user: User) -> Shape:
        group, _, name = project.path.rpartition("/")
        return {
            "id": project.id,
            "name": name,
            "name_with_namespace": project.path.replace("/", " / "),
            "path": name,
            "path_with_namespace": project.path,
            "description": None,
            "created_at": moment(project.created_at),
            "default_branch": project.default_branch,
            "visibility": "private",
            "archived": False,
            "empty_repo": not project.heads,
            "http_url_to_repo": str(project.repository.path),
            "ssh_url_to_repo": str(project.repository.path),
            "web_url": f"{self._url}/{project.path}",
            "namespace": {"id": 1, "name": group, "path": group, "kind": "group", "full_path": group},
            "only_allow_merge_if_pipeline_succeeds": project.only_allow_merge_if_pipeline_succeeds,
            "only_allow_merge_if_all_discussions_are_resolved": False,
            "allow_merge_on_skipped_pipeline": False,
            "merge_method": "merge",
            "jobs_enabled": True,
            "merge_requests_enabled": True,
            "permissions": {
                "project_access": {"access_level": int(user.role), "notification_level": 3},
                "group_access": None,
            },
        }

    def commit(self, project: ProjectRecord, commit: Commit) -> Shape:
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "created_at": commit.committed_date,
            "parent_ids": list(commit.parents),
            "title": commit.title,
            "message": commit.message,
            "author_name": commit.author_name,
            "author_email": commit.author_email,
            "authored_date": commit.authored_date,
            "committer_name": commit.committer_name,
            "committer_email": commit.committer_email,
            "committed_date": commit.committed_date,
            "trailers": {},
            "web_url": f"{self._url}/{project.path}/-/commit/{commit.sha}",
        }

    def branch(self, project: ProjectRecord, name: str, commit: Commit) -> Shape:
        default = name == project.default_branch
        return {
            "name": name,
            "commit": self.commit(project, commit),
            "merged": False,
            "protected": default,
            "developers_can_push": False,
            "developers_can_merge": default,
            "can_push": True,
            "default": default,
            "web_url": f"{self._url}/{project.path}/-/tree/{name}",
        }

    def note(self, project: ProjectRecord, merge_request: MergeRequest, note: Note) -> Shape:
        return {
            "id": note.id,
            "type": None,
            "body": note.body,
            "attachment": None,
            "author": self.user(note.author),
            "created_at": moment(note.created_at),
            "updated_at": moment(note.updated_at),
            "system": note.system,
            "noteable_id": merge_request.id,
            "noteable_type": "MergeRequest",
            "noteable_iid": merge_request.iid,
            "project_id": project.id,
            "resolvable": False,
            "confidential": False,
            "internal": False,
            "imported": False,
            "imported_from": "none",
        }

    def merge_request(
        self, project: ProjectRecord, request: MergeRequest, *, pipeline: Pipeline | None, detailed_status: str
    ) -> Shape:
        """`detailed_status` is the `detailed_merge_status`; the older `merge_status` follows from it."""
        conflict = detailed_status == "conflict"
        return {
            "id": request.id,
            "iid": request.iid,
            "project_id": project.id,
            "title": request.title,
            "description": request.description,
            "state": request.state,
            "created_at": moment(request.created_at),
            "updated_at": moment(request.updated_at),
            "merged_by": self.user(request.merged_by) if request.merged_by else None,
            "merge_user": self.user(request.merged_by) if request.merged_by else None,
            "merged_at": moment(request.merged_at),
            "closed_by": None,
            "closed_at": None,
            "target_branch": request.target_branch,
            "source_branch": request.source_branch,
            "upvotes": 0,
            "downvotes": 0,
            "author": self.user(request.author),
            "assignees": [],
            "assignee": None,
            "reviewers": [],
            "source_project_id": project.id,
            "target_project_id": project.id,
            "labels": [],
            "draft": request.draft,
            "work_in_progress": request.draft,
            "milestone": None,
            "merge_when_pipeline_succeeds": False,
            "merge_status": "cannot_be_merged" if conflict else "can_be_merged",
            "detailed_merge_status": detailed_status,
            "merge_error": None,
            "sha": request.sha,
            "merge_commit_sha": request.merge_commit_sha,
            "squash_commit_sha": None,
            "user_notes_count": sum(not note.system for note in request.notes),
            "discussion_locked": None,
            "should_remove_source_branch": None,
            "force_remove_source_branch": False,
            "squash": False,
            "has_conflicts": conflict,
            "blocking_discussions_resolved": True,
            "web_url": f"{self._url}/{project.path}/-/merge_requests/{request.iid}",
            "references": {
                "short": f"!{request.iid}",
                "relative": f"!{request.iid}",
                "full": f"{project.path}!{request.iid}",
            },
            "time_stats": {
                "time_estimate": 0,
                "total_time_spent": 0,
                "human_time_estimate": None,
                "human_total_time_spent": None,
            },
            "task_completion_status": {"count": 0, "completed_count": 0},
            "diff_refs": {"base_sha": request.base_sha, "head_sha": request.sha, "start_sha": request.base_sha},
            "pipeline": self.pipeline(project, pipeline) if pipeline else None,
            "head_pipeline": self.pipeline_detail(project, pipeline) if pipeline else None,
            "user": {"can_merge": True},
        }

    def pipeline(self, project: ProjectRecord, pipeline: Pipeline) -> Shape:
        return {
            "id": pipeline.id,
            "iid": pipeline.iid,
            "project_id": project.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "status": pipeline.status,
            "source": pipeline.source,
            "created_at": moment(pipeline.created_at),
            "updated_at": moment(pipeline.updated_at),
            "web_url": f"{self._url}/{project.path}/-/pipelines/{pipeline.id}",
            "name": None,
        }

    def pipeline_detail(self, project: ProjectRecord, pipeline: Pipeline) -> Shape:
        return self.pipeline(project, pipeline) | {
            "before_sha": pipeline.before_sha,
            "tag": False,
            "yaml_errors": pipeline.yaml_errors,
            "user": self.user(pipeline.user),
            "started_at": moment(pipeline.started_at),
            "finished_at": moment(pipeline.finished_at),
            "committed_at": None,
            "duration": seconds(pipeline.started_at, pipeline.finished_at),
            "queued_duration": seconds(pipeline.created_at, pipeline.started_at),
            "coverage": None,
            "detailed_status": {
                "icon": f"status_{pipeline.status}",
                "text": pipeline.status,
                "label": pipeline.status,
                "group": pipeline.status,
                "tooltip": pipeline.status,
                "has_details": True,
                "details_path": f"/{project.path}/-/pipelines/{pipeline.id}",
                "illustration": None,
                "favicon": "",
            },
        }

    def job(self, project: ProjectRecord, pipeline: Pipeline, job: Job, commit: Commit) -> Shape:
        return {
            "id": job.id,
            "status": job.status,
            "stage": job.stage,
            "name": job.name,
            "ref": pipeline.ref,
            "tag": False,
            "coverage": job.coverage,
            "allow_failure": job.allow_failure,
            "created_at": moment(job.created_at),
            "started_at": moment(job.started_at),
            "finished_at": moment(job.finished_at),
            "erased_at": None,
            "duration": seconds(job.started_at, job.finished_at),
            "queued_duration": seconds(job.created_at, job.started_at),
            "user": self.user(pipeline.user),
            "commit": self.commit(project, commit),
            "pipeline": self.pipeline(project, pipeline),
            "failure_reason": job.failure_reason,
            "web_url": f"{self._url}/{project.path}/-/jobs/{job.id}",
            "project": {"ci_job_token_scope_enabled": False},
            "artifacts": [{"file_type": "archive", "filename": "artifacts.zip"}] if job.artifacts else [],
            "runner": {"id": 1, "description": "sandbox", "active": True, "is_shared": True, "name": "gitlab-runner"},
            "artifacts_expire_at": None,
            "archived": False,
            "tag_list": [],
        }

    def status(self, pipeline: Pipeline, job: Job) -> Shape:
        """A commit status; a job of a pipeline is one as well."""
        return {
            "id": job.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref.removeprefix("refs/heads/"),
            "status": job.status,
            "name": job.name,
            "target_url": job.target_url,
            "description": job.description,
            "created_at": moment(job.created_at),
            "started_at": moment(job.started_at),
            "finished_at": moment(job.finished_at),
            "allow_failure": job.allow_failure,
            "coverage": job.coverage,
            "pipeline_id": pipeline.id,
            "author": self.user(job.author or pipeline.user),
        }

    def environment(self, environment: Environment) -> Shape:
        return {
            "id": environment.id,
            "name": environment.name,
            "slug": environment.name.lower().replace("/", "-"),
            "description": None,
            "external_url": None,
            "state": "available",
            "tier": "production" if environment.name.startswith("prod") else "other",
            "created_at": moment(environment.created_at),
            "updated_at": moment(environment.created_at),
        }

    def deployment(self, deployment: Deployment) -> Shape:
        return {
            "id": deployment.id,
            "iid": deployment.iid,
            "ref": deployment.ref,
            "sha": deployment.sha,
            "created_at": moment(deployment.created_at),
            "updated_at": moment(deployment.updated_at),
            "status": deployment.status,
            "user": self.user(deployment.user),
            "environment": {
                "id": deployment.environment.id,
                "name": deployment.environment.name,
                "external_url": None,
            },
            "deployable": None
            if deployment.job is None
            else {
                "id": deployment.job.id,
                "name": deployment.job.name,
                "status": deployment.job.status,
                "created_at": moment(deployment.job.created_at),
                "finished_at": moment(deployment.job.finished_at),
            },
        }
