"""The lock on one bundle at one target: an object that only one run can create.

Generation preconditions detect a race; the lock prevents two half-done releases from mixing. A holder that is killed
loses the lock when it expires, or at once to a run on the same machine that sees it is dead. A holder that was merely
slow notices before its next write: `Lease.ensure`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from cicd.dags import documents
from cicd.dags.alive import is_dead
from cicd.dags.documents import LockDocument
from cicd.dags.stores.port import DagStore
from headgate.clock import Clock, format_timestamp
from headgate.errors import ConflictError, LockHeldError


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTerms:
    """`holder` is shown to others. `token` must be unique per run. `lease_s` is how long a dead run blocks others.

    No write is begun when less than `margin_s` of the lease is left; it must exceed the time one write can take.
    Machines that share a target need clocks that agree to within `margin_s`. `process` names this process as
    `describe_process` does, None when it shall not be looked for. A request that a dead process sent may still be on
    its way, so its lock is taken over only `grace_s` after its death was seen.
    """

    holder: str
    token: str
    lease_s: float = 120.0
    margin_s: float = 40.0
    process: str | None = None
    grace_s: float = 3.0


class Lease:
    """A lock that is held. Thread-safe."""

    def __init__(self, store: DagStore, path: str, clock: Clock, terms: LockTerms) -> None:
        self._store = store
        self._path = path
        self._clock = clock
        self._terms = terms
        self._mutex = threading.Lock()
        self._generation = 0
        self._since = 0.0

    def _write(self, if_generation: int) -> None:
        asked, now = self._clock.monotonic(), self._clock.now()
        document = LockDocument(
            holder=self._terms.holder,
            token=self._terms.token,
            acquired_at=now,
            expires_at=now + timedelta(seconds=self._terms.lease_s),
            process=self._terms.process,
        )
        written = self._store.write(self._path, documents.dump(document), if_generation=if_generation)
        self._generation, self._since = written.generation, asked

    def acquire(self) -> None:
        """Take the lock, or take it over after its expiry. Raises `LockHeldError` that names the holder."""
        try:
            self._write(0)
        except ConflictError:
            self._take_over()

    def _take_over(self) -> None:
        there = self._store.read(self._path)
        if there is not None:
            document = documents.parse_lock(there[0], self._path)
            if self._clock.now() < document.expires_at:
                if self._terms.process is None or not is_dead(document.process):
                    raise _held(document, self._path)
                self._clock.sleep(self._terms.grace_s)
        try:
            self._write(there[1] if there else 0)
        except ConflictError as error:
            winner = self._store.read(self._path)
            if winner is None:
                raise _held(None, self._path) from error
            raise _held(documents.parse_lock(winner[0], self._path), self._path) from error

    def ensure(self) -> None:
        """Renew the lease when a third of it has passed. Raises `LockHeldError` when it is lost or about to run out."""
        with self._mutex:
            age = self._clock.monotonic() - self._since
            if age < self._terms.lease_s / 3:
                return
            if age > self._terms.lease_s - self._terms.margin_s:
                raise _lost(self._path)
            try:
                self._write(self._generation)
            except ConflictError as error:
                raise _lost(self._path) from error

    def release(self) -> None:
        """Give the lock back; one that was taken over meanwhile is left alone."""
        try:
            self._store.delete(self._path, if_generation=self._generation)
        except ConflictError:
            there = self._store.read(self._path)
            if there is None or documents.parse_lock(there[0], self._path).token != self._terms.token:
                return
            with suppress(ConflictError):  # ours: the answer to its renewal was lost
                self._store.delete(self._path, if_generation=there[1])


def _held(document: LockDocument | None, path: str) -> LockHeldError:
    who = f"{document.holder} since {format_timestamp(document.acquired_at)}" if document else "another run"
    until = f" (it expires at {format_timestamp(document.expires_at)} unless renewed)" if document else ""
    return LockHeldError(
        f"the target is locked by {who}{until}",
        where=path,
        next_step="Nothing was changed. Run the command again when the other delivery has ended.",
    )


def _lost(path: str) -> LockHeldError:
    return LockHeldError(
        "the lock ran out before the delivery was complete",
        where=path,
        next_step="Another run may have taken over; see `headgate dags status` and run the command again.",
    )
