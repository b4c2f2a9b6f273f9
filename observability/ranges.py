"""Which commits lie between two deployments: facts that Git knows, kept in the log. Pure.

The range of a deployment is what its commit reaches and the commit that was live before does not. Which commit was
live before is a projection (a late event may change it), but what lies between two given commits never changes. So
the log keeps the comparison of two commits, as an event, and a report takes the one that it needs. Whoever finds out
(a mirror clone, the forge) writes the same event under the same identity.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from observability.commits import COMMITS, Commit, decode_commits, encode_commits
from observability.events import DeliveryEvent, Kind, Scalar, event_id
from observability.history import Deployment, Target, canonical, deployments, live_in_order

SOURCE = "/headgate/ranges"
_LONGEST_CHAIN = 1_000  # so many comparisons are looked through for a chain
MAX_COMMITS = 5_000
"""More commits than this between two deployments are a history and not a change; no range is kept of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Two commits that were live one after the other and have not been compared. `at` is when `until` went live."""

    service: str
    environment: str
    since: str
    until: str
    at: datetime


def range_ends(event: DeliveryEvent) -> tuple[str, str] | None:
    """The two commits that a comparison is of; None for an event that does not say."""
    since, until = event.data.get("since"), event.data.get("until")
    return (since, until) if isinstance(since, str) and isinstance(until, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A commit that was live from a moment on."""

    commit: str | None
    at: datetime


class Ranges:
    """The comparisons of one service. What was compared piece by piece (push by push) is joined."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[datetime, Sequence[Commit]]]] = {}
        self._named: dict[str, datetime] = {}

    def add(self, event: DeliveryEvent) -> None:
        """Remember a comparison; of two that differ the first stays. Anything else is nothing."""
        ends = range_ends(event)
        if event.kind is not Kind.COMMITS_COMPARED or ends is None:
            return
        commits = decode_commits(event.data.get(COMMITS))
        self._known.setdefault(ends[1], {}).setdefault(ends[0], (event.occurred_at, commits))
        for name in (ends[1], *(commit.sha for commit in commits)):
            self._named[name] = min(self._named.get(name, event.occurred_at), event.occurred_at)

    def between(self, before: Live, after: Live) -> Sequence[Commit] | None:
        """What lies between what was live and what came after it; None when nobody compared them.

        By one comparison, or by the shortest chain of those made from when the first commit became known until the
        second was live: pushes from the one to the other. Others cannot be such pushes, and a report of late events
        need not look for them in all of the past (`observability.cuts`).
        """
        if before.commit is None or after.commit is None:
            return None
        direct = self._known.get(after.commit, {}).get(before.commit)
        return direct[1] if direct is not None else self._chain(before, after)

    def _chain(self, before: Live, after: Live) -> Sequence[Commit] | None:
        since, until = before.commit or "", after.commit or ""
        first = self._named.get(since, before.at)
        later: dict[str, str] = {}  # commit -> the one that it was compared with, on the way to `until`
        waiting = deque([until])
        while waiting and since not in later and len(later) < _LONGEST_CHAIN:
            reached = waiting.popleft()
            for name, (at, _) in self._known.get(reached, {}).items():
                if first <= at <= after.at and name != until and name not in later:
                    later[name] = reached
                    waiting.append(name)
        commits: dict[Commit, None] = {}
        while since in later:
            commits |= dict.fromkeys(self._known[later[since]][since][1])
            since = later[since]
        return tuple(commits) if since == until and before.commit != until else None


def range_event(gap: Gap, commits: Sequence[Commit], *, by: str) -> DeliveryEvent:
    """The comparison as an event. `by` says who compared (`git`, `gitlab`); the identity does not depend on it.

    It carries no `commit`: it is no step on the path of a change.
    """
    data: Mapping[str, Scalar] = {
        "since": gap.since,
        "until": gap.until,
        "by": by,
        "count": len(commits),
        COMMITS: encode_commits(commits),
    }
    return DeliveryEvent(
        kind=Kind.COMMITS_COMPARED,
        source=SOURCE,
        id=event_id("range", gap.service, gap.since, gap.until),
        occurred_at=gap.at,
        subject=f"{gap.since[:12]}..{gap.until[:12]}",
        service=gap.service,
        data=MappingProxyType(data),
    )


def find_gaps(
    events: Iterable[DeliveryEvent], *, service: str | None = None, environment: str | None = None
) -> tuple[Gap, ...]:
    """What has to be compared before every deployment's range is known, oldest first.

    Left out: the first deployment of a target (a baseline), one without a commit or after one without, one of the same
    commit, and one that lists its commits or names its merge requests itself.
    """
    known = tuple(events)
    compared: dict[str | None, Ranges] = defaultdict(Ranges)
    for event in canonical(event for event in known if event.kind is Kind.COMMITS_COMPARED):
        compared[event.service].add(event)
    found: dict[tuple[str, str, str], Gap] = {}
    for target, history in deployments(known).items():
        if service in (None, target[0]) and environment in (None, target[1]):
            ranges = (compared[target[0]], compared[None])
            for gap in _gaps_of(target, live_in_order(history), ranges):
                found.setdefault((gap.service, gap.since, gap.until), gap)
    return tuple(sorted(found.values(), key=lambda gap: (gap.at, gap.service, gap.environment, gap.until)))


def _gaps_of(target: Target, live: Sequence[Deployment], compared: Sequence[Ranges]) -> Iterable[Gap]:
    for before, after in pairwise(live):
        since, until = live_commit(before), live_commit(after)
        if since.commit is None or until.commit is None or since.commit == until.commit:
            continue
        listed = after.commits or after.changes
        if not listed and all(ranges.between(since, until) is None for ranges in compared):
            yield Gap(service=target[0], environment=target[1], since=since.commit, until=until.commit, at=until.at)


def live_commit(deployment: Deployment) -> Live:
    """The commit of a deployment that went live."""
    return Live(commit=deployment.commit, at=deployment.live_at or deployment.at)
