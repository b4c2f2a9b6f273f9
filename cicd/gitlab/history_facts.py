"""What GitLab's API tells of the past, as delivery events: the same facts, with the same keys, as its webhooks. Pure.

API: https://docs.gitlab.com/api/deployments/, /api/merge_requests/, /api/issues/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator

from cicd.gitlab.payloads import Foreign
from headgate.clock import parse_timestamp
from observability.collector.facts import (
    CommitFact,
    Origin,
    deployment_event,
    host,
    incident_events,
    merge_events,
    sha,
    tiered,
    web,
)
from observability.collector.gitlab import OUTCOMES
from observability.events import DeliveryEvent

Moment = Annotated[datetime, BeforeValidator(lambda value: parse_timestamp(value) if isinstance(value, str) else value)]


class ProjectData(Foreign):
    id: int
    path_with_namespace: str
    web_url: str = ""
    default_branch: str | None = None


class EnvironmentData(Foreign):
    name: str
    tier: str | None = None


class CommitData(Foreign):
    id: str
    message: str = ""
    committed_date: Moment | None = None
    created_at: Moment | None = None
    parent_ids: tuple[str, ...] = ()


class PipelineData(Foreign):
    id: int


class DeployableData(Foreign):
    id: int
    finished_at: Moment | None = None
    commit: CommitData | None = None
    pipeline: PipelineData | None = None
    web_url: str | None = None
    name: str = ""


class DeploymentData(Foreign):
    id: int
    sha: str
    ref: str = ""
    status: str
    created_at: Moment
    updated_at: Moment
    environment: EnvironmentData | None = None
    deployable: DeployableData | None = None


class MergeRequestData(Foreign):
    iid: int
    title: str = ""
    target_branch: str
    merged_at: Moment | None = None
    updated_at: Moment
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    sha: str | None = None
    web_url: str | None = None


class IncidentData(Foreign):
    iid: int
    title: str = ""
    created_at: Moment
    updated_at: Moment
    closed_at: Moment | None = None
    state: str = ""
    severity: str | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The project that is read. `service` and `environment` replace what GitLab calls them; `tiers` by environment."""

    project: ProjectData
    service: str | None = None
    environment: str | None = None
    branch: str | None = None
    tiers: Mapping[str, str | None]

    @property
    def origin(self) -> Origin:
        return Origin(provider="gitlab", project=f"{host(self.project.web_url, 'gitlab')}/{self.project.id}")

    @property
    def name(self) -> str:
        """The service that the project is."""
        return self.service or self.project.path_with_namespace


def deployment_events(source: Source, found: DeploymentData) -> tuple[DeliveryEvent, ...]:
    """A deployment that ended; nothing of one that has not, or that names no environment."""
    outcome = OUTCOMES.get(found.status)
    if outcome is None or found.environment is None:
        return ()
    job, name = found.deployable, found.environment.name
    tier = found.environment.tier or source.tiers.get(name)
    commit = job.commit if job and job.commit and job.commit.id == found.sha else None
    event = deployment_event(
        source.origin,
        key=f"job/{job.id}" if job else f"deployment/{found.id}",
        status=found.status,
        outcome=outcome,
        at=(job.finished_at if job else None) or found.updated_at,
        service=source.name,
        environment=source.environment or tiered(name, tier),
        commit=sha(found.sha),
        committed_at=(commit.committed_date or commit.created_at) if commit else None,
        url=web(job.web_url) if job else None,
        data={
            "environment_tier": tier,
            "deployment": str(found.id),
            "branch": found.ref,
            "pipeline": str(job.pipeline.id) if job and job.pipeline else None,
        },
    )
    return (event,)


def request_events(source: Source, found: MergeRequestData, commits: Sequence[CommitData]) -> tuple[DeliveryEvent, ...]:
    """A merge request that was merged into the branch that is deployed, with all its commits."""
    if found.merged_at is None:
        return ()
    deployed = source.branch or source.project.default_branch
    facts = [
        CommitFact(sha=sha(c.id) or c.id, at=c.committed_date or c.created_at, message=c.message)
        for c in reversed(commits)  # the API tells the newest first
        if len(c.parent_ids) < 2
    ]
    return merge_events(
        source.origin,
        service=source.name if deployed in (None, found.target_branch) else None,
        change=f"{source.project.path_with_namespace}!{found.iid}",
        key=f"merge_request/{found.iid}",
        at=found.merged_at,
        merged_as=sha(found.merge_commit_sha) or sha(found.squash_commit_sha) or sha(found.sha),
        squashed_as=sha(found.squash_commit_sha),
        commits=facts,
        complete=True,
        title=found.title,
        url=web(found.web_url),
    )


def issue_events(source: Source, found: IncidentData) -> tuple[DeliveryEvent, ...]:
    """An incident, open or closed."""
    return incident_events(
        source.origin,
        key=f"incident/{found.iid}",
        subject=f"{source.project.path_with_namespace}#{found.iid}",
        began=found.created_at,
        ended=(found.closed_at or found.updated_at) if found.state == "closed" else None,
        service=source.name,
        environment=source.environment,
        url=web(found.web_url),
        data={"title": found.title, "severity": None if found.severity == "UNKNOWN" else found.severity},
    )
