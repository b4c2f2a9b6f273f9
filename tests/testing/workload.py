"""A workload as a process: `workload.py PORT BAD` answers a share BAD of all requests with 500 and counts at /metrics.

The bad answers are spread evenly, so that what a test sees does not hang on luck.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

_COUNTS = {"200": 0, "500": 0}
_LOCK = Lock()


def page(good: int, bad: int) -> str:
    """The metrics; a bad answer counts as a slow one too."""
    return f"""\
# TYPE http_requests_total counter
http_requests_total{{status="200"}} {good}
http_requests_total{{status="500"}} {bad}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{le="0.1"}} {good}
http_request_duration_seconds_bucket{{le="0.5"}} {good}
http_request_duration_seconds_bucket{{le="+Inf"}} {good + bad}
http_request_duration_seconds_sum {0.05 * good + bad}
http_request_duration_seconds_count {good + bad}
# TYPE queue_depth gauge
queue_depth {10 + (good + bad) % 7}
"""


class Handler(BaseHTTPRequestHandler):
    """Answers, and counts what it answered."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the second would wait for the first to be acknowledged
    bad = 0.0

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, page(_COUNTS["200"], _COUNTS["500"]))
            return
        with _LOCK:
            number = sum(_COUNTS.values())
            status = 500 if int((number + 1) * self.bad) > int(number * self.bad) else 200
            _COUNTS[str(status)] += 1
        self._answer(status, "ok" if status == 200 else "no")

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        pass


if __name__ == "__main__":
    Handler.bad = float(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
