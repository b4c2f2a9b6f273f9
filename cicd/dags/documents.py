"""The JSON documents of the bookkeeping. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cicd.dags.model import Claims, Manifest
from headgate.errors import RemoteStateError

FORMAT = 1
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


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Made when needed: making one takes as long as reading hundreds of files."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dump(document: Manifest | Claims | LockDocument) -> bytes:
    """The document as JSON; equal documents give equal bytes."""
    fields = _adapter(type(document)).dump_python(document, mode="json")
    if isinstance(document, Claims):
        fields["objects"] = sorted(fields["objects"])
    return json.dumps({"format": FORMAT, **fields}, sort_keys=True, separators=(",", ":")).encode()


def parse_manifest(data: bytes, name: str) -> Manifest:
    """A manifest from its bytes; `name` is the object, for messages. Raises `RemoteStateError` when unreadable."""
    return _parse(Manifest, data, name)


def parse_claims(data: bytes, name: str) -> Claims:
    """Claims from their bytes. Raises `RemoteStateError` when unreadable."""
    return _parse(Claims, data, name)


def parse_lock(data: bytes, name: str) -> LockDocument:
    """A lock from its bytes. Raises `RemoteStateError` when unreadable."""
    return _parse(LockDocument, data, name)


def _parse(kind: type[_Document], data: bytes, name: str) -> _Document:
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict):
            raise TypeError("not a JSON object")
        if fields.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        document: _Document = _adapter(kind).validate_python(fields)
    except (ValueError, TypeError, ValidationError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise RemoteStateError(
            f"the bookkeeping object cannot be read: {first}",
            where=name,
            next_step="It was written by another version of Headgate or by hand; restore it, or move it away.",
        ) from error
    return document
