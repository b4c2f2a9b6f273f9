"""`headgate events`: record, list and import delivery events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import click

from cicd.cli.context import App, columns, emit, output_option, say
from cicd.stores import open_for, parse_when, store_option, time_zone
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from cicd.event_import import Imported
    from observability.events import Scalar

RECORD_SCHEMAS = ("deployment", "rollback", "change", "incident")


@click.group()
def events() -> None:
    """Record and list delivery events."""


@events.command("emit")
@click.argument("kind")
@click.option("--subject", required=True, help="What it happened to: !12, a release, a gate, an incident.")
@click.option("--service", help="Service of the event.")
@click.option("--environment", help="Environment of the event.")
@click.option("--commit", help="Full source commit.")
@click.option("--committed-at", metavar="TIME", help="Time of that commit, with an offset.")
@click.option("--occurred-at", metavar="TIME", help="When it happened, with an offset.  [default: now]")
@click.option("--outcome", type=click.Choice(["success", "failure", "error", "canceled"]), help="How it ended.")
@click.option("--change", help="Merge request that it belongs to.")
@click.option("--release", help="Release that it belongs to.")
@click.option("--url", help="Page that shows it.")
@click.option("--data", "pairs", multiple=True, metavar="KEY=VALUE", help="Further facts; may be repeated.")
@click.option("--source", default="/headgate/cli", show_default=True, help="Who says so (URI reference).")
@click.option("--id", "identity", help="Identity within the source.  [default: from what happened]")
@store_option()
@output_option()
@click.pass_obj
def emit_command(
    app: App, /, kind: str, committed_at: str | None, occurred_at: str | None, outcome: str | None,
    pairs: tuple[str, ...], identity: str | None, store_url: str | None, output: str, **fields: str | None,
) -> int:  # fmt: skip
    """Record one event of KIND, such as service.deployed or incident.detected.

    Repeating the command records nothing new: the identity follows from the kind, the subject and the other options.
    Give --id (or --occurred-at) when the same thing really happens twice. Exit codes: 0 recorded or known, 2 wrong.
    """
    from headgate.clock import format_timestamp
    from observability.events import event_id
    from observability.records import parse_record, to_record

    said = [f"{name}={value}" for name, value in sorted(fields.items()) if value is not None]
    said += [f"{name}={value}" for name, value in (("at", occurred_at), ("outcome", outcome)) if value is not None]
    event = parse_record(
        {
            **fields,
            "kind": kind,
            "id": identity or event_id("cli", kind, *said, *sorted(pairs)),
            "occurred_at": occurred_at or format_timestamp(app.clock.now()),
            "committed_at": committed_at,
            "outcome": outcome,
            "data": dict(_pair(pair) for pair in pairs),
        },
        where="events emit",
    )
    store = open_for(app, store_url, create=True)
    new = store.append([event])
    if new and store_url is None:  # with a store alone there is no configuration that says where spans go
        from cicd.record import trace
        from observability.events import masked

        trace(app, (masked(event),), store)
    if not new:
        say("this event was recorded before; nothing was added")
    emit(output, {"recorded": bool(new), "event": to_record(event)}, lambda: event.id)
    return ExitCode.PASS


def _pair(text: str) -> tuple[str, Scalar]:
    """KEY=VALUE; true, false and numbers keep their type."""
    import json

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--data {text!r} is not KEY=VALUE")
    try:
        parsed = json.loads(value)
    except ValueError:
        return key, value
    return key, parsed if isinstance(parsed, bool | int | float) else value


@events.command("list")
@click.option("--kind", "kinds", multiple=True, help="Only this kind; may be repeated.")
@click.option("--since", metavar="WHEN", help="From this date or time on.")
@click.option("--until", metavar="WHEN", help="Before this date or time.")
@click.option("--service", help="Only this service.")
@click.option("--environment", help="Only this environment.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many, the newest.")
@store_option()
@output_option()
@click.pass_obj
def list_command(
    app: App, kinds: tuple[str, ...], since: str | None, until: str | None, service: str | None,
    environment: str | None, limit: int | None, store_url: str | None, output: str,
) -> int:  # fmt: skip
    """List recorded events in the order in which they happened."""
    from collections import deque

    from headgate.clock import format_timestamp
    from observability.records import parse_kind, to_record
    from observability.store import Selection

    zone = time_zone(app, None, store_url)
    selection = Selection(
        kinds=[parse_kind(kind, "--kind") for kind in kinds] or None,
        since=parse_when(since, zone, "--since") if since else None,
        until=parse_when(until, zone, "--until") if until else None,
        service=service,
        environment=environment,
    )
    found = deque(open_for(app, store_url, create=False).select(selection), maxlen=limit)
    rows: list[dict[str, Any]] = [
        {**to_record(recorded.event), "received_at": format_timestamp(recorded.received_at)} for recorded in found
    ]
    emit(output, rows, lambda: columns(rows, ("occurred_at", "kind", "subject", "service", "environment", "outcome")))
    return ExitCode.PASS


@events.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--service", help="Service of records that name none.")
@click.option("--environment", help="Environment of records that name none.")
@store_option()
@output_option()
@click.pass_obj
def import_command(
    app: App, file: BinaryIO, service: str | None, environment: str | None, store_url: str | None, output: str
) -> int:
    """Import FILE: one JSON object a line, a JSON array, or CSV (a file named .csv).

    Each is a CDEvent (alone or in a CloudEvent), a short record (`type` deployment, change, incident or rollback, see
    `headgate events schema`), or a full record as `events list -o json` prints it.

    `-` reads standard input. All lines are checked before the first is stored; importing a file again adds nothing.
    Exit codes: 0 imported, 2 a line is wrong (the first one is named).
    """
    from cicd.event_import import import_file
    from observability.short_records import Defaults

    summary = import_file(
        file, lambda: open_for(app, store_url, create=True), Defaults(service=service, environment=environment)
    )
    show_import(summary, output)
    return ExitCode.PASS


def show_import(summary: Imported, output: str) -> None:
    """What an import did: reasons for skipping on stderr, the counts as the result."""
    from collections import Counter

    for reason, count in sorted(Counter(summary.skipped).items()):
        say(f"skipped: {reason} ({count})")
    data = {
        "lines": summary.lines, "read": summary.read, "new": summary.new, "known": summary.read - summary.new,
        "skipped": len(summary.skipped),
    }  # fmt: skip
    emit(output, data, lambda: f"{summary.read} events read, {summary.new} new, {summary.read - summary.new} known")


@events.command("schema")
@click.argument("name", type=click.Choice(RECORD_SCHEMAS), required=False)
def schema_command(name: str | None) -> int:
    """Print the JSON Schema of the lines that `events import` reads, or of one type of short record."""
    import json

    from observability.short_schema import line_schema, record_schema

    click.echo(json.dumps(record_schema(name) if name else line_schema(), indent=2))
    return ExitCode.PASS
