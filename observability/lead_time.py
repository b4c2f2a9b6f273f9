"""Which changes a deployment delivered, and how long each was under way. Pure.

A change is one commit. Links, strongest first: the commit that the deployment recorded (`recorded`), and merges
announced for this very service since the deployment before (`merge_window`: by time, the weakest link).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from observability.events import DeliveryEvent, Kind
from observability.failures import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit that went live with `deployment`.

    `lead_time` is from `committed_at` to `deployed_at`, None where `excluded` gives the reason: `baseline` (the first
    deployment would otherwise claim all history), `already_deployed`, `commit_unknown`, `commit_time_unknown`,
    `negative_span`.
    """

    deployment: str
    commit: str | None
    committed_at: datetime | None
    deployed_at: datetime
    linked_by: str
    excluded: str | None = None

    @property
    def lead_time(self) -> timedelta | None:
        if self.excluded is not None or self.committed_at is None:
            return None
        return self.deployed_at - self.committed_at


class CommitIndex:
    """What the events tell about commits: their times, and merges announced for one service. Built once per report."""

    def __init__(self, events: Iterable[DeliveryEvent]) -> None:
        """`events` are canonical."""
        self.times: dict[str, datetime] = {}
        self.merges: dict[str, list[DeliveryEvent]] = defaultdict(list)
        for event in events:
            if not event.commit:
                continue
            if event.committed_at is not None:
                # Should two events differ, the earlier is the time before rewriting.
                known = self.times.get(event.commit, event.committed_at)
                self.times[event.commit] = min(known, event.committed_at)
            if event.kind is Kind.CHANGE_MERGED and event.service:
                self.merges[event.service].append(event)


def changes(service: str, judged: Sequence[Judged], index: CommitIndex) -> tuple[Change, ...]:
    """The changes of every deployment of one target that went live, in order."""
    live = sorted(
        (j for j in judged if j.deployment.live_at is not None),
        key=lambda j: (j.deployment.live_at, j.deployment.id),
    )
    delivered = {j.deployment.commit for j in live if j.deployment.commit}
    waiting = deque(event for event in index.merges.get(service, ()) if event.commit not in delivered)
    found: list[Change] = []
    for j in live:
        found.append(_recorded(j, index.times))
        here = j.deployment.live_at
        if here is None or not (j.new or j.baseline):
            continue
        arrived = []
        while waiting and waiting[0].occurred_at <= here:
            arrived.append(waiting.popleft())
        if not j.baseline:
            found.extend(_merged(event, j, here, index.times) for event in _once(arrived))
    return tuple(found)


def _once(events: Iterable[DeliveryEvent]) -> Iterable[DeliveryEvent]:
    unique: dict[str, DeliveryEvent] = {}
    for event in events:
        unique.setdefault(event.commit or "", event)
    return unique.values()


def _recorded(judged: Judged, times: dict[str, datetime]) -> Change:
    deployment = judged.deployment
    committed_at = deployment.committed_at or times.get(deployment.commit or "")
    deployed_at = deployment.live_at or deployment.at
    return Change(
        deployment=deployment.id,
        commit=deployment.commit,
        committed_at=committed_at,
        deployed_at=deployed_at,
        linked_by="recorded",
        excluded=_excluded(judged, committed_at, deployed_at),
    )


def _merged(event: DeliveryEvent, judged: Judged, deployed_at: datetime, times: dict[str, datetime]) -> Change:
    committed_at = times.get(event.commit or "")
    return Change(
        deployment=judged.deployment.id,
        commit=event.commit,
        committed_at=committed_at,
        deployed_at=deployed_at,
        linked_by="merge_window",
        excluded=_untimed(committed_at, deployed_at),
    )


def _excluded(judged: Judged, committed_at: datetime | None, deployed_at: datetime) -> str | None:
    if judged.baseline:
        return "baseline"
    if judged.deployment.commit is None:
        return "commit_unknown"
    if not judged.new:
        return "already_deployed"
    return _untimed(committed_at, deployed_at)


def _untimed(committed_at: datetime | None, deployed_at: datetime) -> str | None:
    if committed_at is None:
        return "commit_time_unknown"
    return "negative_span" if committed_at > deployed_at else None
