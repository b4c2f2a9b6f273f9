"""A DORA report as Parquet files: one row a deployment, change, incident and metric."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from headgate.errors import ConfigError
from observability.dora import DoraReport
from observability.dora_report import metrics_data
from observability.failures import Incident
from observability.lead_time import CONFIDENCE

_TARGET = (("service", "text"), ("environment", "text"))
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "deployments": (
        *_TARGET, ("id", "text"), ("status", "text"), ("at", "time"), ("live_at", "time"), ("failed_at", "time"),
        ("recovered_at", "time"), ("recovery", "text"), ("commit", "text"), ("version", "text"), ("attempts", "count"),
        ("baseline", "flag"), ("new", "flag"), ("failed", "flag"), ("failures", "text"), ("rework", "flag"),
    ),
    "changes": (
        *_TARGET, ("deployment", "text"), ("commit", "text"), ("committed_at", "time"), ("deployed_at", "time"),
        ("lead_time_s", "number"), ("linked_by", "text"), ("confidence", "text"), ("excluded", "text"),
    ),
    "incidents": (
        *_TARGET, ("id", "text"), ("source", "text"), ("detected_at", "time"), ("resolved_at", "time"),
        ("deployment", "text"), ("linked_by", "text"),
    ),
    "metrics": (
        *_TARGET, ("metric", "text"), ("unit", "text"), ("value", "number"), ("p90", "number"), ("n", "count"),
        ("numerator", "number"), ("denominator", "number"), ("applicable", "count"), ("coverage", "number"),
        ("quick_check", "number"), ("from", "time"), ("to", "time"),
    ),
}  # fmt: skip


def write_parquet(report: DoraReport, folder: str | Path) -> Iterator[tuple[Path, int]]:
    """Write the four files and yield each with its number of rows. Raises `ConfigError`."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            "writing Parquet needs pyarrow",
            where="dora export",
            next_step="Install it: pip install 'headgate[quality]'.",
        ) from error
    types = {
        "text": pa.string(), "time": pa.timestamp("us", tz="UTC"), "count": pa.int64(), "number": pa.float64(),
        "flag": pa.bool_(),
    }  # fmt: skip
    target = Path(folder)
    for name, columns in _COLUMNS.items():
        rows = list(_ROWS[name](report))
        schema = pa.schema([(column, types[kind]) for column, kind in columns])
        path = target / f"{name}.parquet"
        try:
            target.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror or error}", where=str(path), next_step="Choose another folder."
            ) from error
        yield path, len(rows)


def _deployments(report: DoraReport) -> Iterator[dict[str, Any]]:
    for found in report.services:
        for judged in found.deployments:
            d = judged.deployment
            yield {
                "service": d.service,
                "environment": d.environment,
                "id": d.id,
                "status": d.status.value,
                "at": d.at,
                "live_at": d.live_at,
                "failed_at": d.failed_at if judged.failures else None,
                "recovered_at": judged.recovered_at,
                "recovery": judged.recovery.value if judged.recovery else None,
                "commit": d.commit,
                "version": d.version,
                "attempts": d.attempts,
                "baseline": judged.baseline,
                "new": judged.new,
                "failed": bool(judged.failures),
                "failures": ",".join(judged.failures),
                "rework": judged.rework,
            }


def _changes(report: DoraReport) -> Iterator[dict[str, Any]]:
    for found in report.services:
        for change in found.changes:
            span = change.lead_time
            yield {
                "service": found.service,
                "environment": found.environment,
                "deployment": change.deployment,
                "commit": change.commit,
                "committed_at": change.committed_at,
                "deployed_at": change.deployed_at,
                "lead_time_s": None if span is None else span.total_seconds(),
                "linked_by": change.linked_by,
                "confidence": CONFIDENCE[change.linked_by],
                "excluded": change.excluded,
            }


def _incidents(report: DoraReport) -> Iterator[dict[str, Any]]:
    for found in report.services:
        yield from (_incident(incident) for incident in found.incidents)
    yield from (_incident(incident) for incident in report.unattributed)


def _incident(found: Incident) -> dict[str, Any]:
    names = ("service", "environment", "id", "source", "detected_at", "resolved_at", "deployment", "linked_by")
    return {name: getattr(found, name) for name in names}


def _metrics(report: DoraReport) -> Iterator[dict[str, Any]]:
    period: dict[str, datetime] = {"from": report.period.start, "to": report.period.end}
    for found in report.services:
        for metric, data in metrics_data(found).items():
            kept = {key: data[key] for key, _ in _COLUMNS["metrics"] if key in data}
            value = data.get("median", data.get("value"))
            target = {"service": found.service, "environment": found.environment, "metric": metric}
            yield {**kept, **target, "value": value, **period}


_ROWS = {"deployments": _deployments, "changes": _changes, "incidents": _incidents, "metrics": _metrics}
