"""A lock on one target as a Kubernetes Lease: every write names the resourceVersion that it expects.

The fencing token is `leaseTransitions`; a lock that is given back keeps its Lease without a holder, so that the token
never falls. What the holder is doing is in an annotation. Unlike a lock in the GitOps repository it cannot be moved in
the same push as a commit: it is renewed right before, and the push itself is refused when the branch has moved.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from deployments.cluster.api import ClusterApi, Object, ObjectRef
from deployments.cluster.rights import Right, missing_rights
from deployments.gitops.holder import Holder, is_gone, is_running, parse_holder, this_process
from deployments.locks import LockInfo, Waiting, lost, take_when_free
from headgate.clock import Clock, parse_timestamp
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    TransportError,
)

PURPOSE = "headgate.dev/purpose"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ATTEMPTS = 4


def lease_name(service: str, environment: str) -> str:
    """The name of the Lease: `headgate.SERVICE.ENVIRONMENT`; names that Kubernetes does not take get a hash."""
    if _LABEL.fullmatch(service) and _LABEL.fullmatch(environment):
        return f"headgate.{service}.{environment}"
    digest = hashlib.sha256(f"{service}/{environment}".encode()).hexdigest()[:10]
    plain = re.sub(r"[^a-z0-9]+", "-", f"{service}-{environment}".lower()).strip("-")
    return f"headgate-{plain}-{digest}"


class LeaseLock:
    """The lock `name` in `namespace`. Implements `deployments.release.ports.Lock`.

    `ttl_s` (whole seconds) is how long it lives without renewal. `gone` and `running` say what is certain of a holder.
    While the cluster cannot be reached a lock that has not expired is still ours: nobody else could have taken it.
    """

    def __init__(
        self,
        cluster: ClusterApi,
        *,
        namespace: str,
        name: str,
        clock: Clock,
        ttl_s: int = 60,
        holder: Holder | None = None,
        gone: Callable[[Holder], bool] = is_gone,
        running: Callable[[Holder], bool] = is_running,
    ) -> None:
        self._ref = ObjectRef(
            group="coordination.k8s.io", version="v1", resource="leases", namespace=namespace, name=name
        )
        self._cluster, self._clock, self._ttl_s = cluster, clock, ttl_s
        self._holder = holder or this_process()
        self._waiting = Waiting(clock=clock, gone=gone, running=running, pause_s=min(1.0, ttl_s / 10))
        self._mine: LockInfo | None = None

    @property
    def rights(self) -> tuple[Right, ...]:
        """What it needs in the cluster."""
        return self._ref.right("get"), self._ref.right("create"), self._ref.right("update")

    @property
    def where(self) -> str:
        return f"Lease {self._ref.namespace}/{self._ref.name}"

    def acquire(self, purpose: str, *, wait_s: float = 0.0) -> LockInfo | None:
        """Take the lock and return what a dead or expired predecessor left; see `locks.take_when_free`.

        Raises `AuthenticationError` naming every right that is missing, before anything is written.
        """
        missing = self._cluster.missing(self.rights)
        if missing:
            raise missing_rights(missing, self.where)
        return take_when_free(
            self._waiting,
            self.read,
            # What a predecessor left unfinished stays written until this run says what it does about it.
            lambda found: self._take(found, found.purpose if found else purpose),
            wait_s=wait_s,
            where=self.where,
        )

    def read(self) -> LockInfo | None:
        """The lock as it is now, whoever holds it; None when it is free."""
        lease = self._lease()
        return None if lease is None or not _spec(lease).get("holderIdentity") else parse_lease(lease)

    def check(self) -> None:
        """Raise `ConflictError` unless the lock is still ours."""
        mine = self._held()
        try:
            found = self.read()
        except AuthenticationError:
            raise
        except TransportError:
            if self._expired(mine):
                raise
            return
        if found is None or (found.process, found.token) != (mine.process, mine.token):
            raise lost(self.where)

    def renew_if_due(self) -> None:
        """Prolong the lock when half of its life is over. Raises `ConflictError` when it is not ours any more."""
        mine = self._held()
        left_s = (mine.expires_at - self._clock.now()).total_seconds() if mine.expires_at else 0.0
        if left_s >= self._ttl_s / 2:
            return
        try:
            self._renew(self._clock.now())
        except AuthenticationError:
            raise
        except TransportError:
            if self._expired(mine):
                raise

    def describe(self, purpose: str) -> None:
        """Say from the next write or renewal on what the lock is held for."""
        self._mine = replace(self._held(), purpose=purpose)

    def abandon(self) -> None:
        """Let the lock expire now, but leave its message: it tells the next run what was not finished. Never raises."""
        if self._mine is not None:
            with contextlib.suppress(HeadgateError):
                self._renew(self._clock.now() - timedelta(seconds=self._ttl_s))
            self._mine = None

    def release(self) -> None:
        """Give the lock back if it is ours; a lock that somebody took over is left alone. Never raises."""
        if self._mine is not None:
            with contextlib.suppress(HeadgateError):
                self._write_mine(lambda mine, _: {"leaseTransitions": mine.token}, purpose=None)
            self._mine = None

    def fence(self) -> tuple[LockInfo, tuple[str, ...]]:
        """The lock, renewed this moment: a push right after it is ours. It adds nothing to the push."""
        self._renew(self._clock.now())
        return self._held(), ()

    def moved(self, renewed: LockInfo) -> None:
        """The push succeeded: nothing to do, the Lease was renewed before."""

    def recover(self, renewed: LockInfo) -> None:  # noqa: ARG002 - the port's signature
        """After a push whose outcome is not known. Raises `ConflictError` when the lock is lost."""
        self.check()

    def _held(self) -> LockInfo:
        if self._mine is None:
            raise lost(self.where)
        return self._mine

    def _expired(self, mine: LockInfo) -> bool:
        return mine.expires_at is None or self._clock.now() >= mine.expires_at

    def _lease(self) -> Object | None:
        try:
            return self._cluster.get(self._ref)
        except NotFoundError:
            return None

    def _take(self, found: LockInfo | None, purpose: str) -> bool:
        """Take what was read; False when somebody was faster."""
        lease = self._lease()
        now_there = parse_lease(lease) if lease is not None and _spec(lease).get("holderIdentity") else None
        if (now_there.state if now_there else None) != (found.state if found else None):
            return False
        now = self._clock.now()
        token = int_or_0(_spec(lease).get("leaseTransitions")) + 1 if lease is not None else 1
        spec = self._spec(token, now) | {"acquireTime": micro_time(now)}
        try:
            if lease is None:
                metadata = {"name": self._ref.name, "namespace": self._ref.namespace, "annotations": {PURPOSE: purpose}}
                written = self._cluster.create(self._ref, _document(metadata, spec))
            else:
                written = self._cluster.replace(self._ref, _document(_annotated(lease, purpose), spec))
        except ConflictError:
            return False
        self._mine = parse_lease(written)
        return True

    def _renew(self, at: datetime) -> None:
        def renewed(mine: LockInfo, spec: Mapping[str, Any]) -> dict[str, Any]:
            return self._spec(mine.token, at) | {"acquireTime": spec.get("acquireTime")}

        self._write_mine(renewed, purpose=self._held().purpose)

    def _write_mine(
        self, spec_for: Callable[[LockInfo, Mapping[str, Any]], dict[str, Any]], *, purpose: str | None
    ) -> None:
        """Write the Lease if it is still ours, whatever else has been written to it. Raises `ConflictError`."""
        mine = self._held()
        for _ in range(_ATTEMPTS):
            lease = self._lease()
            found = parse_lease(lease) if lease is not None else None
            if lease is None or found is None or (found.process, found.token) != (mine.process, mine.token):
                raise lost(self.where)
            spec = spec_for(mine, _spec(lease))
            with contextlib.suppress(ConflictError):
                written = self._cluster.replace(self._ref, _document(_annotated(lease, purpose), spec))
                self._mine = replace(parse_lease(written), purpose=mine.purpose)
                return
        raise lost(self.where)

    def _spec(self, token: int, renewed: datetime) -> dict[str, Any]:
        return {
            "holderIdentity": str(self._holder),
            "leaseDurationSeconds": self._ttl_s,
            "renewTime": micro_time(renewed),
            "leaseTransitions": token,
        }


def parse_lease(lease: Mapping[str, Any]) -> LockInfo:
    """What a Lease says, whoever wrote it; what cannot be read counts as expired."""
    spec, metadata = _spec(lease), lease["metadata"]
    process = parse_holder(str(spec.get("holderIdentity") or ""))
    return LockInfo(
        state=str(metadata.get("resourceVersion") or ""),
        holder=process.name if process else str(spec.get("holderIdentity") or "somebody"),
        process=process,
        token=int_or_0(spec.get("leaseTransitions")),
        expires_at=_expiry(spec),
        purpose=str((metadata.get("annotations") or {}).get(PURPOSE) or ""),
    )


def micro_time(moment: datetime) -> str:
    """Kubernetes' MicroTime: always six digits of the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def int_or_0(value: object) -> int:
    """A number of a Lease; 0 when it is not there."""
    return value if isinstance(value, int) else 0


def _expiry(spec: Mapping[str, Any]) -> datetime | None:
    duration = spec.get("leaseDurationSeconds")
    try:
        renewed = parse_timestamp(str(spec.get("renewTime")))
    except ValueError:
        return None
    return renewed + timedelta(seconds=duration) if isinstance(duration, int) else None


def _spec(lease: Mapping[str, Any]) -> dict[str, Any]:
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}


def _annotated(lease: Object, purpose: str | None) -> dict[str, Any]:
    """The Lease's metadata with what it is held for; None removes that."""
    metadata: dict[str, Any] = lease["metadata"]
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != PURPOSE}
    return metadata | {"annotations": kept if purpose is None else kept | {PURPOSE: purpose}}


def _document(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": dict(metadata),
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
