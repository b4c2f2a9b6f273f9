"""Delivery events: what happened to a change on its way to production.

The names follow CDEvents (subject.predicate). An event is a plain frozen value; the wire form and the store are
other modules. Identity is `(source, id)`: the same event sent twice counts once, so emitters must derive `id` from
what happened (`event_id`), never from a random number or the time of sending.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from headgate.secrets import mask

Scalar = str | int | float | bool | None


class Kind(StrEnum):
    """Subject and predicate of a CDEvent, without prefix and version."""

    CHANGE_CREATED = "change.created"
    CHANGE_MERGED = "change.merged"
    PIPELINE_FINISHED = "pipelinerun.finished"
    GATE_FINISHED = "testsuiterun.finished"
    ARTIFACT_PACKAGED = "artifact.packaged"
    ARTIFACT_PUBLISHED = "artifact.published"
    SERVICE_DEPLOYED = "service.deployed"
    SERVICE_UPGRADED = "service.upgraded"
    SERVICE_ROLLEDBACK = "service.rolledback"
    INCIDENT_DETECTED = "incident.detected"
    INCIDENT_REPORTED = "incident.reported"
    INCIDENT_RESOLVED = "incident.resolved"
    COMMITS_COMPARED = "commits.compared"
    """Not of CDEvents: which commits lie between two that were deployed (`observability.ranges`)."""


DEPLOYED = frozenset({Kind.SERVICE_DEPLOYED, Kind.SERVICE_UPGRADED})
DELIVERY = DEPLOYED | {Kind.SERVICE_ROLLEDBACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent:
    """One thing that happened.

    `source` is a URI reference of the emitter, `id` unique within it. `occurred_at` is event time, aware, UTC.
    `subject` names the thing (merge request `!12`, release id, gate name, incident id).
    `service` and `environment` name the deployment target; DAG bundles are services too (`dags/<project>`).
    `commit` is the full source commit that was changed, tested or deployed (not the GitOps commit).
    `committed_at` is the time of that commit. `outcome` is `success`, `failure`, `error` or `canceled`, empty where
    the kind says it all. `change` links to the merge request, `release` to the release id. `data` holds further
    scalars. None and empty text mean "not known" and are never replaced by a guess.
    How events are joined to deployments, failures and recoveries is a contract with their emitters; it is written down
    at the top of `observability.history`.
    """

    kind: Kind
    source: str
    id: str
    occurred_at: datetime
    subject: str
    service: str | None = None
    environment: str | None = None
    commit: str | None = None
    committed_at: datetime | None = None
    outcome: str = ""
    change: str | None = None
    release: str | None = None
    url: str | None = None
    data: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))


def masked(event: DeliveryEvent) -> DeliveryEvent:
    """The event without secrets in any of its texts; what is stored, shown or sent has passed through here.

    `id` stays as it is: it is an identity, and must not depend on which secrets this process happens to know.
    """
    texts: dict[str, Any] = {
        name: mask(value)
        for name in ("source", "subject", "service", "environment", "outcome", "change", "release", "url")
        if isinstance(value := getattr(event, name), str)
    }
    data = {mask(key): mask(value) if isinstance(value, str) else value for key, value in event.data.items()}
    return replace(event, **texts, data=MappingProxyType(data))


def event_id(*parts: str) -> str:
    """A deterministic id from what happened: the same parts give the same id, so that a repeat is recognised."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
