"""Recording what a command did: into the event store and, if asked for, as spans. Never changes an outcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cicd.cli.context import App, say
from observability.events import DeliveryEvent

if TYPE_CHECKING:
    from observability.store import EventStore


def record(app: App, events: Iterable[DeliveryEvent]) -> None:
    """Append `events` to the configured store and export one span for each where traces are configured.

    Whatever goes wrong is one warning on stderr: a gate or a release must end as it would have without bookkeeping.
    """
    batch = tuple(events)
    if not batch:
        return
    store = _append(app, batch)
    _trace(app, batch, store)


def _append(app: App, batch: tuple[DeliveryEvent, ...]) -> EventStore | None:
    try:
        from observability.store import open_store

        store = open_store(app.config.observability.store, root=app.root, clock=app.clock)
        store.append(batch)
    except Exception as error:  # noqa: BLE001 - see the docstring of `record`
        say(f"warning: {len(batch)} delivery event(s) were not recorded: {error}")
        return None
    return store


def _trace(app: App, batch: tuple[DeliveryEvent, ...], store: EventStore | None) -> None:
    """Export spans; wired by `observability.traces`."""
