"""The desired tree: the DAG folder as it is at a commit, from Git objects, never from a work tree."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cicd.dags.git.blobs import GitBlobs
from cicd.dags.git.worktree import WorkTree
from cicd.dags.model import DesiredFile
from cicd.dags.names import check_name, selector
from cicd.dags.side_by_side import side_by_side
from headgate.clock import parse_timestamp
from headgate.errors import ConfigError, NotFoundError, RemoteStateError, UnsafeActionError
from headgate.git import Git

_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_MAX = 1024
_MAX_LINKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tree: the folder `source`, relative to the folder of the repository that `git` works in, at `ref`."""

    source: str
    ref: str
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ("**/__pycache__/**", "**/*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A resolved commit. `committed_at` is None for a time that is beyond the calendar."""

    sha: str
    committed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: str
    oid: str


Entries = Mapping[str, _Entry]
"""What Git has in a folder, by path relative to it."""


def fetch_commit(git: Git, ref: str) -> Commit:
    """Resolve `ref`. Raises `NotFoundError` when there is no such commit, `ConfigError` outside a repository."""
    try:
        sha, at = git.committed_at(ref)
    except NotFoundError:
        if git.call("rev-parse", "--git-dir").returncode == 0:
            raise
        raise ConfigError(
            "not a Git repository", where=str(git.path), next_step="Run it in the repository of the DAGs."
        ) from None
    return Commit(sha=sha, committed_at=read_time(at))


def read_time(text: str) -> datetime | None:
    """A committer's time, which may be any number; None when it is beyond the calendar."""
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError):
        return None


def fetch_tree(
    git: Git,
    blobs: GitBlobs,
    commit: Commit,
    selection: Selection,
    *,
    known: Mapping[str, tuple[str, int]],
    prefix: str = "",
    entries: Entries | None = None,
) -> tuple[DesiredFile, ...]:
    """The files to deliver, ordered by path.

    `entries` are those of the folder at the commit where they were fetched already. `known` gives MD5 and size of blobs
    whose content need not be read again. `prefix` is that of the DAG folder in the bucket, for the limit on names.
    Raises `NotFoundError` when the folder does not exist at the commit, and `UnsafeActionError` that names the file for
    links out of the tree, submodules, Git LFS pointers and names that a bucket or a file system cannot carry.
    """
    where = f"{selection.source} at {commit.sha[:12]}"
    entries = fetch_entries(git, commit, selection.source) if entries is None else entries
    chosen = selector(selection.include, selection.exclude)
    places = {entry.oid: path for path, entry in entries.items() if entry.mode.startswith("100")}
    blobs.look_in(WorkTree(git.path / selection.source), places)
    picked = {
        check_name(path, where=where, prefix=prefix): _resolved(path, entries, blobs, where)
        for path in sorted(filter(chosen, entries))
    }
    hashes = _hashes(picked, known, blobs, where)
    files = ((path, entry.oid, *hashes[entry.oid]) for path, entry in picked.items())
    return tuple(DesiredFile(path=path, size=size, md5=md5, blob=oid) for path, oid, md5, size in files)


def _hashes(
    picked: Mapping[str, _Entry], known: Mapping[str, tuple[str, int]], blobs: GitBlobs, where: str
) -> dict[str, tuple[str, int]]:
    """MD5 and size of every blob; those that are not known are read, from the checkout if it has them."""
    hashes = {entry.oid: known[entry.oid] for entry in picked.values() if entry.oid in known}
    fresh = {entry.oid: path for path, entry in picked.items() if entry.oid not in hashes}

    def digest(oid: str, data: bytes) -> None:
        if len(data) <= _LFS_MAX and data.startswith(_LFS):
            raise _refused(fresh[oid], where, "Git holds only a Git LFS pointer for it, not its content")
        hashes[oid] = blobs.digest(oid, data, python=fresh[oid].endswith(".py")), len(data)

    def digest_checked_out(oids: Iterable[str]) -> None:
        for oid in oids:
            data = blobs.checked_out(oid)
            if data is not None:
                digest(oid, data)

    side_by_side(digest_checked_out, list(fresh))
    for oid, data in blobs.many([oid for oid in fresh if oid not in hashes]):
        digest(oid, data)
    return hashes


def fetch_entries(git: Git, commit: Commit, source: str) -> Entries:
    """Every entry of the folder, by path relative to it. Raises `NotFoundError` when there is no such folder."""
    where = f"{source} at {commit.sha[:12]}"
    folder = posixpath.normpath(source)
    if folder.startswith("..") or not (done := _ls_tree(git, commit, f"./{folder}")):
        # Up from the working folder, or a bare repository, in which nothing is relative to that.
        folder = posixpath.normpath(posixpath.join(_inside(git), source))
        if posixpath.isabs(source) or folder == ".." or folder.startswith("../"):
            raise ConfigError(f"the source {source!r} leads out of the repository", next_step="Name a folder in it.")
        done = _ls_tree(git, commit, "" if folder == "." else folder)
    if not done:
        raise NotFoundError(
            f"there is no folder {folder!r} at commit {commit.sha[:12]}",
            where=str(git.path),
            next_step="Correct --source (or dags.source), or --ref.",
        )
    entries = {}
    for line in filter(None, done.split("\0")):
        head, _, path = line.partition("\t")
        mode, kind, oid = head.split(" ")
        if path in entries or (kind not in {"blob", "commit"}):
            raise RemoteStateError(f"git lists {path!r} in a way that cannot be read", where=where)
        entries[path] = _Entry(mode=mode, oid=oid)
    return entries


def _ls_tree(git: Git, commit: Commit, folder: str) -> str:
    """What git lists below a folder; empty when there is none."""
    done = git.call("ls-tree", "-r", "-z", "--full-tree", f"{commit.sha}:{folder}")
    return done.stdout if done.returncode == 0 else ""


def _inside(git: Git) -> str:
    """Where in the repository `git` works: empty, or ending with `/`."""
    asked = git.run("rev-parse", "--is-inside-work-tree", "--show-prefix").removesuffix("\n").partition("\n")
    return asked[2] if asked[0] == "true" else ""


def _resolved(path: str, entries: Mapping[str, _Entry], blobs: GitBlobs, where: str) -> _Entry:
    """The entry with the content of `path`: itself, or what its symbolic link leads to inside the tree."""
    name = path
    for _ in range(_MAX_LINKS):
        entry = entries.get(name)
        if entry is None:
            raise _refused(path, where, f"it is a symbolic link to {name!r}, which is no file of the delivered folder")
        if entry.mode == "160000":
            raise _refused(path, where, "it is a Git submodule, whose files are not in this repository")
        if entry.mode != "120000":
            return entry
        link = blobs.blob(entry.oid).decode("utf-8", "replace")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        if posixpath.isabs(link) or name.startswith("../") or name == "..":
            raise _refused(path, where, f"it is a symbolic link out of the delivered folder, to {link!r}")
    raise _refused(path, where, "its symbolic links go in a circle")


def _refused(path: str, where: str, why: str) -> UnsafeActionError:
    return UnsafeActionError(
        f"{path!r} is refused: {why}", where=where, next_step="Replace it, or leave it out with dags.exclude."
    )
