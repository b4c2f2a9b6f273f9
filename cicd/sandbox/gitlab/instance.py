"""The state of the sandbox's GitLab and what changes it: users, projects, pushes, merge requests, pipelines."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cicd.sandbox.gitlab.ci_file import parse_ci_file
from cicd.sandbox.gitlab.ci_values import CiFileError, Situation
from cicd.sandbox.gitlab.model import (
    Deployment,
    Environment,
    Job,
    MergeRequest,
    Note,
    Pipeline,
    ProjectRecord,
    Role,
    Token,
    User,
)
from cicd.sandbox.gitlab.repository import ZERO, Repository
from cicd.sandbox.gitlab.schedule import PlannedJob, pipeline_status, plan_jobs
from cicd.sandbox.gitlab.variables import rule_variables
from headgate.clock import Clock
from headgate.errors import ConfigError, NotFoundError

CI_FILE = ".gitlab-ci.yml"


class Instance:
    """Everything one GitLab knows. `lock` guards it; `changed` wakes the runner and whoever waits for it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self.url = ""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.projects: list[ProjectRecord] = []
        self._ids = itertools.count(1)
        self.add_user("root", "Administrator", Role.OWNER)

    def new_id(self) -> int:
        return next(self._ids)

    def now(self) -> datetime:
        return self.clock.now()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock and wake everybody who waits at the end."""
        with self.lock:
            try:
                yield
            finally:
                self.changed.notify_all()

    # people

    def add_user(self, username: str, name: str | None = None, role: Role = Role.DEVELOPER) -> User:
        with self.lock:
            if username not in self.users:
                self.users[username] = User(
                    id=self.new_id(), username=username, name=name or username.replace("-", " ").title(), role=role
                )
            return self.users[username]

    def add_token(self, user: User, scopes: frozenset[str], *, job_id: int | None = None) -> Token:
        prefix = "glcbt-64_" if job_id is not None else "glpat-"
        token = Token(value=prefix + secrets.token_urlsafe(15), user=user, scopes=scopes, job_id=job_id)
        with self.lock:
            self.tokens[token.value] = token
        return token

    # projects

    def find_project(self, key: str) -> ProjectRecord | None:
        """By id or full path."""
        with self.lock:
            return next((p for p in self.projects if str(p.id) == key or p.path.lower() == key.lower()), None)

    def add_project(
        self, path: str, *, import_from: Path | None, default_branch: str, only_if_pipeline_succeeds: bool
    ) -> ProjectRecord:
        if self.find_project(path) is not None:
            raise ConfigError(f"the project {path!r} exists already", next_step="Choose another path.")
        repository = Repository.create(self.root / "repositories" / f"{path}.git", default_branch)
        if import_from is not None:
            repository.import_from(import_from, default_branch)
        with self.changing():
            number = self.new_id()
            project = ProjectRecord(
                id=number,
                path=path,
                default_branch=default_branch,
                repository=repository,
                folder=self.root / "projects" / str(number),
                created_at=self.now(),
                only_allow_merge_if_pipeline_succeeds=only_if_pipeline_succeeds,
                heads=repository.heads(),
            )
            self.projects.append(project)
        return project

    # pushes

    def refresh(self, project: ProjectRecord) -> None:
        """Notice what was pushed: new pipelines for moved branches with an open merge request and the default branch."""
        with self.lock:
            signature = project.repository.signature()
            if signature == project.signature:
                return
            project.signature = signature
        with self.changing():
            heads = project.repository.heads()
            before, project.heads = project.heads, heads
            for merge_request in project.merge_requests:
                if merge_request.state == "opened":
                    self._follow_branch(project, merge_request, heads)
            head = heads.get(project.default_branch)
            if head and head != before.get(project.default_branch):
                self.create_pipeline(
                    project,
                    source="push",
                    sha=head,
                    user=self.users["root"],
                    before_sha=before.get(project.default_branch, ZERO),
                )

    def _follow_branch(self, project: ProjectRecord, merge_request: MergeRequest, heads: dict[str, str]) -> None:
        head = heads.get(merge_request.source_branch)
        if head is None or head == merge_request.sha:
            return
        merge_request.sha = head
        merge_request.updated_at = self.now()
        self.attach_head(project, merge_request)
        self.create_merge_request_pipeline(project, merge_request, merge_request.author)

    def attach_head(self, project: ProjectRecord, merge_request: MergeRequest) -> None:
        project.repository.set_ref(merge_request.ref, merge_request.sha)
        merge_request.base_sha = project.repository.merge_base(merge_request.target_branch, merge_request.sha)

    # merge requests

    def add_merge_request(
        self, project: ProjectRecord, *, source: str, target: str, title: str, description: str, author: User
    ) -> MergeRequest:
        """Raises `NotFoundError` when a branch does not exist."""
        self.refresh(project)
        with self.changing():
            for branch in (source, target):
                if branch not in project.heads:
                    raise NotFoundError(f"no branch {branch!r}", where=project.path, next_step="Push it first.")
            now = self.now()
            merge_request = MergeRequest(
                id=self.new_id(),
                iid=len(project.merge_requests) + 1,
                title=title,
                description=description,
                author=author,
                source_branch=source,
                target_branch=target,
                created_at=now,
                updated_at=now,
                sha=project.heads[source],
                base_sha=ZERO,
            )
            project.merge_requests.append(merge_request)
            self.attach_head(project, merge_request)
            self.create_merge_request_pipeline(project, merge_request, author)
            return merge_request

    def add_note(self, merge_request: MergeRequest, body: str, author: User, *, system: bool = False) -> Note:
        with self.changing():
            now = self.now()
            note = Note(id=self.new_id(), body=body, author=author, created_at=now, updated_at=now, system=system)
            merge_request.notes.append(note)
            return note

    def head_pipeline(self, project: ProjectRecord, merge_request: MergeRequest) -> Pipeline | None:
        """The newest pipeline of the head commit; those of the merge request come before those of the branch."""
        with self.lock:
            matching = [
                pipeline
                for pipeline in project.pipelines
                if pipeline.sha == merge_request.sha
                and pipeline.ref in (merge_request.ref, merge_request.source_branch)
            ]
            return max(matching, key=lambda item: (item.merge_request is merge_request, item.id), default=None)

    # pipelines

    def create_merge_request_pipeline(
        self, project: ProjectRecord, merge_request: MergeRequest, user: User
    ) -> Pipeline | None:
        return self.create_pipeline(
            project, source="merge_request_event", sha=merge_request.sha, user=user, merge_request=merge_request
        )

    def create_pipeline(
        self,
        project: ProjectRecord,
        *,
        source: str,
        sha: str,
        user: User,
        ref: str | None = None,
        before_sha: str = ZERO,
        merge_request: MergeRequest | None = None,
    ) -> Pipeline | None:
        """None when the commit has no CI file, or no job is meant for this occasion. A broken file fails at once."""
        text = project.repository.file(sha, CI_FILE)
        if text is None:
            return None
        with self.changing():
            pipeline = self._new_pipeline(project, source, sha, user, ref, before_sha, merge_request)
            base = merge_request.base_sha if merge_request else before_sha
            try:
                ci = parse_ci_file(text)
                variables = {**ci.variables, **rule_variables(self.url, project, pipeline)}
                situation = Situation(
                    variables=variables,
                    changed=project.repository.changed(base, sha),
                    files=project.repository.files(sha),
                )
                planned = plan_jobs(ci, situation)
            except CiFileError as error:
                pipeline.yaml_errors, pipeline.status = str(error), "failed"
                pipeline.finished_at = self.now()
                project.pipelines.append(pipeline)
                return pipeline
            if not planned:
                return None
            pipeline.stages, pipeline.variables = ci.stages, dict(ci.variables)
            pipeline.jobs = [self._new_job(item) for item in planned]
            project.pipelines.append(pipeline)
            return pipeline

    def _new_pipeline(
        self,
        project: ProjectRecord,
        source: str,
        sha: str,
        user: User,
        ref: str | None,
        before_sha: str,
        merge_request: MergeRequest | None,
    ) -> Pipeline:
        now = self.now()
        return Pipeline(
            id=self.new_id(),
            iid=len(project.pipelines) + 1,
            source=source,
            ref=merge_request.ref if merge_request else ref or project.default_branch,
            sha=sha,
            before_sha=before_sha,
            user=user,
            created_at=now,
            updated_at=now,
            merge_request=merge_request,
        )

    def _new_job(self, planned: PlannedJob) -> Job:
        import dataclasses

        spec = dataclasses.replace(
            planned.spec, when=planned.when, variables={**planned.spec.variables, **planned.variables}
        )
        return Job(
            id=self.new_id(),
            name=spec.name,
            stage=spec.stage,
            created_at=self.now(),
            spec=spec,
            allow_failure=planned.allow_failure,
        )

    def update_pipeline(self, pipeline: Pipeline) -> None:
        """Work out the status again after a job changed."""
        with self.changing():
            now = self.now()
            pipeline.status = pipeline_status(pipeline.jobs)
            pipeline.updated_at = now
            pipeline.started_at = pipeline.started_at or now
            pipeline.finished_at = now if pipeline.status in ("success", "failed", "canceled", "skipped") else None

    # environments

    def environment(self, project: ProjectRecord, name: str) -> Environment:
        with self.changing():
            found = next((item for item in project.environments if item.name == name), None)
            if found is None:
                found = Environment(id=self.new_id(), name=name, created_at=self.now())
                project.environments.append(found)
            return found

    def add_deployment(
        self,
        project: ProjectRecord,
        *,
        environment: str,
        sha: str,
        ref: str,
        tag: bool,
        status: str,
        user: User,
        job: Job | None = None,
    ) -> Deployment:
        with self.changing():
            now = self.now()
            deployment = Deployment(
                id=self.new_id(),
                iid=len(project.deployments) + 1,
                environment=self.environment(project, environment),
                sha=sha,
                ref=ref,
                tag=tag,
                status=status,
                user=user,
                created_at=now,
                updated_at=now,
                job=job,
            )
            project.deployments.append(deployment)
            return deployment
