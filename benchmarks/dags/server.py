"""The loopback Cloud Storage of the benchmark: the sandbox's semantics behind a lean HTTP/1.1 server of its own process.

uvicorn with pure Python parsing takes longer per request than a quick client does, so it would be what is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_server import Received

_HEAD = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: %s\r\n%s\r\n"
_BARE = b"HTTP/1.1 %d X\r\n%s\r\n"


class _Connection(asyncio.Protocol):
    """One keep-alive connection: whole requests are answered in turn, each after the latency."""

    def __init__(self, sandbox: GcsSandbox, loop: asyncio.AbstractEventLoop, latency_s: float) -> None:
        self._sandbox = sandbox
        self._loop = loop
        self._latency_s = latency_s
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (received := self._next()) is not None:
            if self._latency_s:
                self._loop.call_later(self._latency_s, self._answer, received)
            else:
                self._answer(received)

    def _next(self) -> Received | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            del self._buffer[: end + 4]
            method, target, _ = first.split(" ")
            headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
            self._head = (method, target, headers)
            if headers.get("expect"):
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, target, headers = self._head
        chunked = headers.get("transfer-encoding", "") == "chunked"
        body = self._chunks() if chunked else self._sized(int(headers.get("content-length", 0)))
        if body is None:
            return None
        self._head = None
        path, _, query = target.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        return Received(method=method, path=path, params=params, headers=headers, body=body)

    def _sized(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        with memoryview(self._buffer) as view:
            body = bytes(view[:size])
        del self._buffer[:size]
        return body

    def _chunks(self) -> bytes | None:
        body, at = bytearray(), 0
        while (end := self._buffer.find(b"\r\n", at)) >= 0:
            size, start = int(self._buffer[at:end].partition(b";")[0], 16), end + 2
            at = start + size + 2
            if len(self._buffer) < at:
                return None
            body += self._buffer[start : start + size]
            if size == 0:
                del self._buffer[:at]
                return bytes(body)
        return None

    def _answer(self, received: Received) -> None:
        answer, _ = self._sandbox.respond(received)
        more = b"".join(b"%s: %s\r\n" % (key.encode(), value.encode()) for key, value in answer.headers)
        if answer.status in {204, 304}:
            self._write(_BARE % (answer.status, more))
        else:
            head = _HEAD % (answer.status, len(answer.body), answer.content_type.encode(), more)
            self._write(head + answer.body)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


async def _serve(pipe: Connection[Any, Any], latency_s: float, certificate: Path | None) -> None:
    """Answers `count` with the requests since the last time, anything else by making that bucket."""
    loop = asyncio.get_running_loop()
    sandbox = GcsSandbox()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await loop.create_server(
        lambda: _Connection(sandbox, loop, latency_s), "127.0.0.1", 0, ssl=context, backlog=512
    )
    done = asyncio.Event()

    def told() -> None:
        try:
            asked = pipe.recv()
        except EOFError:
            done.set()
            return
        if asked == "count":
            pipe.send(len(sandbox.faults.requests))
            sandbox.faults.forget()
        else:
            sandbox.create_bucket(asked)
            pipe.send(asked)

    loop.add_reader(pipe.fileno(), told)
    pipe.send(server.sockets[0].getsockname()[1])
    await done.wait()
    server.close()


def _run(pipe: Connection[Any, Any], latency_s: float, certificate: Path | None) -> None:
    asyncio.run(_serve(pipe, latency_s, certificate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. `tls`: clients have to use https and not check the certificate."""

    port: int
    tls: bool
    pipe: Connection[Any, Any]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def requests(self) -> int:
        """How many there were since the last time."""
        self.pipe.send("count")
        return int(self.pipe.recv())

    def create_bucket(self, name: str) -> str:
        self.pipe.send(name)
        return str(self.pipe.recv())


@contextmanager
def running(latency_s: float, certificate: Path | None = None) -> Iterator[Server]:
    """A server in its own process; ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, latency_s, certificate), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Server(port=ours.recv(), tls=certificate is not None, pipe=ours)
    finally:
        ours.close()
        process.join(10)
        process.kill()
