"""A stand-in for S3: the part of the REST API that delivering DAGs needs, with real preconditions.

Path-style addresses; buckets; objects: ListObjectsV2 with pages, PUT, GET, HEAD, DELETE. If-Match and If-None-Match are
enforced on PUT, DELETE and reads as S3 documents it: 412 when they do not hold, 404 when If-Match finds nothing. Other
operations are answered with 501. Signatures are not checked. Clients find it through AWS_ENDPOINT_URL.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from cicd.sandbox.answers import Answer, hang_up, reply
from cicd.sandbox.gcs_faults import Fault, FaultKind, FaultScript, Request
from cicd.sandbox.server import AppServer
from headgate.clock import Clock, SystemClock

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_XML = "application/xml"
_MAX_PAGE = 1000


class S3Error(Exception):
    """An error answer (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        text = f"<Error><Code>{self.code}</Code><Message>{escape(str(self))}</Message></Error>"
        return Answer(status=self.status, body=_document(text), content_type=_XML)


_STATUS_FAULTS = {
    FaultKind.UNAVAILABLE: S3Error(503, "ServiceUnavailable", "Service is unable to handle request."),
    FaultKind.RATE_LIMITED: S3Error(503, "SlowDown", "Please reduce your request rate."),
    FaultKind.UNAUTHORIZED: S3Error(403, "InvalidAccessKeyId", "The AWS access key ID you provided does not exist."),
    FaultKind.FORBIDDEN: S3Error(403, "AccessDenied", "Access Denied"),
    FaultKind.CONFLICT: S3Error(409, "ConditionalRequestConflict", "A conflicting operation occurred."),
}


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
            self._check(found, headers)
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

    def delete(self, key: str, headers: Mapping[str, str]) -> None:
        """Without If-Match deleting what is not there is no error."""
        with self._mutex:
            found = self._objects.get(key)
            if found is None and "if-match" in headers:
                raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
            self._check(found, headers)
            self._objects.pop(key, None)

    @staticmethod
    def _check(found: S3Object | None, headers: Mapping[str, str]) -> None:
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        etag = found.etag if found else None
        holds = (match is None or (etag is not None and match.strip('"') in {etag, "*"})) and (
            none_match is None or etag is None or none_match.strip('"') not in {etag, "*"}
        )
        if not holds:
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


class S3Sandbox:
    """The stand-in on a loopback port. `latency_s` delays every answer; `faults` scripts failures, records requests."""

    def __init__(
        self, *, buckets: Iterable[str] = (), clock: Clock | None = None, latency_s: float = 0.0, port: int = 0
    ) -> None:
        self._clock = clock or SystemClock()
        self._buckets: dict[str, S3Bucket] = {}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:  # uvicorn takes a bound method for ASGI 2
            await self._serve(scope, receive, send)

        self._server = AppServer(app, name="s3", port=port)
        self.latency_s = latency_s
        self.faults = FaultScript()
        for name in buckets:
            self.create_bucket(name)

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL has to be."""
        return self._server.url

    def create_bucket(self, name: str, *, kms: bool = False) -> S3Bucket:
        """The bucket `name`, made when it is not there yet."""
        return self._buckets.setdefault(name, S3Bucket(name, self._clock, kms=kms))

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        # The raw path, because keys contain encoded slashes and percent signs.
        raw = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
        bucket, _, key = raw.removeprefix("/").partition("/")
        call = _Call(
            method=scope["method"],
            bucket=unquote(bucket),
            key=unquote(key),
            params=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers={name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]},
            body=bytes(body),
        )
        fault = self.faults.take(Request(operation=call.operation, name=call.key or call.params.get("prefix", "")))
        answer = self._answer(call, fault)
        if fault is not None and fault.kind is FaultKind.RESET:
            await hang_up(receive, send)
        elif fault is not None and fault.kind is FaultKind.TRUNCATE:
            await reply(send, answer, whole=False)
            await hang_up(receive, send)
        else:
            await reply(send, answer)

    def _answer(self, call: _Call, fault: Fault | None) -> Answer:
        """The answer; a fault "before" prevents the effect, a fault "after" only replaces the answer."""
        spoiled = _STATUS_FAULTS.get(fault.kind) if fault else None
        try:
            if fault and fault.when == "before" and (spoiled or fault.kind is FaultKind.RESET):
                raise spoiled or S3Error(503, "ServiceUnavailable", "never sent")
            answer = self._handle(call)
            if spoiled:
                raise spoiled
        except S3Error as error:
            return error.answer()
        return answer

    def _handle(self, call: _Call) -> Answer:
        found = self._buckets.get(call.bucket)
        if found is None:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        if call.operation == "list":
            return _listed(found, call.params)
        if call.operation == "upload":
            item = found.put(call.key, call.body, call.headers)
            return Answer(status=200, headers=(("etag", f'"{item.etag}"'),))
        if call.operation == "delete":
            found.delete(call.key, call.headers)
            return Answer(status=204)
        if call.operation in {"get", "head"}:
            item = found.get(call.key, call.headers)
            headers = (("etag", f'"{item.etag}"'), ("last-modified", item.http_date))
            return Answer(status=200, body=item.data, content_type="binary/octet-stream", headers=headers)
        raise S3Error(501, "NotImplemented", f"The sandbox does not do {call.operation}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request, parsed as far as every operation needs."""

    method: str
    bucket: str
    key: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        known = {"PUT": "upload", "GET": "get", "HEAD": "head", "DELETE": "delete"}
        if self.key and self.method in known and self.params.keys() <= {"x-id"}:
            return known[self.method]
        if not self.key and self.method == "GET" and self.params.get("list-type") == "2":
            return "list"
        return f"{self.method} {self.params or ''}"


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
