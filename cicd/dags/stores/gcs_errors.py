"""What an answer of Cloud Storage means: the one place where its errors become ours."""

from __future__ import annotations

import json

from cicd.dags.http.answers import RETRIED, Answer, TimedOutError, WireError
from headgate.errors import (
    AuthenticationError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import mask


def mapped_response(answer: Answer, permission: str, where: str) -> HeadgateError:
    """The error for an answer above 399; `permission` is what the request needed."""
    status, said = answer.status, _message(answer)
    if status == 401:
        return AuthenticationError(
            f"Cloud Storage does not accept the credentials (401: {said}); the request needs {permission}",
            where=where,
            next_step="Check GOOGLE_APPLICATION_CREDENTIALS or the job's workload identity, then `headgate doctor`.",
        )
    if status == 403:
        return AuthenticationError(
            f"the credentials lack {permission} (403: {said})",
            where=where,
            next_step="Grant the role Storage Object User on the bucket to the account of this job.",
        )
    if status == 404:
        return NotFoundError(
            f"there is no such bucket, or these credentials may not see it (404: {said})",
            where=where,
            next_step="Correct the bucket's name, or grant access to it.",
        )
    if status == 429:
        return RateLimitedError(
            f"Cloud Storage still limits the rate after several attempts (429: {said})",
            where=where,
            next_step="Run the command again later.",
        )
    if status in RETRIED or status >= 500:
        return ServerFaultError(
            f"Cloud Storage fails after several attempts ({status}: {said})",
            where=where,
            next_step="Run the command again.",
        )
    return RemoteStateError(
        f"Cloud Storage refused the request ({status}: {said})",
        where=where,
        next_step="Check the bucket's retention, holds and policies.",
    )


def mapped_transport(error: WireError, where: str, base_url: str) -> HeadgateError:
    """The error for a request that got no whole answer."""
    if isinstance(error, TimedOutError):
        return RemoteTimeoutError(
            f"{base_url} did not answer in time",
            where=where,
            next_step="Check the network, or raise timeout_s of the target; then run the command again.",
        )
    return UnreachableError(
        f"no connection to {base_url} ({mask(str(error))})",
        where=where,
        next_step="Check the network, proxy settings and STORAGE_EMULATOR_HOST; then run the command again.",
    )


def unreadable(answer: Answer, where: str) -> ServerFaultError:
    """The error for a success whose body or headers are not what the API promises."""
    return ServerFaultError(
        f"an answer cannot be read or does not match what was sent ({answer.status} for {answer.method})",
        where=where,
        next_step="Check that nothing rewrites answers on the way (proxy); then run the command again.",
    )


def _message(answer: Answer) -> str:
    """Google's own message, or the start of the body."""
    try:
        text = str(json.loads(answer.content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.content[:1000].decode("utf-8", "replace")
    return mask(" ".join(text.split())[:200]) or "no message"
