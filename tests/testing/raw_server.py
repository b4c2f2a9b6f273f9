"""A server that answers with given bytes, for clients that have to cope with any."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A request: the `number`-th of all, from 0, and the `nth` of its connection."""

    number: int
    nth: int
    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server sends, piece by piece; then it may close, or reset, the connection."""

    pieces: tuple[bytes, ...]
    close: bool = False
    reset: bool = False


def ok(body: bytes = b"hello", *fields: str, close: bool = False) -> Reply:
    head = "".join(f"{field}\r\n" for field in (f"Content-Length: {len(body)}", *fields))
    return Reply(pieces=(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body,), close=close)


@dataclass(slots=True)
class RawServer:
    """Answers each whole request with `script`; None stays silent. Thread per connection."""

    port: int
    script: Callable[[Said], Reply | None]
    connections: int = 0
    seen: list[Said] | None = None


@contextmanager
def raw_server(
    script: Callable[[Said], Reply | None], *, tls: ssl.SSLContext | None = None, preface: bytes = b""
) -> Iterator[RawServer]:
    """A running server. `preface` is sent after the head of a first request that has to be CONNECT, before TLS."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = RawServer(port=listening.getsockname()[1], script=script, seen=[])
    mutex, open_streams = threading.Lock(), list[socket.socket]()

    def request(stream: socket.socket, nth: int) -> Said | None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = stream.recv(1 << 16)
            if not chunk:
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        while len(body) < (int(found[1]) if found else 0):
            chunk = stream.recv(1 << 16)
            if not chunk:
                return None
            body += chunk
        with mutex:
            assert server.seen is not None
            said = Said(number=len(server.seen), nth=nth, head=head, body=body)
            server.seen.append(said)
        return said

    def talk(stream: socket.socket) -> None:
        nth = 0
        while (said := request(stream, nth)) is not None:
            nth += 1
            reply = server.script(said)
            for piece in reply.pieces if reply else ():
                stream.sendall(piece)
            if reply and reply.reset:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if reply and (reply.close or reply.reset):
                return

    def serve(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            if preface:
                request(plain, 0)
                plain.sendall(preface)
            with tls.wrap_socket(plain, server_side=True) if tls else plain as stream:
                talk(stream)

    def accept() -> None:
        while True:
            try:
                stream, _ = listening.accept()
            except OSError:
                return
            with mutex:
                server.connections += 1
                open_streams.append(stream)
            threads.append(threading.Thread(target=serve, args=(stream,), daemon=True))
            threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        threads[0].join(60)
        for stream in open_streams:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for thread in threads[1:]:
            thread.join(60)
