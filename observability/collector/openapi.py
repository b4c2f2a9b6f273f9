"""The OpenAPI 3.1 description of the collector, made from the tables that the collector itself uses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.collector.answers import RETRY_AFTER_S
from observability.collector.senders import SENDERS, Sender
from observability.collector.verify import HEADERS, Scheme

_ANSWERS: Mapping[str, tuple[str, str]] = {
    "400": ("Refused", "Not a payload of this sender: not JSON, not UTF-8, nested too deeply, a wrong field or query."),
    "401": ("Refused", "No secret, a wrong one, or a signed message that is older than five minutes."),
    "405": ("Refused", "Another method than POST."),
    "408": ("Refused", "The request did not arrive in time."),
    "413": ("Refused", "The body is too large."),
    "415": ("Refused", "Another media type, another encoding than UTF-8, or a compressed body."),
    "503": ("Refused", f"Nothing was stored; send it again after {RETRY_AFTER_S} seconds."),
}
_QUERY: Mapping[str, str] = {
    "service": "The service that this sender's events are about, in place of the sender's own name for it.",
    "environment": "The environment, in place of the sender's own name for it. For Jenkins: its builds are deployments.",
    "branch": "The branch from which production is built, where it is not the repository's default branch.",
    "status": "Bitbucket: key of the build status that reports a deployment to `environment`.",
}
_TITLES: Mapping[Scheme, str] = {
    Scheme.GITLAB_TOKEN: "The webhook's secret token.",
    Scheme.STANDARD: "Standard Webhooks signature over webhook-id, webhook-timestamp and the body.",
    Scheme.GITHUB: "HMAC-SHA256 of the body, `sha256=` and hexadecimal.",
    Scheme.BITBUCKET: "HMAC-SHA256 of the body, `sha256=` and hexadecimal.",
    Scheme.PAGERDUTY: "HMAC-SHA256 of the body, `v1=` and hexadecimal; several with commas.",
}


def document() -> dict[str, Any]:
    """The description, JSON-able; the same at every call."""
    paths: dict[str, Any] = {sender.path: {"post": _operation(sender)} for sender in SENDERS.values()}
    paths["/events"] = {"post": {**_operation(SENDERS["cdevents"]), "operationId": "post_events"}}
    paths["/healthz"] = {"get": _page("healthz", "The process answers.", "text/plain", {"type": "string"})}
    ready = _page("readyz", "The event store can be read.", "application/json", {"$ref": "#/components/schemas/Ready"})
    ready["responses"]["503"] = _response("Refused", "The event store cannot be read.")
    paths["/readyz"] = {"get": ready}
    paths["/openapi.json"] = {"get": _page("openapi", "This description.", "application/json", {"type": "object"})}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate collector",
            "version": "1",
            "description": "Webhooks of other tools as delivery events. A 2xx answer means: durable in the event log.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _schemes()},
    }


def _operation(sender: Sender) -> dict[str, Any]:
    content = {kind: {"schema": _body(sender, kind)} for kind in sender.media_types}
    return {
        "operationId": f"post_{sender.name}",
        "summary": f"A webhook of {sender.title}",
        "security": [{scheme.value: []} for scheme, _ in sender.keys],
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": text, "schema": _name()}
            for name, text in _QUERY.items()
        ]
        + [_header(name) for name in _EVENT_HEADERS.get(sender.name, ())],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "Known already, or nothing that is measured.",
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [
                                {"$ref": "#/components/schemas/Recorded"},
                                {"$ref": "#/components/schemas/Ignored"},
                            ]
                        }
                    }
                },
            },
            "202": _response("Recorded", "Recorded durably."),
            **{status: _response(schema, text) for status, (schema, text) in _ANSWERS.items()},
        },
    }


_EVENT_HEADERS: Mapping[str, tuple[str, ...]] = {"github": ("X-GitHub-Event",), "bitbucket": ("X-Event-Key",)}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string", "minLength": 1}}


def _name() -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[!-~]+$"}


def _body(sender: Sender, kind: str) -> dict[str, Any]:
    if kind.endswith("batch+json"):
        return {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/CloudEvent"}}
    if kind == "application/cloudevents+json":
        return {"$ref": "#/components/schemas/CloudEvent"}
    return _BODIES.get(sender.name, {"type": "object"})


def _page(name: str, text: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": f"get_{name}",
        "summary": text,
        "security": [],
        "responses": {"200": {"description": text, "content": {kind: {"schema": schema}}}},
    }


def _response(schema: str, text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _schemes() -> dict[str, Any]:
    found: dict[str, Any] = {
        scheme.value: {"type": "apiKey", "in": "header", "name": HEADERS[scheme], "description": text}
        for scheme, text in _TITLES.items()
    }
    found[Scheme.BEARER.value] = {"type": "http", "scheme": "bearer"}
    return found


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_PROJECT = _object(
    ("path_with_namespace",), id={"type": "integer"}, path_with_namespace=_TEXT, web_url=_TEXT, default_branch=_TEXT
)
_BODIES: Mapping[str, dict[str, Any]] = {
    "gitlab": {
        "oneOf": [
            _object(
                ("object_kind", "project", "status", "status_changed_at", "deployment_id", "environment"),
                object_kind={"const": "deployment"},
                status={"enum": ["created", "running", "success", "failed", "canceled", "skipped", "blocked"]},
                status_changed_at=_TIME,
                deployment_id={"type": "integer"},
                deployable_id={"type": ["integer", "null"]},
                environment=_TEXT,
                environment_tier={"enum": ["production", "staging", "testing", "development", "other"]},
                commit_url=_TEXT,
                project=_PROJECT,
            ),
            _object(
                ("object_kind", "project"),
                object_kind={"enum": ["push", "merge_request", "pipeline", "build", "issue", "work_item"]},
                project=_PROJECT,
            ),
        ]
    },
    "github": _object((), action=_TEXT, repository=_object(("full_name",), id={"type": "integer"}, full_name=_TEXT)),
    "bitbucket": _object((), repository=_object(("full_name",), uuid=_TEXT, full_name=_TEXT)),
    "jenkins": _object(
        ("name", "build"),
        name=_TEXT,
        url=_TEXT,
        build=_object(
            ("number", "phase"),
            number={"type": "integer"},
            phase={"enum": ["QUEUED", "STARTED", "COMPLETED", "FINALIZED"]},
            status={"enum": ["SUCCESS", "UNSTABLE", "FAILURE", "ABORTED", "NOT_BUILT"]},
            timestamp={"type": "integer"},
            full_url=_TEXT,
        ),
    ),
    "argocd": _object(
        ("application", "operation"),
        application=_TEXT,
        environment=_TEXT,
        operation=_object(
            ("phase",),
            phase={"enum": ["Running", "Terminating", "Succeeded", "Failed", "Error"]},
            startedAt=_TIME,
            finishedAt=_TIME,
            revision=_TEXT,
        ),
        health=_object((), status={"enum": ["Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"]}),
        commit_message=_TEXT,
    ),
    "alertmanager": _object(
        ("version", "alerts"),
        version={"const": "4"},
        alerts={
            "type": "array",
            "items": _object(
                ("status", "startsAt"),
                status={"enum": ["firing", "resolved"]},
                labels={"type": "object", "additionalProperties": _TEXT},
                startsAt=_TIME,
                endsAt=_TIME,
                fingerprint=_TEXT,
            ),
        },
    ),
    "pagerduty": _object(
        ("event",),
        event=_object(
            ("event_type", "occurred_at", "data"),
            id=_TEXT,
            event_type={
                "anyOf": [
                    {"enum": ["incident.triggered", "incident.acknowledged", "incident.resolved"]},
                    {"type": "string"},
                ]
            },
            occurred_at=_TIME,
            data={
                "anyOf": [
                    _object(("id", "type", "created_at"), id=_TEXT, type={"const": "incident"}, created_at=_TIME),
                    {"type": "object"},
                ]
            },
        ),
    ),
    "cdevents": {
        "oneOf": [{"$ref": "#/components/schemas/CDEvent"}, {"$ref": "#/components/schemas/Record"}],
    },
}


def _schemas() -> dict[str, Any]:
    context = _object(
        ("id", "source", "type", "timestamp"),
        id={"type": "string", "minLength": 1},
        source={"type": "string", "minLength": 1},
        type={"type": "string", "pattern": r"^dev\.cdevents\.[a-z]+\.[a-z]+\.0\.[0-9]+\.[0-9]+$"},
        timestamp=_TIME,
    )
    event = _object(
        ("context", "subject"),
        context=context,
        subject=_object(("id",), id={"type": "string", "minLength": 1}, content={"type": "object"}),
        customData={"type": "object"},
    )
    return {
        "CDEvent": event,
        "CloudEvent": _object(
            ("specversion", "id", "source", "type", "data"),
            specversion={"const": "1.0"},
            id=_TEXT,
            source=_TEXT,
            type=_TEXT,
            data={"$ref": "#/components/schemas/CDEvent"},
        ),
        "Record": _object(
            ("kind", "source", "id", "occurred_at", "subject"),
            kind={
                "enum": [
                    "service.deployed",
                    "service.rolledback",
                    "change.merged",
                    "incident.detected",
                    "incident.resolved",
                ]
            },
            source={"type": "string", "minLength": 1},
            id={"type": "string", "minLength": 1},
            occurred_at=_TIME,
            subject={"type": "string", "minLength": 1},
            service=_TEXT,
            environment=_TEXT,
            outcome={"enum": ["success", "failure", "error", "canceled"]},
        ),
        "Recorded": _object(
            ("status", "id", "events", "new"),
            status={"enum": ["recorded", "known"]},
            id={"type": "string", "description": "Of the first event."},
            events={"type": "integer", "minimum": 1},
            new={"type": "integer", "minimum": 0},
        ),
        "Ignored": _object(("status", "reason"), status={"const": "ignored"}, reason=_TEXT),
        "Refused": _object(("status", "reason", "error"), status={"const": "refused"}, reason=_TEXT, error=_TEXT),
        "Ready": _object(("status",), status={"const": "ready"}),
    }
