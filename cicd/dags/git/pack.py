"""Reading a Git pack by the MD5 of its contents, without Git: what `git pack-objects` wrote of blobs. Pure.

https://git-scm.com/docs/pack-format
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict

MAGIC = b"PACK"
_HEADER = 12
_BLOB, _OFFSET_DELTA = 3, 6
_PIECE = 4096
_KEPT_BYTES = 16 << 20


class GitPack:
    """The blobs in a pack. Raises `ValueError` for what cannot be read."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_bytes = 0
        if data[:4] != MAGIC or data[4:8] not in {b"\0\0\0\2", b"\0\0\0\3"}:
            raise ValueError("no Git pack")
        self._index: dict[str, int] = {}
        at = _HEADER
        for _ in range(int.from_bytes(data[8:_HEADER], "big")):
            content, end = self._resolved(at)
            self._index[hashlib.md5(content, usedforsecurity=False).hexdigest()] = at
            at = end

    def read(self, md5: str) -> bytes:
        """The blob with that hash. Raises `KeyError` when there is none."""
        return self._resolved(self._index[md5])[0]

    def _resolved(self, at: int) -> tuple[bytes, int]:
        """The content of the entry at an offset, and where the next one begins (when it was not read before)."""
        kept = self._kept.get(at)
        if kept is not None:
            self._kept.move_to_end(at)
            return kept, at
        deltas = list[bytes]()
        next_at, content = 0, None
        place = at
        while content is None:
            kind, size, start = self._head(place)
            back, start = self._distance(start) if kind == _OFFSET_DELTA else (0, start)
            if kind not in {_BLOB, _OFFSET_DELTA} or back > place - _HEADER:
                raise ValueError(f"an entry of the kind {kind} in a pack of blobs")
            data, end = self._inflated(start, size)
            next_at = next_at or end
            if kind == _BLOB:
                content = data
            else:
                deltas.append(data)
                place -= back
                content = self._kept.get(place)
        while deltas:
            content = _patched(content, deltas.pop())
        self._keep(at, content)
        return content, next_at

    def _keep(self, at: int, content: bytes) -> None:
        """Later entries may be made from this one."""
        self._kept[at] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def _head(self, at: int) -> tuple[int, int, int]:
        """Kind and size of an entry, and where its data begin."""
        byte = self._byte(at)
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            at += 1
            byte = self._byte(at)
            size |= (byte & 0x7F) << shift
            shift += 7
        return kind, size, at + 1

    def _distance(self, at: int) -> tuple[int, int]:
        """How far before the entry its base begins, and where its data begin."""
        byte = self._byte(at)
        back = byte & 0x7F
        while byte & 0x80:
            at += 1
            byte = self._byte(at)
            back = (back + 1) << 7 | byte & 0x7F
        if back == 0:
            raise ValueError("an entry is made from itself")
        return back, at + 1

    def _byte(self, at: int) -> int:
        if at >= len(self._data):
            raise ValueError("the pack ends within an entry")
        return self._data[at]

    def _inflated(self, at: int, size: int) -> tuple[bytes, int]:
        """What is compressed there, and where it ends."""
        inflate = zlib.decompressobj()
        made = bytearray()
        try:
            while not inflate.eof:
                piece = self._data[at : at + _PIECE]
                made += inflate.decompress(piece)
                at += len(piece)
                if len(made) > size or not piece:
                    break
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not inflate.eof or len(made) != size:
            raise ValueError("an entry of the pack is not as long as it says")
        return bytes(made), at - len(inflate.unused_data)


def _patched(base: bytes, delta: bytes) -> bytes:
    """`base` changed by a delta: pieces of it, and new bytes."""
    base_size, at = _number(delta, 0)
    size, at = _number(delta, at)
    made = bytearray()
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & 0x80:
            given = [code >> bit & 1 for bit in range(7)]
            values = [0] * 7
            for bit in range(7):
                if given[bit]:
                    values[bit] = delta[at] if at < len(delta) else 0
                    at += 1
            start = int.from_bytes(bytes(values[:4]), "little")
            length = int.from_bytes(bytes(values[4:]), "little") or 0x10000
            made += base[start : start + length]
        else:
            made += delta[at : at + code]
            at += code
    if base_size != len(base) or size != len(made):
        raise ValueError("a delta of the pack does not fit its base")
    return bytes(made)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        at, more, shift = at + 1, data[at] & 0x80, shift + 7
        if not more:
            return value, at
    raise ValueError("a delta of the pack ends within a number")
