"""A lock on one target as a Git ref: created, moved and removed by pushes that name the value they expect.

The ref is `refs/headgate/locks/<service>/<environment>`; it points at a commit without files whose message names the
holder, the fencing token and the expiry. Whoever holds the lock knows the commit; every later write to the repository
moves the ref in the same atomic push, so a holder that lost the lock can write nothing more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from deployments.gitops.holder import Holder, is_gone, is_running, parse_holder, this_process
from deployments.gitops.identity import identity
from deployments.gitops.trailers import parse_trailers
from deployments.locks import LockInfo, Waiting, lost, take_when_free
from headgate.clock import Clock, format_timestamp, parse_timestamp
from headgate.errors import HeadgateError, RemoteStateError
from headgate.git import Git, check_ref


class GitLock:
    """The lock `name` in the repository that `git` is a clone of (remote `origin`).

    `ttl_s` is how long a lock lives without renewal. `gone` and `running` say what is
    certain of a holder. Methods raise
    `RemoteStateError` when Git fails, `LockHeldError` and `ConflictError` as they say.
    """

    def __init__(
        self,
        git: Git,
        name: str,
        *,
        clock: Clock,
        ttl_s: float = 60.0,
        holder: Holder | None = None,
        gone: Callable[[Holder], bool] = is_gone,
        running: Callable[[Holder], bool] = is_running,
    ) -> None:
        self.ref = check_ref(f"refs/headgate/locks/{name}")
        self._git, self._clock, self._ttl_s, self._gone = git, clock, ttl_s, gone
        self._running = running
        self._holder = holder or this_process()
        self._mine: LockInfo | None = None

    def acquire(self, purpose: str, *, wait_s: float = 0.0) -> LockInfo | None:
        """Take the lock and return what a dead or expired predecessor left, None when it was free.

        Waits up to `wait_s` for a lock that is not renewed to expire; for a holder that renews, or is seen to run,
        `LockHeldError` is raised at once.
        """
        return take_when_free(
            Waiting(clock=self._clock, gone=self._gone, running=self._running, pause_s=min(1.0, self._ttl_s / 10)),
            self.read,
            # What a predecessor left unfinished stays written until this run says what it does about it.
            lambda found: self._take(found, found.purpose if found else purpose),
            wait_s=wait_s,
            where=self.ref,
        )

    def read(self) -> LockInfo | None:
        """The lock as it is now, whoever holds it; None when it is free."""
        for _ in range(5):
            commit = self._remote()
            if commit is None:
                return None
            known = self._git.call("cat-file", "-e", commit).returncode == 0
            if known or self._git.call("fetch", "--quiet", "origin", self.ref).returncode == 0:
                done = self._git.call("log", "-1", "--format=%B", commit)
                if done.returncode == 0:
                    return _parse(commit, done.stdout)
        raise RemoteStateError(
            "the lock changes faster than it can be read", where=self.ref, next_step="Run the command again."
        )

    def check(self) -> None:
        """Raise `ConflictError` unless the lock is still ours."""
        if self._mine is None or self._remote() != self._mine.state:
            raise lost(self.ref)

    def renew_if_due(self) -> None:
        """Prolong the lock when half of its life is over. Raises `ConflictError` when it is not ours any more."""
        mine = self._held_lock()
        left_s = (mine.expires_at - self._clock.now()).total_seconds() if mine.expires_at else 0.0
        if left_s < self._ttl_s / 2:
            renewed = self._commit(mine.token, mine.purpose)
            if not self._push(mine.state, renewed.state):
                self.check()
            self._mine = renewed

    def describe(self, purpose: str) -> None:
        """Say from the next write or renewal on what the lock is held for."""
        self._mine = replace(self._held_lock(), purpose=purpose)

    def abandon(self) -> None:
        """Let the lock expire now, but leave its message: it tells the next run what was not finished.

        Never raises: an unreachable repository leaves a lock that expires by itself.
        """
        if self._mine is None:
            return
        mine, self._mine = self._mine, None
        with contextlib.suppress(HeadgateError):
            left = self._commit(mine.token, mine.purpose, ttl_s=0.0)
            self._push(mine.state, left.state)

    def release(self) -> None:
        """Give the lock back if it is ours; a lock that somebody took over is left alone. Never raises for that."""
        if self._mine is not None:
            mine, self._mine = self._mine, None
            lease = f"--force-with-lease={self.ref}:{mine.state}"
            with contextlib.suppress(HeadgateError):
                self._git.call("push", "--quiet", lease, "origin", f":{self.ref}")

    def fence(self) -> tuple[LockInfo, tuple[str, ...]]:
        """The next state of the lock and the arguments of a push that moves it there from ours.

        Used in one `--atomic` push with another ref; call `moved` when that push succeeded.
        """
        mine = self._held_lock()
        renewed = self._commit(mine.token, mine.purpose)
        return renewed, (f"--force-with-lease={self.ref}:{mine.state}", f"{renewed.state}:{self.ref}")

    def moved(self, renewed: LockInfo) -> None:
        """Remember the state that a push with `fence` has set."""
        self._mine = renewed

    def recover(self, renewed: LockInfo) -> None:
        """After a push whose outcome is not known: take the state that is really there. Raises `ConflictError`."""
        if self._remote() == renewed.state:
            self._mine = renewed
        self.check()

    def _held_lock(self) -> LockInfo:
        if self._mine is None:
            raise lost(self.ref)
        return self._mine

    def _take(self, found: LockInfo | None, purpose: str) -> bool:
        mine = self._commit(found.token + 1 if found else 1, purpose)
        if self._push(found.state if found else "", mine.state) or self._remote() == mine.state:
            self._mine = mine
            return True
        now_there = self._remote()
        if now_there == (found.state if found else None):  # refused although nobody was faster: no right to push
            raise RemoteStateError(
                "the lock could not be written",
                where=self.ref,
                next_step="Give the account the right to push refs/headgate/* to the GitOps repository.",
            )
        return False

    def _push(self, expected: str, commit: str) -> bool:
        lease = f"--force-with-lease={self.ref}:{expected}"
        return self._git.call("push", "--quiet", lease, "origin", f"{commit}:{self.ref}").returncode == 0

    def _remote(self) -> str | None:
        done = self._git.call("ls-remote", "--exit-code", "origin", self.ref)
        if done.returncode == 2:
            return None
        if done.returncode != 0:
            raise RemoteStateError(
                f"the GitOps repository cannot be read: {' '.join(done.stderr.split())}",
                where=self.ref,
                next_step="Check gitops.repo, the network and the credentials.",
            )
        return done.stdout.split()[0]

    def _commit(self, token: int, purpose: str, *, ttl_s: float | None = None) -> LockInfo:
        expires_at = self._clock.now() + timedelta(seconds=self._ttl_s if ttl_s is None else ttl_s)
        message = (
            f"Lock of {self._holder.name}\n\nHeadgate-Holder: {self._holder}\nHeadgate-Token: {token}\n"
            f"Headgate-Expires: {format_timestamp(expires_at)}\nHeadgate-Purpose: {' '.join(purpose.split())}\n"
        )
        tree = self._git.run("mktree", stdin="").strip()
        commit = self._git.run("commit-tree", tree, "-F", "-", stdin=message, env=identity(self._git)).strip()
        return _parse(commit, message)


def _parse(commit: str, message: str) -> LockInfo:
    trailers = parse_trailers(message)
    try:
        expires_at: datetime | None = parse_timestamp(trailers.get("Headgate-Expires", ""))
    except ValueError:
        expires_at = None
    process = parse_holder(trailers.get("Headgate-Holder", ""))
    token = trailers.get("Headgate-Token", "0")
    return LockInfo(
        state=commit,
        holder=process.name if process else "somebody",
        process=process,
        token=int(token) if token.isdigit() else 0,
        expires_at=expires_at,
        purpose=trailers.get("Headgate-Purpose", ""),
    )
