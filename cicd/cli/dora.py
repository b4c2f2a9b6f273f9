"""`headgate dora`: the five DORA metrics from the event store."""

from __future__ import annotations

import click

from cicd.cli.context import App, emit, output_option
from cicd.stores import open_for, parse_when, store_option, time_zone
from headgate.exit_codes import ExitCode

_DEFAULT_DAYS = 30


@click.group()
def dora() -> None:
    """Report the five DORA metrics."""


@dora.command()
@click.option("--from", "start", metavar="WHEN", help=f"First moment.  [default: {_DEFAULT_DAYS} days before --to]")
@click.option("--to", "end", metavar="WHEN", help="First moment that is no longer counted.  [default: now]")
@click.option("--service", help="Only this service.")
@click.option("--environment", help="Only this environment.")
@click.option("--time-zone", "zone_name", metavar="ZONE", help="Zone of dates in --from and --to.")
@store_option()
@output_option()
@click.pass_obj
def report(
    app: App,
    start: str | None,
    end: str | None,
    service: str | None,
    environment: str | None,
    zone_name: str | None,
    store_url: str | None,
    output: str,
) -> int:
    """Report the five metrics for each service and environment.

    WHEN is a date (its first moment) or a time with an offset. Every value comes with the numbers behind it; no data
    is not 0. Exit codes: 0 reported, 2 the store or a date is wrong.
    """
    from datetime import timedelta

    from observability.dora import Period, evaluate_dora
    from observability.dora_report import to_data, to_text

    zone = time_zone(app, zone_name, store_url)
    until = parse_when(end, zone, "--to") if end else app.clock.now()
    since = parse_when(start, zone, "--from") if start else until - timedelta(days=_DEFAULT_DAYS)
    try:
        period = Period(start=since, end=until)
    except ValueError as error:
        raise click.UsageError(f"--from and --to: {error}") from error
    store = open_for(app, store_url, create=False)
    found = evaluate_dora(store.read(), period, service=service, environment=environment)
    emit(output, to_data(found), lambda: to_text(found))
    return ExitCode.PASS
