"""BigQuery's REST interface on loopback, as far as a dry run, a query and the description of a table go.

It computes nothing: `bytes_read` says what a query would cost and `rows` what it returns, by a function of its text.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Rows = tuple[list[tuple[str, str]], list[list[Any]]]
"""Columns (name, type) and rows of text."""


@dataclass
class BigQuery:
    """What the stand-in answers, and what it was asked."""

    schema: list[tuple[str, str]] = field(default_factory=list)
    bytes_read: Callable[[str], int] = lambda _: 0
    statement: Callable[[str], str] = lambda _: "SELECT"
    rows: Callable[[str], Rows] = lambda _: ([], [])
    error: tuple[int, str, str] | None = None
    """Status, reason and message of every answer, where not None."""
    url: str = ""
    dry: list[str] = field(default_factory=list)
    run: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)

    def insert(self, body: dict[str, Any]) -> dict[str, Any]:
        """`jobs.insert`."""
        configuration = body["configuration"]
        sql = configuration["query"]["query"]
        dry = bool(configuration.get("dryRun"))
        if dry:
            self.dry.append(sql)
        else:
            self.run.append(configuration)
            self.jobs[body["jobReference"]["jobId"]] = sql
        read = str(self.bytes_read(sql))
        return {
            "kind": "bigquery#job",
            "jobReference": {"projectId": "shop", "location": "EU", **body.get("jobReference", {})},
            "configuration": {**configuration, "jobType": "QUERY"},
            "status": {"state": "DONE"},
            "statistics": {
                "totalBytesProcessed": read,
                "query": {"totalBytesProcessed": read, "statementType": self.statement(sql)},
            },
        }

    def results(self, job: str) -> dict[str, Any]:
        """`jobs.getQueryResults`."""
        columns, rows = self.rows(self.jobs[job])
        return {
            "kind": "bigquery#getQueryResultsResponse",
            "jobComplete": True,
            "jobReference": {"projectId": "shop", "jobId": job, "location": "EU"},
            "schema": {"fields": [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in columns]},
            "totalRows": str(len(rows)),
            "rows": [{"f": [{"v": value} for value in row]} for row in rows],
        }

    def table(self, path: str) -> dict[str, Any]:
        """`tables.get`."""
        *_, project, _, dataset, _, table = path.split("/")
        return {
            "kind": "bigquery#table",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "schema": {"fields": [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in self.schema]},
        }


@contextmanager
def bigquery_stand_in() -> Iterator[BigQuery]:
    """Running until the end of the block; its `url` is for BIGQUERY_EMULATOR_HOST."""
    state = BigQuery()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            self._answer(lambda: state.table(path) if "/tables/" in path else state.results(path.rpartition("/")[2]))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(lambda: state.insert(body))

        def _answer(self, make: Callable[[], dict[str, Any]]) -> None:
            status, body = 200, {}
            if state.error is None:
                body = make()
            else:
                status, reason, message = state.error
                body = {
                    "error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
                }
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
