"""The JSON API of Cloud Storage: which requests get a thing done, what their answers mean, and what is tried again.

https://cloud.google.com/storage/docs/json_api/v1/objects and .../request-preconditions
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from cicd.dags.http.answers import RETRIED, Answer, WireError
from cicd.dags.http.talk import Ask, Pause, Talk
from cicd.dags.model import StoredObject
from cicd.dags.stores.gcs_auth import Credentials
from cicd.dags.stores.gcs_errors import mapped_response, mapped_transport, unreadable
from headgate.errors import ConflictError

_ATTEMPTS = 5
_FIELDS_OF_ONE = "name,size,md5Hash,generation,updated,contentEncoding"
_FIELDS = f"items({_FIELDS_OF_ONE}),nextPageToken"
_PAGE = 1000  # the API's own maximum
_PLAIN = "/(),"  # means nothing in a query
_SAFE = re.compile(r"[A-Za-z0-9_.~/(),-]+").fullmatch


class _Resource(Struct):
    name: str
    generation: int
    size: int = 0
    md5Hash: str | None = None  # noqa: N815 - Google's name
    updated: datetime | None = None
    contentEncoding: str | None = None  # noqa: N815 - Google's name


class _Page(Struct):
    items: tuple[_Resource, ...] = ()
    nextPageToken: str | None = None  # noqa: N815 - Google's name


_Parsed = TypeVar("_Parsed")
# Not strict: Google writes 64-bit numbers as text.
_RESOURCE = Decoder(_Resource, strict=False)
_PAGES = Decoder(_Page, strict=False)


class GcsTalks:
    """What is said to one bucket at `url`. 408, 429, 5xx and lost connections are repeated up to five times.

    Every request is a read or carries a precondition, so a repeat cannot do harm. `where` names the bucket in errors.
    """

    def __init__(self, bucket: str, *, url: str, credentials: Credentials, jitter: Callable[[], float]) -> None:
        self._where = f"gs://{bucket}"
        self._url = url
        self._credentials = credentials
        self._jitter = jitter
        self._objects = f"/storage/v1/b/{quote(bucket, safe='')}/o"

    def list(self, prefix: str, start: str | None = None, end: str | None = None) -> Talk[list[StoredObject]]:
        """Objects with `prefix`, from the name `start` on and before the name `end`, page by page."""
        found: list[StoredObject] = []
        params = {"prefix": prefix, "maxResults": _PAGE, "fields": _FIELDS, "prettyPrint": "false"}
        params |= {"startOffset": start} if start is not None else {}
        params |= {"endOffset": end} if end is not None else {}
        while True:
            ask = Ask("GET", f"{self._objects}?{_query(params)}")
            answer, _ = yield from self._send("storage.objects.list", ask)
            page: _Page = self._parse(_PAGES, answer)
            found += [self._stored(item, answer) for item in page.items]
            if not page.nextPageToken:
                return found
            params["pageToken"] = page.nextPageToken

    def read(self, path: str) -> Talk[tuple[bytes, int] | None]:
        answer, _ = yield from self._send("storage.objects.get", Ask("GET", f"{self._object(path)}?alt=media"))
        if answer.status == 404:
            return None
        try:
            return answer.content, int(answer.headers["x-goog-generation"])
        except (KeyError, ValueError) as error:
            raise unreadable(answer, self._where) from error

    def write(self, path: str, data: bytes, md5: str, if_generation: int) -> Talk[StoredObject]:
        """`md5` is the hash of `data`."""
        ask = Ask(
            "POST",
            f"/upload{self._objects}?uploadType=media&name={path if _SAFE(path) else quote(path, safe=_PLAIN)}"
            f"&ifGenerationMatch={if_generation}&fields={_FIELDS_OF_ONE}",
            f"Content-Type: {'text/x-python' if path.endswith('.py') else 'application/octet-stream'}\r\n",
            data,
        )
        create = "storage.objects.create"
        answer, attempts = yield from self._send(
            create if if_generation == 0 else f"{create} and storage.objects.delete", ask
        )
        if answer.status == 412:
            there = yield from self._metadata(path)
            # The answer to an earlier attempt was lost: the object that is in the way is our own.
            if attempts > 1 and there is not None and there.md5 == md5:
                return there
            raise self._conflict(path, if_generation)
        stored = self._stored(self._parse(_RESOURCE, answer), answer)
        if stored.md5 != md5:
            raise unreadable(answer, self._where)
        return stored

    def delete(self, path: str, if_generation: int) -> Talk[None]:
        ask = Ask("DELETE", f"{self._object(path)}?ifGenerationMatch={if_generation}")
        answer, _ = yield from self._send("storage.objects.delete", ask)
        if answer.status == 412:
            raise self._conflict(path, if_generation)

    def _metadata(self, path: str) -> Talk[StoredObject | None]:
        ask = Ask("GET", f"{self._object(path)}?prettyPrint=false")
        answer, _ = yield from self._send("storage.objects.get", ask)
        if answer.status == 404:
            return None
        return self._stored(self._parse(_RESOURCE, answer), answer)

    def _object(self, path: str) -> str:
        return f"{self._objects}/{quote(path, safe='')}"

    def _send(self, permission: str, ask: Ask) -> Talk[tuple[Answer, int]]:
        """The answer and the number of attempts.

        404 of an object and 412 are answers, anything else above 399 raises.
        """
        attempt, renewed = 0, False
        while True:
            attempt += 1
            last = attempt == _ATTEMPTS
            proof = self._credentials.headers()
            fields = "".join([f"{key}: {value}\r\n" for key, value in proof.items()])
            answer = yield Ask(ask.method, ask.target, ask.fields + fields, ask.body) if proof else ask
            if not isinstance(answer, Answer):
                if last:
                    raise mapped_transport(answer or WireError(), self._where, self._url) from answer
                yield self._pause(attempt, {})
            elif answer.status == 401 and not renewed and not last:
                self._credentials.renew(proof)
                renewed = True
            elif answer.status in RETRIED and not last:
                yield self._pause(attempt, answer.headers)
            elif self._is_answer(answer, ask):
                return answer, attempt
            else:
                raise mapped_response(answer, permission, self._where)

    def _is_answer(self, answer: Answer, ask: Ask) -> bool:
        return (
            answer.ok or answer.status == 412 or (answer.status == 404 and ask.target.startswith(f"{self._objects}/"))
        )

    def _pause(self, attempt: int, headers: Mapping[str, str]) -> Pause:
        """Full jitter below 0.2, 0.4, 0.8, 1.6 s; a Retry-After in seconds is honoured up to 10 s."""
        asked = headers.get("retry-after", "")
        floor = min(10.0, float(asked)) if asked.isdecimal() and asked.isascii() else 0.0
        return Pause(floor + self._jitter() * 0.1 * 2**attempt)

    def _parse(self, decoder: Decoder[_Parsed], answer: Answer) -> _Parsed:
        try:
            return decoder.decode(answer.content)
        except (MsgspecError, ValueError) as error:
            raise unreadable(answer, self._where) from error

    def _stored(self, item: _Resource, answer: Answer) -> StoredObject:
        try:
            md5 = a2b_base64(item.md5Hash).hex() if item.md5Hash else None
        except (Base64Error, ValueError) as error:
            raise unreadable(answer, self._where) from error
        return StoredObject(
            path=item.name,
            size=item.size,
            md5=md5,
            generation=item.generation,
            updated=item.updated,
            encoding=item.contentEncoding,
        )

    def _conflict(self, path: str, if_generation: int) -> ConflictError:
        return ConflictError(
            f"{path!r} is not of generation {if_generation} any more: somebody else changed it first",
            where=self._where,
            next_step="Run the command again; it starts from what is there now.",
        )


def _query(params: Mapping[str, Any]) -> str:
    return "&".join(f"{key}={quote(str(value), safe=_PLAIN)}" for key, value in params.items())
