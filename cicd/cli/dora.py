"""`headgate dora`: the five DORA metrics from the event store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, emit, say
from cicd.cli.dora_import import import_command
from cicd.cli.dora_ranges import ranges
from cicd.stores import open_for, parse_when, store_option, time_zone
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from cicd.dora_run import Mapped, Wish
    from observability.store import SqlEventStore

_DEFAULT_DAYS = 30
_MANY = 50_000
_SIGNALS = ("aborted", "rollback", "revert", "hotfix", "incident")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@click.group()
def dora() -> None:
    """Report the five DORA metrics."""


dora.add_command(ranges)
dora.add_command(import_command)


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is reported, for every command that reports."""
    options = (
        click.option("--from", "start", metavar="WHEN", help=f"First moment.  [default: {_DEFAULT_DAYS} days before --to]"),
        click.option("--to", "end", metavar="WHEN", help="First moment that is no longer counted.  [default: now]"),
        click.option("--service", "services", multiple=True, help="Only this service (or pattern); may be repeated."),
        click.option(
            "--environment", "environments", multiple=True, help="Only this environment; may be repeated.  [default: production]"
        ),
        click.option("--all-environments", "everywhere", is_flag=True, help="Environments that are no production as well."),
        click.option("--team", "teams", multiple=True, help="Only the services of this team; may be repeated."),
        click.option("--mapping", metavar="FILE", help="YAML with the services of `teams` and the `paths` of services."),
        click.option("--time-zone", "zone_name", metavar="ZONE", help="Zone of dates, days, weeks and months."),
        click.option(
            "--incident-window", default="24h", show_default=True, metavar="SPAN",
            help="How long after a deployment an incident without any link is attributed to it.",
        ),
        click.option(
            "--without-signal", "without", multiple=True, type=click.Choice(_SIGNALS), help="A signal of failure that does not count."
        ),
        store_option(),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@dora.command()
@_selection
@click.option("--by", multiple=True, type=click.Choice(["team", "environment"]), help="Add blends of services.")
@click.option(
    "--every", type=click.Choice(["day", "week", "month"]), help="Add the metrics of each (in json and yaml)."
)
@click.option("--week-start", type=click.Choice(_DAYS), help="First day of weeks.  [default: monday]")
@click.option("--compare", "other", metavar="PERIOD", help="Compare with `previous` or FROM..TO.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the intervals of --compare.")
@click.option("--explain", is_flag=True, help="Show the deployments, changes and incidents behind each number.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml", "csv", "markdown"]), default="table", show_default=True,
    help="Form of the result on stdout.",
)  # fmt: skip
@click.pass_obj
def report(
    app: App, /, by: tuple[str, ...], every: str | None, week_start: str | None, other: str | None, seed: int, explain: bool,
    output: str, **selection: Any,
) -> int:  # fmt: skip
    """Report the five metrics for each service and environment.

    WHEN is a date (its first moment) or a time with an offset. Only production is reported, unless --environment names
    another. Every value comes with the numbers behind it and, in brackets, its score (0 to 10) on the scale of the DORA
    Quick Check; no data is not 0. Exit codes: 0 reported, 2 the store or an option is wrong.
    """
    from cicd.dora_output import JsonServices, numbers_only
    from cicd.dora_run import all_series, blends, check_parts, evaluate, render, report_json, unmatched

    wish, parse = _wish(app, **selection)
    if other is not None and output in ("csv", "markdown"):
        raise click.UsageError(f"--compare has no form {output!r}; use -o table, json or yaml")
    check_parts(wish.period, every)
    week_start = week_start or _week_start(app, selection["store_url"])
    store = open_for(app, selection["store_url"], create=False)
    # Blends, comparisons and explanations need every item at once, and so does YAML.
    whole = bool(by or other or explain or wish.teams or wish.mapped.teams) or output == "yaml"
    aside = JsonServices(wish.period, every, week_start) if output == "json" and not whole else None
    _announce(store)
    found = evaluate(store, wish, keep=None if whole else aside.take if aside else numbers_only)
    if wish.period.end > app.clock.now():
        say("note: the period ends in the future; its days that have not been count as days without deployments")
    for words in unmatched(found, wish):
        say(f"warning: {words}, up to the end of this period")
    if aside is not None:
        aside.write(found)
        return ExitCode.PASS
    mixed = blends(found, wish, by)
    data: dict[str, Any] = {}
    if output in ("json", "yaml"):
        data = report_json(found, mixed, all_series(found, every, week_start) if every else None)
    text = render(found, "table" if output in ("json", "yaml") else output, mixed, explain=explain)
    if other is not None:
        from cicd.dora_run import earlier_period
        from observability.compare import compare, compare_data, compare_text

        before = evaluate(store, wish, earlier_period(other, wish.period, parse))
        compared = compare(before, found, seed=seed)
        data["comparison"] = compare_data(before, found, compared, seed=seed)
        text += "\n\n" + compare_text(before, found, compared)
    emit(output, data, lambda: text)
    return ExitCode.PASS


@dora.command()
@click.argument("folder", type=click.Path(file_okay=False))
@_selection
@click.pass_obj
def export(app: App, /, folder: str, **selection: Any) -> int:
    """Write deployments, changes, incidents and metrics as Parquet files into FOLDER.

    Existing files of these names are replaced. Needs pyarrow (extra `quality`). Exit codes: 0 written, 2 the store, the
    folder or an option is wrong.
    """
    from cicd.dora_run import evaluate
    from observability.export import write_parquet

    wish, _ = _wish(app, **selection)
    store = open_for(app, selection["store_url"], create=False)
    _announce(store)
    found = evaluate(store, wish)
    for path, rows in write_parquet(found, folder):
        say(f"{path}: {rows} rows")
    return ExitCode.PASS


@dora.command()
@store_option()
@click.pass_obj
def rebuild(app: App, /, store_url: str | None) -> int:
    """Make the projection of the event store anew from its log.

    Reports read this projection and bring it up to date themselves; the result is the same. Needed by nobody but those
    who doubt that. Exit codes: 0 made, 2 the store is wrong.
    """
    from observability.projection import Projection

    store = open_for(app, store_url, create=False)
    _announce(store, again=True)
    count = Projection(store.database).rebuild()
    click.echo(f"{count} services in their environments")
    return ExitCode.PASS


@dora.command("schema")
def schema_command() -> int:
    """Print the JSON Schema of `dora report -o json`."""
    import json

    from observability.report_schema import report_schema

    click.echo(json.dumps(report_schema(), indent=2))
    return ExitCode.PASS


def _wish(
    app: App, *, start: str | None, end: str | None, services: tuple[str, ...], environments: tuple[str, ...],
    everywhere: bool, teams: tuple[str, ...], mapping: str | None, zone_name: str | None, incident_window: str,
    without: tuple[str, ...], store_url: str | None,
) -> tuple[Wish, Callable[[str], datetime]]:  # fmt: skip
    """The options as one value, and how times of further options are read."""
    from datetime import timedelta

    from cicd.dora_run import Wish, parse_policy, read_mapping
    from observability.dora import Period

    zone = time_zone(app, zone_name, store_url)
    until = parse_when(end, zone, "--to") if end else app.clock.now()
    try:
        since = parse_when(start, zone, "--from") if start else until - timedelta(days=_DEFAULT_DAYS)
        period = Period(start=since, end=until, zone=zone)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"--from and --to: {error}") from error
    wish = Wish(
        period=period,
        services=services,
        environments=environments,
        everywhere=everywhere,
        teams=teams,
        mapped=read_mapping(mapping) if mapping or store_url else _configured(app),
        policy=parse_policy(incident_window, without),
    )
    return wish, lambda text: parse_when(text, zone, "--compare")


def _announce(store: SqlEventStore, *, again: bool = False) -> None:
    """Say that this will take a while, where it will: a log of millions of events is taken in once."""
    from observability.projection import Projection

    count = store.last_sequence() if again else Projection(store.database).behind()
    if count > _MANY:
        say(f"taking in {count} events; this is done once, and may be broken off and continued")


def _configured(app: App) -> Mapped:
    """Teams and paths of headgate.yaml."""
    from cicd.dora_run import Mapped

    settings = app.config.observability
    return Mapped(teams=settings.teams or None, paths=settings.paths)


def _week_start(app: App, store_url: str | None) -> str:
    return "monday" if store_url is not None else app.config.observability.week_start
