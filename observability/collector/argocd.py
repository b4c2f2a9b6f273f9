"""Argo CD's notifications. Pure.

Argo CD sends what a template says; `docs/collector.md` has the template that this reads. A sync that succeeded and
became healthy is a deployment. Its revision is a commit of the environment repository: the trailers of that commit
(`Source-Commit`, `Source-Committed-At`, and Headgate's own) name the change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import Field

from observability.collector.facts import Origin, deployment_event, host, sha, web
from observability.collector.model import Delivery, Ignored, Refused, Translated, Translation
from observability.collector.moments import MaybeMoment, parse_moment
from observability.commits import read_message
from observability.events import Kind
from observability.records import Foreign, Text

SERVICE_LABELS = ("app.kubernetes.io/part-of", "app.kubernetes.io/name")
_RELEASE = re.compile(r"^Headgate-Release:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_REVERT = re.compile(r"^Headgate-Revert:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_SERVICE = re.compile(r"^Headgate-Service:[ \t]*(\S+)[ \t]*$", re.MULTILINE)


class _Operation(Foreign):
    phase: Text
    startedAt: MaybeMoment = None  # noqa: N815 - Argo CD's own name
    finishedAt: MaybeMoment = None  # noqa: N815 - as above
    revision: str | None = None
    message: str | None = None


class _Health(Foreign):
    status: str | None = None
    lastTransitionTime: MaybeMoment = None  # noqa: N815 - as above


class _Notification(Foreign):
    application: Text
    namespace: str | None = None
    environment: str | None = None
    service: str | None = None
    labels: dict[str, str] | None = Field(default=None)
    operation: _Operation
    health: _Health = _Health()
    images: Sequence[str] | None = None
    commit_message: str | None = None
    commit_date: Any = None
    url: str | None = None


def translate(delivery: Delivery) -> Translation:
    """What one notification tells. Raises pydantic's `ValidationError` for one that was made by another template."""
    if not isinstance(delivery.body, Mapping):
        return Refused(reason="the body is not an object")
    told = _Notification.model_validate(delivery.body)
    outcome = _outcome(told)
    if isinstance(outcome, Ignored | Refused):
        return outcome
    environment = delivery.hints.environment or told.environment
    if not environment:
        return Refused(
            reason="no environment: write ?environment=NAME into the address, or `environment` into the body"
        )
    begun = told.operation.startedAt or told.operation.finishedAt
    if begun is None:
        return Refused(reason="operation has neither startedAt nor finishedAt")
    return _deployment(told, outcome, environment, begun, delivery)


def _outcome(told: _Notification) -> str | Ignored | Refused:
    phase, health = told.operation.phase, told.health.status
    if phase in ("Running", "Terminating"):
        return Ignored(reason="a sync that has not ended")
    if phase in ("Failed", "Error"):
        return "failure" if phase == "Failed" else "error"
    if phase != "Succeeded":
        return Refused(reason=f"the phase {phase[:60]!r} of an operation is not known")
    if health == "Healthy":
        return "success"
    return "failure" if health == "Degraded" else Ignored(reason="a sync that has succeeded and is not healthy yet")


def _deployment(
    told: _Notification, outcome: str, environment: str, begun: datetime, delivery: Delivery
) -> Translation:
    message = told.commit_message or ""
    said = read_message(message)
    revision, source = sha(told.operation.revision), sha(said.get("source"))
    times = [told.operation.finishedAt or begun]
    if told.operation.phase == "Succeeded" and told.health.lastTransitionTime is not None:
        times.append(told.health.lastTransitionTime)  # it was live when it had become healthy
    # Headgate's own release tells of itself under this name: what Argo CD says adds to it and is no second deployment.
    reverted = _last(_REVERT, message)
    release = reverted or _last(_RELEASE, message)
    where = host(told.url, "argocd")
    key = f"sync/{begun.isoformat()}"
    service = delivery.hints.service or told.service or _last(_SERVICE, message) or _service(told, environment)
    event = deployment_event(
        Origin(provider="argocd", project=f"{where}/{told.namespace or 'argocd'}/{told.application}"),
        key=key,
        status=f"{told.operation.phase} {told.health.status if outcome != 'error' else ''}".strip(),
        outcome=outcome,
        at=max(times),
        service=service,
        environment=environment,
        commit=source or revision,
        committed_at=_moment(said.get("source_at")) if source else _moment(told.commit_date),
        release=release,
        url=web(told.url),
        data={
            "application": told.application,
            "gitops_commit": revision if source else None,
            "artifact": told.images[0] if told.images and len(told.images) == 1 else None,
            "reason": told.operation.message if outcome != "success" else None,
        },
    )
    if reverted is not None:  # the commit that turned a release back: what was before it is live again, or is not
        outcome = "success" if outcome == "success" else "error"
        event = replace(event, kind=Kind.SERVICE_ROLLEDBACK, outcome=outcome, commit=None, committed_at=None)
    return Translated(events=(event,))


def _service(told: _Notification, environment: str) -> str:
    """The application's name without its environment: applications are one per service and environment."""
    for label in SERVICE_LABELS:
        if named := (told.labels or {}).get(label):
            return named
    name = told.application
    shorter = name.removesuffix(f"-{environment}").removeprefix(f"{environment}-")
    return shorter or name


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return found[-1] if found else None


def _moment(value: object) -> datetime | None:
    try:
        return parse_moment(value) if isinstance(value, str) else None
    except ValueError:
        return None
