"""The JSON Schema of `dora report -o json`. Pure; a test holds real reports against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.dora_report import METRICS
from observability.failures import Recovery, Signal
from observability.history import Status
from observability.lead_time import CONFIDENCE

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number"}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_SCORE = {"type": ["number", "null"], "minimum": 0, "maximum": 10, "description": "Scale of the DORA Quick Check."}
_CONFIDENCE = {"enum": [*sorted(set(CONFIDENCE.values())), None]}


def _closed(properties: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An object with all of `properties` and nothing else but `optional` ones."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


_SPAN = _closed(
    {
        "unit": {"const": "seconds"},
        "median": _MAYBE_NUMBER,
        "p90": _MAYBE_NUMBER,
        "n": _COUNT,
        "applicable": _COUNT,
        "coverage": _SHARE,
        "excluded": _COUNTS,
        "quick_check": _SCORE,
    },
    {"items": _TEXTS},
)
_RATIO = _closed(
    {
        "unit": {"enum": ["ratio", "deployments per day"]},
        "value": _MAYBE_NUMBER,
        "n": _COUNT,
        "numerator": _NUMBER,
        "denominator": _NUMBER,
        "coverage": _SHARE,
        "excluded": _COUNTS,
        "quick_check": _SCORE,
    },
    {"items": _TEXTS},
)
_PERIOD = {"from": _TIME, "to": _TIME, "days": {"type": "number", "exclusiveMinimum": 0}, "time_zone": _TEXT}
_DEPLOYMENT = _closed(
    {
        "id": _TEXT,
        "status": {"enum": [status.value for status in Status]},
        "at": _TIME,
        "version": _MAYBE_TEXT,
        "commit": _MAYBE_TEXT,
        "change": _MAYBE_TEXT,
        "url": _MAYBE_TEXT,
        "attempts": _COUNT,
        "baseline": _FLAG,
        "new": _FLAG,
        "failures": {"type": "array", "items": {"enum": [signal.value for signal in Signal]}},
        "incidents": _TEXTS,
        "recovered_at": _MAYBE_TIME,
        "recovery": {"enum": [*(recovery.value for recovery in Recovery), None]},
        "recovered_by": _MAYBE_TEXT,
        "rework": _FLAG,
    }
)
_CHANGE = _closed(
    {
        "commit": _MAYBE_TEXT,
        "deployment": _TEXT,
        "committed_at": _MAYBE_TIME,
        "deployed_at": _TIME,
        "lead_time_s": _MAYBE_NUMBER,
        "linked_by": {"enum": sorted(CONFIDENCE)},
        "confidence": _CONFIDENCE,
        "excluded": _MAYBE_TEXT,
    }
)
_INCIDENT = _closed(
    {
        "id": _TEXT,
        "source": _TEXT,
        "service": _MAYBE_TEXT,
        "environment": _MAYBE_TEXT,
        "detected_at": _TIME,
        "resolved_at": _MAYBE_TIME,
        "deployment": _MAYBE_TEXT,
        "linked_by": {"enum": [*sorted(CONFIDENCE), None]},
        "confidence": _CONFIDENCE,
    }
)
_METRICS = _closed({name: {"$ref": "#/$defs/span" if name.endswith("_time") else "#/$defs/ratio"} for name in METRICS})
_METRICS_REF = {"$ref": "#/$defs/metrics"}
_DIFFERENCE = _closed(
    {
        "before": _MAYBE_NUMBER,
        "after": _MAYBE_NUMBER,
        "n_before": _COUNT,
        "n_after": _COUNT,
        "kind": {"enum": ["difference", "ratio"]},
        "estimate": _MAYBE_NUMBER,
        "low": _MAYBE_NUMBER,
        "high": _MAYBE_NUMBER,
        "method": _TEXT,
        "verdict": {"enum": ["higher", "lower", "not_told_apart", "no_data"]},
    },
    {name: {"type": ["array", "null"], "items": _NUMBER} for name in ("before_interval", "after_interval")},
)


def report_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). Durations are seconds, rates fractions, no data is null."""
    service = _closed(
        {
            "service": _TEXT,
            "environment": _TEXT,
            "metrics": _METRICS_REF,
            "deployments": _list("deployment"),
            "changes": _list("change"),
            "incidents": _list("incident"),
        },
        {"series": {"type": "array", "items": _closed({**_PERIOD, "complete": _FLAG, "metrics": _METRICS_REF})}},
    )
    member = _closed({"service": _TEXT, "environment": _TEXT})
    blend = _closed(
        {
            "by": {"enum": ["team", "environment"]},
            "name": _TEXT,
            "services": {"type": "array", "items": member},
            "metrics": _METRICS_REF,
        }
    )
    differences = _closed({name: {"$ref": "#/$defs/difference"} for name in METRICS})
    compared = _closed({"service": _TEXT, "environment": _TEXT, "metrics": differences})
    comparison = _closed(
        {
            "before": _closed(_PERIOD),
            "after": _closed(_PERIOD),
            "confidence": _NUMBER,
            "seed": {"type": "integer"},
            "services": {"type": "array", "items": compared},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "headgate dora report",
        **_closed(
            {
                "version": {"const": 1},
                "period": _closed(_PERIOD),
                "services": {"type": "array", "items": service},
                "blends": {"type": "array", "items": blend},
                "unattributed_incidents": _list("incident"),
                "left_out_environments": _TEXTS,
            },
            {"comparison": comparison},
        ),
        "$defs": {
            "span": _SPAN,
            "ratio": _RATIO,
            "metrics": _METRICS,
            "deployment": _DEPLOYMENT,
            "change": _CHANGE,
            "incident": _INCIDENT,
            "difference": _DIFFERENCE,
        },
    }
