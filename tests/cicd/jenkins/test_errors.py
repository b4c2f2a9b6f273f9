"""The maps of foreign exceptions and statuses are complete."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from jenkinsapi import custom_exceptions as api

from cicd.jenkins.errors import translate, translate_status
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)

WANTED: dict[type[Exception], type[HeadgateError]] = {
    api.TimeOut: RemoteTimeoutError,
    api.NotAuthorized: AuthenticationError,
    api.NotFound: NotFoundError,
    api.UnknownJob: NotFoundError,
    api.JenkinsAPIException: ServerFaultError,
    requests.ConnectTimeout: RemoteTimeoutError,
    requests.ReadTimeout: RemoteTimeoutError,
    requests.ConnectionError: UnreachableError,
    requests.exceptions.SSLError: UnreachableError,
    requests.exceptions.ChunkedEncodingError: ServerFaultError,
    requests.exceptions.InvalidURL: ConfigError,
    requests.exceptions.InvalidHeader: ConfigError,
}


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


@pytest.mark.parametrize(
    "kind",
    sorted({*subclasses(api.JenkinsAPIException), *subclasses(requests.RequestException)}, key=str),
)
def test_every_exception_is_mapped(kind: type[Exception]) -> None:
    error = kind("x", "y", 0) if kind is requests.JSONDecodeError else kind("boom")
    found = translate(error, where="here")
    assert isinstance(found, HeadgateError)
    assert found.next_step


@pytest.mark.parametrize(("kind", "wanted"), WANTED.items(), ids=str)
def test_what_an_exception_means(kind: type[Exception], wanted: type[HeadgateError]) -> None:
    assert type(translate(kind("boom"), where="here")) is wanted


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (302, AuthenticationError),
        (400, RemoteStateError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, RemoteStateError),
        (429, RateLimitedError),
        (500, ServerFaultError),
        (503, ServerFaultError),
    ],
)
def test_what_a_status_means(status: int, wanted: type[HeadgateError]) -> None:
    found = translate_status(status, "<html><b>no</b></html>" + "x" * 999, where="here")
    assert type(found) is wanted
    assert found.next_step
    assert len(str(found)) < 500
