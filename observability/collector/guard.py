"""Uvicorn's HTTP protocol with a bound on how long a sender may take for the head of a request.

Uvicorn itself waits for it forever once the first byte has arrived, so a few hundred slow connections would be enough
to keep everybody else out. What ends before it reaches the application is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from observability.collector.answers import Result

_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 37\r\nconnection: close\r\n\r\nThe head of the request took too long"
)


def guarded(header_s: float, count: Callable[[Result], None]) -> type[asyncio.Protocol]:
    """The protocol class with its bound, as Uvicorn wants it: a class without arguments of ours."""

    class Guarded(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            count(Result.PROTOCOL)
            super().send_400_response(msg)

        def _watch(self) -> None:
            """The clock runs from the first sign of a request until its head is complete."""
            waiting = self.conn.their_state is h11.IDLE
            first = cast("object", self.cycle) is None  # the first request counts from the connection on
            begun = first or bool(self.conn.trailing_data[0])
            if not (waiting and begun):
                self._stop()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(header_s, self._expire)

        def _stop(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _expire(self) -> None:
            self._deadline = None
            if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
                count(Result.TIMEOUT)
                self.transport.write(_TIMED_OUT)
                self.transport.close()

    return Guarded
