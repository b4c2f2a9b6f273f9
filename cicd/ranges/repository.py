"""Commit ranges from a Git repository: a checkout that is there, or a mirror that Headgate keeps.

A mirror holds commits and trees, no file contents (a partial clone): what a range needs and no more.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cicd.ranges.log_text import FORMAT, parse_log
from headgate.errors import ConfigError, NotFoundError, RemoteStateError
from headgate.git import Git, clone, is_sha
from headgate.secrets import mask
from observability.commits import Commit
from observability.ranges import MAX_COMMITS
from observability.sqlite_file import make_folder

_ENVIRON = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
_TIMEOUT_S = 600.0
_COMPARED_PATCHES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository on this machine. `fetched` says that it is a mirror, which may fetch a commit that it lacks."""

    git: Git
    fetched: bool = False

    @property
    def name(self) -> str:
        return "git"

    def between(self, since: str, until: str) -> Sequence[Commit]:
        """The commits of `until` that `since` lacks. One whose patch `since` has under another id is left out.

        Raises `NotFoundError` for a commit that is not there (in a shallow clone: that is behind its end).
        """
        for sha in (since, until):
            self._must_have(sha)
        done = self.git.call(
            "-c", "core.quotePath=false", "log", f"--format={FORMAT}", "--name-only", "--no-renames", "--no-merges",
            f"--max-count={MAX_COMMITS + 1}", *self._selection(since, until), "--",
        )  # fmt: skip
        if done.returncode != 0:
            raise RemoteStateError(
                mask(f"git log failed: {' '.join(done.stderr.split()[-40:]) or 'no message'}"),
                where=str(self.git.path),
                next_step="Run `git fsck` there; a mirror under .headgate/mirrors may be deleted, it is made again.",
            )
        try:
            found = parse_log(done.stdout)
        except ValueError as error:
            raise RemoteStateError(f"git log: {error}", where=str(self.git.path), next_step="Update Git.") from error
        return refuse_history(found, where=str(self.git.path))

    def _selection(self, since: str, until: str) -> Sequence[str]:
        """The range as arguments. Patches are compared only where histories part: it takes the files' contents."""
        own = self.git.call("rev-list", "--count", "--no-merges", f"{until}..{since}", "--").stdout.strip()
        if own.isdigit() and 0 < int(own) <= _COMPARED_PATCHES:
            return ("--right-only", "--cherry-pick", f"{since}...{until}")
        return (f"{since}..{until}",)

    def _must_have(self, sha: str) -> None:
        if not is_sha(sha):
            raise NotFoundError(
                f"{sha[:80]!r} is not a full commit id", next_step="Record deployments with the full commit id."
            )
        if self._has(sha) or (self.fetched and self._fetch(sha)):
            return
        shallow = self.git.call("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        raise NotFoundError(
            f"no commit {sha}" + (" in this shallow clone" if shallow else ""),
            where=str(self.git.path),
            next_step="Run `git fetch --unshallow` there." if shallow else "Name the repository that has it.",
        )

    def _has(self, sha: str) -> bool:
        # Without this a partial clone would go and fetch what it lacks, one object at a time.
        offline = {"GIT_NO_LAZY_FETCH": "1"}
        return self.git.call("cat-file", "-e", f"{sha}^{{commit}}", env=offline).returncode == 0

    def _fetch(self, sha: str) -> bool:
        """A commit that no branch has any more can often still be fetched by its id."""
        return self.git.call("fetch", "--quiet", "--no-tags", "origin", sha).returncode == 0 and self._has(sha)


def refuse_history(found: Sequence[Commit], where: str) -> Sequence[Commit]:
    """`found`, unless it is so long that it is a history. Raises `RemoteStateError`."""
    if len(found) > MAX_COMMITS:
        raise RemoteStateError(
            f"more than {MAX_COMMITS} commits lie between the two",
            where=where,
            next_step="Check that both commits are of the same line of history.",
        )
    return found


def open_checkout(path: Path) -> Repository:
    """The repository of a checkout or a bare one. Raises `ConfigError` when there is none."""
    git = Git(path=path, timeout_s=_TIMEOUT_S, extra_env=_ENVIRON)
    if not path.is_dir() or git.call("rev-parse", "--git-dir").returncode != 0:
        raise ConfigError("there is no Git repository", where=str(path), next_step="Name a folder with one, or a URL.")
    return Repository(git=git)


def open_mirror(url: str, folder: Path) -> Repository:
    """The mirror of `url` below `folder`, made if it is not there and brought up to date.

    An update that fails with a mirror at hand is an error too: an old mirror could miss what was deployed. Branches
    that are gone upstream stay in the mirror, as what was deployed from them was deployed.
    """
    if url.startswith("-") or "\0" in url or "\n" in url:
        raise ConfigError(
            f"{url[:80]!r} is not the URL of a repository", next_step="Write https://..., git@... or a path."
        )
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:20]}.git"
    if not path.exists():
        _make(url, path)
    git = Git(path=path, timeout_s=_TIMEOUT_S, extra_env=_ENVIRON)
    try:
        git.run("fetch", "--quiet", "--no-write-fetch-head", "origin", "+refs/*:refs/*")
    except RemoteStateError as error:
        raise RemoteStateError(
            mask(f"the mirror of {url} could not be brought up to date: {error.what}"),
            where=str(path),
            next_step="Check the address and the credentials of Git; the mirror may be deleted, it is made again.",
        ) from error
    return Repository(git=git, fetched=True)


def _make(url: str, path: Path) -> None:
    """Clone beside the final place and move there, so that a mirror is whole or not there."""
    try:
        if path.parent.parent.name == ".headgate":
            make_folder(path.parent.parent)  # with what keeps it out of Git
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix="new-", dir=path.parent))
    except OSError as error:
        raise ConfigError(
            f"no mirror can be made here: {error.strerror or error}",
            where=str(path.parent),
            next_step="Name a folder that may be written with --mirrors.",
        ) from error
    try:
        git = clone(url, beside / "clone.git", options=("--mirror", "--filter=blob:none"), timeout_s=_TIMEOUT_S)
        replace(git, extra_env=_ENVIRON).run("config", "gc.auto", "0")
        try:
            git.path.rename(path)
        except OSError:
            if not path.exists():  # else somebody else was faster
                raise
    except RemoteStateError as error:
        raise RemoteStateError(
            mask(f"{url} cannot be cloned: {error.what}"),
            where=str(path.parent),
            next_step="Check the address, and that Git can read it without asking for a password.",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
