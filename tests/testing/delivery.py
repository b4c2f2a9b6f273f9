"""Delivery events for tests, written in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from observability.events import DeliveryEvent, Kind, Scalar

DAY0 = datetime(2026, 11, 2, tzinfo=UTC)


def at(text: str) -> datetime:
    """`1 09:30` is 09:30 UTC on the first day, `0 00:00` the midnight before it."""
    day, _, clock = text.partition(" ")
    hours, minutes = clock.split(":")
    return DAY0 + timedelta(days=int(day), hours=int(hours), minutes=int(minutes))


def event(
    kind: Kind,
    when: str,
    *,
    id: str | None = None,  # noqa: A002 - the field's own name
    service: str | None = "shop",
    environment: str | None = "prod",
    commit: str | None = None,
    committed: str | None = None,
    outcome: str = "",
    release: str | None = None,
    change: str | None = None,
    subject: str | None = None,
    source: str = "/test",
    data: dict[str, Scalar] | None = None,
) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        source=source,
        id=id or f"{kind.value}-{service}-{environment}-{when}-{outcome}",
        occurred_at=at(when),
        subject=subject or release or "subject",
        service=service,
        environment=environment,
        commit=commit,
        committed_at=at(committed) if committed else None,
        outcome=outcome,
        change=change,
        release=release,
        data=MappingProxyType(data or {}),
    )


def deployed(
    when: str,
    commit: str | None = None,
    *,
    committed: str | None = None,
    outcome: str = "success",
    release: str | None = None,
    service: str = "shop",
    environment: str = "prod",
    data: dict[str, Scalar] | None = None,
) -> DeliveryEvent:
    return event(
        Kind.SERVICE_UPGRADED,
        when,
        commit=commit,
        committed=committed,
        outcome=outcome,
        release=release,
        service=service,
        environment=environment,
        data=data,
    )


def rolled_back(
    when: str,
    *,
    release: str | None = None,
    commit: str | None = None,
    outcome: str = "success",
    data: dict[str, Scalar] | None = None,
) -> DeliveryEvent:
    return event(Kind.SERVICE_ROLLEDBACK, when, release=release, commit=commit, outcome=outcome, data=data)


def incident(
    when: str,
    name: str,
    *,
    resolved: bool = False,
    service: str | None = "shop",
    environment: str | None = "prod",
    release: str | None = None,
    commit: str | None = None,
) -> DeliveryEvent:
    return event(
        Kind.INCIDENT_RESOLVED if resolved else Kind.INCIDENT_DETECTED,
        when,
        id=f"{name}-{'resolved' if resolved else when}",
        subject=name,
        service=service,
        environment=environment,
        release=release,
        commit=commit,
    )
