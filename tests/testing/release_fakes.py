"""A release target, its delivery, the record of versions and the lock, in memory, with faults at every call.

The fakes share one `FakeWorld`. Every call of the engine goes through `FakeWorld.call`, which counts it and may fail
it: before or after its effect. A killed run is dead for good: all its later calls fail too, and its lock stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from deployments.analysis.ports import Subject
from deployments.gitops.repository import Desired, Fence, Release
from deployments.gitops.trailers import ReleaseNote
from deployments.locks import LockInfo
from deployments.release.engine import Engine
from deployments.release.model import Settings
from deployments.release.ports import Delivered, DeliveryFailed, NotYet, Wanted
from deployments.rollouts.snapshot import Pause, Phase, SetWeight, Snapshot, Strategy
from gates.verdict import Outcome, Verdict
from headgate.errors import ConflictError, HeadgateError, RateLimitedError, RemoteTimeoutError, ServerFaultError
from observability.events import DeliveryEvent
from tests.testing.stepped_clock import SteppedClock

STEPS = (SetWeight(percent=25), Pause(), SetWeight(percent=50), Pause())
MOVE_S = 1.0
T = TypeVar("T")


class KilledError(BaseException):
    """The process is gone."""


class Fault(StrEnum):
    """What happens to a call, and whether its effect happens."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    TIMEOUT_BEFORE = "timeout before"
    TIMEOUT_AFTER = "timeout after"
    SERVER_FAULT = "5xx"
    RATE_LIMIT = "429"
    STALE = "stale answer"


@dataclass(slots=True)
class FakeWorld:
    """Everything outside of the engine, and what was done to it."""

    strategy: Strategy = Strategy.CANARY
    clock: SteppedClock = field(default_factory=SteppedClock)
    commits: list[tuple[str, str, str]] = field(default_factory=lambda: [("c0", "1.0", "")])
    notes: list[Release] = field(default_factory=list)
    bad_versions: frozenset[str] = frozenset()
    silent: bool = False
    never_ready: bool = False
    sync_fails: bool = False
    promotes_itself: bool = False
    # the target
    synced: str = "c0"
    current: str = "1.0"
    stable: str = "1.0"
    step: int = 4
    since: float = -10.0
    changed: float = -10.0
    aborted: bool = False
    unpausing: bool = False
    # the delivery
    operation: tuple[str, float] | None = None
    # the lock
    lock: LockInfo | None = None
    holder_dead: bool = False
    # what was done
    log: list[str] = field(default_factory=list)
    resumed: list[tuple[str, int]] = field(default_factory=list)
    passed: set[tuple[str, int | None, str]] = field(default_factory=set)
    events: dict[str, DeliveryEvent] = field(default_factory=dict)
    # faults
    calls: int = 0
    fault_at: int | None = None
    fault: Fault = Fault.KILL_BEFORE
    dead: bool = False
    faulted: str = ""

    def call(self, name: str, effect: Callable[[], T], *, stale: Callable[[], T] | None = None) -> T:
        if self.dead:
            raise KilledError
        self.calls += 1
        if self.calls != self.fault_at:
            return effect()
        self.faulted = name
        return self._faulty(name, effect, stale)

    def _faulty(self, name: str, effect: Callable[[], T], stale: Callable[[], T] | None) -> T:
        if self.fault is Fault.STALE:
            return stale() if stale else effect()
        if self.fault in {Fault.KILL_AFTER, Fault.TIMEOUT_AFTER}:
            effect()
        if self.fault in {Fault.KILL_BEFORE, Fault.KILL_AFTER}:
            self.dead = self.holder_dead = True
            raise KilledError
        if self.fault is Fault.SERVER_FAULT:
            raise ServerFaultError(f"{name}: status 503")
        if self.fault is Fault.RATE_LIMIT:
            raise RateLimitedError(f"{name}: status 429")
        raise RemoteTimeoutError(f"{name}: no answer")

    @property
    def version(self) -> str:
        return self.commits[-1][1]

    def advance(self) -> None:
        """What has happened by itself since the last look."""
        now = self.clock.monotonic()
        if self.operation is not None and now - self.operation[1] >= MOVE_S:
            revision, self.operation = self.operation[0], None
            self._apply(revision, now)
        while self._move(now):
            pass

    def _apply(self, revision: str, now: float) -> None:
        self.synced = revision
        wanted = next(version for commit, version, _ in self.commits if commit == revision)
        if wanted != self.current:
            back = wanted == self.stable
            self.current, self.aborted, self.unpausing = wanted, False, False
            self.step, self.since, self.changed = (4 if back else 0), now, now

    def _move(self, now: float) -> bool:
        if self.current == self.stable or self.aborted or now - self.changed < MOVE_S:
            return False
        due = now - self.since >= MOVE_S
        if self.strategy is Strategy.BLUE_GREEN:
            return self._move_blue_green(due)
        if self.never_ready and self.step == 0:
            return False
        if self.step >= len(STEPS):
            if due:
                self.stable = self.current
            return due
        if isinstance(STEPS[self.step], SetWeight) or self.unpausing or self.promotes_itself:
            if due:
                self.step, self.since, self.unpausing = self.step + 1, self.since + MOVE_S, False
            return due
        return False

    def _move_blue_green(self, due: bool) -> bool:
        if (self.unpausing or self.promotes_itself) and due:
            self.stable, self.unpausing = self.current, False
        return False

    def snapshot(self) -> Snapshot:
        self.advance()
        now = self.clock.monotonic()
        observed = now - self.changed >= MOVE_S
        flight = self.current != self.stable
        blue_green = self.strategy is Strategy.BLUE_GREEN
        paused = flight and not self.aborted and not self.unpausing and not self.never_ready
        if not blue_green:
            paused = paused and self.step < 4 and isinstance(STEPS[self.step], Pause)
        phase = Phase.HEALTHY if not flight else Phase.PROGRESSING
        if paused:
            phase = Phase.PAUSED
        if self.aborted:
            phase = Phase.DEGRADED
        return Snapshot(
            strategy=self.strategy,
            observed=observed,
            phase=phase,
            message="RolloutAborted" if self.aborted else "",
            current=self.current,
            stable=self.stable,
            step=None if blue_green else self.step,
            steps=() if blue_green else STEPS,
            weight=self._weight(flight),
            paused=paused,
            unpausing=self.unpausing and not self.aborted,
            aborted=self.aborted and flight,
            active=self.stable if blue_green else None,
            preview=self.current if blue_green else None,
        )

    def _weight(self, flight: bool) -> float:
        if not flight:
            return 100.0
        if self.aborted or self.strategy is Strategy.BLUE_GREEN:
            return 0.0
        return {0: 0.0, 1: 25.0, 2: 25.0, 3: 50.0, 4: 75.0}[self.step]


class FakeTarget:
    """Implements `Target`."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world
        self._last: Snapshot | None = None

    def observe(self) -> Snapshot:
        found = self._world.call("observe", self._world.snapshot, stale=lambda: self._last or self._world.snapshot())
        self._last = found
        return found

    def resume(self) -> None:
        def effect() -> None:
            world = self._world
            world.advance()
            world.log.append("resume")
            if world.snapshot().paused:
                world.resumed.append((world.current, world.step))
                world.unpausing, world.since = True, world.clock.monotonic()

        self._world.call("resume", effect)

    def promote(self) -> None:
        def effect() -> None:
            world = self._world
            world.advance()
            world.log.append("promote")
            if world.current != world.stable:
                world.step, world.since, world.unpausing = len(STEPS), world.clock.monotonic(), False
                if world.strategy is Strategy.BLUE_GREEN:
                    world.stable = world.current

        self._world.call("promote", effect)

    def abort(self) -> None:
        def effect() -> None:
            world = self._world
            world.advance()
            world.log.append("abort")
            if world.current != world.stable:
                world.aborted, world.unpausing = True, False

        self._world.call("abort", effect)


class FakeDelivery:
    """Implements `Delivery`."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world

    def advance(self, wanted: Wanted) -> Delivered | NotYet | DeliveryFailed:
        def effect() -> Delivered | NotYet | DeliveryFailed:
            world = self._world
            world.advance()
            if world.operation is None and wanted.accepts(world.synced):
                return Delivered(revision=world.synced)
            if world.sync_fails and wanted.nonce.endswith("/apply"):
                return DeliveryFailed(why="a hook failed")
            if world.operation is None:
                world.log.append(f"sync {wanted.revision}")
                world.operation = (wanted.revision, world.clock.monotonic())
            return NotYet(why="syncing")

        return self._world.call("deliver", effect)

    def holds(self, accepts: Callable[[str], bool]) -> bool:
        def effect() -> bool:
            self._world.advance()
            return self._world.operation is None and accepts(self._world.synced)

        return self._world.call("holds", effect)

    def obstacle(self) -> str:
        return self._world.call("obstacle", lambda: "")

    def agrees(self) -> bool:
        return self._world.call("agrees", lambda: True)


class FakeStore:
    """Implements `Store`."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world

    def refresh(self) -> Desired:
        def effect() -> Desired:
            commit, version, _ = self._world.commits[-1]
            return Desired(version=version, revision=commit)

        return self._world.call("refresh", effect)

    def releases(self, service: str, environment: str, *, limit: int = 200) -> tuple[Release, ...]:
        return self._world.call("releases", lambda: tuple(reversed(self._world.notes)))

    def carries(self, revision: str, commit: str, version: str) -> bool:
        order = [name for name, _, _ in self._world.commits]
        if revision not in order or commit not in order or order.index(revision) < order.index(commit):
            return False
        return self.version_at(revision) == version

    def version_at(self, revision: str) -> str:
        return next(version for commit, version, _ in self._world.commits if commit == revision)

    def write_release(self, note: ReleaseNote, fence: Fence) -> Release:
        def effect() -> Release:
            world = self._world
            found = next((item for item in world.notes if item.note.release_id == note.release_id), None)
            if found is None:
                _prove(world, fence)
                commit = f"c{len(world.commits)}"
                world.commits.append((commit, note.version, "release"))
                found = Release(note=note, commit=commit, at=world.clock.now())
                world.notes.append(found)
            return found

        return self._world.call("write", effect)

    def revert_release(self, release: Release, reason: str, fence: Fence) -> str:
        def effect() -> str:
            world = self._world
            place = next(i for i, item in enumerate(world.notes) if item.note.release_id == release.note.release_id)
            found = world.notes[place]
            if found.reverted_by:
                return found.reverted_by
            _prove(world, fence)
            commit = f"c{len(world.commits)}"
            world.commits.append((commit, release.note.previous, "revert"))
            world.notes[place] = replace(found, reverted_by=commit, reason=reason)
            return commit

        return self._world.call("revert", effect)


def _prove(world: FakeWorld, fence: Fence) -> None:
    renewed, _ = fence.fence()
    if world.lock is None or world.lock.token != renewed.token:
        raise ConflictError("the lock was lost")
    fence.moved(renewed)


class FakeLock:
    """Implements `Lock`."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world
        self._mine: LockInfo | None = None

    def acquire(self, purpose: str, *, wait_s: float = 0.0) -> LockInfo | None:
        def effect() -> LockInfo | None:
            world = self._world
            found = world.lock
            assert found is None or world.holder_dead or found.expires_at == world.clock.now(), "the lock is held"
            token = found.token + 1 if found else 1
            world.lock = self._mine = self._info(found.purpose if found else purpose, token)
            world.holder_dead = False
            return found

        return self._world.call("acquire", effect)

    def _info(self, purpose: str, token: int) -> LockInfo:
        expires_at = self._world.clock.now() + timedelta(seconds=60)
        return LockInfo(
            state=f"l{token}", holder="me", process=None, token=token, expires_at=expires_at, purpose=purpose
        )

    def describe(self, purpose: str) -> None:
        assert self._mine is not None
        self._mine = replace(self._mine, purpose=purpose)

    def check(self) -> None:
        self._world.call("check lock", self._check)

    def _check(self) -> None:
        if self._mine is None or self._world.lock is None or self._world.lock.token != self._mine.token:
            raise ConflictError("the lock was lost")

    def renew_if_due(self) -> None:
        self._check()

    def release(self) -> None:
        with contextlib.suppress(HeadgateError):  # as the real one: a lock that stays is the next run's to take
            self._world.call("release lock", self._drop)

    def _drop(self) -> None:
        self._world.lock = self._mine = None

    def abandon(self) -> None:
        if self._world.dead:
            return
        assert self._mine is not None
        self._world.lock = replace(self._mine, expires_at=self._world.clock.now())
        self._world.holder_dead = True
        self._mine = None

    def fence(self) -> tuple[LockInfo, tuple[str, ...]]:
        assert self._mine is not None
        return self._mine, ()

    def moved(self, renewed: LockInfo) -> None:
        self._world.lock = self._mine = renewed

    def recover(self, renewed: LockInfo) -> None:
        self._check()


class FakeAnalysis:
    """Implements `Analysis`: decides 3 s after it first sees a subject, by the version."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world
        self._subject: Subject | None = None
        self._since = 0.0

    def look(self, subject: Subject, now: object) -> Verdict | None:
        def effect() -> Verdict | None:
            world = self._world
            if subject != self._subject:
                self._subject, self._since = subject, world.clock.monotonic()
            if world.silent or world.clock.monotonic() - self._since < 3:
                return None
            if subject.arm.hash in world.bad_versions:
                return Verdict(name="analysis", outcome=Outcome.FAIL, message="error ratio 0.2 > 0.02")
            world.passed.add((subject.arm.hash, subject.step, subject.arm.role))
            return Verdict(name="analysis", outcome=Outcome.PASS, message="error ratio 0 <= 0.02")

        return self._world.call("analysis", effect)


def make_engine(world: FakeWorld, *, soak: bool = False, deadline_s: float = 120.0) -> Engine:
    """A new run over the world, as a new process would have it."""
    world.dead = False

    def record(event: DeliveryEvent) -> None:
        world.call("record", lambda: world.events.setdefault(event.id, event))

    return Engine(
        service="shop",
        environment="prod",
        store=FakeStore(world),
        delivery=FakeDelivery(world),
        target=FakeTarget(world),
        analysis=FakeAnalysis(world),
        lock=FakeLock(world),
        settings=Settings(
            strategy=world.strategy, poll_s=0.5, max_step_s=60.0, deadline_s=deadline_s, settle_s=60.0, soak=soak
        ),
        clock=world.clock,
        source="test",
        record=record,
    )
