"""A DORA report as JSON-able data and as text. Pure; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headgate.clock import format_timestamp
from observability.dora import DoraReport, Ratio, ServiceReport, Span
from observability.failures import Incident, Judged
from observability.lead_time import Change

METRICS = (
    "change_lead_time",
    "deployment_frequency",
    "change_fail_rate",
    "failed_deployment_recovery_time",
    "deployment_rework_rate",
)


def to_data(report: DoraReport) -> dict[str, Any]:
    """The whole report; durations in seconds, rates as fractions, no data as null."""
    return {
        "period": {
            "from": format_timestamp(report.period.start),
            "to": format_timestamp(report.period.end),
            "days": report.period.days,
        },
        "services": [_service(found) for found in report.services],
        "unattributed_incidents": [_incident(found) for found in report.unattributed],
    }


def _service(found: ServiceReport) -> dict[str, Any]:
    return {
        "service": found.service,
        "environment": found.environment,
        "metrics": {
            "change_lead_time": span_data(found.change_lead_time),
            "deployment_frequency": ratio_data(found.deployment_frequency, "deployments per day"),
            "change_fail_rate": ratio_data(found.change_fail_rate, "ratio"),
            "failed_deployment_recovery_time": span_data(found.failed_deployment_recovery_time),
            "deployment_rework_rate": ratio_data(found.deployment_rework_rate, "ratio"),
        },
        "deployments": [_deployment(judged) for judged in found.deployments],
        "changes": [_change(change) for change in found.changes],
    }


def span_data(span: Span) -> dict[str, Any]:
    return {
        "unit": "seconds",
        "median": span.median,
        "p90": span.p90,
        "n": span.n,
        "applicable": span.applicable,
        "coverage": span.coverage,
        "excluded": dict(span.excluded),
        "items": list(span.items),
    }


def ratio_data(ratio: Ratio, unit: str) -> dict[str, Any]:
    return {
        "unit": unit,
        "value": ratio.value,
        "n": ratio.n,
        "numerator": ratio.numerator,
        "denominator": ratio.denominator,
        "coverage": ratio.coverage,
        "excluded": dict(ratio.excluded),
        "items": list(ratio.items),
    }


def _deployment(judged: Judged) -> dict[str, Any]:
    deployment = judged.deployment
    return {
        "id": deployment.id,
        "status": deployment.status.value,
        "at": format_timestamp(deployment.at),
        "version": deployment.version,
        "commit": deployment.commit,
        "change": deployment.change,
        "url": deployment.url,
        "attempts": deployment.attempts,
        "baseline": judged.baseline,
        "new": judged.new,
        "failures": [signal.value for signal in judged.failures],
        "incidents": list(judged.incidents),
        "recovered_at": None if judged.recovered_at is None else format_timestamp(judged.recovered_at),
        "recovery": None if judged.recovery is None else judged.recovery.value,
        "recovered_by": judged.recovered_by,
        "rework": judged.rework,
    }


def _change(change: Change) -> dict[str, Any]:
    span = change.lead_time
    return {
        "commit": change.commit,
        "deployment": change.deployment,
        "committed_at": None if change.committed_at is None else format_timestamp(change.committed_at),
        "deployed_at": format_timestamp(change.deployed_at),
        "lead_time_s": None if span is None else span.total_seconds(),
        "linked_by": change.linked_by,
        "excluded": change.excluded,
    }


def _incident(found: Incident) -> dict[str, Any]:
    return {
        "id": found.id,
        "source": found.source,
        "service": found.service,
        "environment": found.environment,
        "detected_at": format_timestamp(found.detected_at),
        "resolved_at": None if found.resolved_at is None else format_timestamp(found.resolved_at),
    }


def to_text(report: DoraReport) -> str:
    """The report for a terminal: one block for each service and environment."""
    period = report.period
    start, end = (format_timestamp(moment.replace(microsecond=0)) for moment in (period.start, period.end))
    lines = [f"DORA, {start} to {end} ({period.days:.4g} days)"]
    for found in report.services:
        lines += ["", f"{found.service} in {found.environment}", *_rows(found)]
    if not report.services:
        lines += ["", "no deployments are known up to the end of this period"]
    if report.unattributed:
        names = ", ".join(incident.id for incident in report.unattributed)
        lines += ["", f"incidents without a deployment to blame: {names}"]
    return "\n".join(lines)


def _rows(found: ServiceReport) -> Sequence[str]:
    frequency, lead = found.deployment_frequency, found.change_lead_time
    recovery = found.failed_deployment_recovery_time
    rows = (
        ("change lead time", _span_text(lead), _behind(lead.n, lead.applicable, lead.excluded)),
        ("deployment frequency", frequency_text(frequency), _behind(frequency.n, None, frequency.excluded)),
        ("change fail rate", ratio_text(found.change_fail_rate), _fraction(found.change_fail_rate)),
        ("recovery time", _span_text(recovery), _behind(recovery.n, recovery.applicable, recovery.excluded)),
        ("rework rate", ratio_text(found.deployment_rework_rate), _fraction(found.deployment_rework_rate)),
    )
    width = max(len(value) for _, value, _ in rows)
    return [f"  {name:<21} {value:<{width}}  {behind}".rstrip() for name, value, behind in rows]


def _span_text(span: Span) -> str:
    if span.median is None:
        return "no data"
    return f"median {duration_text(span.median)}, p90 {duration_text(span.p90)}"


def frequency_text(frequency: Ratio) -> str:
    """Deployments per day, or per week where that is less than one a day."""
    if frequency.value is None:
        return "no data"
    return f"{frequency.value:.2g} per day" if frequency.value >= 1 else f"{frequency.value * 7:.2g} per week"


def ratio_text(ratio: Ratio) -> str:
    return "no data" if ratio.value is None else f"{ratio.value * 100:.1f} %"


def duration_text(seconds: float | None) -> str:
    """Seconds in the two largest units that fit: `2 d 3 h`, `4 min 10 s`, `0.3 s`; `no data` for None."""
    if seconds is None:
        return "no data"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part_size
            return f"{whole // size} {unit} {rest} {part}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"  # pragma: no cover - 60 s and more fit a unit above


def _behind(n: int, applicable: int | None, excluded: Sequence[tuple[str, int]]) -> str:
    counted = f"n={n}" if applicable in (None, n) else f"n={n} of {applicable}"
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in excluded)
    return f"{counted}; left out: {reasons}" if reasons else counted


def _fraction(ratio: Ratio) -> str:
    counted = f"{ratio.numerator:g} of {ratio.denominator:g} deployments"
    return _behind(ratio.n, None, ratio.excluded).replace(f"n={ratio.n}", counted, 1)
