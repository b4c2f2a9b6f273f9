"""Answers of HTTP/1.1, made from bytes as they arrive. Pure.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEAD = 1 << 18  # bytes
_FIELDS = 200
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"(HTTP/1\.[01]) (\d{3})(?!\d)")
_DECIMAL = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\n]*)?\r?\n")
_CHUNK_LINE = 1 << 16


RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say: again, and later. https://cloud.google.com/storage/docs/retry-strategy"""


class WireError(Exception):
    """A request that got no whole answer; whether it had its effect is not known."""


class LostError(WireError):
    """No connection, or one that ended early or spoke nonsense."""


class TimedOutError(WireError):
    """No connection or no bytes in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case, of repeated ones the last is kept."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class AnswerReader:
    """Reads the answer to one request. `keep` tells afterwards whether the connection may be used again."""

    __slots__ = ("_at", "_buffer", "_chunks", "_content", "_headers", "_method", "_size", "_status", "keep")

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = bytearray()
        self._status = 0  # until there is a head
        self._headers: dict[str, str] = {}
        self._size: int | None = None  # of the body; None when chunks or the end of the connection tell
        self._chunks = False
        self._content = bytearray()
        self._at = 0  # where the next chunk begins
        self.keep = False

    def feed(self, data: bytes) -> Answer | None:
        """The answer when it is whole. Raises `LostError` for what is none."""
        self._buffer += data
        while self._status == 0:
            if not self._take_head():
                return None
        if self._size is not None:
            return self._sized(self._size)
        return self._chunked() if self._chunks else None

    def end(self) -> Answer:
        """The answer that the end of the connection makes whole. Raises `LostError` when it does not."""
        self.keep = False
        if self._status == 0:
            raise LostError(
                "the answer ended within its head"
                if self._buffer
                else "the server closed the connection without an answer"
            )
        if self._size is not None:
            raise LostError(f"the answer ended after {len(self._buffer)} of {self._size} bytes")
        if not self._chunks:
            return self._made(bytes(self._buffer))
        if self._size_of_chunk() == 0:  # only the end of the trailer is missing
            return self._made(bytes(self._content))
        raise LostError("the answer ended within a chunk")

    def _take_head(self) -> bool:
        """Take a head off the buffer; those of interim answers are dropped. False when there is none yet."""
        found = _EMPTY_LINE.search(self._buffer)
        if found is None:
            if len(self._buffer) > _HEAD:
                raise LostError("the answer has too long a head")
            return False
        lines = self._buffer[: found.start()].decode("latin-1").split("\n")
        status = _STATUS.match(self._buffer)
        if status is None:
            raise LostError(f"no HTTP answer: {lines[0][:40]!r}")
        code, version = int(status[2]), status[1]
        del self._buffer[: found.end()]
        if code >= 200:
            self._headers = _fields(lines)
            self._frame(code, version)
            self._status = code
        return True

    def _frame(self, code: int, version: bytes) -> None:
        """How the body ends."""
        headers = self._headers
        connection = headers.get("connection")
        self.keep = version == b"HTTP/1.1" and (connection is None or "close" not in connection.lower())
        length = headers.get("content-length")
        if self._method == "HEAD" or code in {204, 304}:
            self._size = 0
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            self._chunks = True
        elif length is None:
            self.keep = False
        elif _DECIMAL.fullmatch(length):
            self._size = int(length)
        else:
            raise LostError(f"{length[:20]!r} is no length")

    def _sized(self, size: int) -> Answer | None:
        if len(self._buffer) < size:
            return None
        if len(self._buffer) > size:  # what nobody asked for
            self.keep = False
        return self._made(bytes(memoryview(self._buffer)[:size]))

    def _chunked(self) -> Answer | None:
        while (size := self._size_of_chunk()) is not None:
            start = self._buffer.index(b"\n", self._at) + 1
            if size == 0:
                return self._made(bytes(self._content)) if self._trailer_ends(start - 1) else None
            if len(self._buffer) < start + size + 2:
                return None
            if self._buffer[start + size : start + size + 2] != b"\r\n":
                raise LostError("a chunk of the answer is not as long as it says")
            self._content += memoryview(self._buffer)[start : start + size]
            self._at = start + size + 2
        return None

    def _size_of_chunk(self) -> int | None:
        """The length of the next chunk; None when its first line is not there yet."""
        line = _CHUNK.match(self._buffer, self._at)
        if line is not None:
            return int(line[1], 16)
        end = self._buffer.find(b"\n", self._at)
        if end >= 0 or len(self._buffer) - self._at > _CHUNK_LINE:
            raise LostError(f"{bytes(self._buffer[self._at : self._at + 20])!r} is no length")
        return None

    def _trailer_ends(self, last: int) -> bool:
        """Whether the trailer after the line that ends at `last` is whole."""
        found = _EMPTY_LINE.search(self._buffer, last)
        if found is not None and found.end() < len(self._buffer):
            self.keep = False
        if found is None and len(self._buffer) - last > _HEAD:
            raise LostError("the answer has too long a trailer")
        return found is not None

    def _made(self, content: bytes) -> Answer:
        return Answer(self._method, self._status, self._headers, content)


def _fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > _FIELDS:
        raise LostError("the answer has too many header fields")
    headers = {}
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        if not colon:
            raise LostError(f"no header field: {line[:40]!r}")
        headers[key.lower()] = value.strip()
    return headers
