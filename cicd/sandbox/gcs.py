"""A stand-in for Cloud Storage: the part of the JSON API that delivering DAGs needs, with real preconditions.

Buckets; objects: list with pages, prefix and delimiter, upload (media and multipart), get, download, delete, patch
(custom metadata only). Every `if…Match` parameter is enforced on every operation, which several emulators do not do.
Resumable uploads, versions, copies and ACLs are not there and are answered with 501. Clients find it through
STORAGE_EMULATOR_HOST.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from cicd.sandbox.answers import Answer
from cicd.sandbox.gcs_objects import GcsBucket, GcsError, GcsObject
from cicd.sandbox.object_faults import FaultKind
from cicd.sandbox.object_server import Call, ObjectSandbox, Received, StoreError
from headgate.clock import Clock, SystemClock

_ROUTE = re.compile(
    r"/(?P<kind>(?:upload/|download/)?)storage/v1/b(?:/(?P<bucket>[^/]+)(?P<objects>/o(?:/(?P<name>.+))?)?)?"
)
_MAX_PAGE = 1000


class GcsSandbox(ObjectSandbox):
    """The stand-in on a loopback port. `token` None accepts everybody; otherwise a Bearer header must carry it.

    `folder` keeps the objects in files that survive a restart. `latency_s` delays every answer. `faults` scripts
    failures and records requests. `url` is what STORAGE_EMULATOR_HOST has to be.
    """

    status_faults: ClassVar[Mapping[FaultKind, StoreError]] = {
        FaultKind.UNAVAILABLE: GcsError(503, "backendError", "We encountered an internal error. Please try again."),
        FaultKind.RATE_LIMITED: GcsError(429, "rateLimitExceeded", "The object exceeded the rate limit for mutations."),
        FaultKind.UNAUTHORIZED: GcsError(401, "authError", "Invalid Credentials"),
        FaultKind.FORBIDDEN: GcsError(403, "forbidden", "The caller does not have storage access to the object."),
    }

    def __init__(
        self,
        *,
        buckets: Iterable[str] = (),
        folder: Path | None = None,
        clock: Clock | None = None,
        token: str | None = None,
        latency_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._folder = folder
        self._token = token
        self._buckets: dict[str, GcsBucket] = {}

        super().__init__(name="gcs", latency_s=latency_s, port=port)
        for name in buckets:
            self.create_bucket(name)

    def create_bucket(self, name: str) -> GcsBucket:
        """The bucket `name`, made when it is not there yet. Raises `GcsError` 400 for an invalid name."""
        if not re.fullmatch(r"(?!.*\.\.)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name):
            raise GcsError(400, "invalid", f"Invalid bucket name: {name[:70]!r}")
        if name not in self._buckets:
            self._buckets[name] = GcsBucket(name, self._clock, self._folder / name if self._folder else None)
        return self._buckets[name]

    def parse(self, received: Received) -> Call:
        return _parse(received)

    def handle(self, call: Call, *, stale: bool) -> Answer:
        if self._token is not None and call.headers.get("authorization") != f"Bearer {self._token}":
            raise self.status_faults[FaultKind.UNAUTHORIZED]
        if call.operation == "create-bucket":
            bucket = self.create_bucket(str(_json(call.body).get("name", "")))
            return _json_answer({"kind": "storage#bucket", "name": bucket.name, "id": bucket.name})
        found = self._buckets.get(call.bucket)
        if found is None:
            raise GcsError(404, "notFound", "The specified bucket does not exist.")
        if call.operation == "get-bucket":
            return _json_answer({"kind": "storage#bucket", "name": found.name, "id": found.name})
        if call.operation == "list":
            return _listed(found, call.params, stale=stale)
        if call.operation == "upload":
            return _uploaded(found, call)
        if call.operation == "patch":
            changes = _json(call.body).get("metadata") or {}
            return _json_answer(found.patch(call.name, changes, call.params).resource(found.name))
        if call.operation == "delete":
            found.delete(call.name, call.params)
            return Answer(status=204)
        if call.operation == "get":
            item = found.get(call.name, call.params)
            media = call.kind == "download/" or call.params.get("alt") == "media"
            return _media(item) if media else _json_answer(item.resource(found.name))
        raise GcsError(501, "notImplemented", f"The sandbox does not do {call.operation}.")


def _parse(received: Received) -> Call:
    match, method, params = _ROUTE.fullmatch(received.path), received.method, received.params
    kind, bucket = (match["kind"], unquote(match["bucket"] or "")) if match else ("", "")
    name = unquote(match["name"] or "") if match else ""
    operation = f"{method} {received.path}"
    if match and not bucket:
        operation = {"POST": "create-bucket"}.get(method, operation)
    elif match and not match["objects"]:
        operation = {"GET": "get-bucket"}.get(method, operation)
    elif match and not name:
        operation = {"GET": "list", "POST": "upload" if kind == "upload/" else operation}.get(method, operation)
    elif match:
        operation = {"GET": "get", "DELETE": "delete", "PATCH": "patch"}.get(method, operation)
    return Call(
        operation=operation,
        kind=kind,
        bucket=bucket,
        name=name or params.get("name", ""),
        params=params,
        headers=received.headers,
        body=received.body,
    )


def _listed(bucket: GcsBucket, params: Mapping[str, str], *, stale: bool) -> Answer:
    prefix, delimiter = params.get("prefix", ""), params.get("delimiter", "")
    size = min(_MAX_PAGE, max(1, int(params.get("maxResults", _MAX_PAGE))))
    after = base64.urlsafe_b64decode(params["pageToken"]) if params.get("pageToken") else b""
    items: list[dict[str, Any]] = []
    folders: list[str] = []
    page: dict[str, Any] = {"kind": "storage#objects"}
    last = b""
    start = max(params.get("startOffset", "").encode(), prefix.encode(), after)
    end = params.get("endOffset", "").encode()
    ordered = bucket.list(stale=stale)  # by the bytes of the names, so that those with the prefix are together
    for item in islice(ordered, bisect_left(ordered, start, key=lambda item: item.name.encode()), None):
        entry = item.name
        if not entry.startswith(prefix) or (end and entry.encode() >= end):
            break
        if delimiter and delimiter in item.name[len(prefix) :]:
            entry = prefix + item.name[len(prefix) :].partition(delimiter)[0] + delimiter
        if entry.encode() <= after or entry in folders:
            continue
        if len(items) + len(folders) == size:
            page["nextPageToken"] = base64.urlsafe_b64encode(last).decode()
            break
        last = entry.encode()
        if entry == item.name:
            items.append(item.resource(bucket.name))
        else:
            folders.append(entry)
    return _json_answer(page | ({"items": items} if items else {}) | ({"prefixes": folders} if folders else {}))


def _uploaded(bucket: GcsBucket, call: Call) -> Answer:
    kind = call.params.get("uploadType", "")
    content_type = call.headers.get("content-type", "application/octet-stream")
    if kind == "media":
        name, data, fields = call.name, call.body, dict[str, Any]()
    elif kind == "multipart":
        fields, data, content_type = _split(call.body, content_type)
        name = call.name or str(fields.get("name", ""))
        content_type = str(fields.get("contentType", content_type))
    else:
        raise GcsError(501, "notImplemented", f"The sandbox does not do {kind or 'unnamed'} uploads.")
    said = fields.get("md5Hash")
    if said is not None and said != base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode():
        raise GcsError(400, "invalid", "Provided MD5 hash doesn't match the calculated one.")
    item = bucket.put(name, data, content_type, call.params, fields.get("metadata"))
    return _json_answer(item.resource(bucket.name))


def _split(body: bytes, content_type: str) -> tuple[dict[str, Any], bytes, str]:
    """Metadata, media and the media's type of a multipart/related body."""
    match = re.search(r"""boundary=["']?([^"';]+)""", content_type)  # gcloud quotes it with apostrophes
    parts = body.split(b"--" + match[1].encode()) if match else []
    if len(parts) != 4:
        raise GcsError(400, "badContent", "A multipart upload needs a metadata part and a media part.")
    _, metadata, media, _ = parts
    head, data = _headers_and_rest(media)
    media_type = re.search(rb"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
    end = b"\r\n" if data.endswith(b"\r\n") and b"\r\n" in head else b"\n"
    fields = _json(_headers_and_rest(metadata)[1])
    return fields, data.removesuffix(end), media_type[1].decode() if media_type else "application/octet-stream"


def _headers_and_rest(part: bytes) -> tuple[bytes, bytes]:
    """A part divided at its empty line. gcloud ends lines with a line feed only; rclone sends media without headers."""
    text = re.sub(rb"\A\r?\n", b"", part)
    empty = re.search(rb"(?:\A|\r?\n)\r?\n", text)
    return (text[: empty.end()], text[empty.end() :]) if empty else (text, b"")


def _json(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise GcsError(400, "parseError", "Parse Error") from error
    if not isinstance(fields, dict):
        raise GcsError(400, "parseError", "Parse Error")
    return fields


def _json_answer(fields: dict[str, Any]) -> Answer:
    return Answer(status=200, body=json.dumps(fields).encode())


def _media(item: GcsObject) -> Answer:
    hashes = f"md5={item.md5}" + (f",crc32c={item.crc32c}" if item.crc32c else "")
    headers = (
        ("x-goog-generation", str(item.generation)),
        ("x-goog-metageneration", str(item.metageneration)),
        ("x-goog-hash", hashes),
    )
    return Answer(status=200, body=item.data, content_type=item.content_type, headers=headers)
