"""The OpenAPI 3.1 description of the collector, made from the tables that the collector itself uses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observability.collector.answers import RETRY_AFTER_S
from observability.collector.openapi_bodies import BODIES, KINDS, TEXT, TIME, typed
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
    return BODIES.get(sender.name, {"type": "object"})


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


def _schemas() -> dict[str, Any]:
    context = typed(
        ("id", "source", "type", "timestamp"),
        id={"type": "string", "minLength": 1},
        source={"type": "string", "minLength": 1},
        type={"type": "string", "pattern": rf"^dev\.cdevents\.({KINDS})\.0\.[0-9]+\.[0-9]+$"},
        timestamp=TIME,
    )
    event = typed(
        ("context", "subject"),
        context=context,
        subject=typed(("id",), id={"type": "string", "minLength": 1}, content={"type": "object"}),
        customData={"type": "object"},
    )
    return {
        "CDEvent": event,
        "CloudEvent": typed(
            ("specversion", "id", "source", "type", "data"),
            specversion={"const": "1.0"},
            id=TEXT,
            source=TEXT,
            type=TEXT,
            data={"$ref": "#/components/schemas/CDEvent"},
        ),
        "Record": typed(
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
            occurred_at=TIME,
            subject={"type": "string", "minLength": 1},
            service=TEXT,
            environment=TEXT,
            outcome={"enum": ["success", "failure", "error", "canceled"]},
        ),
        "Recorded": typed(
            ("status", "id", "events", "new"),
            status={"enum": ["recorded", "known"]},
            id={"type": "string", "description": "Of the first event."},
            events={"type": "integer", "minimum": 1},
            new={"type": "integer", "minimum": 0},
        ),
        "Ignored": typed(("status", "reason"), status={"const": "ignored"}, reason=TEXT),
        "Refused": typed(("status", "reason", "error"), status={"const": "refused"}, reason=TEXT, error=TEXT),
        "Ready": typed(("status",), status={"const": "ready"}),
    }
