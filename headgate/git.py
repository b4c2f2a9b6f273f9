"""The git command line, so that the user's hooks, signing and credential helpers work.

Decisions rest on exit statuses, refs and porcelain formats, never on the wording of messages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headgate import process
from headgate.errors import ConfigError, NotFoundError, RemoteStateError, RemoteTimeoutError
from headgate.secrets import mask

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# A conservative subset of git-check-ref-format: hostile names must not look like options or ranges.
_REF = re.compile(r"(?!-)(?!.*(\.\.|@\{|//|\\|\.lock(/|$)|\.$|/$))[^\x00-\x20~^:?*\[\x7f]+")

_STEPS = re.compile(r"(?:[~^][0-9]{0,6})*\Z")


def is_sha(text: str) -> bool:
    """Whether `text` is a full object id (SHA-1 or SHA-256)."""
    return _SHA.fullmatch(text) is not None


def check_ref(name: str) -> str:
    """`name` if it is a plain ref or revision name. Raises `ConfigError` for anything git could read as something else."""
    if not _REF.fullmatch(name):
        raise ConfigError(f"{name!r} is not a Git ref name", next_step="Give a branch, tag or full commit hash.")
    return name


def check_revision(text: str) -> str:
    """`text` if it is a ref, or a commit so many steps before one (`HEAD~1`, `main^2~3`).

    Raises `ConfigError` for anything else, such as ranges, options, reflog entries and searches.
    """
    steps = _STEPS.search(text)
    if steps is None or not _REF.fullmatch(text[: steps.start()]):
        raise ConfigError(
            f"{text!r} is not a Git ref name",
            next_step="Give a branch, tag or commit hash; `~1` and `^1` may follow it.",
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Git in one directory: a work tree or a bare repository.

    `timeout_s` bounds each call (default 120 s). `extra_env` is added to the inherited environment.
    """

    path: Path
    timeout_s: float = 120.0
    extra_env: Mapping[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """The environment that git is run with."""
        # Inherited GIT_DIR and friends (set inside hooks) would point git at another repository than `path`.
        inherited = {k: v for k, v in os.environ.items() if k not in _POINTING_ELSEWHERE}
        return inherited | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} | dict(self.extra_env)

    def call(self, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> process.Completed:
        """Run git and return what it answered, whatever its status. Raises `RemoteTimeoutError` when time runs out."""
        environ = self.environ() | dict(env or {})
        done = process.run(["git", *args], timeout_s=self.timeout_s, cwd=self.path, env=environ, stdin=stdin)
        if done.timed_out:
            raise RemoteTimeoutError(
                f"git {args[0]} did not end within {self.timeout_s:g} s",
                where=str(self.path),
                next_step="Check the connection to the Git server.",
            )
        return done

    def run(self, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run git and return its standard output. Raises `RemoteStateError` when git fails."""
        done = self.call(*args, stdin=stdin, env=env)
        if done.returncode != 0:
            detail = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise RemoteStateError(
                mask(f"git {args[0]} failed with status {done.returncode}: {' '.join(detail[-3:]) or 'no message'}"),
                where=str(self.path),
                next_step="Run the same git command by hand there to see more.",
            )
        return done.stdout

    def rev_parse(self, revision: str) -> str:
        """Full commit id of `revision`. Raises `NotFoundError` when there is none."""
        done = self.call(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{check_revision(revision)}^{{commit}}"
        )
        if done.returncode != 0:
            raise _no_commit(revision, self.path)
        return done.stdout.strip()

    def committed_at(self, revision: str) -> tuple[str, str]:
        """Full commit id of `revision`, and its committer's time in ISO 8601. Raises `NotFoundError` as `rev_parse`."""
        commit = f"{check_revision(revision)}^{{commit}}"
        done = self.call("rev-list", "--max-count=1", "--format=%cI", "--end-of-options", commit)
        lines = done.stdout.splitlines()
        if done.returncode != 0 or len(lines) != 2:
            raise _no_commit(revision, self.path)
        return lines[0].removeprefix("commit "), lines[1]

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `ancestor` is reachable from `descendant` (a commit is its own ancestor)."""
        return self.call("merge-base", "--is-ancestor", ancestor, descendant).returncode == 0

    def read_file(self, revision: str, path: str) -> bytes:
        """Content of `path` at `revision`, as UTF-8 bytes. Raises `NotFoundError` when it is not there."""
        done = self.call("cat-file", "blob", f"{check_ref(revision)}:{path}")
        if done.returncode != 0:
            raise NotFoundError(
                f"no file {path!r} at {revision}",
                where=str(self.path),
                next_step="Correct the path or the revision.",
            )
        return done.stdout.encode()


def _no_commit(revision: str, path: Path) -> NotFoundError:
    return NotFoundError(f"no commit {revision!r}", where=str(path), next_step="Fetch it, or correct the name.")


_POINTING_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"})


def clone(url: str, path: Path, *, options: Sequence[str] = (), timeout_s: float = 300.0) -> Git:
    """Clone `url` into `path` (which must not exist or be empty). Raises as `Git.run` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Git(path=path.parent, timeout_s=timeout_s).run("clone", "--quiet", *options, "--", url, str(path))
    return Git(path=path, timeout_s=timeout_s)
