"""Answers of the object storage stand-ins, whole or spoiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. `body` is left out of the answer to a HEAD, its length is not."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


async def reply(send: Send, answer: Answer, *, whole: bool = True) -> None:
    headers = [(b"content-length", str(len(answer.body)).encode()), (b"content-type", answer.content_type.encode())]
    headers += [(key.encode(), value.encode()) for key, value in answer.headers]
    if answer.status in {204, 304}:
        headers = headers[2:]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if whole:
        await send({"type": "http.response.body", "body": answer.body})
    else:
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})


async def hang_up(receive: Receive, send: Send) -> None:
    """Close the connection. ASGI has no word for that, so the transport is taken from uvicorn's request cycle."""
    send.__self__.transport.close()  # type: ignore[attr-defined]
    while (await receive())["type"] != "http.disconnect":
        pass
