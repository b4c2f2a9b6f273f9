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

from observability.commits import COMMITS, Commit, encode_commits
from observability.events import DeliveryEvent, Kind, Scalar, event_id
from observability.history import Deployment, Target, deployments, live_in_order

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


class Ranges:
    """The comparisons of one service. What was compared piece by piece (push by push) is joined."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Sequence[Commit]]] = {}

    def add(self, since: str, until: str, commits: Sequence[Commit]) -> None:
        """Remember a comparison; of two that differ the first stays."""
        self._known.setdefault(until, {}).setdefault(since, commits)

    def between(self, since: str, until: str) -> Sequence[Commit] | None:
        """What lies between, by one comparison or by the shortest chain of them; None when there is no chain."""
        later: dict[str, str] = {}  # commit -> the one that it was compared with, on the way to `until`
        waiting = deque([until])
        while waiting and len(later) < _LONGEST_CHAIN:
            reached = waiting.popleft()
            found = self._known.get(reached, {})
            if since in found:
                later.setdefault(since, reached)
                return self._joined(since, until, later)
            for before in found:
                if before not in later and before != until:
                    later[before] = reached
                    waiting.append(before)
        return None

    def _joined(self, since: str, until: str, later: Mapping[str, str]) -> tuple[Commit, ...]:
        commits: dict[Commit, None] = {}
        while since != until:
            commits |= dict.fromkeys(self._known[later[since]][since])
            since = later[since]
        return tuple(commits)


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
    for event in known:
        if event.kind is Kind.COMMITS_COMPARED and (ends := range_ends(event)) is not None:
            compared[event.service].add(*ends, ())
    found: dict[tuple[str, str, str], Gap] = {}
    for target, history in deployments(known).items():
        if service in (None, target[0]) and environment in (None, target[1]):
            for gap in _gaps_of(target, live_in_order(history)):
                if all(compared[name].between(gap.since, gap.until) is None for name in (gap.service, None)):
                    found.setdefault((gap.service, gap.since, gap.until), gap)
    return tuple(sorted(found.values(), key=lambda gap: (gap.at, gap.service, gap.environment, gap.until)))


def _gaps_of(target: Target, live: Sequence[Deployment]) -> Iterable[Gap]:
    for before, after in pairwise(live):
        since, until = before.commit, after.commit
        if since is None or until is None or since == until or after.commits or after.changes:
            continue
        yield Gap(service=target[0], environment=target[1], since=since, until=until, at=after.live_at or after.at)
