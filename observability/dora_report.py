"""A DORA report as JSON-able data and as text. Pure; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.clock import format_timestamp
from observability.blends import Blend
from observability.dora import DoraReport, Period, Ratio, ServiceReport, Span
from observability.failures import Incident, Judged
from observability.lead_time import CONFIDENCE, Change
from observability.quick_check import score_duration, score_frequency, score_rate
from observability.series import Bucket

METRICS = (
    "change_lead_time",
    "deployment_frequency",
    "change_fail_rate",
    "failed_deployment_recovery_time",
    "deployment_rework_rate",
)


def to_data(
    report: DoraReport,
    *,
    blends: Sequence[Blend] = (),
    series: Mapping[tuple[str, str], Sequence[Bucket]] | None = None,
) -> dict[str, Any]:
    """The whole report; durations in seconds, rates as fractions, no data as null. `observability.report_schema`
    describes it."""
    return {
        "version": 1,
        "period": period_data(report.period),
        "services": [
            service_data(found, (series or {}).get((found.service, found.environment))) for found in report.services
        ],
        "blends": [_blend(blend) for blend in blends],
        "unattributed_incidents": [_incident(found) for found in report.unattributed],
        "left_out_environments": list(report.left_out),
    }


def period_data(period: Period) -> dict[str, Any]:
    return {
        "from": format_timestamp(period.start),
        "to": format_timestamp(period.end),
        "days": period.days,
        "time_zone": str(period.zone),
    }


def metrics_data(found: ServiceReport | Blend | Bucket) -> dict[str, Any]:
    """The five metrics, each with its score on the scale of the Quick Check."""
    lead, recovery = found.change_lead_time, found.failed_deployment_recovery_time
    frequency, fail, rework = found.deployment_frequency, found.change_fail_rate, found.deployment_rework_rate
    return {
        "change_lead_time": {**span_data(lead), "quick_check": score_duration(lead.median)},
        "deployment_frequency": {
            **ratio_data(frequency, "deployments per day"),
            "quick_check": score_frequency(frequency.value),
        },
        "change_fail_rate": {**ratio_data(fail, "ratio"), "quick_check": score_rate(fail.value)},
        "failed_deployment_recovery_time": {**span_data(recovery), "quick_check": score_duration(recovery.median)},
        "deployment_rework_rate": {**ratio_data(rework, "ratio"), "quick_check": score_rate(rework.value)},
    }


def service_data(found: ServiceReport, series: Sequence[Bucket] | None) -> dict[str, Any]:
    """One service of the report, with its series if there is one."""
    data = {
        "service": found.service,
        "environment": found.environment,
        "metrics": metrics_data(found),
        "deployments": [_deployment(judged) for judged in found.deployments],
        "changes": [_change(change) for change in found.changes],
        "incidents": [_incident(incident) for incident in found.incidents],
    }
    if series is not None:
        data["series"] = [_bucket(bucket) for bucket in series]
    return data


def _blend(found: Blend) -> dict[str, Any]:
    return {
        "by": found.by,
        "name": found.name,
        "services": [{"service": service, "environment": environment} for service, environment in found.members],
        "metrics": _without_items(metrics_data(found)),
    }


def _bucket(found: Bucket) -> dict[str, Any]:
    return {
        **period_data(found.period),
        "complete": found.complete,
        "metrics": _without_items(metrics_data(found)),
    }


def _without_items(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: {k: v for k, v in metric.items() if k != "items"} for name, metric in metrics.items()}


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
        "confidence": CONFIDENCE[change.linked_by],
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
        "deployment": found.deployment,
        "linked_by": found.linked_by,
        "confidence": None if found.linked_by is None else CONFIDENCE[found.linked_by],
    }


def to_text(report: DoraReport, *, blends: Sequence[Blend] = (), explain: bool = False) -> str:
    """The report for a terminal: one block for each service and environment, then the blends.

    With `explain` each service is followed by the deployments, changes and incidents behind its numbers.
    """
    period = report.period
    start, end = (format_timestamp(moment.replace(microsecond=0)) for moment in (period.start, period.end))
    lines = [f"DORA, {start} to {end} ({period.days:.4g} days)"]
    for found in report.services:
        lines += ["", f"{found.service} in {found.environment}", *_rows(found)]
        if explain:
            lines += explained(found)
    for blend in blends:
        title = f"{blend.by} {blend.name}: a blend of {len(blend.members)} service{'s'[: len(blend.members) > 1]}"
        lines += ["", title, *_rows(blend)]
    if not report.services:
        lines += ["", "no deployments are known up to the end of this period"]
    if report.unattributed:
        names = ", ".join(incident.id for incident in report.unattributed)
        lines += ["", f"incidents without a deployment to blame: {names}"]
    if report.left_out:
        lines += ["", f"not production and left out: {', '.join(report.left_out)} (--environment NAME reports them)"]
    return "\n".join(lines)


def explained(found: ServiceReport) -> list[str]:
    """The deployments, changes and incidents behind the numbers of one service, a line each."""
    lines = ["  deployments"]
    for judged in found.deployments:
        deployment = judged.deployment
        facts = [deployment.status.value]
        facts += ["baseline"] if judged.baseline else []
        facts += [f"{deployment.attempts} attempts"] if deployment.attempts > 1 else []
        facts += [f"failed ({', '.join(judged.failures)})"] if judged.failures else []
        facts += [f"incidents {', '.join(judged.incidents)}"] if judged.incidents else []
        if judged.recovered_at is not None and judged.recovery is not None:
            facts.append(f"recovered {format_timestamp(judged.recovered_at)} ({judged.recovery.value})")
        facts += ["rework"] if judged.rework else []
        lines.append(f"    {format_timestamp(deployment.at)}  {deployment.id}  {'; '.join(facts)}")
    lines.append("  changes")
    for change in found.changes:
        span = "left out: " + change.excluded.replace("_", " ") if change.excluded else ""
        if change.lead_time is not None:
            span = duration_text(change.lead_time.total_seconds())
        link = f"{change.linked_by}, {CONFIDENCE[change.linked_by]}"
        lines.append(f"    {(change.commit or '-')[:12]:<12}  in {change.deployment}  {span}  ({link})")
    if found.incidents:
        lines.append("  incidents")
    for incident in found.incidents:
        ended = "open" if incident.resolved_at is None else f"to {format_timestamp(incident.resolved_at)}"
        began = format_timestamp(incident.detected_at)
        lines.append(f"    {incident.id}  {began} {ended}  blamed on {incident.deployment} by {incident.linked_by}")
    return lines


def _rows(found: ServiceReport | Blend) -> Sequence[str]:
    rows = [(name, value, score, behind) for name, value, score, behind in summary(found)]
    width = max(len(value) for _, value, _, _ in rows)
    scores = ["" if score is None else f"[{score:g}]" for _, _, score, _ in rows]
    return [
        f"  {name:<21} {value:<{width}}  {shown:<5} {behind}".rstrip()
        for (name, value, _, behind), shown in zip(rows, scores, strict=True)
    ]


def summary(found: ServiceReport | Blend) -> Sequence[tuple[str, str, float | None, str]]:
    """For each metric: its name, its value in words, its score, and the numbers behind it."""
    frequency, lead = found.deployment_frequency, found.change_lead_time
    recovery = found.failed_deployment_recovery_time
    fail, rework = found.change_fail_rate, found.deployment_rework_rate
    return (
        (
            "change lead time",
            _span_text(lead),
            score_duration(lead.median),
            _behind(lead.n, lead.applicable, lead.excluded),
        ),
        (
            "deployment frequency",
            frequency_text(frequency),
            score_frequency(frequency.value),
            _behind(frequency.n, None, frequency.excluded),
        ),
        ("change fail rate", ratio_text(fail), score_rate(fail.value), _fraction(fail)),
        (
            "recovery time",
            _span_text(recovery),
            score_duration(recovery.median),
            _behind(recovery.n, recovery.applicable, recovery.excluded),
        ),
        ("rework rate", ratio_text(rework), score_rate(rework.value), _fraction(rework)),
    )


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
