"""A verdict as JSON and back, without loss."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gates.report.tree import masked
from gates.verdict import Location, Measurement, Outcome, Severity, Verdict
from headgate.errors import ConfigError

SCHEMA_VERSION = 1
_DEEPEST = 50


def to_data(verdict: Verdict, context: Mapping[str, str] | None = None) -> dict[str, Any]:
    """JSON-able form: `{schema_version, context, verdict}`. Fields at their defaults are left out of each node.

    NaN and infinities, which JSON has not, are written as the text `NaN`, `Infinity` or `-Infinity` under `$float`.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "context": dict(context or {}),
        "exit_code": int(verdict.exit_code),
        "verdict": _node(masked(verdict)),
    }


def render_json(verdict: Verdict, context: Mapping[str, str] | None = None) -> str:
    return json.dumps(to_data(verdict, context), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parse_json(data: bytes | str, where: str) -> tuple[Verdict, dict[str, str]]:
    """The verdict and its context out of what `render_json` wrote. Raises `ConfigError` for anything else."""
    try:
        document = _Document.model_validate_json(data)
        return document.verdict.value(), document.context
    except (ValidationError, RecursionError, ValueError) as error:
        problem = _problem(error)
        raise ConfigError(
            f"this is not a verdict that Headgate wrote: {problem}",
            where=where,
            next_step="Give the verdict.json from the report folder of `headgate gate run`.",
        ) from error


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".lstrip(": ")
    return str(error) or type(error).__name__


def _node(verdict: Verdict) -> dict[str, Any]:
    node: dict[str, Any] = {"name": verdict.name, "outcome": verdict.outcome.value}
    if verdict.severity is not Severity.CRITICAL:
        node["severity"] = verdict.severity.value
    for key in ("message", "rule", "fix"):
        if getattr(verdict, key):
            node[key] = getattr(verdict, key)
    if verdict.measurement is not None:
        node["measurement"] = _measurement(verdict.measurement)
    if verdict.location is not None:
        node["location"] = {"path": verdict.location.path, "line": verdict.location.line}
    if verdict.details:
        node["details"] = list(verdict.details)
    if verdict.duration_s is not None:
        node["duration_s"] = _number(verdict.duration_s)
    if verdict.children:
        node["children"] = [_node(child) for child in verdict.children]
    return node


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "observed": _number(measurement.observed),
        "threshold": _number(measurement.threshold),
        "comparison": measurement.comparison,
        "unit": measurement.unit,
        "window_s": _number(measurement.window_s),
        "sample": measurement.sample,
        "source": measurement.source,
    }


def _number(value: float | str | None) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")}
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Special(_Part):
    name: Literal["NaN", "Infinity", "-Infinity"] = Field(alias="$float")


# Smart union: an int stays an int, a text a text.
_Value = int | float | str | _Special | None


class _LocationPart(_Part):
    path: str
    line: int | None


class _MeasurementPart(_Part):
    observed: _Value
    threshold: _Value
    comparison: str
    unit: str
    window_s: float | _Special | None
    sample: int | None
    source: str

    def value(self) -> Measurement:
        window = _plain(self.window_s)
        return Measurement(
            observed=_plain(self.observed),
            threshold=_plain(self.threshold),
            comparison=self.comparison,
            unit=self.unit,
            window_s=window if isinstance(window, float) else None,
            sample=self.sample,
            source=self.source,
        )


class _NodePart(_Part):
    name: str
    outcome: Outcome
    severity: Severity = Severity.CRITICAL
    message: str = ""
    rule: str = ""
    fix: str = ""
    measurement: _MeasurementPart | None = None
    location: _LocationPart | None = None
    details: tuple[str, ...] = ()
    duration_s: float | _Special | None = None
    children: tuple[_NodePart, ...] = ()

    def value(self, depth: int = 0) -> Verdict:
        if depth > _DEEPEST:
            raise ValueError("the tree is nested too deeply")
        location = self.location
        duration = _plain(self.duration_s)
        return Verdict(
            name=self.name,
            outcome=self.outcome,
            message=self.message,
            severity=self.severity,
            measurement=self.measurement.value() if self.measurement else None,
            location=Location(path=location.path, line=location.line) if location else None,
            rule=self.rule,
            fix=self.fix,
            details=self.details,
            duration_s=duration if isinstance(duration, float) else None,
            children=tuple(child.value(depth + 1) for child in self.children),
        )


class _Document(_Part):
    schema_version: Annotated[int, Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    context: dict[str, str]
    exit_code: int
    verdict: _NodePart


def _plain(value: _Value) -> float | int | str | None:
    return float(value.name.replace("Infinity", "inf")) if isinstance(value, _Special) else value
