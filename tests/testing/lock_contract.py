"""What every lock adapter must do. A test class derives from `LockContract` and has a fixture `bench`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import pytest

from deployments.cluster.lease import LeaseLock
from deployments.gitops.holder import Holder
from deployments.gitops.lock import GitLock
from headgate.errors import ConflictError, LockHeldError
from tests.testing.stepped_clock import SteppedClock

AnyLock = GitLock | LeaseLock


class LockBench(Protocol):
    """Locks of one target by different holders, of 60 s, on one clock."""

    clock: SteppedClock

    def lock(self, holder: Holder, *, gone: bool = False) -> AnyLock:
        """The lock as `holder` sees it, each with connections of its own; `gone`: other holders have ended."""
        ...


def holder(name: str) -> Holder:
    return Holder(name=name, machine="m", pid=1, started="1")


class LockContract:
    """One target, several holders."""

    def test_taken_lock_says_who_and_what_for(self, bench: LockBench) -> None:
        lock = bench.lock(holder("ada"))
        assert lock.read() is None
        assert lock.acquire("start 1.1.0") is None
        found = bench.lock(holder("other")).read()
        assert found is not None
        assert (found.holder, found.process, found.purpose) == ("ada", holder("ada"), "start 1.1.0")
        assert found.token >= 1
        assert found.expires_at is not None
        left = found.expires_at - bench.clock.now()
        assert timedelta(seconds=59) <= left <= timedelta(seconds=60)
        lock.check()
        lock.release()
        assert lock.read() is None

    def test_it_is_exclusive_until_it_expires_and_then_taken_over(self, bench: LockBench) -> None:
        first, second = bench.lock(holder("first")), bench.lock(holder("second"))
        assert first.acquire("release rel-1") is None
        with pytest.raises(LockHeldError, match=r"first, doing 'release rel-1'.*release watch"):
            second.acquire("start")
        found = second.acquire("start", wait_s=90)
        assert found is not None
        assert (found.holder, found.purpose) == ("first", "release rel-1")
        now_there = second.read()
        assert now_there is not None
        assert (now_there.holder, now_there.token) == ("second", found.token + 1)
        with pytest.raises(ConflictError, match="does not hold the lock"):
            first.check()
        with pytest.raises(ConflictError):
            first.renew_if_due()
        first.release()
        second.check()

    def test_a_holder_that_has_ended_is_not_waited_for(self, bench: LockBench) -> None:
        bench.lock(holder("dead")).acquire("release rel-1")
        found = bench.lock(holder("heir"), gone=True).acquire("start")
        assert found is not None
        assert found.purpose == "release rel-1"
        assert bench.clock.monotonic() == 0

    def test_a_lock_that_is_renewed_is_alive(self, bench: LockBench) -> None:
        first, second = bench.lock(holder("first")), bench.lock(holder("second"))
        first.acquire("start")
        sleep = bench.clock.sleep

        def renewing(seconds: float) -> None:
            sleep(seconds)
            first.renew_if_due()

        bench.clock.sleep = renewing  # type: ignore[method-assign]
        with pytest.raises(LockHeldError):
            second.acquire("start", wait_s=300)
        assert bench.clock.monotonic() < 60
        first.check()

    def test_it_is_renewed_when_half_of_its_life_is_over(self, bench: LockBench) -> None:
        lock = bench.lock(holder("ada"))
        lock.acquire("start")
        before = lock.read()
        bench.clock.advance(20)
        lock.renew_if_due()
        assert lock.read() == before
        lock.describe("release rel-1")
        bench.clock.advance(20)
        lock.renew_if_due()
        after = lock.read()
        assert before is not None
        assert after is not None
        assert before.expires_at is not None
        assert after.expires_at == before.expires_at + timedelta(seconds=40)
        assert (after.token, after.purpose) == (before.token, "release rel-1")

    def test_an_abandoned_lock_is_free_and_tells_what_was_not_finished(self, bench: LockBench) -> None:
        first, second = bench.lock(holder("first")), bench.lock(holder("second"))
        first.acquire("start")
        first.describe("release rel-1")
        first.abandon()
        found = second.acquire("start 2")
        assert found is not None
        assert found.purpose == "release rel-1"
        now_there = second.read()
        assert now_there is not None
        assert now_there.purpose == "release rel-1"  # until this run says what it does about it
        second.describe("release rel-2")
        bench.clock.advance(40)
        second.renew_if_due()
        described = second.read()
        assert described is not None
        assert described.purpose == "release rel-2"

    def test_a_given_back_lock_is_free_without_a_predecessor(self, bench: LockBench) -> None:
        first, second = bench.lock(holder("first")), bench.lock(holder("second"))
        first.acquire("start")
        first.release()
        assert second.acquire("start") is None
        with pytest.raises(ConflictError):
            first.check()
        second.check()

    def test_without_the_lock_nothing_can_be_done(self, bench: LockBench) -> None:
        lock = bench.lock(holder("nobody"))
        for act in (lock.check, lock.renew_if_due, lock.fence, lambda: lock.describe("x")):
            with pytest.raises(ConflictError):
                act()
        lock.release()
        lock.abandon()
        assert lock.read() is None

    def test_of_several_at_once_one_has_it(self, bench: LockBench) -> None:
        locks = [bench.lock(holder(f"h{number}")) for number in range(4)]

        def take(lock: AnyLock) -> bool:
            try:
                lock.acquire("start")
            except LockHeldError:
                return False
            return True

        with ThreadPoolExecutor(len(locks)) as pool:
            taken = list(pool.map(take, locks))
        assert taken.count(True) == 1
        locks[taken.index(True)].check()
