"""Uvicorn's HTTP protocol with a bound on how long a sender may take for the head of a request.

Uvicorn itself waits for it forever once the first byte has arrived, so a few hundred slow connections would be enough
to keep everybody else out. What ends before it reaches the application is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from observability.collector.answers import Result

_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 37\r\nconnection: close\r\n\r\nThe head of the request took too long"
)


def guarded(header_s: float, count: Callable[[Result], None]) -> type[asyncio.Protocol]:
    """The protocol class with its bound: Uvicorn wants a class, and gives it no arguments of ours."""
    return type("Guarded", (_Guarded,), {"bounds": _Bounds(header_s=header_s, count=count)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    header_s: float
    count: Callable[[Result], None]


class _Guarded(H11Protocol):
    bounds: ClassVar[_Bounds]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()  # the next head may have begun to arrive meanwhile

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self.bounds.count(Result.PROTOCOL)
        super().send_400_response(msg)

    def _watch(self) -> None:
        """The clock runs from the first sign of a request until its head is complete."""
        waiting = self.conn.their_state is h11.IDLE
        first = cast("object", self.cycle) is None  # the first request counts from the connection on
        if not (waiting and (first or self.conn.trailing_data[0])):
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.bounds.header_s, self._expire)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self.bounds.count(Result.TIMEOUT)
            self.transport.write(_TIMED_OUT)
            self.transport.close()
