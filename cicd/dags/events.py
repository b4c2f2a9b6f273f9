"""A delivery as an event, so that DORA covers DAGs as it covers services. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cicd.dags.model import Manifest
from observability.commits import COMMITS, Commit, encode_commits
from observability.events import DeliveryEvent, Kind, event_id


def failure_event(
    manifest: Manifest, *, target: str, environment: str | None, at: datetime, reason: str
) -> DeliveryEvent:
    """The release in force turned out to fail, `at` that time: an attempt of the same deployment that failed."""
    return DeliveryEvent(
        kind=Kind.SERVICE_DEPLOYED,
        source=target,
        id=event_id("dags", target, manifest.project, manifest.release, "failure"),
        occurred_at=max(at, manifest.created_at),
        subject=manifest.release,
        service=f"dags/{manifest.project}",
        environment=environment,
        commit=manifest.commit,
        committed_at=manifest.committed_at,
        outcome="failure",
        release=manifest.release,
        data={"reason": reason[:1000]},
    )


def delivery_event(
    manifest: Manifest,
    *,
    target: str,
    environment: str | None,
    commits: Iterable[Commit] = (),
    outcome: str = "success",
    at: datetime | None = None,
) -> DeliveryEvent:
    """The event of the release in force. The same release gives the same id, however often it is recorded.

    `commits` are those it delivers, empty when they are not known. `at` is when it was in force, None: as it says.
    """
    listed = tuple(commits)
    restored = manifest.restores is not None
    return DeliveryEvent(
        kind=Kind.SERVICE_ROLLEDBACK if restored else Kind.SERVICE_DEPLOYED,
        source=target,
        id=event_id("dags", target, manifest.project, manifest.release),
        occurred_at=at or manifest.created_at,
        subject=manifest.release,
        service=f"dags/{manifest.project}",
        environment=environment,
        commit=manifest.commit,
        committed_at=manifest.committed_at,
        outcome=outcome,
        release=manifest.release,
        data={
            "previous_release": manifest.previous,
            "previous_commit": manifest.previous_commit,
            "restores": manifest.restores,
            "files": len(manifest.files),
            **({COMMITS: encode_commits(listed)} if listed else {}),
        },
    )
