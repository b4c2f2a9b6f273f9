"""Alertmanager's webhooks, version 4. Pure. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.

Each alert is an incident, named by its fingerprint and the time it began: that stays the same through repeated
notifications and through changes of its group, and the next time the alert fires is another incident. A failed
deployment counts once however many alerts a group has.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from observability.collector.facts import Origin, host, incident_events, sha, web
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated, Translation
from observability.collector.moments import MaybeMoment, Moment
from observability.events import DeliveryEvent, event_id
from observability.records import Foreign, Text

SERVICE_LABELS = ("service", "app", "app_kubernetes_io_name", "application", "component")
ENVIRONMENT_LABELS = ("environment", "env", "stage", "deployment_environment")
COMMIT_LABELS = ("commit", "commit_sha", "revision")
_MINOR = frozenset({"none", "info"})


class _Alert(Foreign):
    status: Text
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: Moment  # noqa: N815 - the payload's own name
    endsAt: MaybeMoment = None  # noqa: N815 - as above
    generatorURL: str | None = None  # noqa: N815 - as above
    fingerprint: str | None = None


class _Notification(Foreign):
    version: str | int = "4"
    status: str = ""
    externalURL: str | None = None  # noqa: N815 - as above
    groupKey: str | None = None  # noqa: N815 - as above
    alerts: tuple[_Alert, ...]


def translate(delivery: Delivery) -> Translation:
    """What one notification tells. Raises pydantic's `ValidationError` for a payload that is none of version 4."""
    if not isinstance(delivery.body, Mapping):
        return Refused(reason="the body is not an object")
    notification = _Notification.model_validate(delivery.body)
    if str(notification.version) != "4":
        return Refused(reason=f"version {str(notification.version)[:20]!r} of the payload is not known; 4 is")
    unknown = next((a.status for a in notification.alerts if a.status not in ("firing", "resolved")), None)
    if unknown is not None:
        return Refused(reason=f"the status {unknown[:60]!r} of an alert is not known")
    events: list[DeliveryEvent] = []
    for alert in notification.alerts:
        if alert.labels.get("severity", "").lower() not in _MINOR:
            events += _incident(alert, notification, delivery.hints)
    return Translated(events=tuple(events)) if events else Ignored(reason="no alert of a severity above info")


def _incident(alert: _Alert, notification: _Notification, hints: Hints) -> tuple[DeliveryEvent, ...]:
    labels = alert.labels
    name = labels.get("alertname", "alert")
    fingerprint = alert.fingerprint or event_id(*(f"{key}={labels[key]}" for key in sorted(labels)))
    resolved = alert.status == "resolved"
    # The times of a resolved alert are its own; those of a firing one have an end that lies ahead, or year 1.
    ended = max(alert.endsAt, alert.startsAt) if resolved and alert.endsAt else None
    return incident_events(
        Origin(provider="alertmanager", project=host(notification.externalURL, "alertmanager")),
        key=f"alert/{fingerprint}/{alert.startsAt.isoformat()}",
        subject=f"{name}/{fingerprint}/{alert.startsAt:%Y%m%dT%H%M%S}",
        began=alert.startsAt,
        ended=ended,
        service=hints.service or _first(labels, SERVICE_LABELS),
        environment=hints.environment or _first(labels, ENVIRONMENT_LABELS),
        commit=sha(_first(labels, COMMIT_LABELS)),
        url=web(alert.generatorURL) or web(notification.externalURL),
        data={
            "title": alert.annotations.get("summary") or name,
            "severity": labels.get("severity"),
            "group": notification.groupKey,
            "artifact": labels.get("artifact"),
        },
    )


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)
