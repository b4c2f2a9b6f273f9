"""What every lock on a target has in common: what it says, when it may be taken over, and how one is waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deployments.gitops.holder import Holder
from headgate.clock import Clock, format_timestamp
from headgate.errors import ConflictError, LockHeldError

_LOST = "The lock was taken over, or somebody removed it. Run the command again; it continues from the present state."


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInfo:
    """What a lock says. `state` identifies this very state of it (a commit, a resource version); `token` grows with
    every holder. `expires_at` None means that it cannot be read.
    """

    state: str
    holder: str
    process: Holder | None
    token: int
    expires_at: datetime | None
    purpose: str

    def is_free(self, now: datetime, gone: Callable[[Holder], bool]) -> bool:
        """Whether it may be taken over: it expired (or cannot be read), or its holder has certainly ended."""
        if self.expires_at is None or now >= self.expires_at:
            return True
        return self.process is not None and gone(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How a lock is waited for. `gone` and `running` say what is certain of a holder; `pause_s` lies between looks."""

    clock: Clock
    gone: Callable[[Holder], bool]
    running: Callable[[Holder], bool]
    pause_s: float


def take_when_free(
    waiting: Waiting,
    read: Callable[[], LockInfo | None],
    take: Callable[[LockInfo | None], bool],
    *,
    wait_s: float,
    where: str,
) -> LockInfo | None:
    """Take a lock and return what a dead or expired predecessor left, None when it was free.

    `take` gets what was read and says whether nobody was faster. Waits up to `wait_s` for a lock that is not renewed to
    expire; for a holder that renews, or is seen to run, `LockHeldError` is raised at once.
    """
    clock = waiting.clock
    started = clock.monotonic()
    first: LockInfo | None = None
    while True:
        found = read()
        if found is None or found.is_free(clock.now(), waiting.gone):
            if take(found):
                return found
            continue
        first = first or found
        alive = found.state != first.state or (found.process is not None and waiting.running(found.process))
        if alive or clock.monotonic() - started >= wait_s:
            raise _held(found, where)
        clock.sleep(waiting.pause_s)


def lost(where: str) -> ConflictError:
    """The error of a run whose lock is another's by now."""
    return ConflictError("this run does not hold the lock any more", where=where, next_step=_LOST)


def _held(found: LockInfo, where: str) -> LockHeldError:
    until = format_timestamp(found.expires_at) if found.expires_at else "an unknown time"
    return LockHeldError(
        f"another run holds the lock: {found.holder}, doing {found.purpose!r}, until {until} unless renewed",
        where=where,
        next_step="Watch it with `headgate release watch`, or wait until it ends and run the command again.",
    )
