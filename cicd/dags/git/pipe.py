"""One running `git cat-file --batch`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
from collections.abc import Iterable
from typing import IO, cast

from headgate.errors import HeadgateError, RemoteStateError, RemoteTimeoutError
from headgate.git import Git

_CHUNK = 1 << 20
ASKED = 256
"""So many requests of 41 or 65 bytes fit into a pipe while git is busy answering."""


class Pipe:
    """Contents of blobs, asked for ahead. After an error it is of no use any more."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=git.path,
            env=git.environ() | {"GIT_NO_REPLACE_OBJECTS": "1"},  # as the object ids in checkouts and packs
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
            raise broken(self._git, text[:40], "git ended early") from error

    def answer(self, oid: str) -> bytes:
        """The next answer, which is that to `oid`."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            self._fill(oid)
        head = self._buffer[self._at : end].split()
        if len(head) != 3 or head[1] != b"blob":
            raise broken(self._git, oid, "the repository does not have this blob")
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
            raise broken(self._git, oid, "git ended early")
        self._buffer += chunk

    def close(self) -> None:
        self._process.kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()


def broken(git: Git, oid: str, why: str) -> HeadgateError:
    """The error for a blob that cannot be had."""
    return RemoteStateError(
        f"Git blob {oid} cannot be read: {why}", where=str(git.path), next_step="Check it with `git fsck`."
    )
