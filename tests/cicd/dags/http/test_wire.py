"""The HTTP client of `gs://` against raw servers: framing, kept connections, TLS, proxies, nonsense."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cicd.dags.http.answers import LostError, TimedOutError
from cicd.dags.http.wire import Wire
from headgate.errors import ConfigError
from tests.testing.certificates import make_certificate, server_context


class Raw(threading.Thread):
    """Answers the n-th request with the n-th bytes; None closes without an answer. Records requests."""

    def __init__(self, answers: Sequence[bytes | None], context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self._answers = list(answers)
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0

    def run(self) -> None:
        while self._answers:
            stream, _ = self._socket.accept()
            self.connections += 1
            with self._context.wrap_socket(stream, server_side=True) if self._context else stream as one:
                self._serve(one)
        self._socket.close()

    def _serve(self, stream: socket.socket) -> None:
        while self._answers:
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = stream.recv(65536)
                if not chunk:
                    return
                request += chunk
            self.requests.append(request)
            answer = self._answers.pop(0)
            if answer is None:
                return
            stream.sendall(answer)


@contextmanager
def server(*answers: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[Raw]:
    running = Raw(answers, context)
    running.start()
    yield running
    running.join(60)


def ok(body: bytes = b"hello", *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"Content-Length: {len(body)}", *fields))
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body


@contextmanager
def wire(port: int, *, timeout_s: float = 60.0, scheme: str = "http", path: str = "") -> Iterator[Wire]:
    found = Wire(f"{scheme}://127.0.0.1:{port}{path}", timeout_s=timeout_s)
    yield found
    found.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (ok(), 200, b"hello"),
        (ok(b""), 200, b""),
        (CHUNKED, 200, b"hello!"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(), 200, b"hello"),
        (b"HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", 503, b""),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", 200, b"hi"),
    ],
)
def test_answers_and_kept_connections(answer: bytes, status: int, content: bytes) -> None:
    with server(answer, answer) as raw, wire(raw.port) as http:
        for _ in range(2):
            found = http.request("POST", "/a?b=c", headers={"X-Name": "v"}, body=b"data")
            assert (found.status, found.content) == (status, content)
        assert raw.connections == 1
    first = raw.requests[0]
    assert first.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Name: v\r\nContent-Length: 4\r\n\r\ndata" in first


@pytest.mark.parametrize(
    "answer", [ok(b"hello", "Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"]
)
def test_a_connection_that_ends_is_not_used_again(answer: bytes) -> None:
    with server(answer, ok()) as raw, wire(raw.port) as http:
        # The server of this test keeps it open: only the client's obedience makes the second connection.
        assert http.request("GET", "/", headers={}).content == b"hello"
        assert http.request("GET", "/", headers={}).content == b"hello"
        assert raw.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    with server(ok(), None, ok()) as raw, wire(raw.port) as http:
        assert http.request("GET", "/", headers={}).ok
        with pytest.raises(LostError):
            http.request("GET", "/", headers={})
        assert http.request("GET", "/", headers={}).ok


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_no_whole_answer_is_lost(answer: bytes) -> None:
    with server(answer + b"") as raw, wire(raw.port) as http, pytest.raises(LostError):
        http.request("GET", "/", headers={})


def test_silence_and_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with wire(port, timeout_s=0.05) as http, pytest.raises(TimedOutError):
            http.request("GET", "/", headers={})
    with wire(port) as http, pytest.raises(LostError):
        http.request("GET", "/", headers={})


def test_a_path_before_the_api() -> None:
    with server(ok()) as raw, wire(raw.port, path="/below/") as http:
        http.request("GET", "/storage", headers={})
    assert raw.requests[0].startswith(b"GET /below/storage HTTP/1.1")


def test_a_proxy_for_plain_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(ok()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        http = Wire("http://storage.invalid:8080", timeout_s=60)
        assert http.request("GET", "/a", headers={}).ok
        http.close()
    assert proxy.requests[0].startswith(b"GET http://storage.invalid:8080/a HTTP/1.1\r\nHost: storage.invalid:8080\r\n")
    assert b"Proxy-Authorization: Basic YWRhOnBAc3M=\r\n" in proxy.requests[0]


def test_a_proxy_that_refuses_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        http = Wire("https://storage.invalid", timeout_s=60)
        with pytest.raises(LostError, match="answered CONNECT with 403"):
            http.request("GET", "/a", headers={})
        http.close()
    assert proxy.requests[0].startswith(b"CONNECT storage.invalid:443 HTTP/1.1\r\nHost: storage.invalid:443\r\n")


def test_no_proxy_means_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with server(ok()) as raw, wire(raw.port) as http:
        assert http.request("GET", "/a", headers={}).ok
    assert raw.requests[0].startswith(b"GET /a HTTP/1.1")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://"])
def test_proxies_of_other_kinds_are_refused(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConfigError):
        Wire("http://storage.invalid", timeout_s=1)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host", "http://", "http://host:99999", "host:1", "http://[::1", "http://例え.jp:80", "http://host/é",
        "http://u:hush@host:99999", "http://u:hush/hush@host", "u:hush@host:1", "ftp://u:a@hush@host",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a server") as raised:
        Wire(url, timeout_s=1)
    assert "hush" not in str(raised.value)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


def test_tls_is_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    context = server_context(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with server(ok(), ok(), context=context) as raw, wire(raw.port, scheme="https") as http:
        assert http.request("GET", "/a", headers={}).content == b"hello"
        assert http.request("GET", "/a", headers={}).content == b"hello"
        assert raw.connections == 1


def test_an_unknown_certificate_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = server_context(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        refused: list[Exception] = []

        def accept() -> None:
            stream, _ = listening.accept()
            try:
                context.wrap_socket(stream, server_side=True)
            except OSError as error:
                refused.append(error)

        thread = threading.Thread(target=accept)
        thread.start()
        with (
            wire(listening.getsockname()[1], scheme="https") as http,
            pytest.raises(LostError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            http.request("GET", "/a", headers={})
        thread.join(60)
        assert refused
