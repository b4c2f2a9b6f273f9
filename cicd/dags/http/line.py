"""One connection that never waits: from connecting, through a proxy's tunnel and TLS, to the last byte of an answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from cicd.dags.http.answers import Answer, AnswerReader, LostError
from cicd.dags.http.route import Route
from cicd.dags.http.talk import Ask
from cicd.dags.http.wire import tunnel_problem

_PIECE = 1 << 16

Address = tuple[int, Any]
"""Family and socket address."""


class Phase(Enum):
    """What happens on the connection."""

    CONNECT = "connect"
    TUNNEL = "tunnel"
    SHAKE = "shake"
    SEND = "send"
    READ = "read"


class Line:
    """A connection and the request on it. `writing`: it waits for room to send, not for bytes.

    Made from an idle connection, or from the addresses of the server, which are tried in turn. `fd` is its file
    descriptor. `asked_at`, `deadline`, `ticket` and `watched` belong to whoever drives it.
    """

    __slots__ = (
        "_addresses",
        "_reader",
        "_rest",
        "_route",
        "ask",
        "asked_at",
        "deadline",
        "fd",
        "phase",
        "stream",
        "ticket",
        "watched",
        "writing",
    )

    def __init__(self, route: Route, ask: Ask, *, idle: socket.socket | None, addresses: Sequence[Address]) -> None:
        self._route = route
        self._addresses = list(addresses)
        self._rest: list[memoryview] = []
        self._reader = AnswerReader(ask.method)
        self.ask = ask
        self.writing = False
        self.watched = 0
        self.asked_at = 0.0
        self.deadline = 0.0
        self.ticket: Any = None
        self.stream: Any  # a socket, or a `TlsStream`
        if idle is None:
            self.connect()
        else:
            idle.setblocking(False)
            self.fd = idle.fileno()
            self.stream = _over_tls(idle) if route.tls is not None else idle
            self.load(ask)

    @property
    def keep(self) -> bool:
        """Whether another request may follow the answer that was read."""
        return self._reader.keep and not self._rest

    @property
    def awaits(self) -> int:
        """The events to wait for, as `selectors` names them."""
        if self.phase is Phase.CONNECT:
            return EVENT_WRITE
        return EVENT_READ | EVENT_WRITE if self.writing else EVENT_READ

    @property
    def can_connect_elsewhere(self) -> bool:
        return self.phase is Phase.CONNECT and bool(self._addresses)

    def connect(self) -> None:
        """Begin to connect to the next address that does not fail at once.

        Raises `OSError` as the last one did, `LostError` when none is left.
        """
        self.phase, self.writing = Phase.CONNECT, True
        if not self._addresses:
            raise LostError(f"{self._route.host} has no address")
        while True:
            family, address = self._addresses.pop(0)
            try:
                self._begin(family, address)
            except OSError:  # such as no way to any address of this family
                if not self._addresses:
                    raise
            else:
                return

    def _begin(self, family: int, address: Any) -> None:
        self.stream = stream = socket.socket(family, socket.SOCK_STREAM)
        self.fd = stream.fileno()
        try:
            stream.setblocking(False)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(BlockingIOError):
                stream.connect(address)
        except OSError:
            stream.close()
            raise

    def load(self, ask: Ask) -> None:
        """Put a request on the connection, which has none."""
        body = ask.body
        self.ask = ask
        self._reader = AnswerReader(ask.method)
        head = memoryview(self._route.head(ask.method, ask.target, ask.fields, None if body is None else len(body)))
        self._rest = [head, memoryview(body)] if body else [head]
        self.phase = Phase.SEND

    def advance(self) -> Answer | None:
        """Do what needs no waiting; the answer when it is whole. While connecting, to be called when it can write.

        Raises `LostError` and `OSError` when the connection is of no use any more.
        """
        try:
            if self.phase is Phase.CONNECT:
                self._finish_connecting()
            if self.phase is Phase.TUNNEL:
                self._open_tunnel()
            if self.phase is Phase.SHAKE:
                self._shake()
            if self.phase is Phase.SEND:
                return self._send()
            return self._receive()
        except BlockingIOError as error:
            self.writing = getattr(error, "writing", False)
            return None

    def close(self) -> None:
        with suppress(OSError):
            self.stream.close()

    def release(self) -> socket.socket:
        """The connection itself, for the next request of anybody."""
        stream: socket.socket = getattr(self.stream, "stream", self.stream)
        return stream

    def _finish_connecting(self) -> None:
        problem = self.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))
        if self._route.tunnel is not None:
            self._rest = [memoryview(self._route.tunnel)]
            self._reader = AnswerReader("HEAD")  # a head and nothing else
            self.phase = Phase.TUNNEL
        else:
            self._secure()

    def _open_tunnel(self) -> None:
        while self._rest and not self._send_some():
            return
        while byte := self.stream.recv(1):  # what follows belongs to TLS
            answer = self._reader.feed(byte)
            if answer is not None:
                problem = tunnel_problem(answer.status)
                if problem is not None:
                    raise problem
                self._secure()
                return
        self._reader.end()

    def _secure(self) -> None:
        if self._route.tls is None:
            self.load(self.ask)
            return
        self.stream = _over_tls(
            self._route.context().wrap_socket(
                self.stream, server_hostname=self._route.tls, do_handshake_on_connect=False
            )
        )
        self.phase = Phase.SHAKE

    def _shake(self) -> None:
        self.stream.shake()
        self.load(self.ask)

    def _send(self) -> Answer | None:
        """Send the rest. An answer that comes before everything is sent, a refusal, is taken."""
        while self._rest:
            if not self._send_some():
                wanted = self.writing
                early = self._receive()
                self.writing = wanted
                return early
        self.phase, self.writing = Phase.READ, False
        return None

    def _send_some(self) -> bool:
        """Whether something could be sent."""
        try:
            sent = self.stream.sendmsg(self._rest)
        except BlockingIOError as error:
            self.writing = getattr(error, "writing", True)
            return False
        rest = self._rest
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if sent:
            rest[0] = rest[0][sent:]
        return True

    def _receive(self) -> Answer | None:
        try:
            while data := self.stream.recv(_PIECE):
                answer = self._reader.feed(data)
                if answer is not None:
                    return answer
                if len(data) < _PIECE and self._route.tls is None:
                    return None
        except BlockingIOError as error:
            self.writing = getattr(error, "writing", False)
            return None
        return self._reader.end()


def _over_tls(stream: Any) -> Any:
    from cicd.dags.http.tls import TlsStream  # `ssl` takes long to load

    return TlsStream(stream)
