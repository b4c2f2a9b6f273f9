"""One change's path from commit to production, as the pages show it. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime, tzinfo
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from headgate.clock import format_timestamp
from observability.dashboard.model import ChangeView, Picture, Step
from observability.dora_report import duration_text
from observability.events import DELIVERY, DEPLOYED, DeliveryEvent, Kind
from observability.figure import DATA_KEY, parse_figures, svg
from observability.paths import Path

_TITLES: dict[Kind, str] = {
    Kind.CHANGE_CREATED: "Merge request {subject} opened",
    Kind.CHANGE_MERGED: "Merged {subject}",
    Kind.PIPELINE_FINISHED: "Pipeline {subject}",
    Kind.GATE_FINISHED: "Gate {subject}",
    Kind.ARTIFACT_PACKAGED: "Packaged {subject}",
    Kind.ARTIFACT_PUBLISHED: "Published {subject}",
    Kind.SERVICE_DEPLOYED: "Delivered {service} to {environment}",
    Kind.SERVICE_UPGRADED: "Released {service} to {environment}",
    Kind.SERVICE_ROLLEDBACK: "Rolled back {service} in {environment}",
    Kind.INCIDENT_DETECTED: "Incident {subject} detected",
    Kind.INCIDENT_REPORTED: "Incident {subject} reported",
    Kind.INCIDENT_RESOLVED: "Incident {subject} resolved",
    Kind.COMMITS_COMPARED: "Commits {subject}",
}
_STATES = {"success": "passed", "failure": "failed", "error": "error", "canceled": "canceled"}
_HIDDEN = frozenset({"duration_s", "started_at", DATA_KEY})  # shown as the step's own times and its pictures


def change_view(path: Path, zone: tzinfo, *, single_page: bool = False) -> ChangeView:
    """A change with its steps. `state` is that of its last delivery, else of its last gate."""
    first, last = path.events[0], path.events[-1]
    commits = path.commits
    span = duration_text((last.occurred_at - _beginning(path)).total_seconds())
    return ChangeView(
        key=path.key,
        title=_title(path),
        state=_outcome(path),
        summary=f"{len(path.events)} step{'s' if len(path.events) != 1 else ''} in {span}"
        + (f" · {', '.join(commit[:8] for commit in commits)}" if commits else ""),
        when=local_time(first.occurred_at, zone),
        link=change_link(path.key, single_page=single_page),
        anchor=_anchor(path.key),
        steps=tuple(
            _step(event, previous, zone) for event, previous in zip(path.events, (None, *path.events), strict=False)
        ),
    )


def change_link(key: str, *, single_page: bool) -> str:
    return f"#{_anchor(key)}" if single_page else f"/changes/{quote(key, safe='')}"


def local_time(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def safe_url(url: str | None) -> str | None:
    """The address if it is one of the web: events come from outside, and `javascript:` must not become a link."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


def _anchor(key: str) -> str:
    return f"change-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _title(path: Path) -> str:
    for event in path.events:
        title = event.data.get("title")
        if isinstance(title, str) and title:
            return title
    services = sorted({event.service for event in path.events if event.service})
    return f"to {', '.join(services)}" if services else path.events[0].subject


def _outcome(path: Path) -> str:
    deliveries = [event for event in path.events if event.kind in DELIVERY]
    if any(event.kind is Kind.SERVICE_ROLLEDBACK and event.outcome != "canceled" for event in deliveries):
        return "rolled back"
    if deliveries:
        return _state(deliveries[-1])
    gates = {event.subject: event for event in path.events if event.kind is Kind.GATE_FINISHED}
    if any(event.outcome in ("failure", "error") for event in gates.values()):
        return "blocked"
    return "merged" if any(event.kind is Kind.CHANGE_MERGED for event in path.events) else "open"


def _beginning(path: Path) -> datetime:
    """The first commit or the first event, whichever was earlier."""
    known = [event.committed_at for event in path.events if event.committed_at is not None]
    return min([path.events[0].occurred_at, *known])


def _state(event: DeliveryEvent) -> str:
    if event.kind is Kind.SERVICE_ROLLEDBACK:
        return "rolled back" if event.outcome in ("", "success") else _STATES[event.outcome]
    if event.kind in DEPLOYED:
        return "live" if event.outcome in ("", "success") else _STATES[event.outcome]
    named = {Kind.CHANGE_CREATED: "open", Kind.CHANGE_MERGED: "merged", Kind.INCIDENT_DETECTED: "failed"}
    return named.get(event.kind) or _STATES.get(event.outcome, "done")


def _step(event: DeliveryEvent, previous: DeliveryEvent | None, zone: tzinfo) -> Step:
    gap = None if previous is None else (event.occurred_at - previous.occurred_at).total_seconds()
    return Step(
        when=local_time(event.occurred_at, zone),
        after="" if gap is None else f"+{duration_text(gap)}",
        title=_TITLES[event.kind].format(
            subject=event.subject, service=event.service or event.subject, environment=event.environment or "?"
        ),
        state=_state(event),
        details=_details(event),
        url=safe_url(event.url),
        figures=tuple(
            Picture(text=f"{one.title}: {one.verdict}", drawn=Markup(svg([one], "", embedded=True)))  # noqa: S704 - `svg` escapes
            for one in parse_figures(event.data.get(DATA_KEY))
        ),
    )


def _details(event: DeliveryEvent) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str | None]] = [
        ("commit", event.commit),
        ("committed", format_timestamp(event.committed_at) if event.committed_at else None),
        ("release", event.release),
        ("took", _took(event)),
        *(
            (key.replace("_", " "), str(value))
            for key, value in event.data.items()
            if key not in _HIDDEN and value is not None
        ),
    ]
    return tuple((key, value) for key, value in found if value)


def _took(event: DeliveryEvent) -> str | None:
    duration = event.data.get("duration_s")
    return duration_text(float(duration)) if isinstance(duration, int | float) and duration >= 0 else None
