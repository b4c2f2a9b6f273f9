"""Which event store a command means: `--store URL` alone, or the one of headgate.yaml."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App

if TYPE_CHECKING:
    from observability.store import SqlEventStore


def store_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The `--store URL` option, as the argument `store_url`."""
    return click.option(
        "--store",
        "store_url",
        metavar="URL",
        help="Event store, such as sqlite:///events.db; no headgate.yaml is needed then.  [default: observability.store]",
    )


def open_for(app: App, store_url: str | None, *, create: bool) -> SqlEventStore:
    """The store of a command. With `create=False` one that does not exist is a `ConfigError`."""
    from observability.store import open_store

    if store_url is not None:
        return open_store(store_url, root=Path.cwd(), create=create, clock=app.clock)
    return open_store(app.config.observability.store, root=app.root, create=create, clock=app.clock)


def time_zone(app: App, name: str | None, store_url: str | None) -> tzinfo:
    """The zone of `--time-zone`, else of headgate.yaml, else UTC. Raises `ConfigError` for an unknown name."""
    from zoneinfo import ZoneInfo

    from headgate.errors import ConfigError

    wanted = name or ("UTC" if store_url is not None else app.config.observability.time_zone)
    try:
        return UTC if wanted == "UTC" else ZoneInfo(wanted)
    except (KeyError, OSError, ValueError) as error:  # not found is a KeyError, a folder or a bad name the others
        raise ConfigError(
            f"{wanted!r} is not a time zone", where="time zone", next_step="Use a name such as Europe/Berlin or UTC."
        ) from error


def parse_when(text: str, zone: tzinfo, option: str) -> datetime:
    """A moment from the command line: a date is its first moment in `zone`, a time needs an offset.

    Raises `click.UsageError` that names the option.
    """
    from headgate.clock import parse_timestamp

    try:
        if len(text) == len("2026-11-21"):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone).astimezone(UTC)
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        said = f"{text!r} is no date and no time with an offset"
        raise click.UsageError(f"{option}: {said}. Write 2026-11-21 or 2026-11-21T10:00:00+01:00.") from error
