"""`POST /events`: taking in one CDEvent. An acknowledged event is durable; nothing else changes the log."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import ConfigError, HeadgateError
from headgate.secrets import Secret, mask
from observability.cdevents import parse_event_text

if TYPE_CHECKING:
    from observability.store import EventStore

MAX_BODY = 256 * 1024
_TYPES = ("application/cloudevents+json", "application/json")


class _Refusal(Exception):  # noqa: N818 - a way out, not a defect
    def __init__(self, status: int, result: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.result = result


class EventCollector:
    """Takes events in from other tools.

    Without a configured token every request is refused: an open collector would let anybody write the metrics.
    Answers: 202 recorded, 200 known before, 400 not an event, 401 token, 413 too large, 415 type, 503 try again.
    """

    def __init__(self, store: EventStore, token: Secret | None) -> None:
        self._store = store
        self._token = token
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "headgate_collector_requests", "Requests to the event collector.", ["result"], registry=self.registry
        )

    async def handle(self, request: Request) -> Response:
        try:
            status, result, body = await self._take(request)
        except _Refusal as refusal:
            status, result, body = refusal.status, refusal.result, {"error": str(refusal)}
        self._requests.labels(result).inc()
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "2"} if status == 503 else None
        return JSONResponse(body, status_code=status, headers=headers)

    async def _take(self, request: Request) -> tuple[int, str, dict[str, object]]:
        _authorise(request.headers.get("authorization", ""), self._token)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _TYPES:
            raise _Refusal(415, "type", f"send {' or '.join(_TYPES)}")
        text = _decode(await _read(request))
        try:
            event = parse_event_text(text)
        except ConfigError as error:
            raise _Refusal(400, "malformed", mask(str(error))) from error
        try:
            new = await run_in_threadpool(self._store.append, [event])
        except HeadgateError as error:
            # The details (paths) are for the log of the server, not for whoever may post events.
            raise _Refusal(503, "store", "the event store cannot be written now; send the event again") from error
        if new:
            return 202, "recorded", {"status": "recorded", "id": event.id}
        return 200, "duplicate", {"status": "known", "id": event.id}


def _authorise(header: str, token: Secret | None) -> None:
    if token is None:
        raise _Refusal(401, "unauthorised", "this collector has no HEADGATE_COLLECTOR_TOKEN and takes no events")
    scheme, _, given = header.partition(" ")
    matches = hmac.compare_digest(given.strip().encode(), token.reveal().encode())
    if scheme.lower() != "bearer" or not matches:
        raise _Refusal(401, "unauthorised", "send the collector's token as `Authorization: Bearer ...`")


async def _read(request: Request) -> bytes:
    """The body, at most `MAX_BODY` bytes of it ever in memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise _Refusal(413, "too_large", f"an event has at most {MAX_BODY} bytes")
    return bytes(body)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refusal(400, "malformed", "the body is not UTF-8") from error
