"""What the release engine needs from outside. Free of Kubernetes words: a database alias can be a target as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployments.gitops.repository import Desired, Fence, Release
from deployments.gitops.trailers import ReleaseNote
from deployments.locks import LockInfo
from deployments.rollouts.snapshot import Snapshot


class Target(Protocol):
    """The thing that is rolled out. Every method raises `TransportError` or `RemoteStateError` subclasses.

    Actions return when they were accepted, not when they are done; whoever calls them observes afterwards. After a
    timeout it is not known whether an action was done.
    """

    def observe(self) -> Snapshot:
        """Its state now."""
        ...

    def resume(self) -> None:
        """Go on to the next step (or switch)."""
        ...

    def promote(self) -> None:
        """Give all the traffic to the wanted version, without further steps."""
        ...

    def abort(self) -> None:
        """Give all the traffic back to the stable version."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A Git revision that the target shall be brought to.

    `accepts` says whether a revision is as good: the commit itself or a descendant with the same version. `nonce`
    names the purpose, the same in every run of one release, so that a later run knows an operation again.
    """

    revision: str
    nonce: str
    accepts: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The target has been brought to `revision`."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """It is under way, or something else has to end first."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailed:
    """It was tried and failed; trying again will not help."""

    why: str


class Delivery(Protocol):
    """Brings the target to a Git revision, one look or act per call."""

    def advance(self, wanted: Wanted) -> Delivered | NotYet | DeliveryFailed:
        """Look, and do the next thing that is needed. Never blocks for longer than one call."""
        ...

    def holds(self, accepts: Callable[[str], bool]) -> bool:
        """Whether the target is in step with a revision that is accepted, without changing anything."""
        ...

    def obstacle(self) -> str:
        """What somebody else is doing to the target right now, in words; empty when nobody is."""
        ...

    def agrees(self) -> bool:
        """Whether its own summary says that all is well by now. The summary may lag, or never say so."""
        ...


class Store(Protocol):
    """The record of wanted versions; see `deployments.gitops.repository.GitOpsRepository`."""

    def refresh(self) -> Desired: ...

    def releases(self, service: str, environment: str, *, limit: int = 200) -> tuple[Release, ...]: ...

    def carries(self, revision: str, commit: str, version: str) -> bool: ...

    def version_at(self, revision: str) -> str: ...

    def write_release(self, note: ReleaseNote, fence: Fence) -> Release: ...

    def revert_release(self, release: Release, reason: str, fence: Fence) -> str: ...


class Lock(Fence, Protocol):
    """The lock on the target; see `deployments.gitops.lock.GitLock`."""

    def acquire(self, purpose: str, *, wait_s: float = 0.0) -> LockInfo | None: ...

    def describe(self, purpose: str) -> None: ...

    def check(self) -> None: ...

    def renew_if_due(self) -> None: ...

    def release(self) -> None: ...

    def abandon(self) -> None: ...
