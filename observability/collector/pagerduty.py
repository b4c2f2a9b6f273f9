"""PagerDuty's webhooks, version 3. Pure. Payloads: https://developer.pagerduty.com/docs/webhooks-overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.collector.facts import Id, Origin, host, incident_events, web
from observability.collector.model import Delivery, Ignored, Refused, Translated, Translation
from observability.collector.moments import Moment
from observability.records import Foreign, Text


class _Reference(Foreign):
    id: Id | None = None
    summary: str | None = None


class _Reason(Foreign):
    type: str = ""


class _Incident(Foreign):
    id: Id
    number: Id | None = None
    title: str = ""
    created_at: Moment
    html_url: str | None = None
    service: _Reference | None = None
    priority: _Reference | None = None
    urgency: str | None = None
    resolve_reason: _Reason | None = None


class _Event(Foreign):
    id: Id | None = None
    event_type: Text
    resource_type: str = ""
    occurred_at: Moment
    data: Any = None


def translate(delivery: Delivery) -> Translation:
    """What one webhook of PagerDuty tells. Raises pydantic's `ValidationError` for a payload that is none of version 3.

    An incident that was merged into another one is none of its own.
    """
    if not isinstance(delivery.body, Mapping) or not isinstance(delivery.body.get("event"), Mapping):
        return Refused(reason="the body has no `event`, so it is no webhook of version 3")
    event = _Event.model_validate(delivery.body["event"])
    if not event.event_type.startswith("incident."):
        return Ignored(reason=f"nothing is measured by {event.event_type[:60]!r}")
    if not isinstance(event.data, Mapping) or event.data.get("type") != "incident":
        return Ignored(reason="a note, a responder or an update of an incident, which changes nothing about its times")
    incident = _Incident.model_validate(event.data)
    resolved = event.event_type == "incident.resolved"
    merged = resolved and incident.resolve_reason is not None and incident.resolve_reason.type.startswith("merge")
    service = delivery.hints.service or (incident.service.summary if incident.service else None)
    return Translated(
        events=incident_events(
            Origin(provider="pagerduty", project=host(incident.html_url, "pagerduty")),
            key=f"incident/{incident.id}",
            subject=incident.id,
            began=incident.created_at,
            ended=event.occurred_at if resolved and not merged else None,
            reopened=event.occurred_at if event.event_type == "incident.reopened" else None,
            service=service or None,
            environment=delivery.hints.environment,
            dismissed=merged,
            url=web(incident.html_url),
            data={
                "title": incident.title,
                "urgency": incident.urgency,
                "priority": incident.priority.summary if incident.priority else None,
            },
        )
    )
