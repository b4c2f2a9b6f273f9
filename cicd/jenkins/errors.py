"""Everything that jenkinsapi and requests raise, and every status of Jenkins, mapped onto Headgate's errors."""

from __future__ import annotations

import re

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
from headgate.secrets import mask

ACCESS_ADVICE = (
    "Set HEADGATE_JENKINS_USER and HEADGATE_JENKINS_TOKEN to a user and its API token with the permissions Overall/Read,"
    " Job/Read and Job/Build on the delivery job."
)
_AGAIN = "Run the same command again: it looks for what it started before it starts anything."
_SHOWN_CHARACTERS = 200


def translate(error: Exception, *, where: str) -> HeadgateError:
    """The Headgate error that stands for `error`; the caller raises it from the original.

    Complete for `requests.RequestException` and `JenkinsAPIException` with all their subclasses.
    """
    import requests
    from jenkinsapi import custom_exceptions as api

    if isinstance(error, HeadgateError):
        return error
    if isinstance(error, requests.Timeout | api.TimeOut):
        return RemoteTimeoutError("no answer in time", where=where, next_step=_AGAIN)
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(
            "the TLS certificate is not trusted, or TLS failed",
            where=where,
            next_step="Set REQUESTS_CA_BUNDLE to the file of your certificate authority.",
        )
    if isinstance(error, requests.ConnectionError):
        return UnreachableError(
            "no connection to Jenkins",
            where=where,
            next_step="Check deploy.jenkins.url in headgate.yaml, the network and the proxy.",
        )
    if isinstance(error, api.NotAuthorized):
        return AuthenticationError("Jenkins does not accept the credentials", where=where, next_step=ACCESS_ADVICE)
    if isinstance(error, api.NotFound):
        return _not_found(where)
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return ServerFaultError("the answer is not JSON, or was cut off", where=where, next_step=_AGAIN)
    if isinstance(
        error,
        api.JenkinsAPIException | requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError,
    ):
        return ServerFaultError(_short(f"the answer cannot be used: {error}"), where=where, next_step=_AGAIN)
    return ConfigError(
        _short(f"the request cannot be made: {type(error).__name__}: {error}"),
        where=where,
        next_step="Check deploy.jenkins.url in headgate.yaml and the credentials for stray characters.",
    )


def translate_status(status: int, text: str, *, where: str) -> HeadgateError:
    """The Headgate error that stands for an HTTP status outside of what was expected."""
    said = _short(f"Jenkins answered {status}: {re.sub('<[^>]*>', ' ', text)}")
    if status in (301, 302, 303, 307, 308):
        # A proxy with single sign-on sends API calls without a session to its login page.
        return AuthenticationError(
            f"Jenkins redirects ({status}) instead of answering", where=where, next_step=ACCESS_ADVICE
        )
    if status in (401, 403):
        what = "does not accept the credentials" if status == 401 else "refuses: the user lacks a permission"
        return AuthenticationError(f"Jenkins {what}", where=where, next_step=ACCESS_ADVICE)
    if status == 404:
        return _not_found(where)
    if status == 429:
        return RateLimitedError(said, where=where, next_step="Wait a minute, then run the same command again.")
    if status >= 500:
        return ServerFaultError(said, where=where, next_step=_AGAIN)
    return RemoteStateError(
        said, where=where, next_step="Look at the job in Jenkins; the request was refused as it is."
    )


def _not_found(where: str) -> NotFoundError:
    return NotFoundError(
        "Jenkins does not have it, or the user may not see it",
        where=where,
        next_step="Check deploy.jenkins.job in headgate.yaml (folders as folder/name) and the permission Job/Read.",
    )


def _short(text: str) -> str:
    text = " ".join(mask(text).split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
