"""The GitOps repository: what version is wanted, which releases were made, and the two commits that we write.

Decisions rest on exit statuses and refs, never on the wording of Git's messages. A refused push is followed by
fetching, applying the edit again to what is there now, and pushing again, a bounded number of times.
"""

from __future__ import annotations

import random as randomlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from deployments.gitops.edit import read_version, set_version
from deployments.gitops.identity import identity
from deployments.gitops.trailers import ReleaseNote, parse_release, parse_revert, release_message, revert_message
from deployments.locks import LockInfo
from headgate.clock import Clock, parse_timestamp
from headgate.errors import ConfigError, ConflictError, RemoteStateError, RemoteTimeoutError, UnsafeActionError
from headgate.git import Git, check_ref, clone
from headgate.secrets import mask


class Fence(Protocol):
    """A lock whose hold is proved in the same push as the write it protects."""

    def fence(self) -> tuple[LockInfo, tuple[str, ...]]:
        """The lock's next state and the push arguments that set it."""
        ...

    def moved(self, renewed: LockInfo) -> None:
        """The push succeeded."""
        ...

    def recover(self, renewed: LockInfo) -> None:
        """The push failed or its outcome is unknown; raises `ConflictError` when the lock is lost."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What Git asks for: the version, at the branch's newest commit."""

    version: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release commit; `reverted_by` is the commit that turned it back, None while it stands, and `reason` why."""

    note: ReleaseNote
    commit: str
    at: datetime
    reverted_by: str | None = None
    reason: str = ""


class GitOpsRepository:
    """One key of one file on one branch, in a private clone.

    `attempts` bounds how often a refused push is tried again. Methods raise `ConfigError` for a wrong file or key,
    `RemoteStateError` when Git fails, and `ConflictError` when others kept being faster.
    """

    def __init__(
        self,
        git: Git,
        *,
        branch: str,
        file: str,
        key: str,
        clock: Clock,
        random: Callable[[], float] = randomlib.random,
        attempts: int = 6,
    ) -> None:
        self.git, self.branch, self.file, self.key = git, check_ref(branch), file, key
        self._clock, self._random, self._attempts = clock, random, attempts

    def refresh(self) -> Desired:
        """Fetch, and say what Git asks for now."""
        self.git.run("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{self.branch}:{self._tracking}")
        revision = self.git.rev_parse(self._tracking)
        return Desired(version=self.version_at(revision), revision=revision)

    def version_at(self, revision: str) -> str:
        """The version in the file at a revision."""
        return read_version(self.git.read_file(revision, self.file).decode(), self.key, where=self.file)

    def carries(self, revision: str, commit: str, version: str) -> bool:
        """Whether `revision` is `commit` or descends from it and still asks for `version`."""
        if revision == commit:
            return True
        if not revision:
            return False
        if self.git.call("cat-file", "-e", f"{revision}^{{commit}}").returncode != 0:
            self.refresh()
        if not self.git.is_ancestor(commit, revision):
            return False
        try:
            return self.version_at(revision) == version
        except (ConfigError, RemoteStateError):
            return False

    def releases(self, service: str, environment: str, *, limit: int = 200) -> tuple[Release, ...]:
        """Release commits of a service in an environment on the fetched branch, newest first."""
        text = self.git.run(
            "log", f"--max-count={limit}", "--extended-regexp", "--grep=^Headgate-Re(lease|vert): ",
            "--format=%H%x1f%cI%x1f%B%x1e", self._tracking,
        )  # fmt: skip
        reverted: dict[str, tuple[str, str]] = {}
        found: list[Release] = []
        for record in text.split("\x1e"):
            commit, _, rest = record.strip().partition("\x1f")
            moment, _, message = rest.partition("\x1f")
            turned_back = parse_revert(message)
            if turned_back:
                reverted.setdefault(turned_back[0], (commit, turned_back[1]))
            note = parse_release(message)
            if note is not None and (note.service, note.environment) == (service, environment):
                at = parse_timestamp(moment)
                by, why = reverted.get(note.release_id, (None, ""))
                found.append(Release(note=note, commit=commit, at=at, reverted_by=by, reason=why))
        return tuple(found)

    def write_release(self, note: ReleaseNote, fence: Fence) -> Release:
        """Commit and push the version of `note`; returns the commit, also when an earlier try had already made it.

        Raises `UnsafeActionError` when Git asks for another version than `note.previous` by now.
        """

        def existing() -> Release | None:
            return self._find(note)

        def apply() -> str:
            before = self.version_at(self._tracking)
            if before != note.previous:
                raise UnsafeActionError(
                    f"Git asks for version {before} by now, not {note.previous}",
                    where=self.file,
                    next_step="Look at who changed it, then run the command again.",
                )
            return self._commit(note.version, release_message(note))

        return self._publish(existing, apply, fence)

    def revert_release(self, release: Release, reason: str, fence: Fence) -> str:
        """Commit and push the version before `release`; returns the commit, also when it was made before.

        Raises `UnsafeActionError` when Git asks for a version by now that is neither.
        """

        def existing() -> Release | None:
            found = self._find(release.note)
            return found if found is not None and found.reverted_by else None

        def apply() -> str:
            before = self.version_at(self._tracking)
            if before != release.note.version:
                raise UnsafeActionError(
                    f"Git asks for version {before} by now, so release {release.note.release_id} is not what would be turned back",
                    where=self.file,
                    next_step="Look at the history of the file.",
                )
            message = revert_message(release.note, commit=release.commit, reason=mask(reason))
            return self._commit(release.note.previous, message)

        done = self._publish(existing, apply, fence)
        return done.reverted_by or done.commit

    def _publish(self, existing: Callable[[], Release | None], apply: Callable[[], str], fence: Fence) -> Release:
        for attempt in range(1, self._attempts + 1):
            base = self.refresh().revision
            found = existing()
            if found is not None:
                return found
            commit = apply()
            renewed, arguments = fence.fence()
            said = self._push(commit, arguments)
            if said is None:
                fence.moved(renewed)
            else:
                fence.recover(renewed)
            found = existing() if self.refresh().revision != base else None
            if found is not None:
                return found
            if self.git.rev_parse(self._tracking) == base:
                raise RemoteStateError(
                    mask(f"the push to {self.branch} was refused although nobody was faster: {said}"),
                    where=self.file,
                    next_step="Give the account the right to push to this branch (it may be protected).",
                )
            self._clock.sleep(0.2 * attempt * (0.5 + self._random()))
        raise ConflictError(
            f"the branch {self.branch} moved {self._attempts} times while pushing",
            where=self.file,
            next_step="Run the command again.",
        )

    def _push(self, commit: str, fence: tuple[str, ...]) -> str | None:
        """Push the commit and the lock's next state together; None when that worked, else what Git said.

        After a timeout it may have worked all the same: the refs tell.
        """
        options = [argument for argument in fence if argument.startswith("--")]
        refs = [
            f"{commit}:refs/heads/{self.branch}",
            *(argument for argument in fence if not argument.startswith("--")),
        ]
        try:
            done = self.git.call("push", "--quiet", "--atomic", *options, "origin", *refs)
        except RemoteTimeoutError as error:
            return str(error)
        return None if done.returncode == 0 else " ".join(done.stderr.split())[-300:]

    def _commit(self, version: str, message: str) -> str:
        """A commit on top of the fetched branch with one line changed."""
        self.git.run("checkout", "--quiet", "--force", "--detach", self._tracking)
        path = self._inside()
        edit = set_version(path.read_bytes().decode(), self.key, version, where=self.file)
        if not edit.changed:
            raise UnsafeActionError(
                f"version {version} is already in Git", where=self.file, next_step="Nothing has to be written."
            )
        path.write_bytes(edit.text.encode())
        self.git.run("add", "--", self.file)
        self.git.run("commit", "--quiet", "--file=-", stdin=message, env=identity(self.git))
        return self.git.rev_parse("HEAD")

    def _find(self, note: ReleaseNote) -> Release | None:
        found = self.releases(note.service, note.environment)
        return next((release for release in found if release.note.release_id == note.release_id), None)

    def _inside(self) -> Path:
        root = self.git.path.resolve()
        path = (root / self.file).resolve()
        if not path.is_relative_to(root):
            raise ConfigError(
                "the file lies outside the GitOps repository",
                where=self.file,
                next_step="Correct gitops.file in headgate.yaml.",
            )
        return path

    @property
    def _tracking(self) -> str:
        return f"refs/remotes/origin/{self.branch}"


def open_repository(
    url: str, folder: Path, *, branch: str, file: str, key: str, clock: Clock, timeout_s: float = 120.0
) -> GitOpsRepository:
    """Clone `branch` of `url` into `folder` (empty or missing). Line endings are never converted."""
    options = ("--no-tags", "--single-branch", f"--branch={check_ref(branch)}", "--config=core.autocrlf=false")
    git = clone(url, folder, options=options, timeout_s=timeout_s)
    return GitOpsRepository(git, branch=branch, file=file, key=key, clock=clock)
