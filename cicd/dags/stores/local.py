"""`file://` buckets: a folder with the semantics of an object store.

The generation of an object is the modification time of its file in nanoseconds, which this adapter sets itself and
never lets repeat. A file that somebody else puts or edits there therefore has a generation too, and a new one after
every edit. Content appears by rename, so that a reader sees the old or the new file whole. Compare and swap happens
under a lock file; like the counter and unfinished files it lies in `.headgate/` beside the DAG folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cicd.dags.model import StoredObject
from cicd.dags.names import RESERVED
from headgate.errors import (
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    ServerFaultError,
    UnsafeActionError,
)

_STALE_S = 3600.0  # unfinished files of dead runs are removed after this


class LocalStore:
    """A bucket in the folder `root`, which must exist."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own = root / RESERVED / "local"
        self._swept = False
        self._setup = threading.Lock()

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:  # noqa: ARG002 - the port
        self._require_root()
        start = self._root / prefix.rpartition("/")[0]
        found = [item for path in _walk(start) if (item := self._stat(path, prefix))]
        return tuple(sorted(found, key=lambda item: item.path))

    def _stat(self, path: Path, prefix: str) -> StoredObject | None:
        name = path.relative_to(self._root).as_posix()
        if not name.startswith(prefix) or self._own in path.parents:
            return None
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):  # the content of a link is not ours to judge: no hash, never equal
                return _described(name, None, status)
            with path.open("rb") as stream:  # one open file, so that content and generation belong together
                return _described(name, stream.read(), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return None  # deleted while we were looking
        except OSError as error:
            raise _mapped(error, path) from error

    def read(self, path: str) -> tuple[bytes, int] | None:
        self._require_root()
        target = self._locate(path)
        try:
            with target.open("rb") as stream:
                return stream.read(), os.fstat(stream.fileno()).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _mapped(error, target) from error

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        self._require_root()
        target = self._locate(path)
        try:
            self._prepare()
            fresh = self._own / f"{uuid4().hex}.part"
            fresh.write_bytes(data)
            try:
                with self._exclusive():
                    _require(target, path, if_generation)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._stamp(fresh)
                    fresh.replace(target)
                    return _described(path, data, target.lstat())
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise _mapped(error, target) from error

    def delete(self, path: str, *, if_generation: int) -> None:
        self._require_root()
        target = self._locate(path)
        try:
            self._prepare()
            with self._exclusive():
                if _generation(target) == 0:
                    return
                _require(target, path, if_generation)
                target.unlink()
                self._remove_empty(target.parent, keep=path.partition("/")[0])
        except OSError as error:
            raise _mapped(error, target) from error

    def _remove_empty(self, folder: Path, keep: str) -> None:
        """Object stores have no folders: one without files goes; the DAG folder itself stays."""
        while folder not in (self._root, self._root / keep) and self._root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _locate(self, path: str) -> Path:
        """The file of an object. Raises `UnsafeActionError` when a linked folder would lead out of the bucket."""
        if "\0" in path:
            raise UnsafeActionError(
                f"{path!r} cannot be the name of a file", where=str(self._root), next_step="Look at what names it."
            )
        target = self._root / path
        if not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise UnsafeActionError(
                f"{path!r} leads out of the target through a symbolic link",
                where=str(self._root),
                next_step="Remove the link, or choose its destination as the target.",
            )
        return target

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise NotFoundError(
                "the folder that holds the target does not exist",
                where=str(self._root),
                next_step="Create it, mount it, or correct the target.",
            )

    def _prepare(self) -> None:
        """Make the folder of unfinished files, once, and remove those that a dead run left."""
        with self._setup:
            self._own.mkdir(parents=True, exist_ok=True)
            if self._swept:
                return
            self._swept = True
            for part in self._own.glob("*.part"):
                try:
                    if time.time() - part.stat().st_mtime > _STALE_S:
                        part.unlink()
                except FileNotFoundError:
                    continue

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock file: excludes other processes and, because each entry opens it anew, other threads."""
        with (self._own / "lock").open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _stamp(self, fresh: Path) -> None:
        """Give `fresh` a modification time later than any other that was given here, as the file system keeps it."""
        counter = self._own / "generation"
        try:
            last = int(counter.read_text())
        except (FileNotFoundError, ValueError):
            last = 0
        wanted = max(time.time_ns(), last + 1)
        os.utime(fresh, ns=(wanted, wanted))
        kept = fresh.stat().st_mtime_ns
        if kept <= last:  # the file system keeps whole (or even) seconds
            wanted = last + 2_000_000_000
            os.utime(fresh, ns=(wanted, wanted))
            kept = fresh.stat().st_mtime_ns
        counter.write_text(str(kept))


def _walk(start: Path) -> Iterator[Path]:
    """Every file below `start`, links not followed."""
    try:
        entries = sorted(os.scandir(start), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _mapped(error, start) from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _described(name: str, data: bytes | None, status: os.stat_result) -> StoredObject:
    return StoredObject(
        path=name,
        size=status.st_size,
        md5=None if data is None else hashlib.md5(data, usedforsecurity=False).hexdigest(),
        generation=status.st_mtime_ns,
        updated=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def _generation(target: Path) -> int:
    try:
        return target.lstat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _require(target: Path, path: str, if_generation: int) -> None:
    there = _generation(target)
    if there != if_generation:
        raise ConflictError(
            f"{path!r} is of generation {there}, not {if_generation}: somebody else changed it first",
            where=str(target),
            next_step="Run the command again; it starts from what is there now.",
        )


def _mapped(error: OSError, path: Path) -> HeadgateError:
    """The one place where file system errors become ours."""
    where = str(path)
    if isinstance(error, PermissionError):
        return ConfigError("permission denied", where=where, next_step="Give this user write access to the folder.")
    return ServerFaultError(
        f"the file system refused: {error.strerror or error}",
        where=where,
        next_step="Check free space, the file system, and that no file stands where a folder is needed.",
    )
