"""The values of the Rollouts controller: what it looks at and what it decides. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

POD_TEMPLATE_HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
DEFAULT_SCALE_DOWN_DELAY_S = 30
DEFAULT_PROGRESS_DEADLINE_S = 600
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSetFacts:
    """One ReplicaSet of a rollout; `replicas` is wanted, `actual`, `ready` and `available` are counted pods."""

    hash: str
    name: str
    revision: int
    replicas: int
    actual: int = 0
    ready: int = 0
    available: int = 0
    scale_down_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything one reconciliation may look at.

    `revision` is the rollout's own annotation, 0 before the first reconciliation. `selectors` holds, for each Service
    that exists, the pod template hash that its selector names (None when it names none).
    """

    name: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    generation: int
    revision: int
    template_hash: str
    replica_sets: tuple[ReplicaSetFacts, ...]
    selectors: Mapping[str, str | None]
    now: datetime

    @property
    def replicas(self) -> int:
        value = self.spec.get("replicas")
        return 1 if value is None else int(value)

    @property
    def canary(self) -> Mapping[str, Any]:
        return self.strategy.get("canary") or {}

    @property
    def blue_green(self) -> Mapping[str, Any]:
        return self.strategy.get("blueGreen") or {}

    @property
    def strategy(self) -> Mapping[str, Any]:
        return self.spec.get("strategy") or {}

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        return self.canary.get("steps") or ()

    def replica_set(self, pod_hash: str | None) -> ReplicaSetFacts | None:
        return next((item for item in self.replica_sets if pod_hash and item.hash == pod_hash), None)

    @property
    def new(self) -> ReplicaSetFacts | None:
        """The ReplicaSet of the template in the spec."""
        return self.replica_set(self.template_hash)

    @property
    def stable(self) -> ReplicaSetFacts | None:
        return self.replica_set(self.status.get("stableRS"))

    @property
    def others(self) -> tuple[ReplicaSetFacts, ...]:
        """Neither new nor stable, newest first."""
        kept = {self.template_hash, self.status.get("stableRS")}
        rest = [item for item in self.replica_sets if item.hash not in kept]
        return tuple(sorted(rest, key=lambda item: -item.revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one reconciliation decided; empty fields mean "leave as it is".

    `revision` set: create the ReplicaSet of the template if it is missing and write this revision on it and on the
    rollout; nothing else then. `wake_at`: look again at that moment even if nothing changes.
    """

    status: Object | None = None
    revision: int | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    deadlines: Mapping[str, datetime | None] = field(default_factory=dict)
    selectors: Mapping[str, str] = field(default_factory=dict)
    wake_at: datetime | None = None


def short_hash(value: Any) -> str:
    """Ten letters that depend on the JSON value only."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
    return "".join(_HASH_ALPHABET[byte % len(_HASH_ALPHABET)] for byte in digest[:10])


def template_hash(template: Any) -> str:
    """Hash of a pod template that does not see what the API server or the controller fills in by itself."""
    return short_hash(_without_defaults(template))


def _without_defaults(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without_defaults(item) for key, item in value.items()}
        is_default = {"resources": kept.get("resources") == {}, "protocol": kept.get("protocol") == "TCP"}
        return {key: item for key, item in kept.items() if not is_default.get(key, False) and item is not None}
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value


def parse_time(text: str) -> datetime:
    """A Kubernetes time (whole seconds, Z)."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """The same, written; fractions are cut off, as Kubernetes does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration_s(value: Any) -> float:
    """A pause duration: a number of seconds, or text such as "90", "5s", "10m", "1h". Raises `ValueError`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(r"(\d+)([smh]?)", str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration")
    return int(match[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


def share(value: Any, total: int, *, up: bool) -> int:
    """maxSurge or maxUnavailable: a number, or a percentage of the replicas rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        exact = total * int(value[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)


def owner_of(obj: Mapping[str, Any]) -> Object:
    """The ownerReference that makes `obj` the controller of something."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
