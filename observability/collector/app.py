"""The collector as an ASGI application: addresses, verification, reading, recording, answering.

An event is acknowledged (2xx) when it is durable in the log and not before. The order of checks: address, method,
query, a way in that is configured, token, media type; only then the body is read; then its signature, its form.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

from headgate.clock import Clock, SystemClock
from headgate.errors import HeadgateError, LockHeldError
from headgate.secrets import mask
from observability.collector.answers import RETRY_AFTER_S, Answer, Refusal, Result, refusal, refuse
from observability.collector.body import BodyError, parse_body
from observability.collector.cdevents import media_type
from observability.collector.intake import Batch, Intake, Log
from observability.collector.model import Delivery, Hints, Ignored, Refused
from observability.collector.names import Names
from observability.collector.openapi import document
from observability.collector.request import Limits, Reader, Receive, Scope, Send, drain, read_headers, read_hints
from observability.collector.senders import SENDERS, Sender, translate
from observability.collector.storable import flaw_of
from observability.collector.verify import HEADERS, SIGNED, Doubt, Key, Scheme, chosen_key, verify

_log = logging.getLogger("headgate.collector")
_LARGE = 256 * 1024
_READY_S = 5.0
_PAGES = frozenset({"/healthz", "/readyz", "/openapi.json"})
_PATHS: Mapping[str, Sender] = {
    **{sender.path: sender for sender in SENDERS.values()},
    "/events": SENDERS["cdevents"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Who may come in: the keys of each sender. `unverified` lets those in that have none (tests on loopback)."""

    keys: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    unverified: bool = False

    def of(self, sender: Sender) -> tuple[Key, ...]:
        return tuple(key for key in self.keys.get(sender.name, ()) if key.secrets)


class Collector:
    """The application. Its paths are `/webhooks/SENDER`, `/events`, `/healthz`, `/readyz` and `/openapi.json`."""

    def __init__(
        self,
        log: Log,
        doors: Doors,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        names: Names | None = None,
    ) -> None:
        self._doors = doors
        self._names = names or Names()
        self._clock = clock or SystemClock()
        self._reader = Reader(limits or Limits())
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "headgate_collector_requests",
            "Requests to the event collector, by sender and by how they ended.",
            ["sender", "result"],
            registry=self.registry,
        )
        self._together = Histogram(
            "headgate_collector_commit_requests",
            "Requests whose events were committed in one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self.registry,
        )
        self._intake = Intake(log, self._together.observe)

    @property
    def waiting(self) -> int:
        """How many requests wait for the next transaction."""
        return self._intake.waiting

    def knows(self, path: str) -> bool:
        """Whether a path belongs to the collector."""
        return path in _PATHS or path in _PAGES or path.startswith("/webhooks/") or path == "/webhooks"

    def count(self, sender: str, result: Result) -> None:
        """Count a request; also for those that end before they reach the application."""
        self._requests.labels(sender, result.value).inc()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in _PAGES:
            await _send_page(self, scope, receive, send)
            return
        sender = _PATHS.get(scope["path"])
        try:
            answer = await self._take(sender, scope, receive)
        except Refusal as refused:
            answer = refused.answer
        self.count(sender.name if sender else "unknown", answer.result)
        await _respond(answer, receive, send)

    async def _take(self, sender: Sender | None, scope: Scope, receive: Receive) -> Answer:
        if sender is None:
            raise refuse(Result.PATH, f"webhooks go to {', '.join(_PATHS)}", unread=True)
        if scope["method"] != "POST":
            raise refuse(Result.METHOD, "webhooks are sent with POST", unread=True, allow="POST")
        hints = read_hints(scope.get("query_string", b""))
        headers = read_headers(scope)
        key = self._key(sender, headers)
        if key is not None and key.scheme not in SIGNED:
            self._verify(key, headers, b"")
        _check_media_type(sender, headers)
        body = await self._reader.read(receive, headers.get("content-length"))
        if key is not None and key.scheme in SIGNED:
            self._verify(key, headers, body)
        delivery_of = (sender, headers, body, hints, self._clock)
        # A large body is read in a thread, so that others need not wait for it.
        told = await asyncio.to_thread(_read, *delivery_of) if len(body) > _LARGE else _read(*delivery_of)
        return told if isinstance(told, Answer) else await self._record(tuple(map(self._names.rename, told)))

    def _key(self, sender: Sender, headers: Mapping[str, str]) -> Key | None:
        """The way in that the request tries; None where none is needed. Raises `Refusal`."""
        keys = self._doors.of(sender)
        if not keys:
            if self._doors.unverified:
                return None
            names = " or ".join(name for _, name in sender.keys)
            raise _unauthorised(sender, f"this collector has no {names} and takes nothing from {sender.title}")
        key = chosen_key(keys, headers)
        if key is None:
            wanted = " or ".join(HEADERS[key.scheme] for key in keys)
            raise _unauthorised(sender, f"the header {wanted} is missing")
        return key

    def _verify(self, key: Key, headers: Mapping[str, str], body: bytes) -> None:
        doubt = verify(key, headers, body, self._clock.now())
        unread = key.scheme not in SIGNED
        if doubt is Doubt.REPLAYED:
            raise refuse(Result.REPLAYED, "the webhook-timestamp is more than 5 minutes from now", unread=unread)
        if doubt is not None:
            raise refuse(
                Result.UNAUTHORISED,
                f"the {HEADERS[key.scheme]} is not right",
                unread=unread,
                **_challenge(key.scheme),
            )

    async def _record(self, events: Batch) -> Answer:
        try:
            new = await self._intake.record(events)
        except LockHeldError as error:
            _log.warning("%s", error)
            return refusal(Result.BUSY, "the event store is busy; send the webhook again")
        except HeadgateError as error:
            # The details (paths) are for the log of the server, not for whoever may send webhooks.
            _log.warning("%s", mask(str(error)))
            return refusal(Result.STORE, "the event store cannot be written now; send the webhook again")
        result = Result.RECORDED if new else Result.KNOWN
        body = {"status": result.value, "id": events[0].id, "events": len(events), "new": new}
        return Answer(result=result, body=body)

    async def ready(self) -> Answer:
        """Whether the log can be read."""
        try:
            async with asyncio.timeout(_READY_S):
                await self._intake.readable()
        except (HeadgateError, TimeoutError):
            return refusal(Result.STORE, "the event store cannot be read now")
        return Answer(result=Result.KNOWN, body={"status": "ready"})


def _read(sender: Sender, headers: Mapping[str, str], body: bytes, hints: Hints, clock: Clock) -> Batch | Answer:
    """The events that a body tells, or the answer where there are none."""
    try:
        parsed = parse_body(body)
    except BodyError as error:
        return refusal(Result(error.flaw.value), str(error))
    told = translate(sender, Delivery(body=parsed, headers=headers, hints=hints, received_at=clock.now()))
    if isinstance(told, Ignored):
        return Answer(result=Result.IGNORED, body={"status": "ignored", "reason": told.reason})
    if isinstance(told, Refused):
        return refusal(Result.MALFORMED, told.reason)
    flaw = next((flaw for event in told.events if (flaw := flaw_of(event)) is not None), None)
    return told.events if flaw is None else refusal(Result.MALFORMED, flaw)


def _check_media_type(sender: Sender, headers: Mapping[str, str]) -> None:
    wanted = " or ".join(sender.media_types)
    if media_type(headers) not in sender.media_types:
        raise refuse(Result.MEDIA_TYPE, f"send {wanted}", unread=True, accept=", ".join(sender.media_types))
    charset = re.search(r"charset=\"?([^\s;\"]+)", headers["content-type"], re.IGNORECASE)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise refuse(Result.MEDIA_TYPE, "send it as UTF-8", unread=True)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise refuse(Result.MEDIA_TYPE, "send it without Content-Encoding", unread=True)


def _unauthorised(sender: Sender, text: str) -> Refusal:
    return refuse(Result.UNAUTHORISED, text, unread=True, **_challenge(sender.keys[0][0]))


def _challenge(scheme: Scheme) -> dict[str, str]:
    """HTTP wants every 401 to say how to do it; only one of the schemes is HTTP's own."""
    return {"www_authenticate": "Bearer" if scheme is Scheme.BEARER else f'Webhook header="{HEADERS[scheme]}"'}


async def _respond(answer: Answer, receive: Receive, send: Send) -> None:
    body = answer.encoded()
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers(len(body))})
    await send({"type": "http.response.body", "body": body, "more_body": answer.unread})
    if answer.unread:  # all of the answer is out; what is still coming in is thrown away for a while
        await drain(receive)
        await send({"type": "http.response.body", "body": b""})


async def _page(collector: Collector, path: str) -> tuple[int, str, bytes]:
    if path == "/healthz":
        return 200, "text/plain; charset=utf-8", b"ok\n"
    if path == "/openapi.json":
        return 200, "application/json", json.dumps(document()).encode()
    answer = await collector.ready()
    return answer.status, "application/json", answer.encoded()


async def _send_page(collector: Collector, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        await _respond(refusal(Result.METHOD, "this is a page", unread=True, allow="GET, HEAD"), receive, send)
        return
    status, kind, body = await _page(collector, scope["path"])
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
