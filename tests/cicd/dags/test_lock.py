"""The lock and its lease."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicd.dags.lock import Lease, LockTerms
from cicd.dags.model import StoredObject
from cicd.dags.stores.local import LocalStore
from headgate.errors import LockHeldError, RemoteStateError, UnreachableError
from tests.testing.dag_stores import MortalStore
from tests.testing.stepped_clock import SteppedClock


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def lease(store: LocalStore | MortalStore, clock: SteppedClock, name: str) -> Lease:
    return Lease(store, "lock", clock, LockTerms(holder=name, token=name, lease_s=120, margin_s=40))


def test_one_at_a_time(store: LocalStore, clock: SteppedClock) -> None:
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    first.acquire()
    with pytest.raises(LockHeldError, match="locked by first since 2026-11-21T10:36:20"):
        second.acquire()
    first.release()
    second.acquire()
    first.release()  # gives nothing back that is not its own
    assert store.read("lock") is not None


def test_renewal_keeps_it(store: LocalStore, clock: SteppedClock) -> None:
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    first.acquire()
    for _ in range(10):
        clock.advance(50)
        first.ensure()
        with pytest.raises(LockHeldError):
            second.acquire()


def test_it_is_given_back_when_the_answer_to_its_renewal_was_lost(store: LocalStore, clock: SteppedClock) -> None:
    class Lossy(MortalStore):
        lost = False

        def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
            written = super().write(path, data, if_generation=if_generation)
            if self.lost:
                raise UnreachableError("no connection")
            return written

    lossy = Lossy(store)
    held = lease(lossy, clock, "first")
    held.acquire()
    lossy.lost = True
    clock.advance(50)
    with pytest.raises(UnreachableError):
        held.ensure()
    held.release()
    assert store.read("lock") is None


def test_it_is_renewed_when_a_third_has_passed_and_not_before(store: LocalStore, clock: SteppedClock) -> None:
    counted = MortalStore(store)
    held = lease(counted, clock, "first")
    held.acquire()
    calls = counted.calls
    clock.advance(39)
    held.ensure()
    assert counted.calls == calls
    clock.advance(2)
    held.ensure()
    assert counted.calls == calls + 1


@pytest.mark.parametrize("slept_s", [81, 119, 500])
def test_too_late_to_renew(store: LocalStore, clock: SteppedClock, slept_s: float) -> None:
    """With less than the margin left no write may begin, even if nobody has taken over yet."""
    held = lease(store, clock, "first")
    held.acquire()
    clock.advance(slept_s)
    with pytest.raises(LockHeldError, match="ran out"):
        held.ensure()


def test_taken_over_after_expiry(store: LocalStore, clock: SteppedClock) -> None:
    first, second = lease(store, clock, "first"), lease(store, clock, "second")
    first.acquire()
    clock.advance(120)
    second.acquire()
    with pytest.raises(LockHeldError):
        first.ensure()
    first.release()
    with pytest.raises(LockHeldError, match="locked by second"):
        first.acquire()


def test_a_lost_race_names_the_winner(store: LocalStore, clock: SteppedClock) -> None:
    class Late(MortalStore):
        """Sees a lock that has expired, because the other takes it over just after."""

        def read(self, path: str) -> tuple[bytes, int] | None:
            if self.calls == 1:  # after the attempt to create it
                found = super().read(path)
                lease(store, clock, "quick").acquire()
                return found
            return super().read(path)

    lease(store, clock, "forgotten").acquire()
    clock.advance(10_000)
    with pytest.raises(LockHeldError, match="locked by quick"):
        lease(Late(store), clock, "late").acquire()


NO_MOMENT = b'{"format":1,"holder":"x","token":"x","acquired_at":"0001-01-01T00:00:00+23:00","expires_at":"2026-01-01T00:00:00Z"}'


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"format": 2}', b'{"format": 1, "holder": 3}', b"\xff", NO_MOMENT]
)
def test_an_unreadable_lock_is_not_taken_over(store: LocalStore, clock: SteppedClock, data: bytes) -> None:
    store.write("lock", data, if_generation=0)
    clock.advance(10_000)
    with pytest.raises(RemoteStateError, match="cannot be read"):
        lease(store, clock, "first").acquire()
