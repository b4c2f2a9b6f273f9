"""A stand-in for S3: the part of the REST API that delivering DAGs needs, with real preconditions.

Path-style addresses; buckets; objects: ListObjectsV2 with pages, PUT, GET, HEAD, DELETE. If-Match and If-None-Match are
enforced on PUT, DELETE and reads as S3 documents it: 412 when they do not hold, 404 when If-Match finds nothing. Other
operations are answered with 501. Signatures are not checked. Clients find it through AWS_ENDPOINT_URL.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import ClassVar
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from cicd.sandbox.answers import Answer
from cicd.sandbox.object_faults import FaultKind
from cicd.sandbox.object_server import Call, ObjectSandbox, Received, StoreError
from headgate.clock import Clock, SystemClock

_XML = "application/xml"
_MAX_PAGE = 1000


class S3Error(StoreError):
    """An error answer (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        text = f"<Error><Code>{self.code}</Code><Message>{escape(str(self))}</Message></Error>"
        body = b"" if self.status == 304 else _document(text)
        return Answer(status=self.status, body=body, content_type=_XML)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """One object; `etag` without quotes, `updated` as an HTTP date."""

    key: str
    data: bytes
    etag: str
    iso: str
    http_date: str


class S3Bucket:
    """The objects of one bucket. Thread-safe. With `kms` ETags are random, as in a bucket encrypted with KMS."""

    def __init__(self, name: str, clock: Clock, *, kms: bool = False) -> None:
        self.name = name
        self._clock = clock
        self._kms = kms
        self._mutex = threading.RLock()
        self._objects: dict[str, S3Object] = {}

    def list(self) -> tuple[S3Object, ...]:
        """All objects in UTF-8 binary order of their keys."""
        with self._mutex:
            return tuple(self._objects[key] for key in sorted(self._objects, key=str.encode))

    def get(self, key: str, headers: Mapping[str, str]) -> S3Object:
        with self._mutex:
            found = self._objects.get(key)
            if found is None:
                raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
            self._check(found, headers, reading=True)
            return found

    def put(self, key: str, data: bytes, headers: Mapping[str, str], *, etag: str | None = None) -> S3Object:
        """Store an object; `etag` is given for what was uploaded in parts."""
        if not key or len(key.encode()) > 1024:
            raise S3Error(400, "KeyTooLongError", "Your key is too long")
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        if headers.get("content-md5", base64.b64encode(digest).decode()) != base64.b64encode(digest).decode():
            raise S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        with self._mutex:
            found = self._objects.get(key)
            if found is None and "if-match" in headers:
                raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
            self._check(found, headers)
            now = self._clock.now()
            fresh = S3Object(
                key=key,
                data=data,
                etag=etag or (uuid.uuid4().hex if self._kms else digest.hex()),
                iso=now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                http_date=format_datetime(now, usegmt=True),
            )
            self._objects[key] = fresh
            return fresh

    def snapshot(self) -> tuple[S3Object, ...]:
        """The objects as they are now, for `restore`."""
        return self.list()

    def restore(self, objects: Iterable[S3Object]) -> None:
        """Put the bucket back to a snapshot."""
        with self._mutex:
            self._objects = {item.key: item for item in objects}

    def delete(self, key: str, headers: Mapping[str, str]) -> None:
        """Without If-Match deleting what is not there is no error."""
        with self._mutex:
            found = self._objects.get(key)
            if found is None and "if-match" in headers:
                raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
            self._check(found, headers)
            self._objects.pop(key, None)

    @staticmethod
    def _check(found: S3Object | None, headers: Mapping[str, str], *, reading: bool = False) -> None:
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        etag = found.etag if found else None
        holds = (match is None or (etag is not None and match.strip('"') in {etag, "*"})) and (
            none_match is None or etag is None or none_match.strip('"') not in {etag, "*"}
        )
        if not holds:
            if reading and none_match is not None and match is None:
                raise S3Error(304, "NotModified", "")
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


class S3Sandbox(ObjectSandbox):
    """The stand-in on a loopback port; `url` is what AWS_ENDPOINT_URL has to be."""

    status_faults: ClassVar[Mapping[FaultKind, StoreError]] = {
        FaultKind.UNAVAILABLE: S3Error(503, "ServiceUnavailable", "Service is unable to handle request."),
        FaultKind.RATE_LIMITED: S3Error(503, "SlowDown", "Please reduce your request rate."),
        FaultKind.UNAUTHORIZED: S3Error(
            403, "InvalidAccessKeyId", "The AWS access key ID you provided does not exist."
        ),
        FaultKind.FORBIDDEN: S3Error(403, "AccessDenied", "Access Denied"),
        FaultKind.CONFLICT: S3Error(409, "ConditionalRequestConflict", "A conflicting operation occurred."),
    }

    def __init__(
        self, *, buckets: Iterable[str] = (), clock: Clock | None = None, latency_s: float = 0.0, port: int = 0
    ) -> None:
        super().__init__(name="s3", latency_s=latency_s, port=port)
        self._clock = clock or SystemClock()
        self._buckets: dict[str, S3Bucket] = {}
        for name in buckets:
            self.create_bucket(name)

    def create_bucket(self, name: str, *, kms: bool = False) -> S3Bucket:
        """The bucket `name`, made when it is not there yet."""
        return self._buckets.setdefault(name, S3Bucket(name, self._clock, kms=kms))

    def parse(self, received: Received) -> Call:
        bucket, _, key = received.path.removeprefix("/").partition("/")
        return Call(
            operation=_operation(received, key),
            bucket=unquote(bucket),
            name=unquote(key),
            params=received.params,
            headers=received.headers,
            body=received.body,
        )

    def handle(self, call: Call, *, stale: bool) -> Answer:  # noqa: ARG002 - S3 lists no past
        found = self._buckets.get(call.bucket)
        if found is None:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        if call.operation == "list":
            return _listed(found, call.params)
        if call.operation == "upload":
            item = found.put(call.name, call.body, call.headers)
            return Answer(status=200, headers=(("etag", f'"{item.etag}"'),))
        if call.operation == "delete":
            found.delete(call.name, call.headers)
            return Answer(status=204)
        if call.operation in {"get", "head"}:
            item = found.get(call.name, call.headers)
            headers = (("etag", f'"{item.etag}"'), ("last-modified", item.http_date))
            return Answer(status=200, body=item.data, content_type="binary/octet-stream", headers=headers)
        raise S3Error(501, "NotImplemented", f"The sandbox does not do {call.operation}.")


def _operation(received: Received, key: str) -> str:
    known = {"PUT": "upload", "GET": "get", "HEAD": "head", "DELETE": "delete"}
    if key and received.method in known and received.params.keys() <= {"x-id"}:
        return known[received.method]
    if not key and received.method == "GET" and received.params.get("list-type") == "2":
        return "list"
    return f"{received.method} {received.params or ''}"


def _listed(bucket: S3Bucket, params: Mapping[str, str]) -> Answer:
    prefix, url = params.get("prefix", ""), params.get("encoding-type") == "url"
    size = min(_MAX_PAGE, max(1, int(params.get("max-keys", _MAX_PAGE))))
    after = base64.urlsafe_b64decode(params["continuation-token"]) if "continuation-token" in params else b""
    matching = [item for item in bucket.list() if item.key.startswith(prefix) and item.key.encode() > after]
    page, rest = matching[:size], matching[size:]
    parts = [f"<Name>{bucket.name}</Name><KeyCount>{len(page)}</KeyCount><MaxKeys>{size}</MaxKeys>"]
    parts.append(f"<Prefix>{quote(prefix) if url else escape(prefix)}</Prefix>")
    parts.append(f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>")
    if url:
        parts.append("<EncodingType>url</EncodingType>")
    if rest:
        token = base64.urlsafe_b64encode(page[-1].key.encode()).decode()
        parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
    for item in page:
        key = quote(item.key) if url else escape(item.key)
        parts.append(
            f"<Contents><Key>{key}</Key><LastModified>{item.iso}</LastModified><ETag>&quot;{item.etag}&quot;</ETag>"
            f"<Size>{len(item.data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    text = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</ListBucketResult>'
    return Answer(status=200, body=_document(text), content_type=_XML)


def _document(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
