"""Whether compressed files are whole: an engine that reads on past what is missing or damaged would pass half a table.

DuckDB takes a cut-off zstd file for a shorter one, and does not look at the checksum of gzip.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from headgate.errors import TransportError

_PIECE = 1 << 20
_ROOM = 1 << 24
"""Bytes that are decompressed at a time: a small file may hold a very large one."""
_MAGIC = 0xFD2FB528
_SKIPPED = range(0x184D2A50, 0x184D2A60)
_WORKERS = 4


class _DamagedError(Exception):
    """The text says what is wrong with the file."""


def check_whole(paths: Iterable[str]) -> None:
    """Raise `TransportError` for a file whose name ends in .gz or .zst that is cut off or damaged; others are left alone.

    gzip is decompressed once, for its checksum; of zstd only the headers of its blocks are read (RFC 8878, 3.1.1).
    """
    checks = {".gz": _gzip, ".zst": _zstd, ".zstd": _zstd}
    found = [(path, checks[suffix]) for path in paths if (suffix := Path(path).suffix.lower()) in checks]
    if not found:
        return
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for (path, _), wrong in zip(found, pool.map(lambda entry: _checked(*entry), found), strict=True):
            if wrong:
                raise TransportError(wrong, where=path, next_step="Write or copy the file again.")


def _checked(path: str, check: Callable[[BinaryIO], None]) -> str:
    try:
        with Path(path).open("rb") as file:
            check(file)
    except _DamagedError as error:
        return str(error)
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return ""


def _gzip(file: BinaryIO) -> None:
    """Every member to its end; the decompressor compares length and checksum."""
    piece = _gzip_member(file, b"")
    # Padding with zeros, as tapes and some uploads add it, belongs to no member.
    while piece := piece.lstrip(b"\0") or file.read(_PIECE):
        if piece.strip(b"\0"):
            piece = _gzip_member(file, piece.lstrip(b"\0"))


def _gzip_member(file: BinaryIO, piece: bytes) -> bytes:
    """What was read, beginning with `piece`, beyond the end of a member."""
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    while not member.eof:
        piece = piece or file.read(_PIECE)
        if not piece:
            raise _DamagedError("the gzip file is cut off")
        try:
            member.decompress(piece, _ROOM)
        except zlib.error as error:
            raise _DamagedError(f"the gzip file is damaged: {error}") from error
        piece = member.unconsumed_tail
    return member.unused_data


def _zstd(file: BinaryIO) -> None:
    """Every frame, from block to block."""
    frames = 0
    while head := file.read(4):
        magic = int.from_bytes(_all(head, 4), "little")
        if magic in _SKIPPED:
            _skip(file, int.from_bytes(_all(file.read(4), 4), "little"))
        elif magic == _MAGIC:
            _zstd_frame(file)
        else:
            raise _DamagedError("the zstd file is damaged: something that is no frame is in it")
        frames += 1
    if not frames:
        raise _DamagedError("the zstd file is empty")


def _zstd_frame(file: BinaryIO) -> None:
    descriptor = _all(file.read(1), 1)[0]
    single, checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
    dictionary = (0, 1, 2, 4)[descriptor & 0x03]
    content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    _skip(file, (0 if single else 1) + dictionary + content)
    last = False
    while not last:
        header = int.from_bytes(_all(file.read(3), 3), "little")
        last, kind, size = bool(header & 1), (header >> 1) & 0x03, header >> 3
        if kind == 3:
            raise _DamagedError("the zstd file is damaged: a block of no known kind")
        _skip(file, 1 if kind == 1 else size)
    if checksum:
        _skip(file, 4)


def _all(read: bytes, wanted: int) -> bytes:
    if len(read) < wanted:
        raise _DamagedError("the zstd file is cut off")
    return read


def _skip(file: BinaryIO, size: int) -> None:
    """Over `size` bytes that must be there; only the last of them is read."""
    if size:
        file.seek(size - 1, 1)
        _all(file.read(1), 1)
