"""From HTTP to handlers and back, with the gateway's own habits: its content-type rule comes before everything else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cicd.sandbox.argocd.wire import ApiError, Code, invalid
from cicd.sandbox.kubernetes.cluster import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: path parameters, query, the parsed JSON body (None without one), and the Authorization header."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    authorization: str | None

    @property
    def fields(self) -> Object:
        """The body as an object. Raises `ApiError` (code 3) when it is something else."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise invalid("json: cannot unmarshal the body into an object")
        return self.body

    def text(self, name: str) -> str:
        """A text field of the body, "" when missing. Raises `ApiError` (code 3) for another type."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"json: cannot unmarshal field {name} into a string")
        return value or ""

    @property
    def project(self) -> str:
        """The project that the caller named, in the query or in the body."""
        body = self.body if isinstance(self.body, dict) else {}
        return self.query.get("project") or str(body.get("project") or "")


Handler = Callable[[Call], Any]


def route(method: str, path: str, handler: Handler) -> Route:
    """A route whose handler runs in a worker thread (it may read Git) and answers JSON, or any response as it is."""

    async def endpoint(request: Request) -> Response:
        try:
            call = Call(
                path=request.path_params,
                query=dict(request.query_params),
                body=parse_body(await request.body()),
                authorization=request.headers.get("authorization"),
            )
            answer = await run_in_threadpool(handler, call)
        except ApiError as error:
            return JSONResponse(error.body, status_code=error.status)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return Route(path, endpoint, methods=[method])


def parse_body(content: bytes) -> Any:
    """The JSON of a request body; None for an empty one. Raises `ApiError` (code 3) in the words of Go's decoder."""
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        text = content.decode("utf-8", "replace")
        at = min(getattr(error, "pos", 0), len(text) - 1)
        place = "object key string" if text.lstrip().startswith("{") else "value"
        raise invalid(f"invalid character '{text[at]}' looking for beginning of {place}") from error


class ContentTypeRule:
    """Everything but GET needs `Content-Type: application/json`, also without a body; else 415 in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            headers = dict(scope["headers"])
            kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
            if kind != "application/json":
                await PlainTextResponse("Invalid content type\n", status_code=415)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return PlainTextResponse("Not Found\n", status_code=404)
    return JSONResponse(ApiError(Code.UNIMPLEMENTED, "Method Not Allowed").body, status_code=501)


def application(routes: list[Route]) -> ASGIApp:
    """The ASGI application over these routes."""
    return ContentTypeRule(Starlette(routes=routes, exception_handlers={HTTPException: _refused}))
