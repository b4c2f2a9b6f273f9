"""What the object storage stand-ins have in common: receiving a request, spoiling it when scripted, answering."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import parse_qsl

from cicd.sandbox.answers import Answer, hang_up, reply
from cicd.sandbox.object_faults import Fault, FaultKind, FaultScript, Request
from cicd.sandbox.server import AppServer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class StoreError(Exception, ABC):
    """An error of the storage, which knows its own answer."""

    @abstractmethod
    def answer(self) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, parsed as far as every operation needs. `kind` is the API's own prefix of the path, if it has one."""

    operation: str
    bucket: str
    name: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A whole HTTP request. `path` as sent, because names contain encoded slashes and percent signs; header names lower."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class ObjectSandbox(ABC):
    """A storage on a loopback port. `latency_s` delays every answer; `faults` scripts failures, records requests."""

    status_faults: ClassVar[Mapping[FaultKind, StoreError]]

    def __init__(self, *, name: str, latency_s: float, port: int) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:  # uvicorn takes a bound method for ASGI 2
            await self._serve(scope, receive, send)

        self._server = AppServer(app, name=name, port=port)
        self.latency_s = latency_s
        self.faults = FaultScript()

    @abstractmethod
    def parse(self, received: Received) -> Call:
        """Which operation on what; never fails, an unknown operation is answered by `handle`."""

    @abstractmethod
    def handle(self, call: Call, *, stale: bool) -> Answer:
        """Carry the operation out; `stale` answers a listing from before the last change. Raises `StoreError`."""

    @property
    def url(self) -> str:
        """What the clients' variable for another server has to be."""
        return self._server.url

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

    def respond(self, received: Received) -> tuple[Answer, Fault | None]:
        """The answer, and what is wrong with it: the caller resets the connection or cuts the answer short."""
        call = self.parse(received)
        fault = self.faults.take(Request(operation=call.operation, name=call.name or call.params.get("prefix", "")))
        return self._answer(call, fault), fault

    def _answer(self, call: Call, fault: Fault | None) -> Answer:
        """A fault "before" prevents the effect, a fault "after" only replaces the answer."""
        spoiled = self.status_faults.get(fault.kind) if fault else None
        try:
            if fault and fault.when == "before" and (spoiled or fault.kind is FaultKind.RESET):
                raise spoiled or self.status_faults[FaultKind.UNAVAILABLE]  # after a reset nobody reads it
            answer = self.handle(call, stale=fault is not None and fault.kind is FaultKind.STALE)
            if spoiled:
                raise spoiled
        except StoreError as error:
            return error.answer()
        return answer

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
        received = Received(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "replace").partition("?")[0],
            params=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers={key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]},
            body=bytes(body),
        )
        answer, fault = self.respond(received)
        if fault is not None and fault.kind is FaultKind.RESET:
            await hang_up(receive, send)
        elif fault is not None and fault.kind is FaultKind.TRUNCATE:
            await reply(send, answer, whole=False)
            await hang_up(receive, send)
        else:
            await reply(send, answer)
