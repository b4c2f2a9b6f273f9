"""GitLab's webhooks. Pure.

Payloads: https://docs.gitlab.com/user/project/integrations/webhook_events/. A deployment is told by its own event and
by that of the job that carried it out; both are the same fact, whichever is configured, and count once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from observability.collector.facts import (
    deployment_event,
    fact,
    incident_events,
    last_part,
    merge_events,
    push_events,
    sha,
    tiered,
    web,
)
from observability.collector.gitlab_payloads import Deployment, Issue, Job, MergeRequest, Pipeline, Project, Push
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated, Translation
from observability.events import DeliveryEvent, Kind

OUTCOMES: Mapping[str, str] = {"success": "success", "failed": "failure", "canceled": "canceled"}
"""What the statuses of deployments, jobs and pipelines that ended mean; the others have not ended, or never ran."""
_UNFINISHED = frozenset(
    {
        "blocked", "canceling", "created", "manual", "pending", "preparing", "running", "scheduled", "skipped",
        "waiting_for_callback", "waiting_for_resource",
    }
)  # fmt: skip
_DEPLOYS = frozenset({"start", "", None})
_SEVERITY_UNKNOWN = "unknown"


def translate(delivery: Delivery) -> Translation:
    """What one webhook of GitLab tells. Raises pydantic's `ValidationError` for a payload that is not GitLab's."""
    body = delivery.body
    if not isinstance(body, Mapping):
        return Refused(reason="the body is not an object")
    kind = body.get("object_kind") or body.get("event_name")
    if not isinstance(kind, str):
        return Refused(reason="the body has no object_kind, so it is no webhook of GitLab")
    handler = _HANDLERS.get(kind)
    return handler(body, delivery.hints) if handler else Ignored(reason=f"nothing is measured by {kind[:60]!r}")


def service_of(project: Project, hints: Hints) -> str:
    """The service that a project is: its full path, or what the address says."""
    return hints.service or project.path_with_namespace


def change_name(project: Project, iid: str) -> str:
    """GitLab's own full reference of a merge request; `!7` alone is another request in every project."""
    return f"{project.path_with_namespace}!{iid}"


def _told(events: Sequence[DeliveryEvent]) -> Translated:
    return Translated(events=tuple(events))


def _push(body: Mapping[str, Any], hints: Hints) -> Translation:
    push = Push.model_validate(body)
    branch = push.ref.removeprefix("refs/heads/")
    after = sha(push.after)
    if after is None:
        return Ignored(reason="a branch was deleted")
    if branch != (hints.branch or push.project.default_branch):
        return Ignored(reason="not the branch that is deployed")
    commits = [commit.fact for commit in push.commits]
    events = push_events(
        push.project.origin,
        service=service_of(push.project, hints),
        branch=branch,
        before=sha(push.before),
        after=after,
        commits=commits,
        complete=len(commits) == push.total_commits_count,
        url=web(f"{push.project.web_url}/-/commit/{after}"),
    )
    return _told(events) if events else Ignored(reason="a push without commits")


def _merge_request(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = MergeRequest.model_validate(body)
    request, project = parsed.object_attributes, parsed.project
    last = request.last_commit.fact if request.last_commit else None
    change, key = change_name(project, request.iid), f"merge_request/{request.iid}"
    if request.action == "open" and request.created_at is not None:
        opened = fact(
            project.origin,
            Kind.CHANGE_CREATED,
            key,
            status="opened",
            at=request.created_at,
            subject=change,
            service=service_of(project, hints),
            change=change,
            commit=last.sha if last else None,
            committed_at=last.at if last else None,
            url=web(request.url),
            data={"title": request.title},
        )
        return _told([opened])
    if request.action != "merge":
        return Ignored(reason="a merge request that was neither opened nor merged")
    at = request.merged_at or request.updated_at
    if at is None:
        return Refused(reason="object_attributes has neither merged_at nor updated_at")
    deployed = hints.branch or project.default_branch
    return _told(
        merge_events(
            project.origin,
            service=service_of(project, hints) if request.target_branch in (None, deployed) else None,
            change=change,
            key=key,
            at=at,
            merged_as=sha(request.merge_commit_sha),
            squashed_as=sha(request.squash_commit_sha),
            commits=[last] if last else [],
            title=request.title,
            url=web(request.url),
        )
    )


def _pipeline(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = Pipeline.model_validate(body)
    run, project = parsed.object_attributes, parsed.project
    outcome = OUTCOMES.get(run.status)
    if outcome is None:
        return _not_ended(run.status, "pipeline")
    if run.finished_at is None:
        return Refused(reason="object_attributes has no finished_at")
    of_head = parsed.commit is not None and parsed.commit.id == run.sha
    event = fact(
        project.origin,
        Kind.PIPELINE_FINISHED,
        f"pipeline/{run.id}",
        # A retried pipeline ends again under its number; a second delivery has the same time.
        status=f"{run.status} {run.finished_at.isoformat()}",
        at=run.finished_at,
        subject=f"pipeline {run.id}",
        service=service_of(project, hints),
        commit=sha(run.sha),
        committed_at=parsed.commit.timestamp if parsed.commit and of_head else None,
        outcome=outcome,
        change=change_name(project, parsed.merge_request.iid) if parsed.merge_request else None,
        url=web(run.url),
        data={"branch": run.ref, "duration_s": run.duration, "name": run.name, "trigger": run.source},
    )
    return _told([event])


def _not_ended(status: str, what: str) -> Translation:
    if status in _UNFINISHED:
        return Ignored(reason=f"a {what} that is {status}")
    return Refused(reason=f"the status {status[:60]!r} of a {what} is not known")


def _job(body: Mapping[str, Any], hints: Hints) -> Translation:
    job = Job.model_validate(body)
    outcome = OUTCOMES.get(job.build_status)
    if job.environment is None:
        return Ignored(reason="a job that deploys nothing; its pipeline tells how it ended")
    if job.environment.action not in _DEPLOYS:
        return Ignored(reason="a job that stops, prepares or verifies an environment")
    if outcome is None:
        return _not_ended(job.build_status, "job")
    if job.build_finished_at is None:
        return Refused(reason="the job has no build_finished_at")
    event = deployment_event(
        job.project.origin,
        key=f"job/{job.build_id}",
        status=job.build_status,
        outcome=outcome,
        at=job.build_finished_at,
        service=service_of(job.project, hints),
        environment=hints.environment or tiered(job.environment.name, job.environment.deployment_tier),
        commit=sha(job.sha),
        url=web(f"{job.project.web_url}/-/jobs/{job.build_id}"),
        data={
            "environment_tier": job.environment.deployment_tier,
            "attempt": job.retries_count + 1,
            "pipeline": job.pipeline_id,
            "job": job.build_name,
        },
    )
    return _told([event])


def _deployment(body: Mapping[str, Any], hints: Hints) -> Translation:
    found = Deployment.model_validate(body)
    outcome = OUTCOMES.get(found.status)
    if outcome is None:
        return _not_ended(found.status, "deployment")
    event = deployment_event(
        found.project.origin,
        key=f"job/{found.deployable_id}" if found.deployable_id else f"deployment/{found.deployment_id}",
        status=found.status,
        outcome=outcome,
        at=found.status_changed_at,
        service=service_of(found.project, hints),
        environment=hints.environment or tiered(found.environment, found.environment_tier),
        commit=last_part(found.commit_url) or sha(found.short_sha),
        url=web(found.deployable_url) or web(found.commit_url),
        data={
            "environment_tier": found.environment_tier,
            "deployment": found.deployment_id,
            "branch": found.ref,
        },
    )
    return _told([event])


def _issue(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = Issue.model_validate(body)
    issue, project = parsed.object_attributes, parsed.project
    if not _is_incident(parsed):
        return Ignored(reason="an issue that is no incident")
    closed = issue.state == "closed" or issue.action == "close"
    ended = (issue.closed_at or issue.updated_at) if closed else None
    if closed and ended is None:
        return Refused(reason="a closed incident without closed_at and updated_at")
    severity = None if issue.severity == _SEVERITY_UNKNOWN else issue.severity
    return _told(
        incident_events(
            project.origin,
            key=f"incident/{issue.iid}",
            subject=f"{project.path_with_namespace}#{issue.iid}",
            began=issue.created_at,
            ended=ended,
            reopened=issue.updated_at if issue.action == "reopen" and not closed else None,
            service=service_of(project, hints),
            environment=hints.environment,
            url=web(issue.url),
            data={"title": issue.title, "severity": severity},
        )
    )


def _is_incident(parsed: Issue) -> bool:
    """By its type, or, where incidents are ordinary issues, by the label `incident` that GitLab itself uses."""
    issue = parsed.object_attributes
    types = {(issue.type or "").lower(), (issue.issue_type or "").lower()}
    labels = [*(issue.labels or ()), *(parsed.labels or ())]
    return "incident" in types or any(label.title.lower() == "incident" for label in labels)


_HANDLERS = {
    "push": _push,
    "merge_request": _merge_request,
    "pipeline": _pipeline,
    "build": _job,
    "deployment": _deployment,
    "issue": _issue,
    "work_item": _issue,
}
