"""Delivery events as CDEvents 0.5.1 in CloudEvents 1.0, structured mode, JSON; both ways.

CDEvents has no place for commits and their times, outcomes of deployments, or releases: those go in
`customData.headgate` and win on the way back. What a foreign emitter says in the places of the specification is read
too (specification: https://github.com/cdevents/spec, v0.5.1; events of 0.4 differ in version numbers only here).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import Field, ValidationError

from headgate.clock import format_timestamp
from headgate.errors import ConfigError
from observability.events import DeliveryEvent, Kind
from observability.records import Fields, Foreign, Moment, Text, Value, build_event, parse_record, refuse

SPEC_VERSION = "0.5.1"
CONTENT_TYPE = "application/cloudevents+json"

# Version of each event type in CDEvents 0.5.1, from its published schemas.
_TYPE_VERSIONS: dict[Kind, str] = {
    Kind.CHANGE_CREATED: "0.4.0",
    Kind.CHANGE_MERGED: "0.3.0",
    Kind.PIPELINE_FINISHED: "0.3.0",
    Kind.GATE_FINISHED: "0.3.0",
    Kind.ARTIFACT_PACKAGED: "0.3.0",
    Kind.ARTIFACT_PUBLISHED: "0.3.0",
    Kind.SERVICE_DEPLOYED: "0.3.0",
    Kind.SERVICE_UPGRADED: "0.3.0",
    Kind.SERVICE_ROLLEDBACK: "0.3.0",
    Kind.INCIDENT_DETECTED: "0.3.0",
    Kind.INCIDENT_REPORTED: "0.3.0",
    Kind.INCIDENT_RESOLVED: "0.3.0",
    Kind.COMMITS_COMPARED: "0.1.0",
}
_OWN = frozenset({Kind.COMMITS_COMPARED})
_OWN_PREFIX = "dev.cdeventsx.headgate-"  # what the specification has tools prefix their own types with
_TYPE = re.compile(r"dev\.(cdevents\.|cdeventsx\.headgate-)(?P<kind>[a-z]+\.[a-z]+)\.0\.[0-9]+\.[0-9]+(-draft)?")
# The other event types of CDEvents 0.5.1: they are valid, and nothing here is computed from them.
_UNUSED = frozenset(
    f"{subject}.{predicate}"
    for subject, predicates in {
        "artifact": "deleted downloaded signed",
        "branch": "created deleted",
        "build": "finished queued started",
        "change": "abandoned reviewed updated",
        "environment": "created deleted modified",
        "pipelinerun": "queued started",
        "repository": "created deleted modified",
        "service": "published removed",
        "taskrun": "finished started",
        "testcaserun": "finished queued skipped started",
        "testoutput": "published",
        "testsuiterun": "queued started",
        "ticket": "closed created updated",
    }.items()
    for predicate in predicates.split()
)
_UNKNOWN = "unknown"  # where the schema demands an environment and nobody knows one
_TO_CDEVENTS = {"canceled": "cancel", "": "error"}
_FROM_CDEVENTS = {"cancel": "canceled"}


def to_cloudevent(event: DeliveryEvent) -> dict[str, Any]:
    """The event as a structured-mode CloudEvent whose `data` is the CDEvent."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event_type(event.kind),
        "time": format_timestamp(event.occurred_at),
        "subject": event.subject,
        "datacontenttype": "application/json",
        "data": to_cdevent(event),
    }


def to_cdevent(event: DeliveryEvent) -> dict[str, Any]:
    """The event as a CDEvent that is valid under the published schema of its type."""
    return {
        "context": {
            "specversion": SPEC_VERSION,
            "id": event.id,
            "source": event.source,
            "type": event_type(event.kind),
            "timestamp": format_timestamp(event.occurred_at),
        },
        "subject": {"id": _subject_id(event), "content": _content(event)},
        "customData": {"headgate": _custom(event)},
        "customDataContentType": "application/json",
    }


def event_type(kind: Kind) -> str:
    """The CDEvents type of a kind, `dev.cdevents.service.deployed.0.3.0`."""
    return f"{_OWN_PREFIX if kind in _OWN else 'dev.cdevents.'}{kind.value}.{_TYPE_VERSIONS[kind]}"


def _subject_id(event: DeliveryEvent) -> str:
    """The specification wants the service itself as the subject of `service.*`."""
    return event.service or event.subject if event.kind.value.startswith("service.") else event.subject


def _custom(event: DeliveryEvent) -> dict[str, Any]:
    return {
        "subject": event.subject,
        "service": event.service,
        "environment": event.environment,
        "commit": event.commit,
        "committed_at": None if event.committed_at is None else format_timestamp(event.committed_at),
        "outcome": event.outcome,
        "change": event.change,
        "release": event.release,
        "url": event.url,
        "data": dict(event.data),
    }


def _content(event: DeliveryEvent) -> dict[str, Any]:
    content = _CONTENTS[event.kind](event)
    return {key: value for key, value in content.items() if value is not None}


def _change(event: DeliveryEvent) -> dict[str, Any]:
    repository = event.data.get("repository")
    return {"repository": {"id": repository} if isinstance(repository, str) and repository else None}


def _pipeline(event: DeliveryEvent) -> dict[str, Any]:
    return {"pipelineName": event.subject, "uri": event.url, "outcome": _TO_CDEVENTS.get(event.outcome, event.outcome)}


def _gate(event: DeliveryEvent) -> dict[str, Any]:
    reason = event.data.get("reason")
    return {
        "outcome": _TO_CDEVENTS.get(event.outcome, event.outcome),
        "environment": _environment(event),
        "testSuite": {"id": event.subject},
        "reason": reason if isinstance(reason, str) else None,
    }


def _service(event: DeliveryEvent) -> dict[str, Any]:
    return {"environment": _environment(event), "artifactId": _artifact(event)}


def _incident(event: DeliveryEvent) -> dict[str, Any]:
    return {"environment": _environment(event), "service": {"id": event.service} if event.service else None}


def _ticket(event: DeliveryEvent) -> str:
    """The schema demands an absolute URI."""
    url = event.url or ""
    return url if url.startswith(("https://", "http://")) else f"urn:headgate:incident:{quote(event.subject, safe='')}"


def _environment(event: DeliveryEvent) -> dict[str, str]:
    return {"id": event.environment or _UNKNOWN}


def _artifact(event: DeliveryEvent) -> str:
    """The package URL that the emitter gave, else one made of what is known (https://github.com/package-url)."""
    given = event.data.get("artifact")
    if isinstance(given, str) and given:
        return given
    version = event.data.get("version") or event.commit
    name = quote(event.service or event.subject, safe="/")
    return f"pkg:generic/{name}@{quote(str(version), safe='')}" if version else f"pkg:generic/{name}"


_CONTENTS: dict[Kind, Callable[[DeliveryEvent], dict[str, Any]]] = {
    Kind.CHANGE_CREATED: _change,
    Kind.CHANGE_MERGED: _change,
    Kind.PIPELINE_FINISHED: _pipeline,
    Kind.GATE_FINISHED: _gate,
    Kind.ARTIFACT_PACKAGED: lambda event: {"change": {"id": event.change or event.commit or _UNKNOWN}},
    Kind.ARTIFACT_PUBLISHED: lambda _: {},
    Kind.SERVICE_DEPLOYED: _service,
    Kind.SERVICE_UPGRADED: _service,
    Kind.SERVICE_ROLLEDBACK: _service,
    Kind.INCIDENT_DETECTED: _incident,
    Kind.INCIDENT_REPORTED: lambda event: {**_incident(event), "ticketURI": _ticket(event)},
    Kind.INCIDENT_RESOLVED: _incident,
    Kind.COMMITS_COMPARED: lambda event: {"since": event.data.get("since"), "until": event.data.get("until")},
}


class _Named(Foreign):
    id: Text


class _Content(Foreign):
    environment: _Named | None = None
    service: _Named | None = None
    repository: _Named | None = None
    change: _Named | None = None
    artifact_id: Text | None = Field(default=None, alias="artifactId")
    uri: Text | None = None
    outcome: str | None = None
    reason: str | None = None


class _Subject(Foreign):
    id: Text
    content: _Content = _Content()


class _Context(Foreign):
    id: Text
    source: Text
    type: Text
    timestamp: Moment


class _Headgate(Fields):
    subject: Text | None = None


class _CDEvent(Foreign):
    context: _Context
    subject: _Subject
    custom_data: Any = Field(default=None, alias="customData")


def is_unused(payload: object) -> bool:
    """Whether this is a CDEvent of a published type from which nothing is computed here (a build, a test case, ...)."""
    if not isinstance(payload, Mapping):
        return False
    data = payload.get("data")
    inner = data if isinstance(data, Mapping) and "context" in data else payload
    context = inner.get("context")
    matched = _TYPE.fullmatch(str(context.get("type"))) if isinstance(context, Mapping) else None
    return matched is not None and matched["kind"] in _UNUSED


def parse_event(payload: object, where: str | None = None) -> DeliveryEvent:
    """An event from a CloudEvent around a CDEvent, from a bare CDEvent, or from one of our own records.

    Raises `ConfigError` (with `where` in its text) for anything else: other CloudEvents, unknown kinds, times without
    an offset, a body that is no object.
    """
    if not isinstance(payload, Mapping):
        raise ConfigError("an event is a JSON object", where=where, next_step="Send one CDEvent (or record) a body.")
    if "specversion" in payload and "data" in payload and "context" not in payload:
        return _parse_cdevent(_data(payload, where), where)
    if "context" in payload:
        return _parse_cdevent(payload, where)
    if "kind" in payload:
        return parse_record(payload, where)
    raise ConfigError(
        "neither a CDEvent (`context`), a CloudEvent (`specversion` and `data`) nor a record (`kind`)",
        where=where,
        next_step="`headgate events list -o json` shows records; https://cdevents.dev describes CDEvents.",
    )


def _data(payload: Mapping[str, Any], where: str | None) -> Mapping[str, Any]:
    data = payload["data"]
    if not isinstance(data, Mapping) or "context" not in data:
        raise ConfigError(
            f"the CloudEvent of type {str(payload.get('type'))[:200]!r} does not carry a CDEvent",
            where=where,
            next_step="Send types dev.cdevents.* with the CDEvent as JSON in `data`.",
        )
    return data


def _parse_cdevent(payload: Mapping[str, Any], where: str | None) -> DeliveryEvent:
    try:
        parsed = _CDEvent.model_validate(payload)
        custom = parsed.custom_data if isinstance(parsed.custom_data, Mapping) else {}
        ours = _Headgate.model_validate(custom["headgate"]) if "headgate" in custom else None
        fields: Fields = ours or _fields(parsed)
    except ValidationError as error:
        raise refuse("CDEvent", error, where) from error
    matched = _TYPE.fullmatch(parsed.context.type)
    return build_event(
        fields,
        kind=matched["kind"] if matched else parsed.context.type[:200],
        source=parsed.context.source,
        id=parsed.context.id,
        occurred_at=parsed.context.timestamp,
        subject=(ours.subject if ours else None) or parsed.subject.id,
        where=where,
    )


def _fields(parsed: _CDEvent) -> Fields:
    """What the specification itself says about a foreign event. Raises `ValidationError` for an unknown outcome."""
    content, kind = parsed.subject.content, parsed.context.type.removeprefix("dev.cdevents.")
    data: dict[str, Value] = {"artifact": content.artifact_id, "reason": content.reason}
    if content.repository:
        data["repository"] = content.repository.id
    return Fields.model_validate(
        {
            "service": parsed.subject.id
            if kind.startswith("service.")
            else content.service.id
            if content.service
            else None,
            "environment": content.environment.id if content.environment else None,
            "outcome": _FROM_CDEVENTS.get(content.outcome or "", content.outcome),
            "change": parsed.subject.id if kind.startswith("change.") else content.change and content.change.id,
            "url": content.uri,
            "data": {key: value for key, value in data.items() if value is not None},
        }
    )


def parse_event_text(text: str, where: str | None = None) -> DeliveryEvent:
    """As `parse_event`, from JSON text."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON: {error}", where=where, next_step="Write one JSON object.") from error
    return parse_event(payload, where)
