"""The recommender: an HTTP service on the standard library alone.

GET /recommend?user=ID&n=5   product recommendations, JSON
GET /healthz                 liveness and readiness
GET /metrics                 OpenMetrics

Environment: HOST (all addresses), PORT (8080; 0 for a free one, which the first line printed tells). For rehearsals of
bad releases: BAD_ERROR_RATIO (0 to 1, that share of the recommendations answers 500), SLOW_S (seconds added to each
recommendation), READY_AFTER_S (until then /healthz answers 503; "inf" for ever) and CRASH_AFTER_S (it then ends with
status 1).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PRODUCTS = tuple(f"SKU-{number:05d}" for number in range(1, 121))
MAX_RECOMMENDATIONS = 20
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def recommend(user: str, count: int) -> list[str]:
    """`count` products for `user`, the same ones each time."""
    seed = int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big")
    return [PRODUCTS[(seed + 37 * place) % len(PRODUCTS)] for place in range(count)]


class Metrics:
    """Counters of answers; every series is there from the start, so that the first error is an increase."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers = dict.fromkeys((200, 400, 404, 500), 0)
        self._buckets = dict.fromkeys(BUCKETS_S, 0)
        self._seconds = 0.0

    def count(self, status: int, seconds: float) -> None:
        with self._lock:
            self._answers[status] += 1
            self._seconds += seconds
            for bound in BUCKETS_S:
                self._buckets[bound] += seconds <= bound

    def text(self) -> str:
        with self._lock:
            total = sum(self._answers.values())
            lines = ["# TYPE http_requests counter"]
            lines += [
                f'http_requests_total{{app="recommender",status="{status}"}} {count}'
                for status, count in self._answers.items()
            ]
            lines.append("# TYPE http_request_duration_seconds histogram")
            name = "http_request_duration_seconds"
            lines += [f'{name}_bucket{{app="recommender",le="{le}"}} {count}' for le, count in self._buckets.items()]
            lines.append(f'{name}_bucket{{app="recommender",le="+Inf"}} {total}')
            lines.append(f'{name}_count{{app="recommender"}} {total}')
            lines.append(f'{name}_sum{{app="recommender"}} {self._seconds:.6f}')
        return "\n".join([*lines, "# EOF", ""])


class Faults:
    """Errors, slowness, lateness and crashes on demand; errors are spread evenly, not drawn."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.error_ratio = float(environment.get("BAD_ERROR_RATIO", "0"))
        self.slow_s = float(environment.get("SLOW_S", "0"))
        self.crash_after_s = float(environment.get("CRASH_AFTER_S", "inf"))
        self._ready_at = time.monotonic() + float(environment.get("READY_AFTER_S", "0"))
        self._lock = threading.Lock()
        self._requests = 0

    def ready(self) -> bool:
        return time.monotonic() >= self._ready_at

    def fails(self) -> bool:
        """Whether the next request is one of the failing ones."""
        with self._lock:
            before = int(self._requests * self.error_ratio)
            self._requests += 1
            return int(self._requests * self.error_ratio) > before


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], environment: Mapping[str, str]) -> None:
        super().__init__(address, Handler)
        self.metrics = Metrics()
        self.faults = Faults(environment)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/metrics":
            self._answer(200, self.server.metrics.text().encode(), OPENMETRICS)
        elif url.path == "/healthz":
            ready = self.server.faults.ready()
            self._json(200 if ready else 503, {"status": "ok" if ready else "not ready", "version": VERSION})
        elif url.path == "/recommend":
            self._recommend(parse_qs(url.query))
        else:
            self._json(404, {"error": "no such page"})
            self.server.metrics.count(404, 0.0)

    def _recommend(self, query: dict[str, list[str]]) -> None:
        began = time.monotonic()
        user, count = query.get("user", [""])[0], query.get("n", ["5"])[0]
        if not user or not count.isdecimal() or not 1 <= int(count) <= MAX_RECOMMENDATIONS:
            status, body = 400, {"error": f"give user, and n from 1 to {MAX_RECOMMENDATIONS}"}
        elif self.server.faults.fails():
            status, body = 500, {"error": "the model could not be read"}
        else:
            status, body = 200, {"user": user, "products": recommend(user, int(count)), "version": VERSION}
        time.sleep(self.server.faults.slow_s)
        # Counted before the answer leaves: whoever has the answer finds it in the metrics.
        self.server.metrics.count(status, time.monotonic() - began)
        self._json(status, body)

    def _json(self, status: int, body: object) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """One line per request would be more log than service."""


def main() -> None:
    address = os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))
    with Server(address, os.environ) as server:
        if math.isfinite(server.faults.crash_after_s):
            crash = threading.Timer(server.faults.crash_after_s, os._exit, (1,))
            crash.daemon = True
            crash.start()
        print(f"recommender {VERSION} on port {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
