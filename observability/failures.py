"""Which deployments failed, by which signal, and when production had recovered. Pure.

Each signal is separate and can be switched off (`Policy.signals`). A failed deployment counts once however many
signals or incidents it has. `canceled` is not a failure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from observability.environments import is_production
from observability.events import DeliveryEvent, Kind
from observability.history import Deployment, Status, Target, live_at, live_in_order


class Signal(StrEnum):
    """Why a deployment counts as failed."""

    ABORTED = "aborted"  # its rollout failed, or its last attempt did
    ROLLBACK = "rollback"  # service.rolledback, or a deployment that is said to turn it back
    REVERT = "revert"  # V1, V2, V1: the next deployment brought an earlier version back, or reverts its commits
    HOTFIX = "hotfix"  # the next deployment was marked unplanned
    INCIDENT = "incident"  # an incident is attributed to it


class Recovery(StrEnum):
    """What ended a failure, or why its end is not known."""

    ROLLBACK = "rollback"
    INCIDENT = "incident_resolved"
    NEXT = "next_deployment"
    OPEN_INCIDENT = "incident_open"
    NONE = "not_recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules that organisations choose.

    `incident_window` is how long after a deployment an incident without any link may still be attributed to it.
    """

    signals: frozenset[Signal] = frozenset(Signal)
    incident_window: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident; `resolved_at` is None while it is open. `linked_by` is release, commit, artifact, time, or None.

    `deployment` and `target` name the deployment it is attributed to, None when it is unattributed.
    """

    id: str
    source: str
    detected_at: datetime
    resolved_at: datetime | None
    service: str | None
    environment: str | None
    deployment: str | None = None
    target: Target | None = None
    linked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A deployment with what became of it.

    `new` says that its commit had not been live here before (a redeploy or a return to an earlier version is not
    new); `baseline` marks the first deployment of a target. `failures` is empty for one that did not fail.
    `rework` says that it was forced by a failure in production.
    """

    deployment: Deployment
    baseline: bool
    new: bool
    failures: tuple[Signal, ...]
    incidents: tuple[str, ...] = ()
    recovered_at: datetime | None = None
    recovery: Recovery | None = None
    recovered_by: str | None = None
    rework: bool = False


def incidents(
    events: Iterable[DeliveryEvent], history: Mapping[Target, Sequence[Deployment]], policy: Policy
) -> tuple[Incident, ...]:
    """Incidents in order of detection, each attributed by the strongest link there is.

    `events` are canonical. A resolution belongs to the detections of the same `(source, subject)`; several detections
    of one incident are one incident, from the first on. A resolution without a detection is nothing.
    """
    index = _Index(history)
    found = []
    for told in _told(events):
        event = _merged(told.detections)
        deployment, method = index.blame(event, policy)
        found.append(
            Incident(
                id=event.subject,
                source=event.source,
                detected_at=event.occurred_at,
                resolved_at=told.resolved_at,
                service=event.service,
                environment=event.environment,
                deployment=deployment.id if deployment else None,
                target=(deployment.service, deployment.environment) if deployment else None,
                linked_by=method,
            )
        )
    return tuple(sorted(found, key=lambda i: (i.detected_at, i.source, i.id, i.service or "")))


@dataclass(slots=True)
class _Told:
    detections: list[DeliveryEvent]
    resolved_at: datetime | None = None


def _told(events: Iterable[DeliveryEvent]) -> Iterable[_Told]:
    """What the events tell of each incident. One that was dismissed (`outcome` canceled) is none.

    Two services may use the same name for an incident; a resolution that names no service is of all of them. One that
    was opened again (`data.reopened`) after its resolution goes on until the next one.
    """
    found: dict[tuple[str, str], dict[str | None, _Told]] = defaultdict(dict)
    dismissed: set[tuple[str, str, str | None]] = set()
    resolutions: list[DeliveryEvent] = []
    for event in events:
        key = (event.source, event.subject)
        if event.kind in (Kind.INCIDENT_DETECTED, Kind.INCIDENT_REPORTED):
            found[key].setdefault(event.service, _Told([])).detections.append(event)
            if event.outcome == "canceled":
                dismissed.add((*key, event.service))
        elif event.kind is Kind.INCIDENT_RESOLVED:
            resolutions.append(event)
    for event in resolutions:
        known = found.get((event.source, event.subject), {})
        for service, told in known.items():
            if event.service in (None, service) or service is None or event.service not in known:
                again = any(
                    d.occurred_at > event.occurred_at and d.data.get("reopened") is True for d in told.detections
                )
                told.resolved_at = None if again else event.occurred_at
    for (source, subject), by_service in found.items():
        yield from (told for service, told in by_service.items() if (source, subject, service) not in dismissed)


def _merged(detections: Sequence[DeliveryEvent]) -> DeliveryEvent:
    """The first detection, with what only later ones knew."""
    first, *others = detections
    if not others:
        return first
    artifact = next((v for e in detections if (v := e.data.get("artifact")) is not None), None)
    return replace(
        first,
        environment=next((e.environment for e in detections if e.environment), None),
        release=next((e.release for e in detections if e.release), None),
        commit=next((e.commit for e in detections if e.commit), None),
        data=first.data if artifact is None else {**first.data, "artifact": artifact},
    )


class _Index:
    """Deployments as incidents look for them."""

    def __init__(self, history: Mapping[Target, Sequence[Deployment]]) -> None:
        self._live = {target: live_in_order(known) for target, known in history.items()}
        self._released: dict[str, list[Deployment]] = defaultdict(list)
        self._production: dict[str, list[str]] = defaultdict(list)
        for service, environment in history:
            if is_production(environment):
                self._production[service].append(environment)
        for known in history.values():
            for deployment in known:
                for name in deployment.names:
                    self._released[name].append(deployment)

    def blame(self, event: DeliveryEvent, policy: Policy) -> tuple[Deployment | None, str | None]:
        """The deployment to blame for an incident and how it is linked; None where that would be a guess."""
        if event.release:
            named = [d for d in self._released.get(event.release, ()) if _concerns(event, d)]
            if len(named) > 1 and event.environment is None:
                named = [d for d in named if is_production(d.environment)]
            return (named[0], "release") if len(named) == 1 else (None, None)
        target = self._target(event)
        if target is None:
            return None, None  # a guess among services or environments is no attribution
        live = self._live.get(target, ())
        if event.commit:
            same = live_at([d for d in live if _carries(d, event.commit)], event.occurred_at)
            return (same, "commit") if same else (None, None)
        if artifact := event.data.get("artifact"):
            same = live_at([d for d in live if d.artifact == artifact], event.occurred_at)
            if same is not None:
                return same, "artifact"
        latest = live_at(live, event.occurred_at)
        if latest is not None and event.occurred_at - (latest.live_at or latest.at) <= policy.incident_window:
            return latest, "time"
        return None, None

    def _target(self, event: DeliveryEvent) -> Target | None:
        """Where it happened: an incident without an environment is one of the service's only production."""
        if event.service is None:
            return None
        if event.environment is not None:
            return event.service, event.environment
        known = self._production.get(event.service, ())
        return (event.service, known[0]) if len(known) == 1 else None


def _carries(deployment: Deployment, commit: str) -> bool:
    return deployment.commit == commit or any(listed.sha == commit for listed in deployment.commits)


def _concerns(event: DeliveryEvent, deployment: Deployment) -> bool:
    return event.service in (None, deployment.service) and event.environment in (None, deployment.environment)


def judge_target(known: Sequence[Deployment], attributed: Sequence[Incident], policy: Policy) -> tuple[Judged, ...]:
    """The deployments of one target, in order, with failures, recoveries and rework."""
    live = live_in_order(known)
    blamed: dict[str, list[Incident]] = defaultdict(list)
    for incident in attributed:
        if incident.deployment is not None:
            blamed[incident.deployment].append(incident)
    returned = _returns(live)
    told = _told_back(live)
    replaced = set(returned.values())
    following = {before.id: after for before, after in pairwise(live)}
    signals = {
        d.id: _signals(d, following.get(d.id), replaced, d.id in told, bool(blamed.get(d.id)), policy) for d in known
    }
    sound = [d for d in live if not signals[d.id]]
    recoveries = {d.id: _recovery(d, blamed.get(d.id, ()), sound, told.get(d.id)) for d in known if signals[d.id]}
    forced = {by for d in live if d.id in recoveries and (by := recoveries[d.id][2]) is not None}
    forced |= {after.id for after in live if after.id in returned} | {after.id for after in told.values()}
    seen = _first_live(live)
    return tuple(
        Judged(
            deployment=d,
            baseline=bool(live) and d is live[0],
            new=d.content is None or seen.get(d.content) == d.id,
            failures=signals[d.id],
            incidents=tuple(incident.id for incident in blamed.get(d.id, ())),
            recovered_at=recoveries[d.id][0] if d.id in recoveries else None,
            recovery=recoveries[d.id][1] if d.id in recoveries else None,
            recovered_by=recoveries[d.id][2] if d.id in recoveries else None,
            rework=d.unplanned or d.id in forced,
        )
        for d in known
    )


def _told_back(live: Sequence[Deployment]) -> dict[str, Deployment]:
    """Deployments that a later one is said to turn back, with that one."""
    found: dict[str, Deployment] = {}
    by_name = {name: d for d in live for name in (*d.names, d.id)}
    before: Deployment | None = None
    for deployment in live:
        if deployment.turns_back is not None:
            turned = by_name.get(deployment.turns_back) if deployment.turns_back else before
            if turned is not None and turned.id != deployment.id:
                found.setdefault(turned.id, deployment)
        before = deployment
    return found


def _first_live(live: Sequence[Deployment]) -> dict[str, str]:
    """The deployment that first brought each commit live."""
    seen: dict[str, str] = {}
    for deployment in live:
        if deployment.content is not None:
            seen.setdefault(deployment.content, deployment.id)
    return seen


def _returns(live: Sequence[Deployment]) -> dict[str, str]:
    """Deployments that brought an earlier version back, with the one they replaced.

    Bringing it back after a rollback had already done so replaces nothing. Delivering the revert of a commit that the
    one before had delivered brings the earlier state back as well.
    """
    found: dict[str, str] = {}
    earlier: set[str] = set()
    for before, after in pairwise(live):
        if before.content is not None:
            earlier.add(before.content)
        same = before.content == after.content
        back = after.content in earlier and not same
        undone = any(commit.reverts and _carries(before, commit.reverts) for commit in after.commits)
        if (back or undone) and not before.rolled_back and after.turns_back is None:
            found[after.id] = before.id
    return found


def _signals(
    deployment: Deployment,
    next_live: Deployment | None,
    replaced: AbstractSet[str],
    told_back: bool,
    blamed: bool,
    policy: Policy,
) -> tuple[Signal, ...]:
    hotfixed = (
        next_live is not None
        and next_live.unplanned
        and next_live.fixes is None  # the incident that it fixes says which deployment failed
        and next_live.turns_back is None
        and (next_live.content is None or next_live.content != deployment.content)
    )
    found = {
        Signal.ABORTED: deployment.broken or (deployment.status is Status.ABORTED and not deployment.rolled_back),
        Signal.ROLLBACK: deployment.rolled_back or told_back,
        Signal.REVERT: deployment.id in replaced,
        Signal.HOTFIX: hotfixed,
        Signal.INCIDENT: blamed,
    }
    return tuple(signal for signal, holds in found.items() if holds and signal in policy.signals)


def _recovery(
    deployment: Deployment, blamed: Sequence[Incident], sound: Sequence[Deployment], told_back: Deployment | None
) -> tuple[datetime | None, Recovery, str | None]:
    """When production had recovered, by what, and by which deployment.

    The rollback's own convergence is a measurement and comes first; then the incidents (the last of them, and none of
    them open); then the next deployment that did not fail itself.
    """
    if deployment.restored_at is not None:
        return deployment.restored_at, Recovery.ROLLBACK, None
    if told_back is not None:
        return told_back.live_at, Recovery.ROLLBACK, told_back.id
    if blamed:
        ends = [incident.resolved_at for incident in blamed]
        known = [end for end in ends if end is not None]
        return (
            (max(known), Recovery.INCIDENT, None) if len(known) == len(ends) else (None, Recovery.OPEN_INCIDENT, None)
        )
    position = bisect_right(sound, deployment.failed_at or deployment.at, key=lambda d: d.live_at or d.at)
    if position == len(sound):
        return None, Recovery.NONE, None
    after = sound[position]
    return after.live_at, Recovery.NEXT, after.id if deployment.live_at is not None else None
