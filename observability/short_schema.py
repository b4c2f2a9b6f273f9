"""JSON Schemas of what `events import` reads, made from the same tables as the parser. Pure.

They describe keys in snake_case; the parser takes `deployedAt` and `deployed-at` as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from observability.commits import SHA_NAMES, TIME_NAMES
from observability.events import Kind
from observability.records import OUTCOMES
from observability.short_fields import CHANGE_STATUS, DEPLOYMENT_STATUS, FIELDS, INCIDENT_STATUS, TYPE_NAMES, TYPES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": ["string", "integer"], "minLength": 1, "maxLength": 2048}
_TIME = {
    "type": "string",
    "format": "date-time",
    "description": "With an offset: 2026-11-21T10:00:00Z or 2026-11-21T11:00:00+01:00.",
}
_TIME_REF = {"$ref": "#/$defs/time"}
_COMMIT_REF = {"$ref": "#/$defs/commit"}
_FLAG = {"type": ["boolean", "string"]}
_STATUS: Mapping[str, Mapping[str, str]] = {
    "deployment": DEPLOYMENT_STATUS,
    "rollback": DEPLOYMENT_STATUS,
    "change": CHANGE_STATUS,
    "incident": INCIDENT_STATUS,
}
_MEANING: Mapping[str, str] = {
    "deployment": "A version was put into an environment, or the attempt failed.",
    "rollback": "A deployment was turned back and what was before it has the traffic again.",
    "change": "A merge request, pull request or single commit.",
    "incident": "Production was broken; one record with both times, or one for each.",
}
_NEEDED: Mapping[str, Sequence[Sequence[str]]] = {
    "deployment": (("id",), ("service",), ("environment",), ("at", "rolled_back_at")),
    "rollback": (("id",), ("service",), ("environment",), ("at",)),
    "change": (("id", "commit"), ("merged_at", "at", "committed_at", "commits", "commit")),
    "incident": (("id",), ("started_at", "at", "resolved_at")),
}


def commit_schema() -> dict[str, Any]:
    """A commit: its name, or an object."""
    names: dict[str, Any] = {name: {"type": "string", "minLength": 1, "maxLength": 200} for name in SHA_NAMES}
    return {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": 200},
            {
                "type": "object",
                "properties": {
                    **names,
                    **dict.fromkeys(TIME_NAMES, _TIME_REF),
                    "message": {
                        "type": "string",
                        "description": "Read for `cherry picked from commit`, `This reverts commit`, `Source-Commit:`.",
                    },
                    "cherry_picked_from": {"type": "string"},
                    "reverts": {"type": "string"},
                    "paths": {"type": "array", "items": {"type": "string"}},
                },
                "anyOf": [{"required": [name]} for name in SHA_NAMES],
            },
        ]
    }


def record_schema(kind: str) -> dict[str, Any]:
    """The schema of one type of short record. Raises `KeyError` for a type that does not exist."""
    fields = FIELDS[kind]
    properties: dict[str, Any] = {
        name: {"enum": sorted(word for word, meaning in TYPES.items() if meaning == kind)} for name in TYPE_NAMES
    }
    for canonical, spellings in fields.items():
        for spelling in spellings:
            if spelling not in properties:
                properties[spelling] = _value(kind, canonical, spelling, fields)
    return {
        "$schema": _DIALECT,
        "title": f"Headgate {kind} record",
        "description": _MEANING[kind],
        "type": "object",
        "properties": properties,
        "allOf": [
            {"anyOf": [{"required": [name]} for name in TYPE_NAMES]},
            *(
                {"anyOf": [{"required": [spelling]} for name in names for spelling in fields[name]]}
                for names in _NEEDED[kind]
            ),
        ],
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Any]:
    return {"time": _TIME, "commit": commit_schema()}


def _value(kind: str, canonical: str, spelling: str, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    if canonical == "status":
        found: dict[str, Any] = {"type": "string", "description": _words(_STATUS[kind])}
    elif canonical == "at" or canonical.endswith("_at"):
        found = dict(_TIME_REF)
    elif canonical == "commit":
        found = dict(_COMMIT_REF)
    elif canonical == "commits":
        found = {"type": "array", "items": _COMMIT_REF}
    elif canonical == "changes":
        found = {"type": ["array", "string", "integer"]}
    elif canonical in ("services", "paths"):
        found = {"type": "array", "items": {"type": "string"}}
    elif canonical in ("unplanned", "planned", "rollback"):
        found = dict(_FLAG)
    elif canonical == "data":
        found = {"type": "object"}
    elif canonical in ("service", "environment"):
        found = {"type": ["string", "integer", "object", "array"]}
    else:
        found = {**_NAME}
    return found if spelling == fields[canonical][0] else {**found, "description": f"As `{fields[canonical][0]}`."}


def _words(known: Mapping[str, str]) -> str:
    meanings = dict.fromkeys(known.values())
    return "; ".join(f"{m}: {', '.join(word for word, is_ in known.items() if is_ == m)}" for m in meanings)


def full_schema() -> dict[str, Any]:
    """The schema of a full record, as `events list -o json` prints it."""
    text = {"type": ["string", "null"]}
    return {
        "$schema": _DIALECT,
        "title": "Headgate event record",
        "type": "object",
        "required": ["kind", "source", "id", "occurred_at", "subject"],
        "properties": {
            "kind": {"enum": [kind.value for kind in Kind]},
            "source": {"type": "string", "minLength": 1},
            "id": {"type": "string", "minLength": 1},
            "occurred_at": _TIME_REF,
            "received_at": _TIME_REF,
            "subject": {"type": "string", "minLength": 1},
            **dict.fromkeys(("service", "environment", "commit", "change", "release", "url"), text),
            "committed_at": {"type": ["string", "null"], "format": "date-time"},
            "outcome": {"enum": [*OUTCOMES, None]},
            "data": {"type": "object", "maxProperties": 64},
            "commits": {"type": "array", "items": _COMMIT_REF},
            "changes": {"type": "array", "items": {"type": "string"}},
        },
        "$defs": _definitions(),
    }


def line_schema() -> dict[str, Any]:
    """The schema of one line: a short record, a full one, a CDEvent, or a CloudEvent around a CDEvent.

    CDEvents have their own published schemas (https://github.com/cdevents/spec); here only the envelope is described.
    """
    cdevent = {
        "type": "object",
        "required": ["context", "subject"],
        "properties": {
            "context": {
                "type": "object",
                "required": ["id", "source", "type", "timestamp"],
                "properties": {"type": {"type": "string", "pattern": r"^dev\.cdevents\."}, "timestamp": _TIME_REF},
            },
            "subject": {"type": "object", "required": ["id"]},
        },
    }
    cloudevent = {
        "type": "object",
        "required": ["specversion", "data"],
        "properties": {"data": {"$ref": "#/$defs/cdevent"}},
    }
    parts = {kind: record_schema(kind) for kind in FIELDS} | {"record": full_schema()}
    for part in parts.values():
        part.pop("$schema")
        part.pop("$defs")
    return {
        "$schema": _DIALECT,
        "title": "One line of `headgate events import`",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in (*parts, "cdevent", "cloudevent")],
        "$defs": {**_definitions(), **parts, "cdevent": cdevent, "cloudevent": cloudevent},
    }
