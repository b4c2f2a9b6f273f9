"""Looking at a target without changing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cicd.dags.documents import LockDocument, parse_lock
from cicd.dags.drift import Drift, find_drift, foreign
from cicd.dags.ledger import Books
from cicd.dags.proposal import Bundle, observe


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in force, what differs from it, what belongs to others, and who holds the lock (None: nobody)."""

    books: Books
    drift: tuple[Drift, ...]
    foreign: tuple[str, ...]
    lock: LockDocument | None


def inspect(bundle: Bundle, now: datetime) -> Inspection:
    """Read bookkeeping, lock and bucket. Raises `TransportError`, `NotFoundError`, `RemoteStateError`."""
    ledger = bundle.ledger
    books = ledger.read()
    actual = observe(bundle.target, books)
    held = bundle.target.store.read(ledger.layout.lock)
    lock = parse_lock(held[0], ledger.layout.lock) if held else None
    return Inspection(
        books=books,
        drift=find_drift(actual, books.manifest, books.claims),
        foreign=foreign(actual, books.manifest, books.claims),
        lock=lock if lock and lock.expires_at > now else None,
    )
