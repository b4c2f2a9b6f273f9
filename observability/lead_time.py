"""Which changes a deployment delivered, and how long each was under way. Pure.

A change is one commit; a cherry-pick is the same change as its original. Links, strongest first:

- `listed`: the deployment lists its commits,
- `change`: it names merge requests, or its commit is their squash or merge commit: their own commits count,
- `range`: Git knows the commits since the deployment before (`observability.ranges`); those of merge requests that were
  squashed stand for the squash commit. Used unless the deployment itself lists commits or names merge requests,
- `artifact`: the artifact was packaged from a change (CDEvents' own join),
- `recorded`: the one commit that the deployment recorded,
- `merge_window`: merges announced for this very service since the deployment before (by time, the last resort).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from observability.commits import COMMITS, SQUASH, Commit, decode_commits
from observability.events import DeliveryEvent, Kind
from observability.failures import Judged
from observability.history import Deployment
from observability.ranges import Live, Ranges, live_commit

CONFIDENCE: Mapping[str, str] = {
    "listed": "certain",
    "change": "certain",
    "range": "certain",
    "recorded": "certain",
    "release": "certain",
    "artifact": "high",
    "commit": "high",
    "merge_window": "low",
    "time": "low",
}
"""How far a link, by its method, can be trusted: `certain` was said, `high` follows from names, `low` from times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit that went live with `deployment`.

    `lead_time` is from `committed_at` to `deployed_at`, None where `excluded` gives the reason: `baseline` (the first
    deployment would otherwise claim all history), `already_deployed`, `commit_unknown`, `commit_time_unknown`,
    `negative_span`, `other_paths` (in a repository of several services, it touches none of this one's paths).
    `linked_by` is the method, see the top of this module.
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
    """What the events tell about commits, merges and artifacts. Built once per report.

    `paths` gives the path patterns of services that share a repository; others own every path.
    """

    def __init__(self, events: Iterable[DeliveryEvent], paths: Mapping[str, Sequence[str]] | None = None) -> None:
        """`events` are canonical."""
        self.paths = paths or {}
        self.times: dict[str, datetime] = {}
        self.originals: dict[str, str] = {}
        self.merges: dict[str, list[DeliveryEvent]] = defaultdict(list)
        self._of_change: dict[tuple[str | None, str], dict[str, Commit]] = defaultdict(dict)
        self._merged_as: dict[str, dict[str, Commit]] = defaultdict(dict)
        self._packaged: dict[str, DeliveryEvent] = {}
        self._ranges: dict[str | None, Ranges] = defaultdict(Ranges)
        for event in events:
            listed = decode_commits(event.data.get(COMMITS)) if COMMITS in event.data else ()
            for commit in listed:
                self._learn(commit.sha, commit.at)
                if commit.original:
                    self.originals.setdefault(commit.sha, commit.original)
            if event.commit:
                self._learn(event.commit, event.committed_at)
            if event.kind is Kind.CHANGE_MERGED:
                self._merge(event, listed)
            elif event.kind is Kind.COMMITS_COMPARED:
                self._ranges[event.service].add(event)
            elif event.kind in (Kind.ARTIFACT_PUBLISHED, Kind.ARTIFACT_PACKAGED) and (event.change or event.commit):
                self._packaged.setdefault(event.subject, event)

    def _learn(self, sha: str, at: datetime | None) -> None:
        if at is not None:  # should two events differ, the earlier is the time before rewriting
            self.times[sha] = min(self.times.get(sha, at), at)

    def _merge(self, event: DeliveryEvent, listed: Sequence[Commit]) -> None:
        if event.service and (event.commit or listed):
            self.merges[event.service].append(event)
        for commit in listed:
            if event.change:
                self._of_change[event.service, event.change].setdefault(commit.sha, commit)
            for merged in (event.commit, event.data.get(SQUASH)):
                if isinstance(merged, str) and merged:
                    self._merged_as[merged].setdefault(commit.sha, commit)

    def change(self, sha: str) -> str:
        """The commit that stands for the change: the original of a cherry-pick."""
        seen = {sha}
        while (original := self.originals.get(sha)) is not None and original not in seen:
            seen.add(original)
            sha = original
        return sha

    def time(self, commit: Commit) -> datetime | None:
        """When the change was committed first: a cherry-pick is as old as its original."""
        own = commit.at or self.times.get(commit.sha)
        first = self.times.get(self.change(commit.sha))
        return min(own, first) if own is not None and first is not None else own or first

    def of_change(self, service: str, change: str) -> Sequence[Commit]:
        """The commits of a merge request; ids of requests that name another service are not this one's."""
        known = self._of_change.get((service, change)) or self._of_change.get((None, change)) or {}
        return tuple(known.values())

    def expanded(self, commit: Commit) -> Sequence[Commit]:
        """The commits of the merge request that this one merged or squashed; the commit itself if it did not."""
        return tuple(self._merged_as.get(commit.sha, {}).values()) or (commit,)

    def between(self, service: str, before: Live | None, after: Live) -> Sequence[Commit] | None:
        """The commits of `after` that `before` did not have; None when nobody compared them."""
        if before is None or not self._ranges:
            return None
        for name in (service, None):
            known = self._ranges[name].between(before, after) if name in self._ranges else None
            if known is not None:
                return known
        return None

    def packaged(self, artifact: str | None) -> DeliveryEvent | None:
        """The event that says what an artifact was made of."""
        return self._packaged.get(artifact or "")

    def concerns(self, service: str, commit: Commit) -> bool:
        """Whether a commit touches a service. One whose paths nobody gave touches every service."""
        patterns = self.paths.get(service)
        return not patterns or not commit.paths or any(fnmatchcase(path, p) for path in commit.paths for p in patterns)


def changes(service: str, judged: Sequence[Judged], index: CommitIndex) -> tuple[Change, ...]:
    """The changes of every deployment of one target that went live, in order."""
    live = sorted(
        (j for j in judged if j.deployment.live_at is not None),
        key=lambda j: (j.deployment.live_at, j.deployment.id),
    )
    before = [None, *(j.deployment for j in live)]
    named = [(j, *_named(service, j.deployment, last, index)) for j, last in zip(live, before, strict=False)]
    delivered = {commit.sha for _, found, _ in named for commit in found}
    delivered |= {j.deployment.commit for j in live if j.deployment.commit}
    waiting = deque(event for event in index.merges.get(service, ()) if event.commit not in delivered)
    seen: set[str] = set()
    result: list[Change] = []
    for j, found, method in named:
        arrived: list[Commit] = []
        if j.new or j.baseline:
            arrived = _arrived(waiting, j.deployment.live_at or j.deployment.at, delivered)
        if j.baseline or method in ("listed", "change", "range"):
            arrived = []  # what a deployment lists is all of it
        result.extend(_changes(service, j, found, method, index, seen))
        result.extend(_changes(service, j, arrived, "merge_window", index, seen))
    return tuple(result)


def _named(
    service: str, deployment: Deployment, last: Deployment | None, index: CommitIndex
) -> tuple[Sequence[Commit], str]:
    """The commits that a deployment delivers, each once, and how that is known. `last` was live before."""
    method, found = "recorded", tuple(deployment.commits)
    between = index.between(service, None if last is None else live_commit(last), live_commit(deployment))
    if found:
        method = "listed"
    elif between is not None and not deployment.changes:
        return _expanded(between, index), "range"
    elif deployment.changes:
        found = tuple(c for change in deployment.changes for c in index.of_change(service, change))
        method = "change" if found else method
    packaged = index.packaged(deployment.artifact)
    if not found and deployment.commit:
        found = (Commit(sha=deployment.commit, at=deployment.committed_at),)
    elif not found and packaged is not None:
        method = "artifact"
        found = tuple(index.of_change(service, packaged.change)) if packaged.change else ()
        found = found or ((Commit(sha=packaged.commit),) if packaged.commit else ())
    if not found and deployment.change:
        found = tuple(index.of_change(service, deployment.change))
        method = "change" if found else method
    expanded = _expanded(found, index)
    if method == "recorded" and len(found) == 1 and expanded != found:
        method = "change"
    return expanded, method


def _expanded(found: Iterable[Commit], index: CommitIndex) -> tuple[Commit, ...]:
    """Each commit once; the commits of a merge request stand for its squash or merge commit."""
    return tuple({own.sha: own for commit in found for own in index.expanded(commit)}.values())


def _arrived(waiting: deque[DeliveryEvent], until: datetime, delivered: set[str]) -> list[Commit]:
    """The commits of the merges up to a moment, taken from those that wait."""
    unique: dict[str, Commit] = {}
    while waiting and waiting[0].occurred_at <= until:
        event = waiting.popleft()
        listed = decode_commits(event.data.get(COMMITS))
        for commit in listed or ([Commit(sha=event.commit)] if event.commit else []):
            if commit.sha not in delivered:
                unique.setdefault(commit.sha, commit)
    return list(unique.values())


def _changes(
    service: str, judged: Judged, commits: Sequence[Commit], method: str, index: CommitIndex, seen: set[str]
) -> Iterable[Change]:
    deployment = judged.deployment
    deployed_at = deployment.live_at or deployment.at

    def change_of(sha: str | None, at: datetime | None, excluded: str | None) -> Change:
        return Change(
            deployment=deployment.id, commit=sha, committed_at=at, deployed_at=deployed_at, linked_by=method,
            excluded=excluded,
        )  # fmt: skip

    if not commits and method != "merge_window":
        yield change_of(None, None, _nothing(judged, method))
    for commit in commits:
        at, change = index.time(commit), index.change(commit.sha)
        if not index.concerns(service, commit):
            yield change_of(commit.sha, at, "other_paths")
            continue
        yield change_of(commit.sha, at, _excluded(judged, change in seen, at, deployed_at))
        seen.add(change)
    if deployment.commit:
        seen.add(index.change(deployment.commit))


def _nothing(judged: Judged, method: str) -> str:
    """Why a deployment brought nothing that can be measured; a range that is empty was there before."""
    if judged.baseline:
        return "baseline"
    return "commit_unknown" if judged.new and method != "range" else "already_deployed"


def _excluded(judged: Judged, seen: bool, at: datetime | None, deployed_at: datetime) -> str | None:
    if judged.baseline:
        return "baseline"
    if seen:
        return "already_deployed"
    if at is None:
        return "commit_time_unknown"
    return "negative_span" if at > deployed_at else None
