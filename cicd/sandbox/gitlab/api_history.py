"""Endpoints of a project's past: issues of type incident, and the comparison of two commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from starlette.responses import JSONResponse, Response

from cicd.sandbox.gitlab.access import Asked, Guard, Refusal, listing, required
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import Incident, ProjectRecord, User
from cicd.sandbox.gitlab.shapes import Shape, Shapes, moment
from cicd.sandbox.routing import Call, Router
from headgate.clock import parse_timestamp

_ROOT = "/api/v4/projects/{project}"


class Dated(Protocol):
    """Something that was made and changed."""

    id: int

    @property
    def created_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...


D = TypeVar("D", bound=Dated)


def changed(items: Sequence[D], call: Call, *, by: str = "created_at", sort: str = "desc") -> list[D]:
    """`items` by `updated_after`, `order_by` and `sort`; `by` and `sort` are what counts when nothing is asked for."""
    after = call.value("updated_after")
    order = call.value("order_by") or by
    if order not in ("id", "iid", "created_at", "updated_at", "finished_at", "ref"):
        raise Refusal(400, {"error": "order_by does not have a valid value"})
    try:
        since = parse_timestamp(after) if after else None
    except ValueError as error:
        raise Refusal(400, {"error": "updated_after is invalid"}) from error
    found = [item for item in items if since is None or item.updated_at > since]
    key = order if order in ("created_at", "updated_at") else "id"
    return sorted(found, key=lambda item: (getattr(item, key), item.id), reverse=call.value("sort", sort) == "desc")


class HistoryApi:
    """Handlers over one instance."""

    def __init__(self, instance: Instance, guard: Guard) -> None:
        self._instance = instance
        self._guard = guard
        self._shapes = Shapes(instance.url)

    def mount(self, router: Router) -> None:
        router.add("GET", f"{_ROOT}/issues", self._guard(self._issues))
        router.add("GET", f"{_ROOT}/repository/compare", self._guard(self._compare))

    def _issues(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        if call.value("issue_type") not in ("", "incident"):
            return listing(self._instance.url, call, [])
        found = [item for item in changed(project.incidents, call) if call.value("state", "all") in ("all", item.state)]
        return listing(self._instance.url, call, [self._issue(project, item) for item in found])

    def _issue(self, project: ProjectRecord, incident: Incident) -> Shape:
        return {
            "id": incident.id,
            "iid": incident.iid,
            "project_id": project.id,
            "title": incident.title,
            "description": None,
            "state": incident.state,
            "created_at": moment(incident.created_at),
            "updated_at": moment(incident.updated_at),
            "closed_at": moment(incident.closed_at),
            "labels": [],
            "author": self._shapes.user(incident.author),
            "type": "INCIDENT",
            "issue_type": "incident",
            "severity": incident.severity,
            "web_url": f"{self._instance.url}/{project.path}/-/issues/incident/{incident.iid}",
        }

    def _compare(self, asked: Asked) -> Response:
        """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits; without diffs."""
        project, call = self._guard.project(asked), asked.call
        required(call, "from", "to")
        if not all(project.repository.has(call.value(name)) for name in ("from", "to")):
            raise Refusal(404, "404 Ref Not Found")
        known = {item.sha for item in project.repository.history(call.value("from"), 10_000)}
        found = [item for item in project.repository.history(call.value("to"), 10_000) if item.sha not in known]
        shown = [self._shapes.commit(project, item) for item in reversed(found)]
        return JSONResponse(
            {
                "commit": shown[-1] if shown else None,
                "commits": shown,
                "diffs": [],
                "compare_timeout": False,
                "compare_same_ref": call.value("from") == call.value("to"),
            }
        )


def add_incident(
    instance: Instance, project: ProjectRecord, user: User, *, title: str, severity: str = "UNKNOWN"
) -> Incident:
    """A new incident, opened now."""
    with instance.changing():
        now = instance.now()
        incident = Incident(
            id=instance.new_id(),
            iid=len(project.incidents) + 1,
            title=title,
            author=user,
            created_at=now,
            updated_at=now,
            severity=severity,
        )
        project.incidents.append(incident)
        return incident


def close_incident(instance: Instance, incident: Incident) -> None:
    """Close it, now."""
    with instance.changing():
        incident.closed_at = incident.updated_at = instance.now()
