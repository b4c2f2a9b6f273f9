"""The HTTP side that the sandbox's GitLab and Jenkins share: routes over the raw path, and faults on demand.

Routes match the path as it was sent, segment by segment: GitLab's clients write a project as `group%2Fproject`, which
is one segment, and a decoded path would have lost that.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `args` are the decoded variable segments of the path, `query` and `fields` the last value per name.

    `fields` is the body, from JSON or a form; header names are lower case.
    """

    method: str
    path: str
    args: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""

    def value(self, name: str, default: str = "") -> str:
        """A parameter from the body or else from the query, as text."""
        found = self.fields.get(name, self.query.get(name))
        return default if found is None else str(found)

    def flag(self, name: str) -> bool:
        return self.value(name).lower() in {"true", "1", "yes", "on"}

    def number(self, name: str, default: int) -> int:
        text = self.value(name)
        return int(text) if text.isascii() and text.isdigit() else default


Handler = Callable[[Call], "Response"]


@dataclass(kw_only=True)
class Fault:
    """Misbehaviour of the next `times` matching requests.

    `when` "before" answers instead of doing the work, "after" does the work and then loses the answer. With `status`
    None the real answer is kept (for `delay_s` and `truncate_at`). `truncate_at` cuts the body to that many bytes.
    """

    method: str = "*"
    path: str = ".*"
    times: int = 1
    status: int | None = None
    when: str = "before"
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    truncate_at: int | None = None

    def matches(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("*", method) and re.search(self.path, path) is not None


class Router:
    """An ASGI application made of routes; handlers run in worker threads and may block.

    `requests` remembers method and path of everything that was asked, for tests that count calls.
    """

    def __init__(self, *, not_found: Handler, guard: Callable[[Call], Response | None] | None = None) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._not_found = not_found
        self._guard = guard
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.requests: list[tuple[str, str]] = []

    def add(self, method: str, template: str, handler: Handler, **patterns: str) -> None:
        """A route: `{name}` stands for one segment, `{name*}` for the rest, or for what `patterns` gives for the name."""

        def group(match: re.Match[str]) -> str:
            name = match[1]
            return f"(?P<{name}>{patterns.get(name, '.+' if match[2] else '[^/]+')})"

        literal = template.replace(".", r"\.")
        pattern = re.sub(r"\{(\w+)(\*)?\}", group, literal)
        self._routes.append((method, re.compile(pattern + "/?"), handler))

    def inject(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def _take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.matches(method, path):
                    fault.times -= 1
                    return fault
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request

        request = Request(scope, receive)
        call = read_call(
            request.method,
            scope["raw_path"].decode("ascii"),
            scope["query_string"],
            request.headers,
            await request.body(),
        )
        fault = self._take_fault(call.method, call.path)
        response = await run_in_threadpool(self._answer, call, fault)
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        await response(scope, receive, send)

    def _answer(self, call: Call, fault: Fault | None) -> Response:
        from starlette.responses import Response

        spoilt = None
        if fault is not None and fault.status is not None:
            spoilt = Response(fault.body, status_code=fault.status, headers=dict(fault.headers))
            if fault.when == "before":
                return spoilt
        response = self._dispatch(call)
        if fault is not None and fault.truncate_at is not None:
            kept = bytes(response.body)[: fault.truncate_at]
            return Response(kept, status_code=response.status_code, media_type=response.media_type)
        return spoilt or response

    def _dispatch(self, call: Call) -> Response:
        refusal = self._guard(call) if self._guard else None
        if refusal is not None:
            return refusal
        for method, pattern, handler in self._routes:
            match = (
                pattern.fullmatch(call.path)
                if method == call.method or (method, call.method) == ("GET", "HEAD")
                else None
            )
            if match:
                args = {name: unquote(value) for name, value in match.groupdict().items()}
                return handler(
                    Call(
                        method=call.method,
                        path=call.path,
                        args=args,
                        query=call.query,
                        headers=call.headers,
                        fields=call.fields,
                        body=call.body,
                    )
                )
        return self._not_found(call)


def read_call(method: str, path: str, query: bytes, headers: Mapping[str, str], body: bytes) -> Call:
    """A `Call` from the parts of a request. A body that is not readable gives no fields."""
    return Call(
        method=method,
        path=path.partition("?")[0],
        query=_pairs(query.decode("ascii", "replace")),
        headers={name.lower(): value for name, value in headers.items()},
        fields=_fields(headers.get("content-type", ""), body),
        body=body,
    )


def _fields(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        try:
            parsed = json.loads(body or b"{}")
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}
    if content_type.startswith("application/x-www-form-urlencoded"):
        return _pairs(body.decode("utf-8", "replace"))
    return {}


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def paginate(items: Iterable[Any], page: int, per_page: int) -> tuple[list[Any], int]:
    """One page of `items` (pages count from 1) and the number of all."""
    everything = list(items)
    start = (page - 1) * per_page
    return everything[start : start + per_page], len(everything)
