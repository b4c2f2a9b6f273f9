"""`gs://` buckets, over the JSON API of Cloud Storage.

A thin client of our own, because it is the fastest with full semantics: generation preconditions on every write and
delete, hashes and generations from the listing, keyless credentials through google-auth. As with Google's clients,
STORAGE_EMULATOR_HOST names another server, which is then used without credentials. As with gcloud,
CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE names another (private) endpoint of the real one, which is given credentials.

https://cloud.google.com/storage/docs/json_api/v1/objects and .../request-preconditions
"""

from __future__ import annotations

import hashlib
import os
import random
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from cicd.dags.gcs_auth import Credentials, default_credentials
from cicd.dags.gcs_errors import RETRIED, mapped_response, mapped_transport, unreadable
from cicd.dags.model import StoredObject
from cicd.dags.http1 import Answer, WireError
from cicd.dags.wire import Wire
from headgate.clock import Clock, SystemClock
from headgate.errors import ConflictError

PUBLIC_URL = "https://storage.googleapis.com"
_ATTEMPTS = 5
_FIELDS_OF_ONE = "name,size,md5Hash,generation,updated,contentEncoding"
_FIELDS = f"items({_FIELDS_OF_ONE}),nextPageToken"
_PAGE = 1000  # the API's own maximum
_PLAIN = "/(),"  # means nothing in a query


class _Resource(BaseModel):
    name: str
    size: int = 0
    generation: int
    md5Hash: str | None = None  # noqa: N815 - Google's name
    updated: datetime | None = None
    contentEncoding: str | None = None  # noqa: N815 - Google's name


class _Page(BaseModel):
    items: tuple[_Resource, ...] = ()
    nextPageToken: str | None = None  # noqa: N815 - Google's name


_AnyModel = TypeVar("_AnyModel", bound=BaseModel)


class GcsStore:
    """A bucket of Cloud Storage.

    `timeout_s` bounds each attempt. 408, 429, 5xx and lost connections are repeated up to five times with growing,
    jittered pauses: every request is a read or carries a precondition, so a repeat cannot do harm. `credentials` None
    uses the application default credentials, or nothing with an emulator.
    """

    def __init__(
        self,
        bucket: str,
        *,
        timeout_s: float = 30.0,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        base = (emulator if "://" in emulator else f"http://{emulator}") if emulator else _public_url()
        self._bucket = bucket
        self._where = f"gs://{bucket}"
        self._credentials = credentials or default_credentials(anonymous=bool(emulator))
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._objects = f"/storage/v1/b/{quote(bucket, safe='')}/o"
        self._wire = Wire(base, timeout_s=timeout_s)

    def close(self) -> None:
        self._wire.close()

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        found: list[StoredObject] = []
        params: dict[str, object] = {"prefix": prefix, "maxResults": _PAGE, "fields": _FIELDS, "prettyPrint": "false"}
        while True:
            answer, _ = self._send("storage.objects.list", "GET", self._objects, params=params)
            page = self._parse(_Page, answer)
            found += [_stored(item) for item in page.items]
            if not page.nextPageToken:
                return tuple(sorted(found, key=lambda item: item.path))
            params = {**params, "pageToken": page.nextPageToken}

    def read(self, path: str) -> tuple[bytes, int] | None:
        answer, _ = self._send("storage.objects.get", "GET", self._object(path), params={"alt": "media"})
        if answer.status == 404:
            return None
        try:
            return answer.content, int(answer.headers["x-goog-generation"])
        except (KeyError, ValueError) as error:
            raise unreadable(answer, self._where) from error

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        answer, attempts = self._send(
            "storage.objects.create" if if_generation == 0 else "storage.objects.create and storage.objects.delete",
            "POST",
            f"/upload{self._objects}",
            params={
                "uploadType": "media",
                "name": path,
                "ifGenerationMatch": if_generation,
                "fields": _FIELDS_OF_ONE,
                "prettyPrint": "false",
            },
            body=data,
            content_type="text/x-python" if path.endswith(".py") else "application/octet-stream",
        )
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if answer.status == 412:
            there = self._metadata(path)
            # The answer to an earlier attempt was lost: the object that is in the way is our own.
            if attempts > 1 and there is not None and there.md5 == digest:
                return there
            raise self._conflict(path, if_generation)
        stored = _stored(self._parse(_Resource, answer))
        if stored.md5 != digest:
            raise unreadable(answer, self._where)
        return stored

    def delete(self, path: str, *, if_generation: int) -> None:
        answer, _ = self._send(
            "storage.objects.delete", "DELETE", self._object(path), params={"ifGenerationMatch": if_generation}
        )
        if answer.status == 412:
            raise self._conflict(path, if_generation)

    def _metadata(self, path: str) -> StoredObject | None:
        answer, _ = self._send("storage.objects.get", "GET", self._object(path), params={"prettyPrint": "false"})
        if answer.status == 404:
            return None
        return _stored(self._parse(_Resource, answer))

    def _object(self, path: str) -> str:
        return f"{self._objects}/{quote(path, safe='')}"

    def _send(
        self,
        permission: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, object],
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> tuple[Answer, int]:
        """The answer and the number of attempts. 404 of an object and 412 are answers, anything else above 399 raises."""
        target = f"{path}?{_query(params)}"
        fixed = {"Content-Type": content_type} if content_type else {}
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            proof = self._credentials.headers()
            try:
                answer = self._wire.request(method, target, headers={**fixed, **proof}, body=body)
            except WireError as error:
                if last:
                    raise mapped_transport(error, self._where, self._wire.url) from error
                self._pause(attempt, {})
                continue
            if answer.status == 401 and attempt == 1:
                self._credentials.renew(proof)
                continue
            if answer.status in RETRIED and not last:
                self._pause(attempt, answer.headers)
                continue
            break
        object_answer = {412} | ({404} if f"{self._objects}/" in path else set())
        if answer.ok or answer.status in object_answer:
            return answer, attempt
        raise mapped_response(answer, permission, self._where)

    def _pause(self, attempt: int, headers: Mapping[str, str]) -> None:
        """Full jitter below 0.2, 0.4, 0.8, 1.6 s; a Retry-After in seconds is honoured up to 10 s."""
        asked = headers.get("retry-after", "")
        floor = min(10.0, float(asked)) if asked.isdigit() else 0.0
        self._clock.sleep(floor + self._jitter() * 0.1 * 2**attempt)

    def _parse(self, kind: type[_AnyModel], answer: Answer) -> _AnyModel:
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            raise unreadable(answer, self._where) from error

    def _conflict(self, path: str, if_generation: int) -> ConflictError:
        return ConflictError(
            f"{path!r} is not of generation {if_generation} any more: somebody else changed it first",
            where=self._where,
            next_step="Run the command again; it starts from what is there now.",
        )


def _query(params: Mapping[str, object]) -> str:
    return "&".join(f"{key}={quote(str(value), safe=_PLAIN)}" for key, value in params.items())


def _stored(item: _Resource) -> StoredObject:
    return StoredObject(
        path=item.name,
        size=item.size,
        md5=b64decode(item.md5Hash).hex() if item.md5Hash else None,
        generation=item.generation,
        updated=item.updated,
        encoding=item.contentEncoding,
    )


def _public_url() -> str:
    """Google's endpoint, or the one that gcloud's users put in its place, with or without the API's path."""
    other = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "").rstrip("/")
    return other.removesuffix("/storage/v1") or PUBLIC_URL
