"""Events as plain JSON records: what `events list` prints and `events import` reads, one field per field.

Whatever comes from outside is parsed here, once: unknown kinds and outcomes, times without an offset, and text that
cannot be stored are refused by name. The wire form for other tools is `cdevents`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from headgate.clock import format_timestamp, parse_timestamp
from headgate.errors import ConfigError
from observability.commits import CHANGES, COMMITS, Commit, encode_commits, parse_commits
from observability.events import DeliveryEvent, Kind

OUTCOMES = ("", "success", "failure", "error", "canceled")


def _parse_moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("write times as text, such as 2026-11-21T10:00:00Z")  # noqa: TRY004 - pydantic wants ValueError
    try:
        return parse_timestamp(value)
    except OverflowError as error:
        raise ValueError(f"timestamp {value!r} is out of range") from error


def _known_outcome(value: object) -> object:
    if value is not None and value not in OUTCOMES:
        raise ValueError(f"outcome {value!r} is not one of {', '.join(OUTCOMES[1:])}")
    return value or ""


Moment = Annotated[datetime, BeforeValidator(_parse_moment)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Value = str | bool | int | float | None
Outcome = Annotated[str, BeforeValidator(_known_outcome)]


class Foreign(BaseModel):
    """Base of models of outside input: unknown keys are ignored, numbers must be finite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Fields(Foreign):
    """What a record and the `headgate` part of a CDEvent's `customData` have in common."""

    service: Text | None = None
    environment: Text | None = None
    commit: Text | None = None
    committed_at: Moment | None = None
    outcome: Outcome = ""
    change: Text | None = None
    release: Text | None = None
    url: Text | None = None
    data: Annotated[dict[Text, Value], Field(max_length=64)] = Field(default_factory=dict)
    commits: Annotated[tuple[Commit, ...], BeforeValidator(parse_commits)] = ()
    changes: tuple[Text, ...] = ()


class Record(Fields):
    kind: str
    source: Text
    id: Text
    occurred_at: Moment
    subject: Text


def parse_record(payload: Mapping[str, Any], where: str | None = None) -> DeliveryEvent:
    """An event from a plain record. Raises `ConfigError` that names every wrong field."""
    try:
        record = Record.model_validate(payload)
    except ValidationError as error:
        raise refuse("event record", error, where) from error
    return build_event(
        record, kind=record.kind, source=record.source, id=record.id, occurred_at=record.occurred_at,
        subject=record.subject, where=where,
    )  # fmt: skip


def build_event(
    fields: Fields,
    *,
    kind: str,
    source: str,
    id: str,  # noqa: A002 - the field's own name
    occurred_at: datetime,
    subject: str,
    where: str | None = None,
) -> DeliveryEvent:
    """An event from validated fields. Raises `ConfigError` for a kind that is not known."""
    return DeliveryEvent(
        kind=parse_kind(kind, where),
        source=source,
        id=id,
        occurred_at=occurred_at,
        subject=subject,
        service=fields.service,
        environment=fields.environment,
        commit=fields.commit,
        committed_at=fields.committed_at,
        outcome=fields.outcome,
        change=fields.change,
        release=fields.release,
        url=fields.url,
        data=MappingProxyType(dict(fields.data) | _lists(fields)),
    )


def _lists(fields: Fields) -> dict[str, Value]:
    """Lists as the text under which an event keeps them."""
    found: dict[str, Value] = {}
    if fields.commits:
        found[COMMITS] = encode_commits(fields.commits)
    if fields.changes:
        found[CHANGES] = json.dumps(list(fields.changes), ensure_ascii=False)
    return found


def parse_kind(text: str, where: str | None = None) -> Kind:
    """A kind from its name. Raises `ConfigError` that lists the known ones."""
    try:
        return Kind(text)
    except ValueError as error:
        raise ConfigError(
            f"the kind of event {text!r} is not known",
            where=where,
            next_step=f"Known kinds: {', '.join(Kind)}.",
        ) from error


def to_record(event: DeliveryEvent) -> dict[str, Any]:
    """The record of an event, with every field, JSON-able; `parse_record` gives the event back."""
    return {
        "kind": event.kind.value,
        "source": event.source,
        "id": event.id,
        "occurred_at": format_timestamp(event.occurred_at),
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


def refuse(what: str, error: ValidationError, where: str | None) -> ConfigError:
    """One message for all problems of one payload; values are not repeated, they may be large or secret."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'value'}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)[:8]
    )
    return ConfigError(f"not a valid {what}: {problems}", where=where, next_step="Correct it and send it again.")
