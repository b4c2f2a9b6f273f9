"""The base's version of a pipeline, built from Git in a temporary work tree on the same input."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gates.subprocesses import environment, interpreter_resolved, tail
from headgate import process
from headgate.errors import ConfigError, HeadgateError, NotFoundError, RemoteStateError, UnsafeActionError
from headgate.git import Git, is_sha

_TARGETS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class BaseBuildError(HeadgateError):
    """The base's version could not be built; `details` are the last lines of what it said."""

    def __init__(self, what: str, *, next_step: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(what, next_step=next_step)
        self.details = details


def find_base(root: Path, revision: str | None) -> str:
    """The commit that head is compared with: where its branch left the target branch.

    `revision` is that commit, or the target branch; None: the branch that the clone's `origin` calls its main one. On
    the target branch itself, with nothing uncommitted, it is the commit before: what was there before this change.
    Raises `NotFoundError` where there is none, as in a clone too shallow to hold it.
    """
    git = Git(path=root)
    head = git.rev_parse("HEAD")
    target = _target(git, revision)
    if revision is not None and is_sha(revision):
        return target
    found = git.call("merge-base", target, head)
    base = found.stdout.strip()
    if found.returncode != 0 or not is_sha(base):
        raise NotFoundError(
            "HEAD and its target branch have no commit in common here",
            where=str(root),
            next_step="Fetch more of the history (GIT_DEPTH: 0 in GitLab CI).",
        )
    changed = git.run("status", "--porcelain", "--untracked-files=no", "--", ".").strip()
    if base != head or changed:
        return base
    before = git.call("rev-parse", "--verify", "--quiet", "HEAD^1")
    if before.returncode != 0:
        raise NotFoundError(
            "this is the first commit, so there is no version before it",
            where=str(root),
            next_step="Compare on a branch; or leave `compare` out until there is a base.",
        )
    return before.stdout.strip()


def _target(git: Git, revision: str | None) -> str:
    for name in [revision] if revision else _TARGETS:
        try:
            return git.rev_parse(name)
        except NotFoundError:
            continue
    raise NotFoundError(
        f"no commit {revision!r} here" if revision else "no target branch is known here (origin/HEAD, main, master)",
        where=str(git.path),
        next_step="Fetch it; in GitLab CI set GIT_DEPTH: 0 so that the clone holds the commit the branch left from.",
    )


@contextlib.contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """`commit` in a work tree of its own; yields the folder in it that answers to `root`. It is gone afterwards.

    No hook is run. Nothing of the caller's work tree is touched, only Git's list of work trees while it lasts.
    """
    git = Git(path=root)
    prefix = git.run("rev-parse", "--show-prefix").strip()
    with tempfile.TemporaryDirectory(prefix="headgate-base-", ignore_cleanup_errors=True) as folder:
        place = Path(folder).resolve() / "tree"
        quiet = ("-c", f"core.hooksPath={os.devnull}")
        git.run(*quiet, "worktree", "add", "--detach", "--quiet", str(place), commit)
        try:
            there = place / prefix
            if not there.is_dir():
                raise RemoteStateError(
                    f"the folder {prefix!r} is not in the base commit {commit[:12]}",
                    next_step="There is no base to compare with; see `allow_new`.",
                )
            yield there
        finally:
            # A kill leaves an entry behind that points nowhere; Git itself prunes those.
            git.call("worktree", "remove", "--force", "--force", str(place))
            git.call("worktree", "prune")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBuild:
    """What is built at the base: `command` in the folder that answers to the repository's root, on `inputs`.

    `inputs` are files and folders, relative to the root, that are copied from head's work tree first, in place of
    those that the base commit has: both versions must read the same.
    """

    command: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    timeout_s: float = 600.0


def build_base(build: BaseBuild, *, root: Path, there: Path) -> None:
    """Copy the inputs and run the command in `there`. Raises `BaseBuildError` or `ConfigError`."""
    for name in build.inputs:
        _copy(name, root, there)
    env = environment() | {"PYTHONPATH": _python_path(os.environ.get("PYTHONPATH", ""), root, there)}
    done = process.run(interpreter_resolved(build.command), timeout_s=build.timeout_s, cwd=there, env=env)
    if done.timed_out or done.returncode != 0:
        reason = (
            f"did not end within {build.timeout_s:g} s" if done.timed_out else f"failed with status {done.returncode}"
        )
        raise BaseBuildError(
            f"the base's build `{' '.join(build.command)}` {reason}",
            next_step="Run it by hand on the base commit; without it there is nothing to compare with.",
            details=tail(done.stderr or done.stdout),
        )


def _copy(name: str, root: Path, there: Path) -> None:
    """Copied and not linked: the base's pipeline must not be able to write into head's input."""
    source, target = (root / name).resolve(), (there / name).resolve()
    if not source.is_relative_to(root.resolve()) or not target.is_relative_to(there.resolve()):
        raise UnsafeActionError(f"the input {name} is outside of the repository", next_step="Name paths inside of it.")
    if not source.exists():
        raise ConfigError(f"the input {name} does not exist", where=str(root), next_step="Correct `inputs`.")
    if target.is_dir():
        shutil.rmtree(target)
    elif target.exists():
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    except OSError as error:
        raise BaseBuildError(
            f"the input {name} cannot be copied: {error.strerror or error}",
            next_step="Look at the space left for temporary files; a sample is enough to compare two versions.",
        ) from error


def _python_path(value: str, root: Path, there: Path) -> str:
    """Entries that point into head's work tree point to the base's: else head's modules would be imported there."""
    return os.pathsep.join(_moved(entry, root.resolve(), there) for entry in value.split(os.pathsep) if entry)


def _moved(entry: str, root: Path, there: Path) -> str:
    path = Path(entry).resolve()
    return str(there / path.relative_to(root)) if path.is_relative_to(root) else entry


def built_together(builds: Sequence[BaseBuild]) -> tuple[BaseBuild, ...]:
    """Each distinct build once, with the most patient of the time limits."""
    longest: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for build in builds:
        at = (build.command, build.inputs)
        longest[at] = max(longest.get(at, 0.0), build.timeout_s)
    return tuple(
        BaseBuild(command=command, inputs=inputs, timeout_s=seconds) for (command, inputs), seconds in longest.items()
    )
