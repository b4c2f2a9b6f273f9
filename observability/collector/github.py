"""GitHub's webhooks. Pure. Payloads: https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.collector.facts import (
    CommitFact,
    Id,
    Origin,
    deployment_event,
    fact,
    host,
    merge_events,
    paths,
    push_events,
    sha,
    tiered,
    web,
)
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated, Translation
from observability.collector.moments import MaybeMoment, Moment
from observability.events import Kind
from observability.records import Foreign, Text

DEPLOYMENT_OUTCOMES: Mapping[str, str] = {"success": "success", "failure": "failure", "error": "error"}
RUN_OUTCOMES: Mapping[str, str] = {
    "success": "success",
    "failure": "failure",
    "timed_out": "failure",
    "startup_failure": "failure",
    "cancelled": "canceled",
}
_UNFINISHED = frozenset({"pending", "queued", "in_progress", "waiting"})
_NOT_RUN = frozenset({"skipped", "neutral", "stale", "action_required"})


class Repository(Foreign):
    id: Id | None = None
    full_name: Text
    html_url: str = ""
    default_branch: str | None = None

    @property
    def origin(self) -> Origin:
        """Numbered, as a repository may be renamed."""
        return Origin(provider="github", project=f"{host(self.html_url, 'github.com')}/{self.id or self.full_name}")


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


class _Push(Foreign):
    ref: Text
    before: str | None = None
    after: str | None = None
    deleted: bool = False
    repository: Repository
    commits: tuple[_Commit, ...] = ()
    compare: str | None = None


class _Ref(Foreign):
    ref: str | None = None
    sha: str | None = None


class _Request(Foreign):
    number: Id
    title: str = ""
    merged: bool | None = None
    merged_at: MaybeMoment = None
    merge_commit_sha: str | None = None
    created_at: MaybeMoment = None
    html_url: str | None = None
    head: _Ref = _Ref()
    base: _Ref = _Ref()


class _PullRequest(Foreign):
    action: Text
    repository: Repository
    pull_request: _Request


class _DeploymentInfo(Foreign):
    id: Id
    sha: str | None = None
    ref: str | None = None
    task: str | None = None
    environment: Text
    production_environment: bool | None = None
    transient_environment: bool | None = None
    payload: Any = None


class _StatusInfo(Foreign):
    id: Id
    state: Text
    created_at: Moment
    environment: Text | None = None
    target_url: str | None = None
    log_url: str | None = None


class _DeploymentStatus(Foreign):
    repository: Repository
    deployment: _DeploymentInfo
    deployment_status: _StatusInfo


class _HeadCommit(Foreign):
    timestamp: MaybeMoment = None


class _Run(Foreign):
    id: Id
    name: str | None = None
    head_sha: str | None = None
    head_branch: str | None = None
    head_commit: _HeadCommit | None = None
    event: str | None = None
    conclusion: str | None = None
    run_attempt: int = 1
    updated_at: Moment
    html_url: str | None = None


class _WorkflowRun(Foreign):
    action: Text
    repository: Repository
    workflow_run: _Run


def translate(delivery: Delivery) -> Translation:
    """What one webhook of GitHub tells. Raises pydantic's `ValidationError` for a payload that is not GitHub's."""
    if not isinstance(delivery.body, Mapping):
        return Refused(reason="the body is not an object")
    kind = delivery.headers.get("x-github-event")
    if not kind:
        return Refused(reason="the header X-GitHub-Event is missing")
    handler = _HANDLERS.get(kind)
    return (
        handler(delivery.body, delivery.hints) if handler else Ignored(reason=f"nothing is measured by {kind[:60]!r}")
    )


def service_of(repository: Repository, hints: Hints) -> str:
    """The service that a repository is: its full name, or what the address says."""
    return hints.service or repository.full_name


def _push(body: Mapping[str, Any], hints: Hints) -> Translation:
    push = _Push.model_validate(body)
    after = sha(push.after)
    if push.deleted or after is None:
        return Ignored(reason="a branch was deleted")
    if push.ref != f"refs/heads/{hints.branch or push.repository.default_branch}":
        return Ignored(reason="not the branch that is deployed")
    commits = [commit.fact for commit in push.commits]
    events = push_events(
        push.repository.origin,
        service=service_of(push.repository, hints),
        branch=push.ref.removeprefix("refs/heads/"),
        before=sha(push.before),
        after=after,
        commits=commits,
        complete=len(commits) < 2048,  # GitHub lists at most 2 048 and does not say how many there are
        url=web(push.compare),
    )
    return Translated(events=events) if events else Ignored(reason="a push without commits")


def _pull_request(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _PullRequest.model_validate(body)
    request, repository = parsed.pull_request, parsed.repository
    change, key = f"{repository.full_name}#{request.number}", f"pull_request/{request.number}"
    head = sha(request.head.sha)
    if parsed.action == "opened" and request.created_at is not None:
        opened = fact(
            repository.origin,
            Kind.CHANGE_CREATED,
            key,
            status="opened",
            at=request.created_at,
            subject=change,
            service=service_of(repository, hints),
            change=change,
            commit=head,
            url=web(request.html_url),
            data={"title": request.title},
        )
        return Translated(events=(opened,))
    if parsed.action != "closed" or not request.merged:
        return Ignored(reason="a pull request that was neither opened nor merged")
    if request.merged_at is None:
        return Refused(reason="a merged pull request without merged_at")
    deployed = hints.branch or repository.default_branch
    return Translated(
        events=merge_events(
            repository.origin,
            service=service_of(repository, hints) if request.base.ref in (None, deployed) else None,
            change=change,
            key=key,
            at=request.merged_at,
            merged_as=sha(request.merge_commit_sha),
            commits=[],  # their times are not told; the push to the branch tells them
            title=request.title,
            url=web(request.html_url),
        )
    )


def _deployment_status(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _DeploymentStatus.model_validate(body)
    status, deployment, repository = parsed.deployment_status, parsed.deployment, parsed.repository
    outcome = DEPLOYMENT_OUTCOMES.get(status.state)
    if status.state == "inactive":
        return Ignored(reason="a later deployment has taken its place")
    if outcome is None:
        if status.state in _UNFINISHED:
            return Ignored(reason=f"a deployment that is {status.state}")
        return Refused(reason=f"the state {status.state[:60]!r} of a deployment is not known")
    named = deployment.payload.get("service") if isinstance(deployment.payload, Mapping) else None
    environment = hints.environment or tiered(status.environment or deployment.environment, _tier(deployment))
    key = f"deployment/{deployment.id}"
    event = deployment_event(
        repository.origin,
        key=key,
        # One deployment may fail and succeed several times; a second delivery has the same number of status.
        status=f"{status.state} {status.id}",
        outcome=outcome,
        at=status.created_at,
        service=hints.service or (named if isinstance(named, str) and named else repository.full_name),
        environment=environment,
        commit=sha(deployment.sha),
        url=web(status.log_url) or web(status.target_url),
        data={"branch": deployment.ref, "rollback": True if "rollback" in (deployment.task or "").lower() else None},
    )
    return Translated(events=(event,))


def _tier(deployment: _DeploymentInfo) -> str | None:
    if deployment.production_environment:
        return "production"
    return "testing" if deployment.transient_environment else None


def _workflow_run(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _WorkflowRun.model_validate(body)
    run, repository = parsed.workflow_run, parsed.repository
    if parsed.action != "completed":
        return Ignored(reason="a workflow run that has not ended")
    outcome = RUN_OUTCOMES.get(run.conclusion or "")
    if outcome is None:
        if run.conclusion in _NOT_RUN:
            return Ignored(reason=f"a workflow run that was {run.conclusion}")
        return Refused(reason=f"the conclusion {(run.conclusion or '')[:60]!r} of a run is not known")
    event = fact(
        repository.origin,
        Kind.PIPELINE_FINISHED,
        f"run/{run.id}",
        status=run.conclusion or "",
        attempt=run.run_attempt,
        at=run.updated_at,
        subject=f"run {run.id}",
        service=service_of(repository, hints),
        commit=sha(run.head_sha),
        committed_at=run.head_commit.timestamp if run.head_commit else None,
        outcome=outcome,
        url=web(run.html_url),
        data={"branch": run.head_branch, "name": run.name, "trigger": run.event, "attempt": run.run_attempt},
    )
    return Translated(events=(event,))


def _deployment(body: Mapping[str, Any], hints: Hints) -> Translation:  # noqa: ARG001 - the handlers' signature
    return Ignored(reason="a deployment that has begun; its statuses tell how it ends")


_HANDLERS = {
    "push": _push,
    "pull_request": _pull_request,
    "deployment": _deployment,
    "deployment_status": _deployment_status,
    "workflow_run": _workflow_run,
}
