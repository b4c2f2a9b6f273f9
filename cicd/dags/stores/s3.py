"""`s3://` buckets, such as those of Amazon MWAA, through botocore.

S3 has no generations. What stands for one is the ETag, made a number: it differs for different contents, which is all
that a precondition has to tell apart, because what is written by compare-and-swap (manifest, lock) never has the same
content twice. Every PUT and DELETE carries If-Match, or If-None-Match: *.

Credentials come from botocore's chain: web identity (OIDC), container and instance roles, SSO, environment. As with
the AWS tools AWS_ENDPOINT_URL names another server.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from base64 import b64encode
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from cicd.dags.model import StoredObject
from cicd.dags.stores.s3_errors import RETRIED, code_of, mapped_client, mapped_transport, status_of
from headgate.clock import Clock, SystemClock
from headgate.errors import ConfigError, ConflictError

_ATTEMPTS = 5
_MD5 = re.compile(r"[0-9a-f]{32}")
_GONE = frozenset({"NoSuchKey", "404"})  # HEAD has no body, so its code is the status
_CHANGED = frozenset({"PreconditionFailed", "412"})


def generation_of(etag: str) -> int:
    """The number that stands for an ETag, quoted or not; `etag_of` is its inverse. Always positive."""
    return int.from_bytes(b"\x01" + etag.strip('"').encode(), "big")


def etag_of(generation: int) -> str:
    """The ETag without quotes that `generation` stands for. Raises `ValueError` for numbers that stand for none."""
    data = generation.to_bytes((generation.bit_length() + 7) // 8, "big")
    if data[:1] != b"\x01":
        raise ValueError(f"{generation} is no ETag")
    return data[1:].decode()


class S3Store:
    """A bucket of S3.

    `timeout_s` bounds each attempt. 408, 409, 429, 5xx and lost connections are repeated up to five times with growing,
    jittered pauses: every request is a read or carries a precondition, so a repeat cannot do harm.

    An ETag of 32 hexadecimal digits is taken for the content's MD5, which it is unless the bucket encrypts with KMS or
    customer keys. There what the manifest knows about the same ETag is believed instead: see `planning.recognise`.
    """

    def __init__(
        self,
        bucket: str,
        *,
        timeout_s: float = 30.0,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        profile: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._where = f"s3://{bucket}"
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._client = _client(timeout_s, profile)

    def close(self) -> None:
        self._client.close()

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:  # noqa: ARG002 - the port
        found: list[StoredObject] = []
        token: dict[str, str] = {}

        def next_page() -> Any:
            return self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **token)

        while True:
            page, _ = self._send("s3:ListBucket", next_page)
            found += [_listed(item) for item in page.get("Contents", ())]
            if not page.get("IsTruncated") or not page.get("NextContinuationToken"):
                return tuple(sorted(found, key=lambda item: item.path))
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, path: str) -> tuple[bytes, int] | None:
        def get() -> tuple[bytes, int]:
            answer = self._client.get_object(Bucket=self._bucket, Key=path)
            with answer["Body"] as body:
                return body.read(), generation_of(answer["ETag"])

        found, _ = self._send("s3:GetObject (and s3:ListBucket, to see that an object is absent)", get, absent=_GONE)
        there: tuple[bytes, int] | None = found
        return there

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        digest = hashlib.md5(data, usedforsecurity=False)
        condition = {"IfMatch": _quoted(if_generation)} if if_generation else {"IfNoneMatch": "*"}
        answer, attempts = self._send(
            "s3:PutObject",
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=path,
                Body=data,
                ContentMD5=b64encode(digest.digest()).decode(),  # the server refuses what arrives with another hash
                ContentType="text/x-python" if path.endswith(".py") else "application/octet-stream",
                **condition,
            ),
            absent=_CHANGED | _GONE,
        )
        if answer is None:
            there = self.read(path) if attempts > 1 else None
            # The answer to an earlier attempt was lost: the object that is in the way is our own.
            if there is None or there[0] != data:
                raise self._conflict(path)
            return _described(path, data, digest.hexdigest(), there[1])
        return _described(path, data, digest.hexdigest(), generation_of(answer["ETag"]))

    def delete(self, path: str, *, if_generation: int) -> None:
        answer, _ = self._send(
            "s3:DeleteObject",
            lambda: self._client.delete_object(Bucket=self._bucket, Key=path, IfMatch=_quoted(if_generation)),
            absent=_CHANGED | _GONE,
        )
        if answer is None and self._exists(path):
            raise self._conflict(path)

    def _exists(self, path: str) -> bool:
        head, _ = self._send(
            "s3:GetObject", lambda: self._client.head_object(Bucket=self._bucket, Key=path), absent=_GONE
        )
        return head is not None

    def _send(self, permission: str, call: Callable[[], Any], *, absent: frozenset[str] = frozenset()) -> Any:
        """The answer and the number of attempts; None for the error codes `absent`, anything else above 399 raises."""
        import botocore.exceptions as raised
        from urllib3.exceptions import HTTPError

        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                return call(), attempt
            except raised.ClientError as error:
                if code_of(error) in absent:
                    return None, attempt
                if last or not _passes(error):
                    raise mapped_client(error, permission, self._where) from error
            except (raised.BotoCoreError, HTTPError) as error:  # botocore lets some of urllib3's errors through
                if last or not isinstance(error, _lost()):
                    raise mapped_transport(error, self._where, self._client.meta.endpoint_url) from error
            self._clock.sleep(self._jitter() * 0.1 * 2**attempt)
        raise AssertionError("every attempt returns or raises")

    def _conflict(self, path: str) -> ConflictError:
        return ConflictError(
            f"{path!r} is not what it was any more: somebody else changed it first",
            where=self._where,
            next_step="Run the command again; it starts from what is there now.",
        )


def _client(timeout_s: float, profile: str | None) -> Any:
    try:
        import botocore.exceptions
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config
    except ImportError as error:
        raise ConfigError(
            "s3:// targets need boto3", next_step="Install it with `pip install 'headgate[s3]'`."
        ) from error
    session = botocore.session.Session(profile=profile)
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {
        "connect_timeout": timeout_s,
        "read_timeout": timeout_s,
        "retries": {"total_max_attempts": 1},  # repeats are ours, because only we know what a lost answer means
        "max_pool_connections": 64,
        "request_checksum_calculation": "when_required",  # Content-MD5 does it, on every server
        "response_checksum_validation": "when_required",
    }
    try:
        if elsewhere:
            options["s3"] = {"addressing_style": "path"}
            if session.get_credentials() is None:
                options["signature_version"] = UNSIGNED
        return session.create_client("s3", config=Config(**options))
    except (botocore.exceptions.ProfileNotFound, botocore.exceptions.ConfigParseError) as error:
        raise ConfigError(
            f"the AWS configuration does not fit: {error}",
            next_step="Correct `profile` of the target or AWS_PROFILE, or the file that AWS_CONFIG_FILE names.",
        ) from error


def _lost() -> tuple[type[Exception], ...]:
    """Errors that another attempt may not meet again: no connection, half an answer."""
    import botocore.exceptions as raised
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    return (raised.HTTPClientError, raised.ConnectionError, raised.IncompleteReadError, ResponseParserError, HTTPError)


def _passes(error: Any) -> bool:
    return status_of(error) in RETRIED or code_of(error) in {"RequestTimeout", "SlowDown", "InternalError"}


def _quoted(generation: int) -> str:
    """The ETag as a precondition; one that no object has for a number that stands for none."""
    try:
        return f'"{etag_of(generation)}"'
    except ValueError:
        return '"none"'


def _listed(item: dict[str, Any]) -> StoredObject:
    etag, updated = str(item["ETag"]).strip('"'), item.get("LastModified")
    return StoredObject(
        path=item["Key"],
        size=item["Size"],
        md5=etag if _MD5.fullmatch(etag) else None,  # objects uploaded in parts have ETags like <hex>-2
        generation=generation_of(etag),
        updated=updated.astimezone(UTC) if isinstance(updated, datetime) else None,
    )


def _described(path: str, data: bytes, digest: str, generation: int) -> StoredObject:
    return StoredObject(path=path, size=len(data), md5=digest, generation=generation)
