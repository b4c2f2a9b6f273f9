"""The metrics of several services together: a team, an environment. Pure.

A blend is computed from the pooled raw items (the median of all lead times, not the median of medians) and always
shown as a blend: the metrics are meant for one service at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from observability.dora import DoraReport, Ratio, ServiceReport, Span, measure
from observability.failures import Judged
from observability.lead_time import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """Several services as one. `by` is team or environment, `members` the services with their environments."""

    by: str
    name: str
    members: tuple[tuple[str, str], ...]
    change_lead_time: Span
    deployment_frequency: Ratio
    change_fail_rate: Ratio
    failed_deployment_recovery_time: Span
    deployment_rework_rate: Ratio


def by_environment(report: DoraReport) -> tuple[Blend, ...]:
    """One blend for each environment."""
    groups: dict[str, list[ServiceReport]] = defaultdict(list)
    for found in report.services:
        groups[found.environment].append(found)
    return tuple(_blend("environment", name, groups[name], report) for name in sorted(groups))


def by_team(report: DoraReport, teams: Mapping[str, Sequence[str]] | None = None) -> tuple[Blend, ...]:
    """One blend for each team; `teams` gives the services (or patterns such as `shop-*`) of each.

    Without `teams` a service belongs to the team that the last of its deployments names. Services of no team are in
    none.
    """
    groups: dict[str, list[ServiceReport]] = defaultdict(list)
    for found in report.services:
        for name in _teams_of(found, teams):
            groups[name].append(found)
    return tuple(_blend("team", name, groups[name], report) for name in sorted(groups))


def _teams_of(found: ServiceReport, teams: Mapping[str, Sequence[str]] | None) -> Iterable[str]:
    if teams is not None:
        return [name for name, members in teams.items() if any(fnmatchcase(found.service, m) for m in members)]
    named = [judged.deployment.team for judged in found.deployments if judged.deployment.team]
    return named[-1:]


def _blend(by: str, name: str, members: Sequence[ServiceReport], report: DoraReport) -> Blend:
    inside: list[Judged] = [judged for member in members for judged in member.deployments]
    items: list[Change] = [change for member in members for change in member.changes]
    coverage = [c for m in members if (c := m.deployment_frequency.coverage) is not None]
    metrics = measure(inside, items, report.period, coverage=sum(coverage) / len(coverage) if coverage else None)
    return Blend(by=by, name=name, members=tuple((m.service, m.environment) for m in members), **metrics)
