"""One request as it comes in: headers, hints of the address, and the body within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from observability.collector.answers import Refusal, Result, refuse
from observability.collector.model import Hints

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HINTS = ("service", "environment", "branch", "status")
_LONGEST_HINT = 200
_DRAINED = 16 * 1024 * 1024
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what one sender, and all together, may take of this process.

    `body` and `held` are bytes (of one request, of all that are being read), times are seconds.
    """

    body: int = 8 * 1024 * 1024
    held: int = 128 * 1024 * 1024
    body_s: float = 30.0
    header_s: float = 10.0
    header_bytes: int = 32 * 1024
    idle_s: int = 30
    connections: int = 1000


def read_headers(scope: Scope) -> Mapping[str, str]:
    """Headers by lower-case name; of several with one name the first counts, so that none can be added behind it."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def read_hints(query: bytes) -> Hints:
    """The query of the address. Raises `Refusal` for keys that are not known: a typing error must not be lost."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError as error:
        raise refuse(Result.QUERY, "the query of the address cannot be read", unread=True) from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in HINTS or name in found:
            raise refuse(Result.QUERY, f"the query of the address has {', '.join(HINTS)}, each once", unread=True)
        if not value.strip() or len(value) > _LONGEST_HINT or not value.isprintable():
            raise refuse(Result.QUERY, f"{name}: a name of 1 to {_LONGEST_HINT} characters", unread=True)
        found[name] = value.strip()
    return Hints(**found)


class Reader:
    """Reads bodies; knows how much all requests together hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held = 0

    async def read(self, receive: Receive, declared: str | None) -> bytes:
        """The body. Raises `Refusal`; at most `limits.body` bytes of it are ever held."""
        if declared is not None and declared.isdigit() and int(declared[:18]) > self.limits.body:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise refuse(Result.DISCONNECTED, "the sender went away before the body was complete")
                    more = message.get("more_body", False)
                    self._take(body, message.get("body", b""), unread=more)
                    if not more:
                        return bytes(body)
        except TimeoutError as error:
            raise refuse(
                Result.TIMEOUT, f"the body did not arrive within {self.limits.body_s:g} s", connection="close"
            ) from error
        finally:
            self._held -= len(body)

    def _take(self, body: bytearray, chunk: bytes, *, unread: bool) -> None:
        if len(body) + len(chunk) > self.limits.body:
            raise self._too_large(unread=unread)
        if self._held + len(chunk) > self.limits.held:
            raise refuse(Result.BUSY, "too many webhooks arrive at once; send it again", unread=unread)
        body += chunk
        self._held += len(chunk)

    def _too_large(self, *, unread: bool = True) -> Refusal:
        return refuse(Result.TOO_LARGE, f"a webhook has at most {self.limits.body} bytes", unread=unread)


async def drain(receive: Receive) -> None:
    """Read on for a while and keep nothing: an answer is lost when a connection ends with unread data."""
    seen = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            while seen < _DRAINED:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
