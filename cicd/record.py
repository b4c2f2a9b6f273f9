"""Recording what a command did: into the event store and, if asked for, as spans. Never changes an outcome."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cicd.cli.context import App, say
from observability.commits import COMMITS
from observability.events import DEPLOYED, DeliveryEvent, masked

if TYPE_CHECKING:
    from observability.store import EventStore

_RANGES = 3  # so many of the newest; older ones that are open are not asked for again and again


def record(app: App, events: Iterable[DeliveryEvent]) -> None:
    """Append `events` to the configured store and export one span for each where traces are configured.

    Whatever goes wrong is one warning on stderr: a gate or a release must end as it would have without bookkeeping.
    """
    batch = tuple(masked(event) for event in events)
    if not batch:
        return
    stored = _append(app, batch)
    if stored:
        _note_ranges(app, batch)
    trace(app, batch, _reopened(app) if stored else None)


def _keyed(batch: tuple[DeliveryEvent, ...]) -> tuple[DeliveryEvent, ...]:
    if "CI_JOB_ID" not in os.environ and "BUILD_NUMBER" not in os.environ:
        return batch
    from cicd.job_facts import with_job_keys

    return with_job_keys(batch, os.environ)


def _append(app: App, batch: tuple[DeliveryEvent, ...]) -> bool:
    from observability.sqlite_append import append_plainly

    try:
        keyed = _keyed(batch)
        # The key is of the job's first deployment; a second one of the same job is a fact as well.
        for part in (keyed,) if keyed == batch else (keyed, batch):
            if not append_plainly(app.store_url, part, root=app.root, clock=app.clock):
                _opened(app).append(part)
    except Exception as error:  # noqa: BLE001 - see the docstring of `record`
        say(f"warning: {len(batch)} delivery event(s) were not recorded: {error}")
        return False
    return True


def _opened(app: App) -> EventStore:
    from observability.store import open_store

    return open_store(app.store_url, root=app.root, clock=app.clock)


def _reopened(app: App) -> EventStore | None:
    """The store to read from, where traces need it."""
    with contextlib.suppress(Exception):  # see the docstring of `record`
        return None if app.traces == "none" else _opened(app)
    return None


def _is_open(event: DeliveryEvent) -> bool:
    """Whether an event is a deployment whose commits have to be found out: it neither lists them nor is the first."""
    known = bool(event.data.get(COMMITS)) or event.data.get("previous_commit", "unsaid") is None
    return event.kind in DEPLOYED and event.service is not None and not known


def _note_ranges(app: App, batch: tuple[DeliveryEvent, ...]) -> None:
    """Keep which commits a deployment brought, where the checkout at hand knows; `dora ranges` finds the others."""
    with contextlib.suppress(Exception):  # see the docstring of `record`
        services = {event.service for event in batch if event.service and _is_open(event)}
        if services:
            store = _opened(app)
            from cicd.ranges.fill import fill_gaps
            from cicd.ranges.repository import open_checkout
            from observability.ranges import find_gaps

            repository = open_checkout(app.root)
            for service in sorted(services):
                fill_gaps(find_gaps(store.read(service=service))[-_RANGES:], lambda _: repository, store)


def trace(app: App, batch: tuple[DeliveryEvent, ...], store: EventStore | None) -> None:
    """One span for each event, in the trace of its change; the store may know the change of a commit or release.

    Trouble is a warning on stderr.
    """
    try:
        if app.traces == "none":
            return
        settings = app.config.observability
        from observability.spans import parse_traceparent, plan_spans
        from observability.traces import export_spans

        spans = plan_spans(
            batch,
            project=app.config.project,
            known=_related(store, batch) if store is not None else (),
            parent=parse_traceparent(os.environ.get("TRACEPARENT")),
        )
        export_spans(spans, exporter=app.traces, endpoint=settings.otlp_endpoint)
    except Exception as error:  # noqa: BLE001 - see the docstring of `record`
        say(f"warning: spans were not exported: {error}")


def _related(store: EventStore, batch: tuple[DeliveryEvent, ...]) -> Iterator[DeliveryEvent]:
    from observability.store import Selection

    commits = {event.commit for event in batch if event.commit}
    releases = {event.release for event in batch if event.release}
    for selection in (Selection(commits=commits), Selection(releases=releases)):
        yield from (recorded.event for recorded in store.select(selection))
