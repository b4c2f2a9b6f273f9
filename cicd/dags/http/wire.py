"""HTTP/1.1 for many small requests: what delivering thousands of files needs, at a tenth of a client's cost.

A general client spends longer on one small upload than the server does. Connections are kept and used by one request at
a time. Nothing is repeated, redirected or decoded here. `cicd.dags.http.swarm` does many requests at once over the same
connections.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from cicd.dags.http.answers import Answer, AnswerReader, LostError, TimedOutError
from cicd.dags.http.route import Route

_JOINED = 1 << 17  # head and body up to this size are sent in one piece
_PIECE = 1 << 18


class Pool:
    """Connections between two requests, with nothing of an answer left in them. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._idle: list[socket.socket] = []

    def give(self, stream: socket.socket) -> None:
        with self._mutex:
            self._idle.append(stream)

    def take(self) -> socket.socket | None:
        """A connection that the server has neither closed nor sent what nobody asked for; None when there is none."""
        while True:
            with self._mutex:
                stream = self._idle.pop() if self._idle else None
            if stream is None or _is_quiet(stream):
                return stream
            _close(stream)

    def close(self) -> None:
        with self._mutex:
            idle, self._idle = self._idle, []
        for stream in idle:
            _close(stream)


class Wire:
    """One server. Thread-safe; `timeout_s` bounds connecting and every wait for bytes.

    `fastest_s` is the shortest time that an answer took so far. Raises `ConfigError` for addresses and proxies that
    cannot be used.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.route = Route(url)
        self.url = self.route.url
        self.pool = Pool()
        self.timeout_s = timeout_s
        self.fastest_s: float | None = None

    def close(self) -> None:
        self.pool.close()

    def request(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One request, sent once. `target` is the encoded path and query. Raises `WireError`."""
        fields = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        return self.ask(method, target, fields, body)

    def ask(self, method: str, target: str, fields: str, body: bytes | None = None) -> Answer:
        """The same with header fields as they are sent, each with its CR LF."""
        head = self.route.head(method, target, fields, None if body is None else len(body))
        stream = None
        try:
            stream = self._taken() or self._connect()
            began = time.monotonic()
            _send(stream, head, body)
            answer, keep = _receive(stream, AnswerReader(method))
        except BaseException as error:
            if stream is not None:
                _close(stream)
            if isinstance(error, TimeoutError):
                raise TimedOutError("timed out") from error
            if isinstance(error, OSError):
                raise LostError(str(error) or type(error).__name__) from error
            raise
        took = time.monotonic() - began
        self.fastest_s = took if self.fastest_s is None else min(took, self.fastest_s)
        if keep:
            self.pool.give(stream)
        else:
            _close(stream)
        return answer

    def _taken(self) -> socket.socket | None:
        stream = self.pool.take()
        if stream is not None:
            stream.settimeout(self.timeout_s)
        return stream

    def _connect(self) -> socket.socket:
        route = self.route
        try:
            stream = socket.create_connection((route.host, route.port), self.timeout_s)
        except UnicodeError as error:
            raise no_name(route.host) from error
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if route.tunnel is not None:
                _open_tunnel(stream, route.tunnel)
            if route.tls is not None:
                return route.context().wrap_socket(stream, server_hostname=route.tls)
        except BaseException:
            stream.close()
            raise
        return stream


def no_name(host: str) -> LostError:
    """What is wrong with a host that cannot be the name of one."""
    return LostError(f"{host!r} cannot be the name of a server")


def tunnel_problem(status: int) -> LostError | None:
    """What is wrong when a proxy answers CONNECT with `status`."""
    return None if status == 200 else LostError(f"the proxy answered CONNECT with {status}")


def _open_tunnel(stream: socket.socket, opening: bytes) -> None:
    stream.sendall(opening)
    reader = AnswerReader("HEAD")  # a head and nothing else
    answer = None
    while answer is None:
        byte = stream.recv(1)  # what follows belongs to TLS
        answer = reader.feed(byte) if byte else reader.end()
    problem = tunnel_problem(answer.status)
    if problem is not None:
        raise problem


def _send(stream: socket.socket, head: bytes, body: bytes | None) -> None:
    if body is None or len(body) <= _JOINED:
        stream.sendall(head + (body or b""))
    else:
        stream.sendall(head)
        stream.sendall(body)


def _receive(stream: socket.socket, reader: AnswerReader) -> tuple[Answer, bool]:
    """The answer, and whether the connection may be used again."""
    while data := stream.recv(_PIECE):
        answer = reader.feed(data)
        if answer is not None:
            return answer, reader.keep
    return reader.end(), False


def _is_quiet(stream: socket.socket) -> bool:
    pending = getattr(stream, "pending", None)  # of TLS
    if pending is not None and pending():
        return False
    watch = select.poll()
    watch.register(stream, select.POLLIN)
    return not watch.poll(0)


def _close(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.close()
