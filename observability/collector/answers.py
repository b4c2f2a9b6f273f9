"""What the collector answers: one table of results, their status codes, and the response itself. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """How a request ended; the label `result` of the metric has these values and no others."""

    RECORDED = "recorded"
    KNOWN = "known"
    IGNORED = "ignored"
    MALFORMED = "malformed"
    ENCODING = "encoding"
    TOO_DEEP = "too_deep"
    QUERY = "query"
    UNAUTHORISED = "unauthorised"
    REPLAYED = "replayed"
    PATH = "path"
    METHOD = "method"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    PROTOCOL = "protocol"
    DISCONNECTED = "disconnected"
    STORE = "store"
    BUSY = "busy"


STATUS: Mapping[Result, int] = {
    Result.RECORDED: 202,
    Result.KNOWN: 200,
    Result.IGNORED: 200,
    Result.MALFORMED: 400,
    Result.ENCODING: 400,
    Result.TOO_DEEP: 400,
    Result.QUERY: 400,
    Result.UNAUTHORISED: 401,
    Result.REPLAYED: 401,
    Result.PATH: 404,
    Result.METHOD: 405,
    Result.TIMEOUT: 408,
    Result.TOO_LARGE: 413,
    Result.MEDIA_TYPE: 415,
    Result.PROTOCOL: 400,
    Result.DISCONNECTED: 400,  # nobody is there to read it
    Result.STORE: 503,
    Result.BUSY: 503,
}

RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response. `unread` says that the request's body was not read to its end, so that the connection ends."""

    result: Result
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()
    unread: bool = False

    @property
    def status(self) -> int:
        return STATUS[self.result]

    def encoded(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def raw_headers(self, length: int) -> list[tuple[bytes, bytes]]:
        found = [
            ("content-type", "application/json"),
            ("content-length", str(length)),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            *self.headers,
        ]
        if self.status == 503:
            found.append(("retry-after", str(RETRY_AFTER_S)))
        if self.unread:
            found.append(("connection", "close"))
        return [(name.encode(), value.encode()) for name, value in found]


def refusal(result: Result, text: str, *, unread: bool = False, **headers: str) -> Answer:
    """An answer that says what is wrong; `headers` with `_` for `-`."""
    more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(
        result=result, body={"status": "refused", "reason": result.value, "error": text}, headers=more, unread=unread
    )


class Refusal(Exception):  # noqa: N818 - a way out, not a defect
    """A request that goes no further."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.get("error", ""))
        self.answer = answer


def refuse(result: Result, text: str, *, unread: bool = False, **headers: str) -> Refusal:
    """As `refusal`, to be raised."""
    return Refusal(refusal(result, text, unread=unread, **headers))
