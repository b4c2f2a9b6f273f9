"""The JSON documents of the bookkeeping. Pure.

Read and written with msgspec, which checks types as it reads: loading pydantic takes longer than a whole delivery that
changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from cicd.dags.model import Claims, Manifest
from headgate.errors import RemoteStateError

FORMAT = 1
_RELEASE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_Document = TypeVar("_Document")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDocument:
    """Who delivers. `token` is unique per run; the lock may be taken over after `expires_at`.

    `process` names the running process where that can be told, so that others on the same machine see it is dead.
    """

    holder: str
    token: str
    acquired_at: datetime
    expires_at: datetime
    process: str | None = None


class _Format(msgspec.Struct):
    format: Any = None


_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """Made when needed, and once."""
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(kind)
    return _DECODERS[kind]


def dump(document: Manifest | Claims | LockDocument) -> bytes:
    """The document as JSON; equal documents give equal bytes."""
    return b'{"format":%d,' % FORMAT + msgspec.json.encode(document, order="sorted")[1:]


def parse_manifest(data: bytes, name: str) -> Manifest:
    """A manifest from its bytes; `name` is the object, for messages. Raises `RemoteStateError` when unreadable."""
    manifest = _parse(Manifest, data, name)
    named = (manifest.release, manifest.previous, manifest.restores, *(past.release for past in manifest.history))
    if not all(release is None or _RELEASE.fullmatch(release) for release in named):  # they become names of objects
        raise _unreadable("a release has a name that Headgate does not give", name)
    return _timed(manifest, (manifest.created_at, manifest.committed_at, *_times(manifest)), name)


def parse_claims(data: bytes, name: str) -> Claims:
    """Claims from their bytes. Raises `RemoteStateError` when unreadable."""
    return _parse(Claims, data, name)


def parse_lock(data: bytes, name: str) -> LockDocument:
    """A lock from its bytes. Raises `RemoteStateError` when unreadable."""
    lock = _parse(LockDocument, data, name)
    return _timed(lock, (lock.acquired_at, lock.expires_at), name)


def _times(manifest: Manifest) -> Iterable[datetime]:
    return (past.created_at for past in manifest.history)


def _timed(document: _Document, times: Iterable[datetime | None], name: str) -> _Document:
    if not all(moment is None or _is_moment(moment) for moment in times):
        raise _unreadable("a time has no UTC offset, or is beyond the calendar", name)
    return document


def _is_moment(time: datetime) -> bool:
    try:
        return time.tzinfo is not None and time.astimezone(UTC) is not None
    except OverflowError:
        return False


def _parse(kind: type[_Document], data: bytes, name: str) -> _Document:
    try:
        if _decoder(_Format).decode(data).format != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        document: _Document = _decoder(kind).decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise _unreadable(str(error).splitlines()[0], name) from error
    return document


def _unreadable(why: str, name: str) -> RemoteStateError:
    return RemoteStateError(
        f"the bookkeeping object cannot be read: {why}",
        where=name,
        next_step="It was written by another version of Headgate or by hand; restore it, or move it away.",
    )
