"""Contents of Git objects, through one long-lived `git cat-file --batch`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import subprocess
import threading
from types import TracebackType
from typing import Self

from cicd.dags.model import DesiredFile
from headgate.errors import RemoteStateError, RemoteTimeoutError
from headgate.git import Git

_CHUNK = 1 << 16


class GitBlobs:
    """Reads blobs by object id. Thread-safe; the process starts with the first read and ends with `close`.

    A partial clone fetches missing objects on demand, which is why each read is bounded by the timeout of `git`.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._mutex = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()

    def read(self, file: DesiredFile) -> bytes:
        """The content of a desired file, checked against its hash."""
        data = self.blob(file.blob)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != file.md5:
            raise self._broken(file.blob, "its content is not what the manifest recorded for it")
        return data

    def blob(self, oid: str) -> bytes:
        """The bytes of blob `oid`. Raises `RemoteStateError` when the repository does not have it."""
        with self._mutex:
            process = self._started()
            if process.stdin is None:
                raise self._broken(oid, "git cannot be spoken to")
            try:
                process.stdin.write(f"{oid}\n".encode())
                process.stdin.flush()
            except BrokenPipeError as error:
                raise self._broken(oid, "git ended early") from error
            head = self._line(oid).split()
            if len(head) != 3 or head[1] != b"blob":
                raise self._broken(oid, "the repository does not have this blob")
            size = int(head[2])
            self._fill(size + 1, oid)
            data = bytes(self._buffer[:size])
            del self._buffer[: size + 1]
            return data

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                ["git", "cat-file", "--batch"],
                cwd=self._git.path,
                env=self._git.environ(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._process

    def _line(self, oid: str) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(len(self._buffer) + 1, oid)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _fill(self, size: int, oid: str) -> None:
        """Read until the buffer holds `size` bytes."""
        if self._process is None or self._process.stdout is None:
            raise self._broken(oid, "git cannot be heard")
        fd = self._process.stdout.fileno()
        while len(self._buffer) < size:
            if not select.select([fd], [], [], self._git.timeout_s)[0]:
                raise RemoteTimeoutError(
                    f"git did not deliver blob {oid} within {self._git.timeout_s:g} s",
                    where=str(self._git.path),
                    next_step="In a partial clone objects are fetched on demand; check the Git server or clone in full.",
                )
            chunk = os.read(fd, max(_CHUNK, size - len(self._buffer)))
            if not chunk:
                raise self._broken(oid, "git ended early")
            self._buffer += chunk

    def _broken(self, oid: str, why: str) -> RemoteStateError:
        return RemoteStateError(
            f"Git blob {oid} cannot be read: {why}", where=str(self._git.path), next_step="Check it with `git fsck`."
        )

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
