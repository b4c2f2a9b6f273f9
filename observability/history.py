"""What the log says about deployments: a projection recomputed from event time.

Pure: any order and any repetition of the same events gives the same history. Nothing here knows of metrics; the
rules that join events to deployments, failures and recoveries are all in this package's `history` and `failures`.

Contract with emitters:

- All events of one deployment carry the same `release`. Several `service.deployed`/`service.upgraded` events of one
  release are attempts of one deployment; an event without a release is a deployment of its own. So is one whose
  `data.retry_of` names the release (or whose `data.run` is the run) of an attempt before it that had not succeeded.
- `service.rolledback` belongs to the deployment with its `release`, else to the one named by `data.previous_release`
  (a rollback that is a release of its own), else to the live one if that has its `commit`, else, when it names
  nothing at all, to the live one. Its `occurred_at` is when traffic was restored; `outcome` error says that it was
  not, `canceled` that a person withdrew a sound deployment.
- `data.failed_at`, where given, is when the failure began; `data.unplanned` marks a deployment forced by an incident
  (`data.fixes` names it). `data.rollback_of` names the deployment that this one turns back, `data.rollback` the one
  that was live before it. `data.commits` and `data.changes` list what is delivered (`observability.commits`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from headgate.clock import parse_timestamp
from observability.commits import CHANGES, COMMITS, Commit, decode_commits, decode_names
from observability.events import DELIVERY, DEPLOYED, DeliveryEvent, Kind

Target = tuple[str, str]
"""Service and environment."""


class Status(StrEnum):
    """How a deployment ended, before later failures (incidents, reverts) are considered."""

    LIVE = "live"  # it served production at some time
    ABORTED = "aborted"  # it failed before it was complete
    CANCELED = "canceled"  # withdrawn by a person; not a failure
    UNDETERMINED = "undetermined"  # its machinery broke and nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment of a service to an environment, all its attempts together.

    `id` is the release id, or `source id` of the only event. `at` places it on the time line: when it went live, else
    when it was given up. `live_at` is None when it never was complete. `failed_at` is when its failure began (None:
    it did not fail by itself, or the time is not known). `rolled_back` says that a rollback was begun, `restored_at`
    when that rollback had restored traffic. `broken` says that its last attempt failed. `unplanned` is the emitter's
    own mark, `fixes` the incident it is said to fix. `attempts` counts attempts. `commits` and `changes` are what it is
    said to deliver, empty when nobody listed them. `turns_back` is the release that it is said to turn back, empty text
    for the one before it. `names` are all releases under which others may refer to it.
    """

    id: str
    service: str
    environment: str
    status: Status
    at: datetime
    live_at: datetime | None = None
    failed_at: datetime | None = None
    broken: bool = False
    rolled_back: bool = False
    restored_at: datetime | None = None
    commit: str | None = None
    committed_at: datetime | None = None
    change: str | None = None
    release: str | None = None
    version: str | None = None
    url: str | None = None
    unplanned: bool = False
    attempts: int = 1
    artifact: str | None = None
    commits: tuple[Commit, ...] = ()
    changes: tuple[str, ...] = ()
    turns_back: str | None = None
    fixes: str | None = None
    team: str | None = None
    names: tuple[str, ...] = ()

    @property
    def content(self) -> str | None:
        """What was deployed: the commit, else the version, else the artifact; None when nobody said."""
        if self.commit is not None:
            return self.commit
        named = self.version or self.artifact
        return None if named is None else f"version {named}"


def canonical(events: Iterable[DeliveryEvent]) -> tuple[DeliveryEvent, ...]:
    """Events once each, in event time (ties: source, id): the form in which order and repetition no longer matter.

    Should two events of one identity differ, the first in a fixed order wins, whichever arrived first.
    """
    unique: dict[tuple[str, str], DeliveryEvent] = {}
    for event in events:
        known = unique.setdefault((event.source, event.id), event)
        if known is not event and known != event:
            unique[event.source, event.id] = min(known, event, key=_total_order)
    return tuple(sorted(unique.values(), key=lambda event: (event.occurred_at, event.source, event.id)))


def deployments(events: Iterable[DeliveryEvent]) -> Mapping[Target, tuple[Deployment, ...]]:
    """Deployments by target, in order of `at`. Events without a service or an environment are no deployments."""
    by_target: dict[Target, list[DeliveryEvent]] = defaultdict(list)
    for event in canonical(events):
        if event.kind in DELIVERY and event.service and event.environment:
            by_target[event.service, event.environment].append(event)
    return {target: _of_target(found) for target, found in sorted(by_target.items())}


def live_in_order(found: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """Those that went live, in the order in which they did."""
    return tuple(sorted((d for d in found if d.live_at is not None), key=lambda d: (d.live_at, d.id)))


def live_at(live: Sequence[Deployment], moment: datetime) -> Deployment | None:
    """The latest of `live_in_order` that was live at `moment`; None before the first."""
    position = bisect_right(live, moment, key=lambda deployment: deployment.live_at or deployment.at)
    return live[position - 1] if position else None


def _total_order(event: DeliveryEvent) -> tuple[object, ...]:
    rest = (event.kind, event.subject, event.service, event.environment, event.commit, event.committed_at)
    more = (event.outcome, event.change, event.release, event.url, sorted(event.data.items()))
    return (event.occurred_at, event.source, event.id, repr(rest), repr(more))


def _of_target(events: Sequence[DeliveryEvent]) -> tuple[Deployment, ...]:
    attempts = _Attempts(events)
    groups = attempts.groups
    built = {key: _build(key, group, ()) for key, group in groups.items()}
    live = live_in_order(built.values())
    rollbacks: dict[str, list[DeliveryEvent]] = defaultdict(list)
    for event in events:
        if event.kind is Kind.SERVICE_ROLLEDBACK:
            rollbacks[_rolled_back_key(event, attempts, live)].append(event)
    built |= {key: _build(key, groups.get(key, ()), turned) for key, turned in rollbacks.items()}
    return tuple(sorted(built.values(), key=lambda deployment: (deployment.at, deployment.id)))


class _Attempts:
    """Deployment events of one target by deployment: those of one release, and retries of what had not succeeded."""

    def __init__(self, events: Iterable[DeliveryEvent]) -> None:
        self.groups: dict[str, list[DeliveryEvent]] = defaultdict(list)
        self._by_release: dict[str, str] = {}
        self._by_run: dict[str, str] = {}
        for event in events:
            if event.kind in DEPLOYED:
                self._add(event)

    def _add(self, event: DeliveryEvent) -> None:
        own, run = _key(event), _text(event.data.get("run"))
        key = self.of_release(own) or self._retried(event, run) or own
        self.groups[key].append(event)
        self._by_release[own] = key
        if run is not None:
            self._by_run[run] = key

    def _retried(self, event: DeliveryEvent, run: str | None) -> str | None:
        for earlier in (self.of_release(_text(event.data.get("retry_of"))), self._by_run.get(run or "")):
            if earlier is not None and not any(_succeeded(attempt) for attempt in self.groups[earlier]):
                return earlier
        return None

    def of_release(self, release: str | None) -> str | None:
        """The deployment that a release is an attempt of."""
        return None if release is None else self._by_release.get(release)


def _key(event: DeliveryEvent) -> str:
    return event.release or f"{event.source} {event.id}"


def _rolled_back_key(event: DeliveryEvent, attempts: _Attempts, live: Sequence[Deployment]) -> str:
    """The deployment that a rollback turned back; its own key when there is none (it was aborted before it was live)."""
    for named in (event.release, _text(event.data.get("previous_release"))):
        if (key := attempts.of_release(named)) is not None:
            return key
    before = live_at(live, event.occurred_at)
    if before is not None and (before.commit == event.commit if event.commit else event.release is None):
        return before.id
    return _key(event)


def _build(key: str, attempts: Sequence[DeliveryEvent], rollbacks: Sequence[DeliveryEvent]) -> Deployment:
    """One deployment from its events, each sequence in event time; at least one of them is not empty."""
    went_live = next((event.occurred_at for event in attempts if _succeeded(event)), None)
    # A rollback before it went live ended an earlier attempt.
    turned_back = [
        e for e in rollbacks if e.outcome != "canceled" and (went_live is None or e.occurred_at >= went_live)
    ]
    failed_at = _failed_at(went_live, attempts, rollbacks)
    broken = bool(attempts) and attempts[-1].outcome == "failure"
    everything = (*attempts, *rollbacks)
    commits = tuple(dict.fromkeys(c for e in attempts for c in decode_commits(e.data.get(COMMITS))))
    at = went_live or (attempts or rollbacks)[-1].occurred_at
    return Deployment(
        id=key,
        service=everything[0].service or "",
        environment=everything[0].environment or "",
        status=_status(went_live, attempts, turned_back),
        at=at,
        live_at=went_live,
        failed_at=failed_at,
        broken=broken,
        rolled_back=bool(turned_back),
        restored_at=_restored_at(failed_at, turned_back),
        commit=_field(everything, "commit"),
        committed_at=_field(everything, "committed_at"),
        change=_field(everything, "change"),
        release=_field(everything, "release"),
        version=_said(everything, "version"),
        url=_field(everything, "url"),
        unplanned=any(event.data.get("unplanned") is True for event in attempts),
        attempts=len({(event.occurred_at, event.outcome) for event in attempts}),
        artifact=_said(everything, "artifact"),
        commits=commits,
        changes=tuple(dict.fromkeys(name for e in attempts for name in decode_names(e.data.get(CHANGES)))),
        turns_back=_first(_turned_back(event) for event in attempts),
        fixes=_said(attempts, "fixes"),
        team=_said(everything, "team"),
        names=tuple(dict.fromkeys(event.release for event in everything if event.release)),
    )


def _turned_back(event: DeliveryEvent) -> str | None:
    named = _text(event.data.get("rollback_of"))
    return "" if named is None and event.data.get("rollback") is True else named


def _succeeded(event: DeliveryEvent) -> bool:
    return event.outcome in ("success", "")


def _status(
    went_live: datetime | None, attempts: Sequence[DeliveryEvent], turned_back: Sequence[DeliveryEvent]
) -> Status:
    if went_live is not None:
        return Status.LIVE
    if turned_back or (attempts and attempts[-1].outcome == "failure"):
        return Status.ABORTED
    if not attempts or attempts[-1].outcome == "canceled":
        return Status.CANCELED
    return Status.UNDETERMINED


def _failed_at(
    went_live: datetime | None, attempts: Sequence[DeliveryEvent], rollbacks: Sequence[DeliveryEvent]
) -> datetime | None:
    """When the failure began: the emitter's word, else when it went live, else when its last attempt failed."""
    said = _first(_moment(event.data.get("failed_at")) for event in (*attempts, *rollbacks))
    failed = attempts[-1].occurred_at if attempts and attempts[-1].outcome in ("failure", "error") else None
    return said or went_live or failed


def _restored_at(failed_at: datetime | None, turned_back: Sequence[DeliveryEvent]) -> datetime | None:
    """The first restoration since the failure began; one that claims to be earlier is kept, to be seen as wrong."""
    times = [event.occurred_at for event in turned_back if event.outcome != "error"]
    after = [moment for moment in times if failed_at is not None and moment >= failed_at]
    return next(iter(after or times[-1:]), None)


_T = TypeVar("_T")


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _field(events: Sequence[DeliveryEvent], name: str) -> Any:
    """The first known value of a field; a loop, as this runs ten times for each deployment there is."""
    for event in events:
        if (value := getattr(event, name)) is not None:
            return value
    return None


def _said(events: Sequence[DeliveryEvent], key: str) -> str | None:
    for event in events:
        if (value := event.data.get(key)) is not None:
            return str(value)
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(value: object) -> datetime | None:
    """A time in free data; text that is no time is not known, as if it were missing."""
    try:
        return parse_timestamp(value) if isinstance(value, str) else None
    except ValueError:
        return None
