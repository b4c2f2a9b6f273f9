"""Which span an event is: ids, times and attributes. Pure; the exporters are in `traces`.

Ids follow from what happened, so that every tool adds to one trace without passing anything along and a replay sends
the same span again: the trace is the change, the root span its merge, and every other event a child of it.
Attribute names: OpenTelemetry semantic conventions 1.44 (`cicd.*`, `vcs.*`, `deployment.*`); ours are `headgate.*`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from headgate.clock import parse_timestamp
from observability.events import DeliveryEvent, Kind, Scalar
from observability.figure import DATA_KEY
from observability.paths import paths

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_RESULTS = {"success": "success", "": "success", "failure": "failure", "error": "error", "canceled": "cancellation"}
_NAMES: dict[Kind, str] = {
    Kind.CHANGE_CREATED: "change created {subject}",
    Kind.CHANGE_MERGED: "merge {subject}",
    Kind.PIPELINE_FINISHED: "pipeline {subject}",
    Kind.GATE_FINISHED: "gate {subject}",
    Kind.ARTIFACT_PACKAGED: "package {subject}",
    Kind.ARTIFACT_PUBLISHED: "publish {subject}",
    Kind.SERVICE_DEPLOYED: "deliver {service} to {environment}",
    Kind.SERVICE_UPGRADED: "release {service} to {environment}",
    Kind.SERVICE_ROLLEDBACK: "roll back {service} in {environment}",
    Kind.INCIDENT_DETECTED: "incident {subject} detected",
    Kind.INCIDENT_REPORTED: "incident {subject} reported",
    Kind.INCIDENT_RESOLVED: "incident {subject} resolved",
    Kind.COMMITS_COMPARED: "commits {subject}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A span of another tool, from W3C `traceparent`: ids as numbers, never 0."""

    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """One span. `parent_id` is None for the root; `link` points to the change's own trace when another was joined."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start: datetime
    end: datetime
    failed: bool
    attributes: Mapping[str, str | bool | int | float]
    link: Parent | None = None


def parse_traceparent(text: str | None) -> Parent | None:
    """The parent in a `traceparent` header (https://www.w3.org/TR/trace-context/); None when absent or malformed."""
    matched = _TRACEPARENT.fullmatch((text or "").strip())
    if matched is None:
        return None
    trace_id, span_id = int(matched["trace"], 16), int(matched["span"], 16)
    return Parent(trace_id=trace_id, span_id=span_id) if trace_id and span_id else None


def plan_spans(
    batch: Iterable[DeliveryEvent],
    *,
    project: str,
    known: Iterable[DeliveryEvent] = (),
    parent: Parent | None = None,
) -> tuple[SpanFacts, ...]:
    """One span for each event of `batch`, in its order.

    `known` are earlier events that may say to which change a commit or a release belongs. With `parent` the spans join
    that trace, and link to the change's own.
    """
    events = tuple(batch)
    keys = {(event.source, event.id): path.key for path in paths((*known, *events)) for event in path.events}
    return tuple(_plan(event, project, keys.get((event.source, event.id), event.id), parent) for event in events)


def _plan(event: DeliveryEvent, project: str, key: str, parent: Parent | None) -> SpanFacts:
    trace_id = _number("trace", project, key, size=16)
    root_id = _number("root", project, key, size=8)
    is_root = event.kind is Kind.CHANGE_MERGED
    own = Parent(trace_id=trace_id, span_id=root_id)
    return SpanFacts(
        trace_id=parent.trace_id if parent else trace_id,
        span_id=root_id if is_root and not parent else _number("span", event.source, event.id, size=8),
        parent_id=parent.span_id if parent else None if is_root else root_id,
        name=_NAMES[event.kind].format(
            subject=event.subject, service=event.service or event.subject, environment=event.environment or "unknown"
        ),
        start=_start(event),
        end=event.occurred_at,
        failed=event.outcome in ("failure", "error"),
        attributes=_attributes(event, project),
        link=own if parent else None,
    )


def _number(*parts: str, size: int) -> int:
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:size]) or 1  # 0 is no valid id


def _start(event: DeliveryEvent) -> datetime:
    """From `data.duration_s` or `data.started_at`; without them the span has no length."""
    duration, started = event.data.get("duration_s"), event.data.get("started_at")
    if isinstance(duration, int | float) and 0 <= duration < 10**9:
        return event.occurred_at - timedelta(seconds=duration)
    if isinstance(started, str):
        try:
            return min(parse_timestamp(started), event.occurred_at)
        except (ValueError, OverflowError):
            return event.occurred_at
    return event.occurred_at


def _attributes(event: DeliveryEvent, project: str) -> dict[str, str | bool | int | float]:
    found: dict[str, Scalar] = {
        "vcs.repository.name": project,
        "vcs.change.id": event.change.lstrip("!#") if event.change else None,
        "vcs.ref.head.revision": event.commit,
        "deployment.environment.name": event.environment,
        "headgate.event.kind": event.kind.value,
        "headgate.event.id": event.id,
        "headgate.service": event.service,
        "headgate.release": event.release,
        **(_KIND_ATTRIBUTES[event.kind](event) if event.kind in _KIND_ATTRIBUTES else {}),
        **{f"headgate.{key}": value for key, value in event.data.items() if key != DATA_KEY},
    }
    return {key: value for key, value in found.items() if value is not None}


def _gate(event: DeliveryEvent) -> dict[str, Scalar]:
    return _task(event, "test")


def _deploy(event: DeliveryEvent) -> dict[str, Scalar]:
    status = {"success": "succeeded", "": "succeeded", "failure": "failed", "error": "failed"}.get(event.outcome)
    return {**_task(event, "deploy"), "deployment.id": event.release, "deployment.status": status}


def _task(event: DeliveryEvent, kind: str) -> dict[str, Scalar]:
    return {
        "cicd.pipeline.task.name": event.subject,
        "cicd.pipeline.task.type": kind,
        "cicd.pipeline.task.run.id": event.id,
        "cicd.pipeline.task.run.result": _RESULTS.get(event.outcome),
        "cicd.pipeline.task.run.url.full": event.url,
    }


def _pipeline(event: DeliveryEvent) -> dict[str, Scalar]:
    return {
        "cicd.pipeline.name": event.subject,
        "cicd.pipeline.run.id": event.id,
        "cicd.pipeline.result": _RESULTS.get(event.outcome),
        "cicd.pipeline.run.url.full": event.url,
    }


_KIND_ATTRIBUTES: dict[Kind, Callable[[DeliveryEvent], dict[str, Scalar]]] = {
    Kind.CHANGE_CREATED: lambda _: {"vcs.change.state": "open"},
    Kind.CHANGE_MERGED: lambda _: {"vcs.change.state": "merged"},
    Kind.PIPELINE_FINISHED: _pipeline,
    Kind.GATE_FINISHED: _gate,
    Kind.SERVICE_DEPLOYED: _deploy,
    Kind.SERVICE_UPGRADED: _deploy,
    Kind.SERVICE_ROLLEDBACK: _deploy,
}
