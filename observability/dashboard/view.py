"""What the front page shows, worked out from events. Pure: the templates only lay it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo

from observability.dashboard import charts
from observability.dashboard.changes import change_link, change_view, local_time, safe_url
from observability.dashboard.gates import summarise_gates
from observability.dashboard.model import Overview, Row, Service, Tile
from observability.dora import DoraReport, Period, Ratio, ServiceReport, Span, evaluate_dora
from observability.dora_report import duration_text, frequency_text, ratio_text
from observability.events import DeliveryEvent
from observability.failures import Judged, Recovery
from observability.paths import paths

_PRODUCTION = ("prod", "production", "live")
_CHANGES_SHOWN = 25
Link = Callable[[str | None], str | None]


def overview(
    events: Sequence[DeliveryEvent],
    *,
    title: str,
    now: datetime,
    days: int,
    zone: tzinfo,
    single_page: bool = False,
    report: Callable[[Period], DoraReport] | None = None,
) -> Overview:
    """The front page: the window of `days` that ends now, compared with the one before it.

    `report` knows the metrics of a period; without it they are computed from `events`.

    With `single_page` changes are linked as anchors of the same page instead of pages of their own.
    """
    window = timedelta(days=days)
    # The end is exclusive; what happened in this very microsecond belongs to the page.
    period = Period(start=now - window, end=now + timedelta(microseconds=1))
    metrics = report or (lambda wanted: evaluate_dora(events, wanted))
    told, earlier = metrics(period), metrics(Period(start=period.start - window, end=period.start))
    before = {(one.service, one.environment): one for one in earlier.services}
    found_paths = paths(events)
    recent = [path for path in reversed(found_paths) if path.events[-1].occurred_at >= period.start][:_CHANGES_SHOWN]
    shown = {path.key for path in recent}
    key_of = {(event.source, event.id): path.key for path in found_paths for event in path.events}
    key_of_release = {event.release: path.key for path in found_paths for event in path.events if event.release}

    def link(key: str | None) -> str | None:
        if key is None or (single_page and key not in shown):
            return None
        return change_link(key, single_page=single_page)

    services = sorted(told.services, key=lambda s: (s.environment not in _PRODUCTION, s.service, s.environment))
    return Overview(
        title=title,
        window=f"{local_time(period.start, zone)} to {local_time(now, zone)}",
        days=days,
        zone=str(zone),
        services=tuple(
            _service(
                found,
                before.get((found.service, found.environment)),
                period,
                zone,
                lambda release: link(key_of_release.get(release or "")),
            )
            for found in services
        ),
        gates=summarise_gates(events, period, lambda event: link(key_of.get((event.source, event.id)))),
        changes=tuple(change_view(path, zone, single_page=single_page) for path in recent),
        unattributed=told.unattributed,
        events=sum(event.occurred_at in period for event in events),
    )


def _service(found: ServiceReport, before: ServiceReport | None, period: Period, zone: tzinfo, link: Link) -> Service:
    label = f"{found.service} in {found.environment}"
    return Service(
        name=found.service,
        environment=found.environment,
        tiles=_tiles(found, before, period),
        timeline=charts.timeline(found.deployments, period, zone, f"Deployments of {label} over time"),
        rows=tuple(_row(judged, zone, link) for judged in reversed(found.deployments)),
    )


def _tiles(found: ServiceReport, before: ServiceReport | None, period: Period) -> tuple[Tile, ...]:
    moments = [j.deployment.at for j in found.deployments if j.deployment.id in found.deployment_frequency.items]
    lead = [s.total_seconds() for change in found.changes if (s := change.lead_time) is not None]
    recovered = [
        (j.recovered_at - j.deployment.failed_at).total_seconds()
        for j in found.deployments
        if j.failures and j.recovered_at is not None and j.deployment.failed_at is not None
    ]
    frequency = found.deployment_frequency
    return (
        _span_tile("Change lead time", found.change_lead_time, before.change_lead_time if before else None, lead),
        Tile(
            name="Deployment frequency",
            value=frequency_text(frequency),
            known=frequency.value is not None,
            chart=charts.bars(moments, period, "Deployments over the window"),
            lines=_lines(
                _count(frequency.n, "deployment"),
                frequency.excluded,
                frequency_text(before.deployment_frequency) if before else "",
            ),
        ),
        _rate_tile("Change fail rate", found.change_fail_rate, before.change_fail_rate if before else None, "failed"),
        _span_tile(
            "Recovery time",
            found.failed_deployment_recovery_time,
            before.failed_deployment_recovery_time if before else None,
            sorted(seconds for seconds in recovered if seconds >= 0),
        ),
        _rate_tile(
            "Rework rate", found.deployment_rework_rate, before.deployment_rework_rate if before else None, "unplanned"
        ),
    )


def _span_tile(name: str, span: Span, before: Span | None, seconds: Sequence[float]) -> Tile:
    items = f"n = {span.n}" if span.n == span.applicable else f"n = {span.n} of {span.applicable}"
    lines = _lines(items, span.excluded, duration_text(before.median) if before and before.n else "")
    return Tile(
        name=name,
        value=duration_text(span.median),
        known=span.median is not None,
        chart=charts.strip(seconds, span.median, f"{name}: {span.n} items, the median marked"),
        lines=(f"median; p90 {duration_text(span.p90)}", *lines) if span.n else lines,
    )


def _rate_tile(name: str, ratio: Ratio, before: Ratio | None, what: str) -> Tile:
    return Tile(
        name=name,
        value=ratio_text(ratio),
        known=ratio.value is not None,
        chart=charts.meter(ratio.value, f"{name}: {ratio_text(ratio)}"),
        lines=_lines(
            f"{ratio.numerator:g} of {ratio.denominator:g} {what}",
            ratio.excluded,
            ratio_text(before) if before and before.n else "",
        ),
    )


def _lines(behind: str, excluded: Sequence[tuple[str, int]], before: str) -> tuple[str, ...]:
    left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in excluded)
    found = (behind, left_out and f"not counted: {left_out}", before and f"window before: {before}")
    return tuple(line for line in found if line)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


_RECOVERIES = {
    Recovery.ROLLBACK: "traffic restored by the rollback",
    Recovery.INCIDENT: "incident resolved",
    Recovery.NEXT: "by the next deployment",
    Recovery.OPEN_INCIDENT: "incident still open",
    Recovery.NONE: "not recovered",
}


def _row(judged: Judged, zone: tzinfo, link: Link) -> Row:
    deployment = judged.deployment
    notes = [deployment.version or "", (deployment.commit or "")[:8], "baseline" if judged.baseline else ""]
    notes += ["rework" if judged.rework else "", f"{deployment.attempts} attempts" if deployment.attempts > 1 else ""]
    return Row(
        when=local_time(deployment.at, zone),
        name=deployment.id,
        state="failed" if judged.failures else deployment.status.value,
        note=" · ".join(note for note in (*notes, *judged.failures, *judged.incidents) if note),
        recovery=_recovery(judged),
        change=link(deployment.release),
        url=safe_url(deployment.url),
    )


def _recovery(judged: Judged) -> str:
    if judged.recovery is None:
        return ""
    began, ended = judged.deployment.failed_at, judged.recovered_at
    text = _RECOVERIES[judged.recovery]
    if began is None or ended is None or ended < began:
        return text
    return f"{duration_text((ended - began).total_seconds())}, {text}"
