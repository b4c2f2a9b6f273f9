"""HTTP/1.1 for many small requests at once: what delivering thousands of files needs, at a tenth of a client's cost.

A general client spends longer on one small upload than the server does. Connections are kept and used by one request at
a time. Proxies come from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; certificates from SSL_CERT_FILE or
SSL_CERT_DIR, else from certifi. Nothing is repeated, redirected or decoded here.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from headgate.errors import ConfigError

_LINE = 1 << 16
_FIELDS = 200
_JOINED = 1 << 17  # head and body up to this size are sent in one piece


class WireError(Exception):
    """A request that got no whole answer; whether it had its effect is not known."""


class LostError(WireError):
    """No connection, or one that ended early or spoke nonsense."""


class TimedOutError(WireError):
    """No connection or no bytes in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names are in lower case, of repeated ones the last is kept."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class _Connection:
    """A connection between two requests."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.reader = cast("BinaryIO", stream.makefile("rb", _LINE))

    def is_open(self) -> bool:
        """Whether the server has neither closed it nor sent what nobody asked for."""
        pending = isinstance(self.stream, ssl.SSLSocket) and self.stream.pending()
        return not pending and not select.select([self.stream], [], [], 0)[0]

    def close(self) -> None:
        with suppress(OSError):
            self.reader.close()
            self.stream.close()


class Wire:
    """One server. Thread-safe; `timeout_s` bounds connecting and every wait for bytes.

    Raises `ConfigError` for addresses and proxies that cannot be used.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._to = _parsed(self.url)
        self._port = self._to.port or (443 if self._to.scheme == "https" else 80)
        self._timeout_s = timeout_s
        self._proxy = _proxy_for(self._to)
        self._mutex = threading.Lock()
        self._idle: list[_Connection] = []
        self._tls: ssl.SSLContext | None = None
        self._authority = self._to.netloc.rpartition("@")[2]
        through = self._proxy is not None and self._to.scheme == "http"
        self._prefix = (f"http://{self._authority}" if through else "") + self._to.path
        self._fixed = f"Host: {self._authority}\r\nUser-Agent: headgate\r\nAccept: */*\r\n"
        if through and self._proxy is not None:
            self._fixed += _proxy_credentials(self._proxy)

    def close(self) -> None:
        with self._mutex:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def request(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One request, sent once. `target` is the encoded path and query. Raises `WireError`."""
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        size = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        head = f"{method} {self._prefix}{target} HTTP/1.1\r\n{self._fixed}{lines}{size}\r\n".encode("latin-1")
        with self._connected() as connection:
            if body is None or len(body) <= _JOINED:
                connection.stream.sendall(head + (body or b""))
            else:
                connection.stream.sendall(head)
                connection.stream.sendall(body)
            answer, keep = _read_answer(connection.reader, method)
            if keep:
                with self._mutex:
                    self._idle.append(connection)
            else:
                connection.close()
            return answer

    @contextmanager
    def _connected(self) -> Iterator[_Connection]:
        """A connection, an idle one if there is; closed when the block fails, whose failures become `WireError`."""
        connection = None
        try:
            connection = self._idle_connection() or _Connection(self._connect())
            yield connection
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, TimeoutError):
                raise TimedOutError("timed out") from error
            if isinstance(error, OSError):
                raise LostError(str(error) or type(error).__name__) from error
            raise

    def _idle_connection(self) -> _Connection | None:
        while True:
            with self._mutex:
                connection = self._idle.pop() if self._idle else None
            if connection is None or connection.is_open():
                return connection
            connection.close()

    def _connect(self) -> socket.socket:
        there = self._proxy or self._to
        stream = socket.create_connection(
            (there.hostname or "", there.port or (self._port if there is self._to else 80)), self._timeout_s
        )
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._to.scheme == "https":
                if self._proxy is not None:
                    self._open_tunnel(stream, self._proxy)
                return self._context().wrap_socket(stream, server_hostname=self._to.hostname)
        except BaseException:
            stream.close()
            raise
        return stream

    def _open_tunnel(self, stream: socket.socket, proxy: SplitResult) -> None:
        name = f"{self._to.hostname}:{self._port}"
        stream.sendall(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{_proxy_credentials(proxy)}\r\n".encode("latin-1"))
        with stream.makefile("rb", 0) as reader:  # unbuffered: what follows belongs to TLS
            status, _, _ = _read_head(cast("BinaryIO", reader))
        if status != 200:
            raise LostError(f"the proxy {proxy.hostname} answered CONNECT with {status}")

    def _context(self) -> ssl.SSLContext:
        with self._mutex:
            if self._tls is None:
                chosen = any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
                self._tls = ssl.create_default_context(cafile=None if chosen else _bundle())
                self._tls.set_alpn_protocols(["http/1.1"])
            return self._tls


def _bundle() -> str:
    import certifi

    return certifi.where()


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port):
            return parts
    except ValueError:
        pass
    raise ConfigError(f"{url!r} is no address of a server", next_step="Write http://HOST:PORT or https://HOST.")


def _proxy_for(to: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for a server; None for a direct connection."""
    proxies = getproxies()
    named = proxies.get(to.scheme) or proxies.get("all")
    if not named or proxy_bypass(to.netloc.rpartition("@")[2]):
        return None
    proxy = _parsed(named if "://" in named else f"http://{named}") if not named.startswith("socks") else None
    if proxy is None or proxy.scheme != "http":
        raise ConfigError(
            f"the proxy for {to.scheme} is not an http:// one",
            next_step="Set HTTP_PROXY and HTTPS_PROXY to http://HOST:PORT, or NO_PROXY to reach the server directly.",
        )
    return proxy


def _proxy_credentials(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"


def _read_answer(reader: BinaryIO, method: str) -> tuple[Answer, bool]:
    """The answer, and whether the connection may be used again."""
    status, version, headers = _read_head(reader)
    while 100 <= status < 200:
        status, version, headers = _read_head(reader)
    keep = version == b"HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if method == "HEAD" or status in {204, 304}:
        content = b""
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        content = b"".join(_chunks(reader))
    elif "content-length" in headers:
        content = _exactly(reader, _number(headers["content-length"], 10))
    else:
        content, keep = reader.read(), False
    return Answer(method=method, status=status, headers=headers, content=content), keep


def _read_head(reader: BinaryIO) -> tuple[int, bytes, dict[str, str]]:
    line = reader.readline(_LINE)
    if not line:
        raise LostError("the server closed the connection without an answer")
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in {b"HTTP/1.1", b"HTTP/1.0"} or not code.isdigit():
        raise LostError(f"no HTTP answer: {line[:40]!r}")
    headers: dict[str, str] = {}
    for _ in range(_FIELDS):
        field = reader.readline(_LINE)
        if field in {b"\r\n", b"\n"}:
            return int(code), version, headers
        key, colon, value = field.decode("latin-1").partition(":")
        if not colon or not field.endswith(b"\n"):
            raise LostError("the answer ended within its head")
        headers[key.lower()] = value.strip()
    raise LostError("the answer has too many header fields")


def _chunks(reader: BinaryIO) -> Iterator[bytes]:
    while size := _number(reader.readline(_LINE).partition(b";")[0].decode("latin-1").strip(), 16):
        yield _exactly(reader, size)
        _exactly(reader, 2)
    while reader.readline(_LINE) not in {b"\r\n", b"\n", b""}:
        continue  # trailer fields


def _exactly(reader: BinaryIO, size: int) -> bytes:
    content = reader.read(size)
    if len(content) != size:
        raise LostError(f"the answer ended after {len(content)} of {size} bytes")
    return content


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise LostError(f"{text[:20]!r} is no length")
    return number
