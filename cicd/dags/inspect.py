"""Looking at a target without changing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cicd.dags.breakers import Breaker, find_in_bucket
from cicd.dags.documents import LockDocument, parse_lock
from cicd.dags.drift import Drift, find_drift, foreign
from cicd.dags.ledger import Books
from cicd.dags.names import RESERVED
from cicd.dags.proposal import Bundle, observe


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in force, what differs from it, what belongs to others, and who holds the lock (None: nobody)."""

    books: Books
    drift: tuple[Drift, ...]
    foreign: tuple[str, ...]
    lock: LockDocument | None


def fetch_breakers(bundle: Bundle) -> tuple[Breaker, ...]:
    """What breaks the sync of the whole DAG folder, foreign objects and placeholders too. One listing."""
    size, listed = len(bundle.target.prefix), bundle.target.store.list(bundle.target.prefix)
    inside = (replace(item, path=item.path[size:]) for item in listed if len(item.path) > size)
    return find_in_bucket(item for item in inside if not item.path.startswith(f"{RESERVED}/"))


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
