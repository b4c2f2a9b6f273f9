"""Trino's statement protocol on loopback: every statement is answered at once, by a function of its text.

https://trino.io/docs/current/develop/client-protocol.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Rows = tuple[list[tuple[str, str]], list[list[Any]]]
"""Columns (name, type) and rows."""


@dataclass
class Trino:
    """What the stand-in answers, and what it was asked."""

    rows: Callable[[str], Rows] = lambda _: ([], [])
    error: dict[str, Any] | None = None
    """`error` of every answer, where not None: message, errorName, errorType."""
    status: int = 200
    port: int = 0
    statements: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, sql: str) -> dict[str, Any]:
        self.statements.append(sql)
        found: dict[str, Any] = {
            "id": f"query_{len(self.statements)}",
            "infoUri": f"http://127.0.0.1:{self.port}/ui",
            "stats": {"state": "FAILED" if self.error else "FINISHED"},
            "warnings": [],
        }
        if self.error is not None:
            return {**found, "error": {"errorCode": 1, "failureInfo": {"type": "x"}, **self.error}}
        columns, rows = self.rows(sql)
        described = [{"name": name, "type": kind, "typeSignature": signature(kind)} for name, kind in columns]
        return {**found, "columns": described, "data": rows}


def signature(kind: str) -> dict[str, Any]:
    """`decimal(38,0)` as the protocol spells types out; a varchar without a length has the largest."""
    raw, _, arguments = kind.partition("(")
    numbers = [int(part) for part in arguments.rstrip(")").split(",") if part] or (
        [2147483647] if raw == "varchar" else []
    )
    return {"rawType": raw, "arguments": [{"kind": "LONG", "value": number} for number in numbers]}


@contextmanager
def trino_stand_in() -> Iterator[Trino]:
    """Running until the end of the block."""
    state = Trino()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.headers = dict(self.headers.items())
            sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(state.answer(sql))

        def do_DELETE(self) -> None:
            self._send({})

        def _send(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
