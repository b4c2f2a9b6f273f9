"""What `headgate dora` does with its options: the wish of a user as values, the report, its renderings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.errors import ConfigError
from observability.blends import Blend, by_environment, by_team
from observability.dora import DoraReport, Period, ServiceReport
from observability.environments import is_production
from observability.failures import Policy, Signal
from observability.reporting import report_of
from observability.series import Bucket, series

if TYPE_CHECKING:
    from observability.store import EventStore

_MOST_PARTS = 5000
_SPAN = re.compile(r"(?P<count>[0-9]+)\s*(?P<unit>m|min|h|d|w)")
_UNITS = {"m": timedelta(minutes=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A mapping file: the services of each team, the path patterns of services that share a repository."""

    teams: Mapping[str, Sequence[str]] | None = None
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be reported. Empty `services`, `environments` and `teams` mean all (of production)."""

    period: Period
    services: Sequence[str] = ()
    environments: Sequence[str] = ()
    everywhere: bool = False
    teams: Sequence[str] = ()
    mapped: Mapped = field(default_factory=Mapped)
    policy: Policy = field(default_factory=Policy)

    def wanted(self, service: str, environment: str | None) -> bool:
        """Whether a service in an environment is reported; a service may be a pattern such as `shop-*`."""
        if self.services and not any(fnmatchcase(service, name) for name in self.services):
            return False
        if self.teams and self.mapped.teams is not None and not self._in_teams(service):
            return False
        if self.environments:
            return environment is None or environment in self.environments
        return self.everywhere or is_production(environment)

    def _in_teams(self, service: str) -> bool:
        known = self.mapped.teams or {}
        return any(fnmatchcase(service, name) for team in self.teams for name in known.get(team, ()))


def parse_span(text: str, option: str) -> timedelta:
    """`24h`, `90min`, `3d`, `2w`. Raises `click.UsageError` that names the option."""
    matched = _SPAN.fullmatch(text.strip())
    if matched is None:
        raise click.UsageError(f"{option}: {text!r} is not a span. Write 24h, 90min, 3d or 2w.")
    unit = {**_UNITS, "w": timedelta(weeks=1)}[matched["unit"]]
    try:
        return int(matched["count"]) * unit
    except OverflowError as error:
        raise click.UsageError(f"{option}: {text!r} is too long") from error


def parse_policy(window: str, without: Sequence[str]) -> Policy:
    """The rules for failures: how long time alone blames a deployment, and which signals do not count."""
    signals = frozenset(Signal) - {Signal(name) for name in without}
    return Policy(signals=signals, incident_window=parse_span(window, "--incident-window"))


def read_mapping(path: str | None) -> Mapped:
    """A mapping file (YAML or JSON). Raises `ConfigError` for anything but lists of names under `teams` and `paths`."""
    if path is None:
        return Mapped()
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"the mapping cannot be read: {error}", where=path, next_step="Give a YAML file with `teams:` or `paths:`."
        ) from error
    if not isinstance(content, dict) or not content.keys() <= {"teams", "paths"}:
        raise ConfigError(
            "a mapping has the keys `teams` and `paths` and no others",
            where=path,
            next_step="Write `teams: {shop: [cart, checkout-*]}` and `paths: {cart: [services/cart/*]}`.",
        )
    teams, paths = (_lists(content.get(key), f"{path}: {key}") for key in ("teams", "paths"))
    return Mapped(teams=teams, paths=paths or {})


def _lists(value: object, where: str) -> Mapping[str, Sequence[str]] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        lists = {str(key): [names] if isinstance(names, str) else names for key, names in value.items()}
        if all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in lists.values()):
            return lists
    raise ConfigError(
        "this is a list of names for each key", where=where, next_step="Write `shop: [cart, checkout-*]`."
    )


def evaluate(
    store: EventStore,
    wish: Wish,
    period: Period | None = None,
    *,
    keep: Callable[[ServiceReport], ServiceReport] | None = None,
) -> DoraReport:
    """The report of a wish, for its own period or another one. `keep` says what of each service stays in memory."""
    report = report_of(
        store, period or wish.period, wanted=wish.wanted, policy=wish.policy, paths=wish.mapped.paths, keep=keep
    )
    if not wish.teams or wish.mapped.teams is not None:
        return report
    return _of_teams(report, wish.teams)


def _of_teams(report: DoraReport, teams: Sequence[str]) -> DoraReport:
    """Only the services whose deployments name one of the teams."""
    from dataclasses import replace

    names = {member for blend in by_team(report) if blend.name in teams for member in blend.members}
    kept = tuple(found for found in report.services if (found.service, found.environment) in names)
    return replace(report, services=kept)


def unmatched(report: DoraReport, wish: Wish) -> tuple[str, ...]:
    """What the wish names and the report does not have, in words: a name that is mistyped must not pass for no data."""
    services = {found.service for found in report.services}
    known = {found.environment for found in report.services}
    words = [f"no service {name!r}" for name in wish.services if not any(fnmatchcase(s, name) for s in services)]
    words += [f"no environment {name!r}" for name in wish.environments if name not in known]
    if wish.mapped.teams is not None:
        words += [f"no team {name!r} in the mapping" for name in wish.teams if name not in wish.mapped.teams]
    elif wish.teams:
        teams = {blend.name for blend in by_team(report)}
        words += [f"no team {name!r}" for name in wish.teams if name not in teams]
    return tuple(words)


def check_parts(period: Period, unit: str | None) -> None:
    """Raises `click.UsageError` for a series of more days, weeks or months than anybody reads."""
    days = {"day": 1, "week": 7, "month": 30}
    if unit is not None and period.days / days[unit] > _MOST_PARTS:
        raise click.UsageError(f"--every {unit}: more than {_MOST_PARTS} of them; choose --from and --to")


def blends(report: DoraReport, wish: Wish, by: Sequence[str]) -> tuple[Blend, ...]:
    """The blends asked for: by team, by environment. Teams are shown when a mapping or --team names them."""
    found: tuple[Blend, ...] = ()
    if "team" in by or wish.teams or wish.mapped.teams:
        of_teams = by_team(report, wish.mapped.teams)
        found += tuple(blend for blend in of_teams if not wish.teams or blend.name in wish.teams)
    return found + (by_environment(report) if "environment" in by else ())


def all_series(report: DoraReport, unit: str, week_start: str) -> Mapping[tuple[str, str], Sequence[Bucket]]:
    """The series of every service."""
    return {
        (found.service, found.environment): series(found, report.period, unit, week_start) for found in report.services
    }


def earlier_period(text: str, period: Period, parse: Callable[[str], datetime]) -> Period:
    """The period before, for `previous`; else FROM..TO. Raises `click.UsageError`.

    `previous` has the same length on the calendar and ends where the period begins.
    """
    zone: tzinfo = period.zone
    try:
        if text == "previous":
            start, end = (m.astimezone(zone).replace(tzinfo=None) for m in (period.start, period.end))
            return Period(start=(start - (end - start)).replace(tzinfo=zone), end=period.start, zone=zone)
        first, dots, second = text.partition("..")
        if not dots:
            raise click.UsageError("--compare: write `previous` or FROM..TO, such as 2026-10-01..2026-11-01")
        return Period(start=parse(first), end=parse(second), zone=zone)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"--compare: {error}") from error


def render(report: DoraReport, output: str, found: Sequence[Blend], *, explain: bool) -> str:
    """The report as table, csv or markdown."""
    if output == "table":
        from observability.dora_report import to_text

        return to_text(report, blends=found, explain=explain)
    from observability.dora_tables import to_csv, to_markdown

    return to_csv(report, found) if output == "csv" else to_markdown(report, found)


def report_json(
    report: DoraReport, found: Sequence[Blend], parts: Mapping[Any, Sequence[Bucket]] | None
) -> dict[str, Any]:
    """The report as JSON-able data."""
    from observability.dora_report import to_data

    return to_data(report, blends=found, series=parts)
