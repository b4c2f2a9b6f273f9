"""Short records: a deployment, a change or an incident in one plain JSON object, as people and scripts write them. Pure.

Generous in spelling (`short_fields` lists the names), strict in meaning: a time needs an offset, a status must be
known, a key that is nearly a known one is refused, and nothing that is missing is guessed. One record becomes one or
several delivery events whose ids follow from what it says, so that the same record twice counts once, and a record
that says more about the same deployment adds to it, in any order.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from headgate.clock import format_timestamp
from headgate.errors import ConfigError
from observability.commits import CHANGES, COMMITS, SQUASH, Commit, encode_commits, parse_commit, parse_commits, snake
from observability.events import DeliveryEvent, Kind, Scalar, event_id
from observability.short_fields import (
    CHANGE_STATUS,
    DEPLOYMENT_STATUS,
    FIELDS,
    INCIDENT_STATUS,
    TYPE_NAMES,
    TYPES,
)
from observability.short_values import ShortRecord, WrongRecordError

SOURCE = "/records"
"""The source of records that name none."""
_NEAR = 0.86


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a record that does not say it means; None: it has to say it."""

    service: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The events of one record; `skipped` says why there are none (it tells of nothing that has happened yet)."""

    events: tuple[DeliveryEvent, ...]
    skipped: str | None = None


def is_short(payload: object) -> bool:
    """Whether this names one of the types of short records."""
    return isinstance(payload, Mapping) and _type(payload) is not None


def _type(payload: Mapping[str, Any]) -> str | None:
    known = {snake(str(key)): value for key, value in payload.items()}
    for name in TYPE_NAMES:
        value = known.get(name)
        if isinstance(value, str) and snake(value) in TYPES:
            return TYPES[snake(value)]
    return None


def parse_short(payload: Mapping[str, Any], where: str | None = None, defaults: Defaults | None = None) -> Parsed:
    """The events of a short record. Raises `ConfigError` that names the key, with `where` in its text."""
    kind = _type(payload) or ""
    try:
        record = _read(kind, payload, defaults or Defaults())
        return _PARSERS[kind](record)
    except WrongRecordError as error:
        raise ConfigError(
            f"not a valid {kind} record: {error}",
            where=where,
            next_step=f"Correct it; `headgate events schema {kind}` prints what such a record may have.",
        ) from error


def _read(kind: str, payload: Mapping[str, Any], defaults: Defaults) -> ShortRecord:
    values: dict[str, object] = {}
    for key, value in payload.items():
        name = snake(str(key))
        if name in values and values[name] != value and value not in (None, ""):
            raise WrongRecordError(f"{key} is there twice, in two spellings with two values")
        values[name] = value if value not in (None, "") else values.get(name)
    known = {spelling for names in FIELDS[kind].values() for spelling in names} | set(TYPE_NAMES)
    record = ShortRecord(type=kind, values=values)
    more = record.raw("data")
    if more is not None and not isinstance(more, Mapping):
        raise WrongRecordError("data has to be an object")
    rest = {**(more or {}), **{name: value for name, value in values.items() if name not in known}}
    for name, value in rest.items():
        near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR) if name in values else []
        if near and name not in known:
            raise WrongRecordError(f"the key {name!r} is not known; {near[0]!r} is")
        if isinstance(value, str | bool | int | float) and len(record.extra) < 48:
            record.extra[str(name)[:200]] = value if not isinstance(value, str) else value[:2048]
    for name in ("service", "environment"):
        fallback = getattr(defaults, name)
        if fallback is not None and name in FIELDS[kind] and record.raw(name) is None and not values.get("services"):
            values[name] = fallback
    return record


def _event(record: ShortRecord, kind: Kind, at: datetime, **fields: Any) -> DeliveryEvent:
    """An event whose id follows from all that it says."""
    source = record.text("source") or SOURCE
    data: dict[str, Scalar] = {**record.extra, **{k: v for k, v in fields.pop("data", {}).items() if v is not None}}
    if (team := record.text("team")) is not None:
        data["team"] = team
    fields = {**fields, "url": record.text("url")}
    said = json.dumps([fields, data], sort_keys=True, default=str)
    name = event_id("record", kind.value, source, format_timestamp(at), said)
    return DeliveryEvent(kind=kind, source=source, id=name, occurred_at=at, data=MappingProxyType(data), **fields)


def _deployment(record: ShortRecord) -> Parsed:
    name, service = record.must("id"), record.must("service", "; --service gives one for all")
    environment = record.must("environment", "; --environment gives one for all")
    status = record.status(DEPLOYMENT_STATUS, "success")
    if status == "unfinished":
        return Parsed(events=(), skipped="a deployment that has not ended")
    at, back = record.time("at"), record.time("rolled_back_at")
    if at is None and back is None:
        raise WrongRecordError("the time is missing; write deployed_at (or finished_at) with an offset")
    commits, head = _listed(record)
    shared: dict[str, Any] = {
        "subject": name,
        "service": service,
        "environment": environment,
        "release": name,
        "commit": head.sha if head else None,
        "committed_at": head.at if head else None,
    }
    if status == "rolled_back" and back is None:
        at, back = None, at  # the only time there is belongs to the only thing the status tells
    found: list[DeliveryEvent] = []
    changes = _changes(record)
    data = _deployment_data(record)
    if at is not None:
        lists = {
            COMMITS: encode_commits(commits) if commits else None,
            CHANGES: json.dumps(changes) if changes else None,
        }
        outcome = "success" if status == "rolled_back" else status
        fields = {**shared, "outcome": outcome, "change": changes[0] if len(changes) == 1 else None}
        found.append(_event(record, Kind.SERVICE_DEPLOYED, at, **fields, data={**data, **lists}))
    if back is not None:
        found.append(_event(record, Kind.SERVICE_ROLLEDBACK, back, **shared, outcome="success", data=data))
    return Parsed(events=tuple(found))


def _deployment_data(record: ShortRecord) -> dict[str, Scalar]:
    unplanned = record.flag("unplanned") or (record.raw("planned") is not None and not record.flag("planned"))
    fixes, failed_at, started = record.text("fixes"), record.time("failed_at"), record.values.get("started_at")
    found: dict[str, Scalar] = {
        name: record.text(name) for name in ("version", "artifact", "retry_of", "run", "attempt", "rollback_of")
    }
    return found | {
        "unplanned": True if unplanned or fixes else None,
        "rollback": True if record.flag("rollback") else None,
        "fixes": fixes,
        "failed_at": format_timestamp(failed_at) if failed_at else None,
        "started_at": started if isinstance(started, str) else None,
    }


def _listed(record: ShortRecord) -> tuple[tuple[Commit, ...], Commit | None]:
    """The commits that are listed, and the one that was deployed: the one named so, else the newest of the list."""
    commits = (*record.commits(), *_commits_among_changes(record))
    head = record.head()
    if head is None and len(commits) == 1:
        head = commits[0]
    elif head is None and commits and all(commit.at is not None for commit in commits):
        newest = max(commits, key=lambda commit: (commit.at, commit.sha))
        head = newest
    if head is not None and not commits and (head.original or head.reverts):
        commits = (head,)
    return commits, head


def _commits_among_changes(record: ShortRecord) -> tuple[Commit, ...]:
    """`changes` may list commits as objects: those that have a sha."""
    items = record.raw("changes")
    found = [i for i in items if isinstance(i, Mapping) and "sha" in i] if isinstance(items, list) else []
    try:
        return parse_commits(found)
    except ValueError as error:
        raise WrongRecordError(str(error).replace("commits[", "changes[")) from error


def _changes(record: ShortRecord) -> list[str]:
    items = record.raw("changes")
    found = []
    for item in items if isinstance(items, list) else [] if items is None else [items]:
        name = item.get("id") if isinstance(item, Mapping) else item
        if isinstance(item, Mapping) and "sha" in item:
            continue
        if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
            raise WrongRecordError("changes is a list of ids, or of objects with an id")
        found.append(str(name).strip())
    return list(dict.fromkeys(found))


def _rollback(record: ShortRecord) -> Parsed:
    name, service = record.must("id"), record.must("service", "; --service gives one for all")
    environment = record.must("environment", "; --environment gives one for all")
    status = record.status(DEPLOYMENT_STATUS, "success")
    if status == "unfinished":
        return Parsed(events=(), skipped="a rollback that has not ended")
    at = record.time("at")
    if at is None:
        raise WrongRecordError("the time is missing; write rolled_back_at (or at) with an offset")
    head, failed_at, turned = record.head(), record.time("failed_at"), record.text("deployment")
    outcome = {"failure": "error", "rolled_back": "success"}.get(status, status)
    return Parsed(
        events=(
            _event(
                record,
                Kind.SERVICE_ROLLEDBACK,
                at,
                subject=name,
                service=service,
                environment=environment,
                release=turned,
                outcome=outcome,
                commit=None if turned else head and head.sha,
                data={"failed_at": format_timestamp(failed_at) if failed_at else None, "rollback_id": name},
            ),
        )
    )


def _change(record: ShortRecord) -> Parsed:
    commits, head = record.commits(), record.head()
    name = record.text("id") or (head.sha if head else None)
    if name is None:
        raise WrongRecordError("id is missing")
    merged, other = record.time("merged_at"), record.time("at")
    committed = record.time("committed_at")
    status = record.status(CHANGE_STATUS, "merged")
    if status == "closed":
        return Parsed(events=(), skipped="a change that was not merged")
    if head is None and not commits:
        head = Commit(sha=name, at=committed or other)  # the record is the commit
    elif merged is None and head is not None and head.at is None and not commits:
        head = replace(head, at=other)
    elif merged is None and head is None and len(commits) == 1 and commits[0].at is None:
        commits = (replace(commits[0], at=other),)
    if not commits and head is not None:
        commits = (_with_paths(head, record),)
    times = [commit.at for commit in commits if commit.at is not None]
    at = merged or other or committed or max(times, default=None)
    if at is None:
        raise WrongRecordError("the time is missing; write merged_at with an offset")
    kind = Kind.CHANGE_MERGED if status == "merged" else Kind.CHANGE_CREATED
    events = tuple(
        _event(
            record,
            kind,
            at,
            subject=name,
            service=service,
            change=name,
            commit=head.sha if head else None,
            committed_at=head.at if head else None,
            data={
                COMMITS: encode_commits(commits),
                "repository": record.text("repository"),
                SQUASH: _squash_commit(record, head),
            },
        )
        for service in _services(record)
    )
    return Parsed(events=events)


def _squash_commit(record: ShortRecord, head: Commit | None) -> str | None:
    """The squash commit, where the record names a merge commit besides it."""
    values = (record.values.get(name) for name in ("squash_commit", "squash_commit_sha", "squash_sha"))
    value = next((v for v in values if v not in (None, "")), None)
    if value is None or head is None:
        return None
    try:
        squash = parse_commit({"sha": value}).sha
    except ValueError as error:
        raise WrongRecordError(str(error).replace("commits[0]", "squash_commit")) from error
    return None if squash == head.sha else squash


def _with_paths(head: Commit, record: ShortRecord) -> Commit:
    paths = record.raw("paths") or ()
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise WrongRecordError("paths is a list of texts")
    return replace(head, paths=tuple(paths))


def _services(record: ShortRecord) -> Sequence[str | None]:
    several = record.raw("services")
    if several is None:
        return (record.text("service"),)
    if not isinstance(several, list) or not all(isinstance(name, str) and name.strip() for name in several):
        raise WrongRecordError("services is a list of names")
    return [name.strip() for name in several] or (None,)


def _incident(record: ShortRecord) -> Parsed:
    name = record.must("id")
    status = record.status(INCIDENT_STATUS, "")
    began, moment, ended = record.time("started_at"), record.time("at"), record.time("resolved_at")
    if status == "resolved" and ended is None:
        if began is not None:
            raise WrongRecordError("the status says it is over, but resolved_at is missing")
        ended, moment = moment, None  # a record of the resolution alone
    if status == "open" and ended is not None:
        raise WrongRecordError("the status says it is open, but there is a time at which it was resolved")
    began = began or moment
    if began is None and ended is None:
        raise WrongRecordError("the time is missing; write started_at with an offset")
    head = record.head()
    shared: dict[str, Any] = {
        "subject": name,
        "service": record.text("service"),
        "environment": record.text("environment"),
        "release": record.text("deployment"),
        "commit": head.sha if head else None,
    }
    data: dict[str, Scalar] = {"artifact": record.text("artifact")}
    found = []
    if began is not None:
        outcome = "canceled" if status == "dismissed" else ""
        found.append(_event(record, Kind.INCIDENT_DETECTED, began, **shared, outcome=outcome, data=data))
    if ended is not None:
        found.append(_event(record, Kind.INCIDENT_RESOLVED, ended, **shared, data=data))
    return Parsed(events=tuple(found))


_PARSERS = {"deployment": _deployment, "rollback": _rollback, "change": _change, "incident": _incident}
