"""Contents of Git objects, through one long-lived `git cat-file --batch`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Self

from cicd.dags.git.pipe import ASKED, Pipe, broken
from cicd.dags.git.worktree import WorkTree
from cicd.dags.imports import Sketch, sketch_of
from cicd.dags.model import DesiredFile
from headgate.git import Git

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
        self._pipe: Pipe | None = None
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
            raise broken(self._git, file.blob, "its content is not what the manifest recorded for it")
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
                    if len(asked) <= ASKED // 2:
                        more = list(islice(rest, ASKED - len(asked)))
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

    def _started(self) -> Pipe:
        if self._pipe is None:
            self._pipe = Pipe(self._git)
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

    def __exit__(self, *_: object) -> None:
        self.close()


def _object_id(data: bytes, length: int) -> str:
    """Git's name for the content, in so many hexadecimal digits."""
    made = (hashlib.sha1 if length == _SHA1 else hashlib.sha256)(b"blob %d\0" % len(data), usedforsecurity=False)
    made.update(data)
    return made.hexdigest()
