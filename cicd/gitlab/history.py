"""Reading a project's past from GitLab, page by page, oldest change first, so that it can go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cicd.gitlab.api import GitLabApi
from cicd.gitlab.history_facts import (
    CommitData,
    DeploymentData,
    EnvironmentData,
    IncidentData,
    MergeRequestData,
    ProjectData,
    Source,
    deployment_events,
    issue_events,
    request_events,
)
from cicd.gitlab.payloads import parse
from headgate.clock import format_timestamp
from observability.events import DeliveryEvent

PER_PAGE = 100
_PAGES = 50  # GitLab refuses to count pages for ever; after so many the next window begins at the last time seen
_OVERLAP = timedelta(seconds=1)  # whether updated_after includes its own moment is not documented; a repeat is harmless


class Resource(StrEnum):
    """What is read, in this order: commits and merges first, then what refers to them."""

    MERGE_REQUESTS = "merge_requests"
    DEPLOYMENTS = "deployments"
    INCIDENTS = "incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one page gave. `seen` counts the things on it, `until` is the last change on it, None for an empty one."""

    resource: Resource
    seen: int
    events: tuple[DeliveryEvent, ...]
    until: datetime | None


def open_source(
    api: GitLabApi, *, service: str | None = None, environment: str | None = None, branch: str | None = None
) -> Source:
    """The project and the tiers of its environments. Raises `HeadgateError`."""
    tiers = (parse(EnvironmentData, item) for item in api.list("/environments"))
    return Source(
        project=parse(ProjectData, api.get("")),
        service=service,
        environment=environment,
        branch=branch,
        tiers={tier.name: tier.tier for tier in tiers},
    )


def read_history(
    api: GitLabApi, source: Source, resource: Resource, *, after: datetime | None = None
) -> Iterator[Page]:
    """The pages of one resource, of what changed after `after` (None: all there is), oldest change first.

    Raises `HeadgateError`; the pages before stay right, and the next read may begin at the `until` of the last one.
    """
    path, query, translate = _plan(api, source, resource)
    query = {**query, "order_by": "updated_at", "sort": "asc", "per_page": PER_PAGE}
    while True:
        since = {} if after is None else {"updated_after": format_timestamp(after - _OVERLAP)}
        begun = after
        for number in range(1, _PAGES + 1):
            items = api.page(path, number, **query, **since)
            found = [translate(item) for item in items]
            until = max((moment for _, moment in found), default=None)
            events = tuple(event for told, _ in found for event in told)
            yield Page(resource=resource, seen=len(items), events=events, until=until)
            after = max((m for m in (after, until) if m is not None), default=None)
            if len(items) < PER_PAGE:
                return
        if after == begun:  # more changed in one moment than a window holds
            return


Translate = Callable[[Mapping[str, Any]], tuple[tuple[DeliveryEvent, ...], datetime]]


def _plan(api: GitLabApi, source: Source, resource: Resource) -> tuple[str, Mapping[str, Any], Translate]:
    """Where a resource is read, and what an item of it tells."""

    def deployment(item: Mapping[str, Any]) -> tuple[tuple[DeliveryEvent, ...], datetime]:
        found = parse(DeploymentData, item)
        return deployment_events(source, found), found.updated_at

    def request(item: Mapping[str, Any]) -> tuple[tuple[DeliveryEvent, ...], datetime]:
        found = parse(MergeRequestData, item)
        commits = [parse(CommitData, one) for one in api.list(f"/merge_requests/{found.iid}/commits")]
        return request_events(source, found, commits), found.updated_at

    def incident(item: Mapping[str, Any]) -> tuple[tuple[DeliveryEvent, ...], datetime]:
        found = parse(IncidentData, item)
        return issue_events(source, found), found.updated_at

    if resource is Resource.DEPLOYMENTS:
        return "/deployments", {}, deployment
    if resource is Resource.MERGE_REQUESTS:
        return "/merge_requests", {"state": "merged"}, request
    return "/issues", {"issue_type": "incident", "state": "all"}, incident
