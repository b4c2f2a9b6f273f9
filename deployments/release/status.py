"""Where a release stands and what was released before: values for the command line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deployments.gitops.repository import Release
from deployments.locks import LockInfo
from deployments.release.plan import Facts
from deployments.release.steps import describe
from headgate.clock import format_timestamp


class Standing(StrEnum):
    """One word for the whole."""

    LIVE = "live"
    ROLLING_OUT = "rolling out"
    TURNING_BACK = "turning back"
    NOT_SETTLED = "not settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Git's wish, the target's state, and who holds the lock."""

    standing: Standing
    service: str
    environment: str
    version: str
    revision: str
    in_step: bool
    phase: str
    place: str
    message: str
    release_id: str | None
    weight: float | None
    held_by: str | None

    def row(self) -> dict[str, object]:
        """The fields as JSON-able values, in order."""
        return {
            "service": self.service,
            "environment": self.environment,
            "standing": self.standing.value,
            "version": self.version,
            "release": self.release_id,
            "git_revision": self.revision,
            "in_step_with_git": self.in_step,
            "phase": self.phase,
            "place": self.place,
            "weight": self.weight,
            "message": self.message,
            "held_by": self.held_by,
        }


def describe_facts(facts: Facts, lock: LockInfo | None, *, service: str, environment: str, now: datetime) -> Status:
    """The status that the facts amount to."""
    held = lock if lock is not None and not (lock.expires_at is None or now >= lock.expires_at) else None
    newest, snapshot = facts.newest, facts.snapshot
    if facts.live:
        standing = Standing.LIVE
    elif facts.turned_back is not None:
        standing = Standing.TURNING_BACK
    elif facts.standing is not None:
        standing = Standing.ROLLING_OUT
    else:
        standing = Standing.NOT_SETTLED
    return Status(
        standing=standing,
        service=service,
        environment=environment,
        version=facts.desired.version,
        revision=facts.desired.revision,
        in_step=facts.in_step,
        phase=snapshot.phase.value if snapshot.observed else "Unknown",
        place=describe(snapshot),
        message=snapshot.message,
        release_id=newest.note.release_id if newest else None,
        weight=snapshot.weight,
        held_by=f"{held.holder} ({held.purpose})" if held else None,
    )


def history_rows(releases: tuple[Release, ...]) -> list[dict[str, object]]:
    """Releases as rows, newest first."""
    return [
        {
            "release": release.note.release_id,
            "at": format_timestamp(release.at),
            "version": release.note.version,
            "previous": release.note.previous,
            "ending": "turned back" if release.reverted_by else "stands",
            "reason": release.reason or None,
            "source_commit": release.note.source_commit,
            "commit": release.commit,
            "reverted_by": release.reverted_by,
        }
        for release in releases
    ]
