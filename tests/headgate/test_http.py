"""The HTTP client: retries, limits, and the complete map of failures to errors."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

from headgate import errors
from headgate.http import (
    _EXCEPTIONS,
    HttpClient,
    Response,
    RetryPolicy,
    error_for_status,
    excerpt,
    map_exception,
    retry_after_s,
)
from headgate.secrets import Secret
from tests.testing.stepped_clock import SteppedClock

Answer = httpx.Response | Exception


class Server:
    """Gives one answer after the other; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _client(
    server: Callable[[httpx.Request], httpx.Response], clock: SteppedClock | None = None, **more: object
) -> HttpClient:
    return HttpClient(
        "http://server.test/",
        timeout_s=5,
        clock=clock or SteppedClock(),
        random=lambda: 0.5,
        transport=httpx.MockTransport(server),
        **more,  # type: ignore[arg-type]
    )


def test_a_timeout_is_mandatory() -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        HttpClient("http://server.test", timeout_s=0)


def test_json_goes_out_and_comes_back() -> None:
    server = Server(httpx.Response(200, json={"a": 1}, headers={"X-Thing": "y"}))
    with _client(server, headers={"Authorization": Secret("Bearer topsecret")}) as client:
        response = client.request("POST", "/x", json={"b": 2}, params={"q": "1 2"})
    assert response.json() == {"a": 1}
    assert response.headers["x-thing"] == "y"
    request = server.requests[0]
    assert (request.url.path, request.url.params["q"], request.content) == ("/x", "1 2", b'{"b": 2}')
    assert request.headers["authorization"] == "Bearer topsecret"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("fault", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), 429, 502, 503, 504])
@pytest.mark.parametrize(
    ("method", "idempotent", "tries"),
    [("GET", None, 3), ("HEAD", None, 3), ("POST", None, 1), ("POST", True, 3), ("GET", False, 1)],
)
def test_only_idempotent_calls_are_repeated(
    fault: Exception | int, method: str, idempotent: bool | None, tries: int
) -> None:
    server = Server(fault if isinstance(fault, Exception) else httpx.Response(fault))
    with pytest.raises(errors.TransportError):
        _client(server).request(method, "/", idempotent=idempotent)
    assert len(server.requests) == tries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500, 501])
def test_other_statuses_are_not_repeated(status: int) -> None:
    server = Server(httpx.Response(status))
    assert _client(server).request("GET", "/", check=False).status == status
    assert len(server.requests) == 1


def test_success_after_a_fault() -> None:
    clock = SteppedClock()
    server = Server(httpx.Response(503), httpx.ReadError("x"), httpx.Response(200, text="ok"))
    assert _client(server, clock).request("GET", "/").text == "ok"
    assert clock.monotonic() == pytest.approx(0.375 + 0.75)


@pytest.mark.parametrize(
    ("header", "waited_s"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("3600", 10.0),
        ("soon", 0.375),
        ("Sat, 21 Nov 2026 10:36:24 GMT", 3.6),
        ("Sat, 21 Nov 2026 10:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_honoured_but_bounded(header: str, waited_s: float) -> None:
    clock = SteppedClock()
    server = Server(httpx.Response(429, headers={"Retry-After": header}), httpx.Response(200))
    _client(server, clock).request("GET", "/")
    assert clock.monotonic() == pytest.approx(waited_s, abs=0.01)


def test_retry_after_without_a_zone_counts_as_utc() -> None:
    assert retry_after_s("Sat, 21 Nov 2026 10:36:21 -0000", SteppedClock()) == pytest.approx(0.6)
    assert retry_after_s(None, SteppedClock()) is None


@pytest.mark.parametrize("attempt", range(1, 8))
@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_delays_grow_and_stay_bounded(attempt: int, jitter: float) -> None:
    policy = RetryPolicy(base_s=0.5, max_s=10)
    assert 0.25 <= policy.delay_s(attempt, None, jitter) <= 10


_STATUSES = {
    300: errors.ServerFaultError,
    302: errors.ServerFaultError,
    400: errors.RemoteStateError,
    401: errors.AuthenticationError,
    403: errors.AuthenticationError,
    404: errors.NotFoundError,
    408: errors.RemoteTimeoutError,
    409: errors.ConflictError,
    410: errors.NotFoundError,
    412: errors.ConflictError,
    415: errors.RemoteStateError,
    429: errors.RateLimitedError,
    500: errors.ServerFaultError,
    503: errors.ServerFaultError,
    599: errors.ServerFaultError,
}


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_means_something(status: int) -> None:
    response = Response(status=status, headers={}, body=b"said the server", where="GET http://server.test/")
    error = error_for_status(response)
    if status < 300:
        assert error is None
        return
    assert error is not None
    assert error.next_step
    assert "said the server" in str(error) or 300 <= status < 400
    assert type(error) is _STATUSES.get(status, type(error))


def _all_exceptions() -> Iterator[type[Exception]]:
    waiting: list[type[Exception]] = [httpx.HTTPError, httpx.InvalidURL]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


@pytest.mark.parametrize("kind", sorted(set(_all_exceptions()), key=str))
def test_every_httpx_exception_is_mapped(kind: type[Exception]) -> None:
    mapped = map_exception(kind.__new__(kind), "GET http://server.test/")
    listed = next(base.__name__ for base in kind.__mro__ if base.__name__ in _EXCEPTIONS)
    assert type(mapped) is _EXCEPTIONS[listed][0]
    assert mapped.where
    assert mapped.next_step


def test_names_in_the_map_exist() -> None:
    assert all(hasattr(httpx, name) for name in _EXCEPTIONS)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (httpx.ConnectTimeout("x"), errors.RemoteTimeoutError),
        (httpx.PoolTimeout("x"), errors.RemoteTimeoutError),
        (httpx.ConnectError("x"), errors.UnreachableError),
        (httpx.RemoteProtocolError("x"), errors.ServerFaultError),
        (httpx.LocalProtocolError("x"), errors.ConfigError),
        (httpx.UnsupportedProtocol("x"), errors.ConfigError),
        (httpx.ProxyError("x"), errors.UnreachableError),
        (httpx.DecodingError("x"), errors.ServerFaultError),
    ],
)
def test_faults_of_the_network_have_causes(fault: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        _client(Server(fault)).request("POST", "/")
    assert caught.value.__cause__ is fault


def test_tls_failures_are_said_as_such() -> None:
    fault = httpx.ConnectError("x")
    fault.__cause__ = ssl.SSLCertVerificationError("certificate has expired")
    with pytest.raises(errors.UnreachableError, match=r"TLS connection failed.*expired.*SSL_CERT_FILE"):
        _client(Server(fault)).request("POST", "/")


def test_nobody_listens() -> None:
    with (
        HttpClient("http://127.0.0.1:1", timeout_s=2, clock=SteppedClock()) as client,
        pytest.raises(errors.UnreachableError),
    ):
        client.request("GET", "/")


@pytest.mark.parametrize("url", ["ftp://server.test", "http://server.test:port", "server.test"])
def test_addresses_that_are_none(url: str) -> None:
    with HttpClient(url, timeout_s=2) as client, pytest.raises(errors.ConfigError):
        client.request("POST", "/")


@pytest.mark.parametrize("token", ["a\nb", "tökén"])
def test_tokens_that_cannot_travel(token: str) -> None:
    with HttpClient("http://127.0.0.1:1", timeout_s=2, headers={"Authorization": Secret(token)}) as client:
        with pytest.raises(errors.HeadgateError) as caught:
            client.request("POST", "/")
        assert token not in str(caught.value)


def test_large_answers_are_refused() -> None:
    with pytest.raises(errors.ServerFaultError, match="larger than 10 bytes"):
        _client(Server(httpx.Response(200, content=b"x" * 11)), max_body_bytes=10).request("GET", "/")


def test_answers_that_drip_in_are_ended() -> None:
    clock = SteppedClock()

    def drip() -> Iterator[bytes]:
        for _ in range(100):
            clock.advance(1)
            yield b"x"

    with pytest.raises(errors.RemoteTimeoutError, match="not complete within 5 s"):
        _client(Server(httpx.Response(200, content=drip())), clock).request("POST", "/")


def test_redirects_are_not_followed_and_say_where_to() -> None:
    server = Server(httpx.Response(302, headers={"Location": "https://user:pw12345@login.test/"}))
    with pytest.raises(errors.ServerFaultError, match=r"redirects to https://\[masked\]@login\.test") as caught:
        _client(server).request("GET", "/")
    assert "pw12345" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"", b"{", b"\xff", b"[" * 200_000])
def test_what_is_not_json_is_a_server_fault(body: bytes) -> None:
    with pytest.raises(errors.ServerFaultError, match="not JSON"):
        _client(Server(httpx.Response(200, content=body))).request("GET", "/").json()


def test_secrets_in_answers_and_addresses_are_masked() -> None:
    server = Server(httpx.Response(403, text="token topsecret-1234 denied"))
    client = _client(server, headers={"Authorization": Secret("topsecret-1234")})
    with pytest.raises(errors.AuthenticationError) as caught:
        client.request("GET", "/x?private_token=abcdefgh")
    assert "topsecret-1234" not in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_excerpts_are_one_short_line() -> None:
    assert excerpt("a\n  b") == "a b"
    assert len(excerpt("x" * 1000)) == 301
