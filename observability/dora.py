"""The five DORA metrics, for one service in one environment at a time. Pure.

Definitions follow the DORA guide (dora.dev, January 2026). "Deployment" means the same in all of them: something was
put in front of production traffic, completely (`live`) or until it was given up (`aborted`). Withdrawn (`canceled`)
and undetermined deployments are listed and never counted. Every value carries the numbers behind it, and no data is
None, never 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypedDict

from observability.environments import is_production
from observability.events import DeliveryEvent
from observability.failures import Incident, Judged, Policy, incidents, judge_target
from observability.history import Status, Target, canonical, deployments
from observability.lead_time import Change, CommitIndex, changes

_DAY = timedelta(days=1)
DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The half-open span start <= t < end, aware. Raises `ValueError` for a naive or an empty one.

    `zone` says whose calendar counts: `days` are days on the clock there, so that a March with a change to summer time
    has 31 days and not 30.96.
    """

    start: datetime
    end: datetime
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a period needs aware times")
        if self.start >= self.end:
            raise ValueError(f"the period is empty: {self.start.isoformat()} is not before {self.end.isoformat()}")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def days(self) -> float:
        start, end = (moment.astimezone(self.zone).replace(tzinfo=None) for moment in (self.start, self.end))
        wall = (end - start) / _DAY
        return wall if wall > 0 else (self.end - self.start) / _DAY  # an hour in the night of the change back


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A metric of durations, seconds.

    `median` and `p90` are exact over the raw items (linear between neighbours, as SQL's `percentile_cont`); None
    without items. `n` counts the items measured, `applicable` those that should have been, `coverage` is n / applicable
    (None when nothing applies). `excluded` says why items are missing, `items` names those measured.
    """

    median: float | None
    p90: float | None
    n: int
    applicable: int
    coverage: float | None
    excluded: tuple[tuple[str, int], ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A metric that divides: value = numerator / denominator, None when the denominator is 0.

    For deployment frequency the denominator is days and coverage the share of the period since the first known
    deployment; for the two rates it is deployments and coverage their share of those whose end is known.
    """

    value: float | None
    n: int
    numerator: float
    denominator: float
    coverage: float | None
    excluded: tuple[tuple[str, int], ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """The five metrics of one service in one environment, and the deployments and changes behind them.

    `deployments` are those of the period, the uncounted ones included; `changes` those that they delivered,
    `incidents` those attributed to them, whenever they happened.
    """

    service: str
    environment: str
    change_lead_time: Span
    deployment_frequency: Ratio
    change_fail_rate: Ratio
    failed_deployment_recovery_time: Span
    deployment_rework_rate: Ratio
    deployments: tuple[Judged, ...]
    changes: tuple[Change, ...]
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoraReport:
    """Reports in order of service and environment; incidents of the period that no deployment could be blamed for.

    `left_out` are the environments with deployments in the period that were not reported, being no production.
    """

    period: Period
    services: tuple[ServiceReport, ...]
    unattributed: tuple[Incident, ...]
    left_out: tuple[str, ...] = ()


def evaluate_dora(
    events: Iterable[DeliveryEvent],
    period: Period,
    *,
    service: str | None = None,
    environment: str | None = None,
    policy: Policy = DEFAULT_POLICY,
    wanted: Callable[[str, str | None], bool] | None = None,
    paths: Mapping[str, Sequence[str]] | None = None,
) -> DoraReport:
    """The metrics of `period` from all events there are.

    Pass the whole log, not only the period: what came before decides which deployment is the first and which commit is
    new, what came later says whether a deployment of the period failed and recovered. The result does not depend on
    order or repetition of `events`. `service`, `environment` and `wanted` (of service and environment) narrow the
    result, never the reasoning. `paths` are the path patterns of services that share a repository.
    """
    known = canonical(events)
    history = deployments(known)
    all_incidents = incidents(known, history, policy)
    blamed: dict[Target, list[Incident]] = defaultdict(list)
    for incident in all_incidents:
        if incident.target is not None:
            blamed[incident.target].append(incident)
    index = CommitIndex(known, paths)
    reports: list[ServiceReport] = []
    left_out: set[str] = set()
    for target, found in history.items():
        if service not in (None, target[0]) or environment not in (None, target[1]):
            continue
        if wanted is not None and not wanted(*target):
            if wanted(target[0], None) and not is_production(target[1]):
                left_out.update(d.environment for d in found if d.at in period)
            continue
        judged = judge_target(found, blamed.get(target, ()), policy)
        if judged and judged[0].deployment.at < period.end:
            delivered = changes(target[0], judged, index)
            reports.append(_report(target, judged, delivered, period, blamed.get(target, ())))
    loose = tuple(
        incident
        for incident in all_incidents
        if incident.deployment is None
        and incident.detected_at in period
        and service in (None, incident.service)
        and environment in (None, incident.environment)
        and (wanted is None or wanted(incident.service or "", incident.environment))
    )
    return DoraReport(period=period, services=tuple(reports), unattributed=loose, left_out=tuple(sorted(left_out)))


def _report(
    target: Target,
    judged: Sequence[Judged],
    delivered: Sequence[Change],
    period: Period,
    blaming: Sequence[Incident] = (),
) -> ServiceReport:
    inside = tuple(j for j in judged if j.deployment.at in period)
    ids = {j.deployment.id for j in inside}
    items = tuple(change for change in delivered if change.deployed_at in period)
    observed = max(period.end - max(period.start, judged[0].deployment.at), timedelta(0))
    return ServiceReport(
        service=target[0],
        environment=target[1],
        **measure(inside, items, period, coverage=observed / (period.end - period.start)),
        deployments=inside,
        changes=items,
        incidents=tuple(incident for incident in blaming if incident.deployment in ids),
    )


class Metrics(TypedDict):
    """The five metrics by name."""

    change_lead_time: Span
    deployment_frequency: Ratio
    change_fail_rate: Ratio
    failed_deployment_recovery_time: Span
    deployment_rework_rate: Ratio


def measure(inside: Sequence[Judged], items: Sequence[Change], period: Period, *, coverage: float | None) -> Metrics:
    """The five metrics of the deployments of a period and the changes that they delivered.

    `coverage` is the share of the period since the first known deployment.
    """
    counted = [j for j in inside if j.deployment.status in (Status.LIVE, Status.ABORTED)]
    return Metrics(
        change_lead_time=_lead_time(items),
        deployment_frequency=_frequency(inside, counted, period, coverage),
        change_fail_rate=_rate(inside, counted, [j for j in counted if j.failures]),
        failed_deployment_recovery_time=_recovery_time([j for j in counted if j.failures]),
        deployment_rework_rate=_rate(inside, counted, [j for j in counted if j.rework]),
    )


def _lead_time(items: Sequence[Change]) -> Span:
    measured = [(change.commit or change.deployment, change.lead_time) for change in items]
    reasons = Counter(change.excluded for change in items if change.excluded is not None)
    return _span(measured, reasons, not_applicable=("baseline", "already_deployed", "other_paths"))


def _recovery_time(failed: Sequence[Judged]) -> Span:
    measured: list[tuple[str, timedelta | None]] = []
    reasons: Counter[str] = Counter()
    for judged in failed:
        began, ended = judged.deployment.failed_at, judged.recovered_at
        span = None if began is None or ended is None else ended - began
        if span is None:
            reasons["failure_time_unknown" if ended is not None else str(judged.recovery)] += 1
        elif span < timedelta(0):
            reasons["negative_span"] += 1
            span = None
        measured.append((judged.deployment.id, span))
    return _span(measured, reasons, not_applicable=())


def _span(
    measured: Sequence[tuple[str, timedelta | None]], reasons: Counter[str], *, not_applicable: Sequence[str]
) -> Span:
    found = [(name, span) for name, span in measured if span is not None]
    spans = sorted(span for _, span in found)
    applicable = len(measured) - sum(reasons[reason] for reason in not_applicable)
    return Span(
        median=percentile(spans, 50),
        p90=percentile(spans, 90),
        n=len(found),
        applicable=applicable,
        coverage=len(found) / applicable if applicable else None,
        excluded=tuple(sorted(reasons.items())),
        items=tuple(name for name, _ in found),
    )


def percentile(ordered: Sequence[timedelta], percent: int) -> float | None:
    """Seconds at `percent` (0 to 100) of spans in ascending order, linear between neighbours; None for none.

    Whole microseconds are interpolated in integers, so the result is the same on every machine.
    """
    if not ordered:
        return None
    whole, part = divmod((len(ordered) - 1) * percent, 100)
    low = ordered[whole]
    high = ordered[min(whole + 1, len(ordered) - 1)]
    micro = timedelta(microseconds=1)
    return ((low // micro) * (100 - part) + (high // micro) * part) / 100_000_000


def _frequency(inside: Sequence[Judged], counted: Sequence[Judged], period: Period, coverage: float | None) -> Ratio:
    return Ratio(
        value=len(counted) / period.days,
        n=len(counted),
        numerator=len(counted),
        denominator=period.days,
        coverage=coverage,
        excluded=_uncounted(inside),
        items=tuple(j.deployment.id for j in counted),
    )


def _rate(inside: Sequence[Judged], counted: Sequence[Judged], hits: Sequence[Judged]) -> Ratio:
    applicable = sum(j.deployment.status is not Status.CANCELED for j in inside)
    return Ratio(
        value=len(hits) / len(counted) if counted else None,
        n=len(counted),
        numerator=len(hits),
        denominator=len(counted),
        coverage=len(counted) / applicable if applicable else None,
        excluded=_uncounted(inside),
        items=tuple(j.deployment.id for j in hits),
    )


def _uncounted(inside: Sequence[Judged]) -> tuple[tuple[str, int], ...]:
    statuses = Counter(j.deployment.status.value for j in inside)
    return tuple((s.value, statuses[s.value]) for s in (Status.CANCELED, Status.UNDETERMINED) if statuses[s.value])
