"""What the senders' bodies look like, for the OpenAPI description: the fields that are read, no others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.events import Kind


def typed(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    """The schema of an object; further properties are allowed, as the senders send many more."""
    return {"type": "object", "required": list(required), "properties": properties}


TEXT = {"type": "string"}
KINDS = "|".join(kind.value.replace(".", r"\.") for kind in Kind)
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_PROJECT = typed(
    ("path_with_namespace",), id={"type": "integer"}, path_with_namespace=_NAME, web_url=TEXT, default_branch=TEXT
)


def _of_gitlab(kind: str, *required: str, **properties: Any) -> dict[str, Any]:
    named = {"object_kind": {"const": kind}, "project": _PROJECT, **properties}
    return typed(("object_kind", "project", *required), **named)


def _attributes(*required: str, **properties: Any) -> dict[str, Any]:
    return typed(required, **properties)


_STATUSES = {"enum": ["created", "pending", "running", "success", "failed", "canceled", "skipped"]}
_COMMIT = typed(("id",), id=_NAME, message=TEXT, timestamp=TIME)
_INCIDENT = _attributes("iid", "created_at", iid={"type": "integer"}, type=TEXT, created_at=TIME, closed_at=_MAYBE_TIME)
BODIES: Mapping[str, dict[str, Any]] = {
    "gitlab": {
        "oneOf": [
            _of_gitlab(
                "deployment",
                "status",
                "status_changed_at",
                "deployment_id",
                "environment",
                status=_STATUSES,
                status_changed_at=TIME,
                deployment_id={"type": "integer"},
                deployable_id={"type": ["integer", "null"]},
                environment=_NAME,
                environment_tier={"enum": ["production", "staging", "testing", "development", "other"]},
                commit_url=TEXT,
            ),
            _of_gitlab("push", "ref", ref=_NAME, before=TEXT, after=TEXT, commits={"type": "array", "items": _COMMIT}),
            _of_gitlab(
                "merge_request",
                "object_attributes",
                object_attributes=_attributes(
                    "iid", "updated_at", iid={"type": "integer"}, action=TEXT, updated_at=TIME
                ),
            ),
            _of_gitlab(
                "pipeline",
                "object_attributes",
                object_attributes=_attributes(
                    "id", "status", "finished_at", id={"type": "integer"}, status=_STATUSES, finished_at=TIME
                ),
            ),
            _of_gitlab(
                "build",
                "build_id",
                "build_status",
                build_id={"type": "integer"},
                build_status=_STATUSES,
                build_finished_at=_MAYBE_TIME,
            ),
            _of_gitlab("issue", "object_attributes", object_attributes=_INCIDENT),
            _of_gitlab("work_item", "object_attributes", object_attributes=_INCIDENT),
        ]
    },
    "github": typed((), action=TEXT, repository=typed(("full_name",), id={"type": "integer"}, full_name=_NAME)),
    "bitbucket": typed((), repository=typed(("full_name",), uuid=TEXT, full_name=_NAME)),
    "jenkins": typed(
        ("name", "build"),
        name=_NAME,
        url=TEXT,
        build=typed(
            ("number", "phase"),
            number={"type": "integer"},
            phase={"enum": ["QUEUED", "STARTED", "COMPLETED", "FINALIZED"]},
            status={"enum": ["SUCCESS", "UNSTABLE", "FAILURE", "ABORTED", "NOT_BUILT"]},
            timestamp={"type": "integer"},
            full_url=TEXT,
        ),
    ),
    "argocd": typed(
        ("application", "operation"),
        application=_NAME,
        environment=_NAME,
        operation=typed(
            ("phase",),
            phase={"enum": ["Running", "Terminating", "Succeeded", "Failed", "Error"]},
            startedAt=TIME,
            finishedAt=TIME,
            revision=TEXT,
        ),
        health=typed((), status={"enum": ["Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"]}),
        commit_message=TEXT,
    ),
    "alertmanager": typed(
        ("version", "alerts"),
        version={"const": "4"},
        alerts={
            "type": "array",
            "items": typed(
                ("status", "startsAt"),
                status={"enum": ["firing", "resolved"]},
                labels={"type": "object", "additionalProperties": TEXT},
                startsAt=TIME,
                endsAt=TIME,
                fingerprint=TEXT,
            ),
        },
    ),
    "pagerduty": typed(
        ("event",),
        event=typed(
            ("event_type", "occurred_at", "data"),
            id=TEXT,
            event_type={
                "anyOf": [
                    {"enum": ["incident.triggered", "incident.acknowledged", "incident.resolved"]},
                    {"type": "string", "minLength": 1},
                ]
            },
            occurred_at=TIME,
            data={
                "anyOf": [
                    typed(("id", "type", "created_at"), id=_NAME, type={"const": "incident"}, created_at=TIME),
                    {"type": "object"},
                ]
            },
        ),
    ),
    "cdevents": {
        "oneOf": [{"$ref": "#/components/schemas/CDEvent"}, {"$ref": "#/components/schemas/Record"}],
    },
}
