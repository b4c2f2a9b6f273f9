"""A delivery as an event, so that DORA covers DAGs as it covers services. Pure."""

from __future__ import annotations

from cicd.dags.model import Manifest
from observability.events import DeliveryEvent, Kind, event_id


def delivery_event(manifest: Manifest, *, target: str, environment: str | None) -> DeliveryEvent:
    """The event of the release in force. The same release gives the same id, however often it is recorded."""
    restored = manifest.restores is not None
    return DeliveryEvent(
        kind=Kind.SERVICE_ROLLEDBACK if restored else Kind.SERVICE_DEPLOYED,
        source=target,
        id=event_id("dags", target, manifest.project, manifest.release),
        occurred_at=manifest.created_at,
        subject=manifest.release,
        service=f"dags/{manifest.project}",
        environment=environment,
        commit=manifest.commit,
        committed_at=manifest.committed_at,
        outcome="success",
        release=manifest.release,
        data={
            "previous_release": manifest.previous,
            "previous_commit": manifest.previous_commit,
            "restores": manifest.restores,
            "files": len(manifest.files),
        },
    )
