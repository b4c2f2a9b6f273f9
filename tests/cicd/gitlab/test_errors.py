"""The maps of foreign exceptions are complete: every class of the libraries has its Headgate error."""

from __future__ import annotations

from collections.abc import Iterator

import gitlab.exceptions
import pytest
import requests

from cicd.gitlab.errors import translate
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

BY_STATUS: dict[int, type[HeadgateError]] = {
    400: RemoteStateError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    405: RemoteStateError,
    408: RemoteTimeoutError,
    409: ConflictError,
    412: ConflictError,
    422: RemoteStateError,
    429: RateLimitedError,
    500: ServerFaultError,
    502: ServerFaultError,
    503: ServerFaultError,
    504: ServerFaultError,
}

BY_REQUEST: dict[type[Exception], type[HeadgateError]] = {
    requests.ConnectionError: UnreachableError,
    requests.exceptions.ProxyError: UnreachableError,
    requests.exceptions.SSLError: UnreachableError,
    requests.ConnectTimeout: RemoteTimeoutError,
    requests.ReadTimeout: RemoteTimeoutError,
    requests.exceptions.ChunkedEncodingError: ServerFaultError,
    requests.exceptions.ContentDecodingError: ServerFaultError,
    requests.exceptions.InvalidURL: ConfigError,
    requests.exceptions.InvalidHeader: ConfigError,
    requests.exceptions.MissingSchema: ConfigError,
}


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


@pytest.mark.parametrize("kind", sorted(set(subclasses(gitlab.exceptions.GitlabError)), key=str))
def test_every_gitlab_exception_is_mapped(kind: type[gitlab.exceptions.GitlabError]) -> None:
    for status, wanted in BY_STATUS.items():
        found = translate(kind("refused", status, b""), where="here")
        if kind in (gitlab.exceptions.RedirectError, gitlab.exceptions.GitlabParsingError):
            assert isinstance(found, ConfigError | ServerFaultError)
        else:
            assert type(found) is wanted
        assert found.next_step
    assert isinstance(translate(kind("no status"), where="here"), TransportError | ConfigError)


@pytest.mark.parametrize("kind", sorted(set(subclasses(requests.RequestException)), key=str))
def test_every_requests_exception_is_mapped(kind: type[requests.RequestException]) -> None:
    error = kind("x", "y", 0) if kind is requests.JSONDecodeError else kind("boom")
    found = translate(error, where="here")
    assert isinstance(found, HeadgateError)
    assert found.next_step


@pytest.mark.parametrize(("kind", "wanted"), BY_REQUEST.items(), ids=str)
def test_what_a_requests_exception_means(kind: type[Exception], wanted: type[HeadgateError]) -> None:
    assert type(translate(kind("boom"), where="here")) is wanted


@pytest.mark.parametrize("error", [KeyError("id"), TypeError("x"), ValueError("x")])
def test_unreadable_pages(error: Exception) -> None:
    assert type(translate(error, where="here")) is ServerFaultError


def test_our_own_errors_pass_and_bodies_are_short_and_masked() -> None:
    own = NotFoundError("x")
    assert translate(own, where="here") is own
    long = gitlab.exceptions.GitlabHttpError("<html>" + "a" * 5000 + " glpat-abcdefghijk", 502)
    assert len(str(translate(long, where="here"))) < 600
    leaking = gitlab.exceptions.GitlabHttpError("token glpat-abcdefghijk", 400)
    assert "glpat-abcdefghijk" not in str(translate(leaking, where="here"))
