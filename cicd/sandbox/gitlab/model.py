"""Records of the sandbox's GitLab. Mutable, and changed only under the lock of the instance that owns them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from cicd.sandbox.gitlab.ci_values import JobSpec
from cicd.sandbox.gitlab.repository import Repository

_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|SECRET|CREDENTIAL|PRIVATE|API_?KEY", re.IGNORECASE)
_SHORTEST_MASKED = 8  # GitLab refuses to mask shorter values


class Role(IntEnum):
    """Access levels of GitLab."""

    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


@dataclass(kw_only=True)
class User:
    id: int
    username: str
    name: str
    role: Role


@dataclass(kw_only=True)
class Token:
    """An access token; `job_id` is set for the token of a CI job, which stops working when the job ends."""

    value: str
    user: User
    scopes: frozenset[str]
    job_id: int | None = None
    revoked: bool = False


@dataclass(kw_only=True)
class Variable:
    """A CI/CD variable. `masked` None means: masked when its name says that it is a secret."""

    value: str
    masked: bool | None = None

    def is_masked(self, key: str) -> bool:
        wanted = _SECRET_NAME.search(key) is not None if self.masked is None else self.masked
        return wanted and len(self.value) >= _SHORTEST_MASKED


@dataclass(kw_only=True)
class Note:
    id: int
    body: str
    author: User
    created_at: datetime
    updated_at: datetime
    system: bool = False


@dataclass(kw_only=True)
class MergeRequest:
    id: int
    iid: int
    title: str
    description: str
    author: User
    source_branch: str
    target_branch: str
    created_at: datetime
    updated_at: datetime
    sha: str
    base_sha: str
    state: str = "opened"
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_commit_sha: str | None = None
    notes: list[Note] = field(default_factory=list)

    @property
    def draft(self) -> bool:
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))

    @property
    def ref(self) -> str:
        return f"refs/merge-requests/{self.iid}/head"


@dataclass(kw_only=True)
class Job:
    """A job of a pipeline. `spec` None: a commit status that another system posted (GitLab stores both alike)."""

    id: int
    name: str
    stage: str
    created_at: datetime
    spec: JobSpec | None = None
    status: str = "created"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    failure_reason: str | None = None
    allow_failure: bool = False
    tries: int = 0
    retried: bool = False
    description: str | None = None
    target_url: str | None = None
    coverage: float | None = None
    author: User | None = None
    artifacts: tuple[str, ...] = ()

    @property
    def external(self) -> bool:
        return self.spec is None

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


FINISHED = frozenset({"success", "failed", "canceled", "skipped", "manual"})


@dataclass(kw_only=True)
class Pipeline:
    id: int
    iid: int
    source: str
    ref: str
    sha: str
    before_sha: str
    user: User
    created_at: datetime
    updated_at: datetime
    stages: tuple[str, ...] = ()
    jobs: list[Job] = field(default_factory=list)
    merge_request: MergeRequest | None = None
    variables: dict[str, str] = field(default_factory=dict)
    yaml_errors: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    status: str = "created"


@dataclass(kw_only=True)
class Environment:
    id: int
    name: str
    created_at: datetime


@dataclass(kw_only=True)
class Deployment:
    id: int
    iid: int
    environment: Environment
    sha: str
    ref: str
    tag: bool
    status: str
    user: User
    created_at: datetime
    updated_at: datetime
    job: Job | None = None


@dataclass(kw_only=True)
class Incident:
    """An issue of type incident."""

    id: int
    iid: int
    title: str
    author: User
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    severity: str = "UNKNOWN"

    @property
    def state(self) -> str:
        return "opened" if self.closed_at is None else "closed"


@dataclass(kw_only=True)
class ProjectRecord:
    id: int
    path: str
    default_branch: str
    repository: Repository
    folder: Path
    created_at: datetime
    only_allow_merge_if_pipeline_succeeds: bool
    variables: dict[str, Variable | str] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    signature: object = None
    merge_requests: list[MergeRequest] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)  # secret/name -> content

    def variable(self, key: str) -> Variable:
        held = self.variables[key]
        return held if isinstance(held, Variable) else Variable(value=held)

    def jobs(self) -> list[tuple[Pipeline, Job]]:
        return [(pipeline, job) for pipeline in self.pipelines for job in pipeline.jobs]
