"""Bitbucket Cloud's webhooks. Pure. Payloads: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/.

Bitbucket sends no event for deployments. A build status can stand for one: an address with `environment` and `status`
(the key of the build status) says which.
"""

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
    last_part,
    merge_events,
    push_events,
    sha,
    web,
)
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated, Translation
from observability.collector.moments import MaybeMoment, Moment
from observability.events import DeliveryEvent, Kind
from observability.records import Foreign, Text

OUTCOMES: Mapping[str, str] = {"SUCCESSFUL": "success", "FAILED": "failure", "STOPPED": "canceled"}
_WHOLE = 40
_MAIN = frozenset({"main", "master", "trunk"})


class _Link(Foreign):
    href: str = ""


class _Links(Foreign):
    html: _Link = _Link()
    commit: _Link = _Link()


class _Branch(Foreign):
    name: str | None = None


class Repository(Foreign):
    uuid: str | None = None
    full_name: Text
    links: _Links = _Links()
    mainbranch: _Branch | None = None

    @property
    def origin(self) -> Origin:
        """By its uuid, as a repository may be renamed."""
        where = host(self.links.html.href, "bitbucket.org")
        return Origin(provider="bitbucket", project=f"{where}/{(self.uuid or self.full_name).strip('{}')}")


class _Target(Foreign):
    hash: Text
    date: MaybeMoment = None
    message: str = ""

    @property
    def fact(self) -> CommitFact:
        return CommitFact(sha=sha(self.hash) or self.hash, at=self.date, message=self.message)


class _Tip(Foreign):
    type: str = "branch"
    name: Text
    target: _Target


class _Change(Foreign):
    old: _Tip | None = None
    new: _Tip | None = None
    commits: tuple[_Target, ...] = ()
    truncated: bool = False
    links: _Links = _Links()


class _Changes(Foreign):
    changes: tuple[_Change, ...] = ()


class _Push(Foreign):
    repository: Repository
    push: _Changes


class _Hash(Foreign):
    hash: str | None = None


class _Side(Foreign):
    branch: _Branch = _Branch()
    commit: _Hash | None = None


class _Request(Foreign):
    id: Id
    title: str = ""
    created_on: MaybeMoment = None
    updated_on: MaybeMoment = None
    merge_commit: _Hash | None = None
    source: _Side = _Side()
    destination: _Side = _Side()
    links: _Links = _Links()


class _PullRequest(Foreign):
    repository: Repository
    pullrequest: _Request


class _Status(Foreign):
    key: Text
    name: str | None = None
    state: Text
    url: str | None = None
    updated_on: Moment
    refname: str | None = None
    links: _Links = _Links()


class _CommitStatus(Foreign):
    repository: Repository
    commit_status: _Status


def translate(delivery: Delivery) -> Translation:
    """What one webhook of Bitbucket tells. Raises pydantic's `ValidationError` for a payload that is not Bitbucket's."""
    if not isinstance(delivery.body, Mapping):
        return Refused(reason="the body is not an object")
    kind = delivery.headers.get("x-event-key")
    if not kind:
        return Refused(reason="the header X-Event-Key is missing")
    handler = _HANDLERS.get(kind)
    return (
        handler(delivery.body, delivery.hints) if handler else Ignored(reason=f"nothing is measured by {kind[:60]!r}")
    )


def service_of(repository: Repository, hints: Hints) -> str:
    """The service that a repository is: its full name, or what the address says."""
    return hints.service or repository.full_name


def _deployed(repository: Repository, branch: str | None, hints: Hints) -> bool:
    """Webhooks do not always name the main branch; then the usual names stand for it."""
    if hints.branch:
        return branch == hints.branch
    main = repository.mainbranch.name if repository.mainbranch else None
    return branch == main if main else branch in _MAIN


def _push(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _Push.model_validate(body)
    events: list[DeliveryEvent] = []
    for change in parsed.push.changes:
        tip = change.new
        if tip is None or tip.type != "branch" or not _deployed(parsed.repository, tip.name, hints):
            continue
        head = tip.target.fact
        commits = [commit.fact for commit in change.commits] or [head]
        # At most five commits are listed, and `truncated` says that there are more.
        complete = bool(change.commits) and not change.truncated and all(c.at is not None for c in commits)
        events += push_events(
            parsed.repository.origin,
            service=service_of(parsed.repository, hints),
            branch=tip.name,
            before=sha(change.old.target.hash) if change.old else None,
            after=head.sha,
            commits=commits,
            complete=complete,
            url=web(change.links.html.href),
        )
    return Translated(events=tuple(events)) if events else Ignored(reason="nothing was pushed to the branch deployed")


def _full(commit: _Hash | None) -> str | None:
    """The whole name of a commit; Bitbucket often cuts it to twelve characters here, and those name nothing."""
    name = sha(commit.hash) if commit else None
    return name if name and len(name) >= _WHOLE else None


def _created(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _PullRequest.model_validate(body)
    request, repository = parsed.pullrequest, parsed.repository
    if request.created_on is None:
        return Refused(reason="the pull request has no created_on")
    change = f"{repository.full_name}#{request.id}"
    event = fact(
        repository.origin,
        Kind.CHANGE_CREATED,
        f"pull_request/{request.id}",
        status="opened",
        at=request.created_on,
        subject=change,
        service=service_of(repository, hints),
        change=change,
        commit=_full(request.source.commit),
        url=web(request.links.html.href),
        data={"title": request.title},
    )
    return Translated(events=(event,))


def _fulfilled(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _PullRequest.model_validate(body)
    request, repository = parsed.pullrequest, parsed.repository
    if request.updated_on is None:
        return Refused(reason="the pull request has no updated_on")
    target = request.destination.branch.name
    return Translated(
        events=merge_events(
            repository.origin,
            service=service_of(repository, hints) if _deployed(repository, target, hints) else None,
            change=f"{repository.full_name}#{request.id}",
            key=f"pull_request/{request.id}",
            at=request.updated_on,
            merged_as=_full(request.merge_commit),
            commits=[],  # their times are not told; the push to the branch tells them
            title=request.title,
            url=web(request.links.html.href),
        )
    )


def _commit_status(body: Mapping[str, Any], hints: Hints) -> Translation:
    parsed = _CommitStatus.model_validate(body)
    status, repository = parsed.commit_status, parsed.repository
    outcome = OUTCOMES.get(status.state)
    if outcome is None:
        if status.state == "INPROGRESS":
            return Ignored(reason="a build that has not ended")
        return Refused(reason=f"the state {status.state[:60]!r} of a build is not known")
    commit = last_part(status.links.commit.href)
    key = f"status/{commit}/{status.key}"
    stated = f"{status.state} {status.updated_on.isoformat()}"
    if hints.environment and hints.status == status.key:
        event = deployment_event(
            repository.origin,
            key=key,
            status=stated,
            outcome=outcome,
            at=status.updated_on,
            service=service_of(repository, hints),
            environment=hints.environment,
            commit=commit,
            # A status is overwritten by the next build of the commit: attempts have one name.
            url=web(status.url),
            data={"branch": status.refname},
        )
        return Translated(events=(event,))
    event = fact(
        repository.origin,
        Kind.PIPELINE_FINISHED,
        key,
        status=stated,
        at=status.updated_on,
        subject=status.name or status.key,
        service=service_of(repository, hints),
        commit=commit,
        outcome=outcome,
        url=web(status.url),
        data={"branch": status.refname, "name": status.name},
    )
    return Translated(events=(event,))


_HANDLERS = {
    "repo:push": _push,
    "pullrequest:created": _created,
    "pullrequest:fulfilled": _fulfilled,
    "repo:commit_status_created": _commit_status,
    "repo:commit_status_updated": _commit_status,
}
