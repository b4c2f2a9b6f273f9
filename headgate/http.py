"""HTTP with bounds: every call has a timeout, every answer a maximum size, every retry a limit.

Only idempotent calls (GET, HEAD, or said to be so) are repeated. Every failure becomes a `HeadgateError`; the map from
httpx exceptions is `_EXCEPTIONS`, from status codes `error_for_status`. Redirects are not followed: they would carry
credentials to another address.
"""

from __future__ import annotations

import json as jsonlib
import random as randomlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from headgate.clock import Clock, SystemClock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    TransportError,
    UnreachableError,
)
from headgate.secrets import Secret, mask

if TYPE_CHECKING:
    import ssl

    import httpx

_IDEMPOTENT = frozenset({"GET", "HEAD"})
_RETRIED_STATUS = frozenset({429, 502, 503, 504})
_EXCERPT = 300

# Name of the httpx exception class -> what it means here. Names, because httpx is imported only when a call is made;
# a class that is not listed is looked up by its nearest listed base.
_EXCEPTIONS: dict[str, tuple[type[HeadgateError], str, str]] = {
    "ConnectTimeout": (RemoteTimeoutError, "no connection within the time limit", "Check the address and the network."),
    "TimeoutException": (
        RemoteTimeoutError,
        "no answer within the time limit",
        "Try again; look at the server's load.",
    ),
    "ConnectError": (UnreachableError, "no connection", "Check the address, the network and that the server runs."),
    "ProxyError": (UnreachableError, "the proxy refused the connection", "Check HTTPS_PROXY and NO_PROXY."),
    "RemoteProtocolError": (
        ServerFaultError,
        "the answer is not valid HTTP",
        "Check that the address is the right server.",
    ),
    "LocalProtocolError": (ConfigError, "the request cannot be sent", "Look for line breaks or spaces in the token."),
    "UnsupportedProtocol": (ConfigError, "the address is not http or https", "Correct the URL in the configuration."),
    "InvalidURL": (ConfigError, "the address is not a URL", "Correct the URL in the configuration."),
    "DecodingError": (ServerFaultError, "the answer cannot be decoded", "Look at the server or a proxy before it."),
    "TooManyRedirects": (ServerFaultError, "too many redirects", "Correct the URL in the configuration."),
    "NetworkError": (UnreachableError, "the connection broke", "Try again; check the network."),
    "TransportError": (UnreachableError, "the connection failed", "Try again; check the network."),
    "HTTPError": (UnreachableError, "the request failed", "Try again; check the network."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server answered: status, headers with lower-case names, and the whole (bounded) body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises `ServerFaultError` when it is something else, such as a proxy's HTML page."""
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ServerFaultError(
                f"the answer (status {self.status}) is not JSON: {excerpt(self.text)!r}",
                where=self.where,
                next_step="Check that the address is the right server and that no proxy answers in its place.",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an idempotent call is tried, and how long is waited between two tries (seconds, with full jitter)."""

    attempts: int = 3
    base_s: float = 0.5
    max_s: float = 10.0

    def delay_s(self, attempt: int, retry_after_s: float | None, jitter: float) -> float:
        """Seconds before try `attempt` + 1; `Retry-After` is honoured up to `max_s`. `jitter` is from [0, 1)."""
        if retry_after_s is not None:
            return min(max(0.0, retry_after_s), self.max_s)
        return min(self.max_s, self.base_s * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)


class HttpClient:
    """Calls to one server.

    `timeout_s` bounds connecting, each wait for bytes, and (for a body that drips in) the whole answer. `headers` may
    hold secrets. `max_body_bytes` bounds an answer. `transport` replaces the network in tests. `verify` False, a CA
    bundle path or a TLS context is for servers with their own certificate.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str | Secret] | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = randomlib.random,
        retry: RetryPolicy | None = None,
        max_body_bytes: int = 16 * 1024 * 1024,
        transport: httpx.BaseTransport | None = None,
        verify: bool | str | ssl.SSLContext = True,
    ) -> None:
        if not timeout_s > 0:
            raise ValueError("timeout_s must be positive: a call without a limit can hang a release")
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._clock = clock or SystemClock()
        self._random = random
        self._retry = retry or RetryPolicy()
        self._max_body_bytes = max_body_bytes
        self._transport = transport
        self._verify = verify

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str | Secret] | None = None,
        idempotent: bool | None = None,
        check: bool = True,
    ) -> Response:
        """Send one request and return the answer.

        `path` starts with `/` and is taken as it is (quote its parts yourself). `idempotent` None means "GET and
        HEAD". With `check` False an error status is returned instead of raised. Raises the subclasses of
        `TransportError` and `RemoteStateError`; a timeout of a write leaves open whether it was done.
        """
        repeat = method in _IDEMPOTENT if idempotent is None else idempotent
        attempts = self._retry.attempts if repeat else 1
        for attempt in range(1, attempts + 1):
            wait_s: float | None = None
            try:
                response = self._send(method, path, params, json, headers)
                if response.status not in _RETRIED_STATUS or attempt == attempts:
                    break
                wait_s = retry_after_s(response.headers.get("retry-after"), self._clock)
            except (RemoteTimeoutError, UnreachableError):
                if attempt == attempts:
                    raise
            self._clock.sleep(self._retry.delay_s(attempt, wait_s, self._random()))
        if check:
            error = error_for_status(response)
            if error is not None:
                raise error
        return response

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        json: object,
        headers: Mapping[str, str | Secret] | None,
    ) -> Response:
        import httpx

        where = mask(f"{method} {self.base_url}{path}")
        try:
            content = None if json is None else jsonlib.dumps(json).encode()
            sent = {
                name: value.reveal() if isinstance(value, Secret) else value
                for name, value in {**self._headers, **(headers or {})}.items()
            }
            if content is not None:
                sent.setdefault("Content-Type", "application/json")
            with self._client.stream(
                method, f"{self.base_url}{path}", params=params or None, content=content, headers=sent
            ) as answer:
                body = self._read(answer, where)
                return Response(
                    status=answer.status_code,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=body,
                    where=where,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise map_exception(error, where) from error
        except UnicodeEncodeError as error:  # a header value outside ASCII
            raise ConfigError(
                "a header holds characters that HTTP cannot carry", where=where, next_step="Look at the token."
            ) from error

    def _read(self, answer: httpx.Response, where: str) -> bytes:
        """The body, ended when it grows too large or drips in for longer than the time limit."""
        started, parts, size = self._clock.monotonic(), [], 0
        for part in answer.iter_bytes():
            size += len(part)
            parts.append(part)
            if size > self._max_body_bytes:
                raise ServerFaultError(
                    f"the answer is larger than {self._max_body_bytes} bytes",
                    where=where,
                    next_step="Check that the address is the right server.",
                )
            if self._clock.monotonic() - started > self._timeout_s:
                raise RemoteTimeoutError(
                    f"the answer was not complete within {self._timeout_s:g} s",
                    where=where,
                    next_step="Try again; look at the server's load.",
                )
        return b"".join(parts)

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            timeout=self._timeout_s,
            follow_redirects=False,
            transport=self._transport,
            verify=self._verify,
        )

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def map_exception(error: Exception, where: str) -> HeadgateError:
    """The `HeadgateError` for an httpx exception; the nearest listed base class decides."""
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return UnreachableError(
                mask(f"the TLS connection failed: {cause}"),
                where=where,
                next_step="Check the certificate; for a private CA set SSL_CERT_FILE to its bundle.",
            )
        cause = cause.__cause__ or cause.__context__
    for base in type(error).__mro__:
        if base.__name__ in _EXCEPTIONS:
            kind, what, next_step = _EXCEPTIONS[base.__name__]
            detail = str(error)
            return kind(mask(f"{what}: {detail}" if detail else what), where=where, next_step=next_step)
    return TransportError(mask(f"the request failed: {error}"), where=where, next_step="Try again.")


def error_for_status(response: Response) -> HeadgateError | None:
    """The error that a status code stands for, None for 2xx."""
    status, where = response.status, response.where
    if 200 <= status < 300:
        return None
    detail = mask(excerpt(response.text))
    said = f"status {status}: {detail}" if detail else f"status {status}"
    if status == 401:
        return AuthenticationError(said, where=where, next_step="Check that the token is set, right and not expired.")
    if status == 403:
        return AuthenticationError(said, where=where, next_step="Give the account the permission for this call.")
    if status in {404, 410}:
        return NotFoundError(said, where=where, next_step="Check the name, and that the account may see it.")
    if status in {409, 412}:
        return ConflictError(said, where=where, next_step="Look at the current state and run the command again.")
    if status == 408:
        return RemoteTimeoutError(said, where=where, next_step="Try again; look at the server's load.")
    if status == 429:
        return RateLimitedError(said, where=where, next_step="Wait, then run the command again.")
    if status >= 500:
        return ServerFaultError(said, where=where, next_step="Look at the server's log; then run the command again.")
    if 300 <= status < 400:
        target = mask(response.headers.get("location", "an address it does not name"))
        return ServerFaultError(
            f"status {status}: it redirects to {target}",
            where=where,
            next_step="Write the final URL in the configuration.",
        )
    return RemoteStateError(said, where=where, next_step="Look at the message of the server.")


def retry_after_s(value: str | None, clock: Clock) -> float | None:
    """Seconds from a `Retry-After` header (a number or an HTTP date); None when absent or not readable."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip())
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - clock.now()).total_seconds())


def excerpt(text: str) -> str:
    """The first characters of a body on one line, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"
