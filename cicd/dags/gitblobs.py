"""Contents of Git objects, through one long-lived `git cat-file --batch`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import select
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import IO, Self, cast

from cicd.dags.imports import Sketch, sketch_of
from cicd.dags.model import DesiredFile
from cicd.dags.worktree import WorkTree
from headgate.errors import HeadgateError, RemoteStateError, RemoteTimeoutError
from headgate.git import Git

_CHUNK = 1 << 20
_ASKED = 256  # so many requests of 41 or 65 bytes fit into a pipe while git is busy answering
_KEPT_BYTES = 1 << 30
_SHA1 = 40  # digits


class GitBlobs:
    """Reads blobs by object id. Thread-safe; the process starts with the first read and ends with `close`.

    A clean checkout has most files already: `look_in` names where. Such a file is taken when its content makes the
    object id. What is read from Git is kept in a temporary file (up to 1 GiB), because hashing, ordering, archiving and
    uploading all need it. A partial clone fetches missing objects on demand, which is why each read is bounded by the
    timeout of `git`.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._mutex = threading.Lock()
        self._pipe: _Pipe | None = None
        self._kept: IO[bytes] | None = None
        self._index: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._tree: WorkTree | None = None
        self._places: Mapping[str, str] = {}
        self._sketches: dict[str, Sketch] = {}
        self._hashes: dict[str, str] = {}

    def look_in(self, tree: WorkTree, places: Mapping[str, str]) -> None:
        """`places` tells by object id at which path of the checkout `tree` the blob may be."""
        if self._tree is not None:
            self._tree.close()
        self._tree, self._places = tree, places

    def read(self, file: DesiredFile) -> bytes:
        """The content of a desired file, checked against its hash."""
        data = self._found(file.blob, file.size)
        if data is not None and self._is_content(data, file):
            return data
        data = self._from_git(file.blob)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != file.md5:
            raise _broken(self._git, file.blob, "its content is not what the manifest recorded for it")
        return data

    def blob(self, oid: str) -> bytes:
        """The bytes of blob `oid`. Raises `RemoteStateError` when the repository does not have it."""
        data = self.checked_out(oid)
        return self._from_git(oid) if data is None else data

    def checked_out(self, oid: str) -> bytes | None:
        """The bytes of blob `oid` if the checkout has it unchanged."""
        data = self._found(oid)
        return data if data is not None and _object_id(data, len(oid)) == oid else None

    def digest(self, oid: str, data: bytes, *, python: bool) -> str:
        """The MD5 of blob `oid`, whose content is `data`; of a Python file a sketch is kept."""
        self._hashes[oid] = made = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if python:
            self._sketches[oid] = sketch_of(data)
        return made

    def pack(self, files: Sequence[DesiredFile]) -> bytes | None:
        """A Git pack with the contents of `files`, taken over as Git has compressed them; None when it makes none."""
        oids = {file.blob for file in files}
        try:
            done = subprocess.run(
                ["git", "pack-objects", "-q", "--stdout", "--window=0", "--delta-base-offset", "--compression=1"],
                input="".join(f"{oid}\n" for oid in sorted(oids)).encode(),
                cwd=self._git.path,
                env=self._git.environ(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self._git.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        whole = done.returncode == 0 and int.from_bytes(done.stdout[8:12], "big") == len(oids)
        return done.stdout if whole else None

    def sketch(self, file: DesiredFile) -> Sketch | None:
        """What was kept of a file by `digest`."""
        return self._sketches.get(file.blob)

    def _is_content(self, data: bytes, file: DesiredFile) -> bool:
        if self._hashes.get(file.blob) == file.md5:  # Git's own hash tells the same and takes half the time
            return _object_id(data, len(file.blob)) == file.blob
        return hashlib.md5(data, usedforsecurity=False).hexdigest() == file.md5

    def _found(self, oid: str, size: int | None = None) -> bytes | None:
        """What the checkout has in the blob's place, which may be something else."""
        place = self._places.get(oid)
        return self._tree.read(place, size) if place is not None and self._tree is not None else None

    def _from_git(self, oid: str) -> bytes:
        place = self._index.get(oid)
        if place is not None and self._kept is not None:
            return os.pread(self._kept.fileno(), place[1], place[0])
        ((_, data),) = self.many([oid])
        return data

    def many(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The blobs `oids` in their order, from Git, asked for ahead of their answers; none may be read meanwhile.

        Raises as `blob` does.
        """
        rest, asked = iter(oids), deque[str]()
        with self._mutex:
            try:
                while True:
                    if len(asked) <= _ASKED // 2:
                        more = list(islice(rest, _ASKED - len(asked)))
                        self._started().ask(more)
                        asked += more
                    if not asked:
                        return
                    oid = asked.popleft()
                    data = self._started().answer(oid)
                    self._keep(oid, data)
                    yield oid, data
            except BaseException:  # also when nobody takes the rest: it would be the answer to the next request
                self._stop()
                raise

    def _keep(self, oid: str, data: bytes) -> None:
        if oid in self._index or self._end + len(data) > _KEPT_BYTES:
            return
        if self._kept is None:
            import tempfile

            self._kept = tempfile.TemporaryFile(prefix="headgate-blobs-", buffering=0)  # noqa: SIM115 - until `close`
        try:
            os.pwrite(self._kept.fileno(), data, self._end)
        except OSError:  # a full disk: what was not kept is read from Git again
            return
        self._index[oid] = (self._end, len(data))
        self._end += len(data)

    def _started(self) -> _Pipe:
        if self._pipe is None:
            self._pipe = _Pipe(self._git)
        return self._pipe

    def _stop(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def close(self) -> None:
        self._stop()
        if self._tree is not None:
            self._tree.close()
        kept, self._kept, self._tree = self._kept, None, None
        self._index, self._end, self._places, self._sketches, self._hashes = {}, 0, {}, {}, {}
        if kept is not None:
            kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Pipe:
    """One running `git cat-file --batch`. After an error it is of no use any more."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=git.path,
            env=git.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._in, self._out = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._buffer = bytearray()
        self._at = 0
        with contextlib.suppress(AttributeError, OSError):  # a wider pipe where the system has that: fewer switches
            fcntl.fcntl(self._out.fileno(), fcntl.F_SETPIPE_SZ, _CHUNK)

    def ask(self, oids: Iterable[str]) -> None:
        text = "".join(f"{oid}\n" for oid in oids)
        try:
            if text:
                self._in.write(text.encode())
        except BrokenPipeError as error:
            raise _broken(self._git, text[:40], "git ended early") from error

    def answer(self, oid: str) -> bytes:
        """The next answer, which is that to `oid`."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            self._fill(oid)
        head = self._buffer[self._at : end].split()
        if len(head) != 3 or head[1] != b"blob":
            raise _broken(self._git, oid, "the repository does not have this blob")
        start, size = end + 1, int(head[2])
        while len(self._buffer) < start + size + 1:
            self._fill(oid)
        data = bytes(memoryview(self._buffer)[start : start + size])
        self._at = start + size + 1
        if self._at >= _CHUNK:
            del self._buffer[: self._at]
            self._at = 0
        return data

    def _fill(self, oid: str) -> None:
        if not select.select([self._out], [], [], self._git.timeout_s)[0]:
            raise RemoteTimeoutError(
                f"git did not deliver blob {oid} within {self._git.timeout_s:g} s",
                where=str(self._git.path),
                next_step="In a partial clone objects are fetched on demand; check the Git server or clone in full.",
            )
        chunk = os.read(self._out.fileno(), _CHUNK)
        if not chunk:
            raise _broken(self._git, oid, "git ended early")
        self._buffer += chunk

    def close(self) -> None:
        self._process.kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()


def _object_id(data: bytes, length: int) -> str:
    """Git's name for the content, in so many hexadecimal digits."""
    made = (hashlib.sha1 if length == _SHA1 else hashlib.sha256)(b"blob %d\0" % len(data), usedforsecurity=False)
    made.update(data)
    return made.hexdigest()


def _broken(git: Git, oid: str, why: str) -> HeadgateError:
    return RemoteStateError(
        f"Git blob {oid} cannot be read: {why}", where=str(git.path), next_step="Check it with `git fsck`."
    )
