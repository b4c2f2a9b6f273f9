"""A DORA report as CSV and Markdown. Pure; nothing is computed here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from observability.blends import Blend
from observability.dora import DoraReport, ServiceReport
from observability.dora_report import metrics_data, period_data, summary

COLUMNS = (
    "level", "name", "environment", "metric", "unit", "value", "p90", "n", "numerator", "denominator", "applicable",
    "coverage", "quick_check", "excluded", "from", "to", "days",
)  # fmt: skip


def to_csv(report: DoraReport, blends: Sequence[Blend] = ()) -> str:
    """One line a service (or blend) and metric; `value` of a duration is the median in seconds, empty is no data."""
    target = io.StringIO()
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in _rows(report, blends):
        writer.writerow({name: _safe(value) for name, value in row.items()})
    return target.getvalue().rstrip("\n")


def _safe(value: Any) -> Any:
    """Spreadsheets run text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _rows(report: DoraReport, blends: Sequence[Blend]) -> Iterator[dict[str, Any]]:
    period = period_data(report.period)
    shared = {name: period[name] for name in ("from", "to", "days")}
    found: list[tuple[str, str, str, ServiceReport | Blend]] = [
        ("service", service.service, service.environment, service) for service in report.services
    ]
    found += [(blend.by, blend.name, "", blend) for blend in blends]
    for level, name, environment, metrics in found:
        for metric, data in metrics_data(metrics).items():
            yield {
                "level": level,
                "name": name,
                "environment": environment,
                "metric": metric,
                "value": data.get("median", data.get("value")),
                "excluded": ";".join(f"{reason}={count}" for reason, count in data["excluded"].items()),
                **{key: data[key] for key in COLUMNS if key in data and key not in ("value", "excluded")},
                **shared,
            }


def to_markdown(report: DoraReport, blends: Sequence[Blend] = ()) -> str:
    """One table for all services and blends, for merge requests and wikis."""
    period = period_data(report.period)
    head = (
        "service",
        "environment",
        "change lead time",
        "deployment frequency",
        "change fail rate",
        "recovery time",
        "rework rate",
    )
    lines = [
        f"**DORA**, {period['from']} to {period['to']} ({period['days']:.4g} days)",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    lines += [_line(found.service, found.environment, found) for found in report.services]
    lines += [_line(f"{blend.by} {blend.name} (blend of {len(blend.members)})", "", blend) for blend in blends]
    if report.unattributed:
        names = ", ".join(_cell(incident.id) for incident in report.unattributed)
        lines += ["", f"Incidents without a deployment to blame: {names}"]
    if report.left_out:
        lines += ["", f"Not production and left out: {', '.join(map(_cell, report.left_out))}"]
    return "\n".join(lines)


def _line(name: str, environment: str, found: ServiceReport | Blend) -> str:
    cells = [f"{value} ({behind})" for _, value, _, behind in summary(found)]
    return "| " + " | ".join(_cell(text) for text in (name, environment, *cells)) + " |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
