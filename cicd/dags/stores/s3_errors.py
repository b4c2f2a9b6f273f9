"""What an answer of S3 means: the one place where botocore's errors become ours."""

from __future__ import annotations

from typing import Any

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

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
"""409 is ConditionalRequestConflict: another request for the same key was under way, and neither was decided."""
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_REFUSED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403", "401"}
)


def status_of(error: Any) -> int:
    """The HTTP status of a `ClientError`; 0 when it has none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: Any) -> str:
    """S3's own error code, such as `NoSuchKey`; the status as text where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def mapped_client(error: Any, permission: str, where: str) -> HeadgateError:
    """The error for an answer above 399; `permission` is what the request needed."""
    status, code = status_of(error), code_of(error)
    said = mask(" ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:200]) or "no message"
    if code in _REFUSED or status in {401, 403}:
        return AuthenticationError(
            f"S3 refused the credentials, or they lack {permission} ({status} {code}: {said})",
            where=where,
            next_step="Check the role of this job and the bucket's policy, then `headgate doctor`.",
        )
    if code == "NoSuchBucket" or status == 404:
        return NotFoundError(
            f"there is no such bucket ({status} {code}: {said})", where=where, next_step="Correct the bucket's name."
        )
    if code in _THROTTLED or status == 429:
        return RateLimitedError(
            f"S3 still limits the rate after several attempts ({status} {code}: {said})",
            where=where,
            next_step="Run the command again later.",
        )
    if status == 501 or code == "NotImplemented":
        return RemoteStateError(
            f"the server does not know conditional requests ({status} {code}: {said})",
            where=where,
            next_step="Deliver to a server that honours If-Match and If-None-Match on PUT and DELETE; without, nothing is safe.",
        )
    if status in RETRIED or status >= 500:
        return ServerFaultError(
            f"S3 fails after several attempts ({status} {code}: {said})",
            where=where,
            next_step="Run the command again.",
        )
    return RemoteStateError(
        f"S3 refused the request ({status} {code}: {said})",
        where=where,
        next_step="Check the bucket's policy, object lock and encryption settings.",
    )


def mapped_transport(error: Exception, where: str, endpoint: str) -> HeadgateError:
    """The error for a request that got no whole answer, or was never sent."""
    import botocore.exceptions as raised
    from urllib3.exceptions import HTTPError

    said = mask(" ".join(str(error).split())[:200])
    if isinstance(error, raised.NoCredentialsError | raised.PartialCredentialsError | raised.CredentialRetrievalError):
        return AuthenticationError(
            f"no usable AWS credentials: {said}",
            where=where,
            next_step="Give the job a role (OIDC: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE), or run `aws sso login`.",
        )
    if isinstance(error, raised.ReadTimeoutError | raised.ConnectTimeoutError):
        return RemoteTimeoutError(
            f"{endpoint} did not answer in time ({type(error).__name__})",
            where=where,
            next_step="Check the network, or raise timeout_s of the target; then run the command again.",
        )
    if isinstance(error, raised.HTTPClientError | raised.ConnectionError | HTTPError):
        return UnreachableError(
            f"no connection to {endpoint} ({type(error).__name__}: {said})",
            where=where,
            next_step="Check the network, proxy settings and AWS_ENDPOINT_URL; then run the command again.",
        )
    return ServerFaultError(
        f"an answer of {endpoint} cannot be read ({type(error).__name__}: {said})",
        where=where,
        next_step="Check AWS_ENDPOINT_URL, and that nothing rewrites answers on the way; then run the command again.",
    )
