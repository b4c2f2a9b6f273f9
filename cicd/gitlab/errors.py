"""Everything that python-gitlab and requests raise, mapped onto Headgate's errors, in this one place."""

from __future__ import annotations

import re

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
    UnreachableError,
)
from headgate.secrets import mask

_SHOWN_CHARACTERS = 300

ACCESS_ADVICE = (
    "Set HEADGATE_GITLAB_TOKEN to a project, group or personal access token with scope `api` and at least the role"
    " Developer in the project; CI_JOB_TOKEN may not write notes and commit statuses."
)
_AGAIN = "Run the same command again; if it goes on, look at the server's status page or log."


def translate(error: Exception, *, where: str) -> HeadgateError:
    """The Headgate error that stands for `error`; the caller raises it from the original. `where` names URL and object.

    Complete for `gitlab.exceptions.GitlabError` and `requests.RequestException` with all their subclasses, and for the
    `KeyError`, `TypeError` and `ValueError` that python-gitlab lets through when a page of a list is not a list.
    """
    import requests
    from gitlab.exceptions import GitlabError, GitlabParsingError, RedirectError

    if isinstance(error, HeadgateError):
        return error
    if isinstance(error, requests.RequestException):
        return _translate_request(error, where)
    if isinstance(error, RedirectError):
        return ConfigError(
            f"GitLab redirects: {_shown(error)}",
            where=where,
            next_step="Correct the forge URL in headgate.yaml (often http instead of https, or a renamed project).",
        )
    if isinstance(error, GitlabParsingError):
        return ServerFaultError("the answer is not JSON", where=where, next_step=_AGAIN)
    if isinstance(error, GitlabError):
        return _translate_status(error.response_code, _shown(error), where)
    return ServerFaultError(
        f"the answer cannot be read: {type(error).__name__}",
        where=where,
        next_step="Check that the forge URL in headgate.yaml is that of a GitLab server.",
    )


def _translate_request(error: Exception, where: str) -> HeadgateError:
    import requests

    if isinstance(error, requests.Timeout):
        return RemoteTimeoutError("no answer in time", where=where, next_step=_AGAIN)
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(
            "the TLS certificate is not trusted, or TLS failed",
            where=where,
            next_step="Set REQUESTS_CA_BUNDLE to the file of your certificate authority.",
        )
    if isinstance(error, requests.ConnectionError):
        return UnreachableError(
            "no connection to GitLab",
            where=where,
            next_step="Check the forge URL in headgate.yaml, the network and the proxy.",
        )
    if isinstance(
        error,
        requests.exceptions.ChunkedEncodingError
        | requests.exceptions.ContentDecodingError
        | requests.exceptions.JSONDecodeError,
    ):
        return ServerFaultError("the answer was cut off or cannot be decoded", where=where, next_step=_AGAIN)
    return ConfigError(
        mask(f"the request cannot be made: {type(error).__name__}: {error}"),
        where=where,
        next_step="Check the forge URL in headgate.yaml and the token for stray characters.",
    )


def _translate_status(status: int | None, message: str, where: str) -> HeadgateError:
    said = f"GitLab answered {status}: {message}"
    if status == 401:
        return AuthenticationError(
            f"GitLab does not accept the token ({message})", where=where, next_step=ACCESS_ADVICE
        )
    if status == 403:
        return AuthenticationError(f"the token lacks a permission ({message})", where=where, next_step=ACCESS_ADVICE)
    if status == 404:
        return NotFoundError(
            f"GitLab does not have it, or the token may not see it ({message})",
            where=where,
            next_step="Check the project path in headgate.yaml; a private project is also 'not found' without access to it.",
        )
    if status == 429:
        return RateLimitedError(
            "GitLab limits the rate of requests",
            where=where,
            next_step="Wait a minute, then run the same command again.",
        )
    if status == 408:
        return RemoteTimeoutError(said, where=where, next_step=_AGAIN)
    if status in (409, 412):
        return ConflictError(
            said, where=where, next_step="Look at the object in GitLab, then run the same command again."
        )
    if status is None or status >= 500:
        return ServerFaultError(said if status else f"GitLab cannot be asked: {message}", where=where, next_step=_AGAIN)
    return RemoteStateError(
        said, where=where, next_step="Look at the object in GitLab; the request was refused as it is."
    )


def _shown(error: Exception) -> str:
    """GitLab's own words, masked and short: bodies of error pages may be a whole HTML document."""
    text = getattr(error, "error_message", None) or str(error)
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    # OAuth errors (a revoked token, a missing scope) say what is wrong in a second field that python-gitlab leaves out.
    described = re.search(rb'"error_description"\s*:\s*"([^"]*)"', getattr(error, "response_body", None) or b"")
    if described:
        text = f"{text}: {described[1].decode('utf-8', 'replace')}"
    text = " ".join(mask(text).split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
