"""The router over HTTP, for people, for `curl`, and for what cannot be told a pod's real address.

    curl -H "Host: recommender.example.com" URL/recommend?user=1     by the Ingress for that host
    HTTP_PROXY=URL NO_PROXY=127.0.0.1 headgate ...                   http://<pod address>/ goes to that pod

A pod's own address is made up; as a forward proxy this is the network in which it is real.
"""

from __future__ import annotations

import argparse
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.live.router import Answer, Router

HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "host"})


class Front:
    """Serves on a free loopback port (or on `port`) from `start()` to `stop()`; the router is started by its owner."""

    def __init__(self, router: Router, *, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), router)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="front", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], router: Router) -> None:
        super().__init__(address, _Handler)
        self.router = router


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        url = urlsplit(self.path)
        path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        if url.scheme:
            answer = self.server.router.send_to_pod(url.hostname or "", path, headers)
        else:
            answer = self.server.router.send(self.headers.get("Host", "").partition(":")[0], path, headers)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.backend is not None:
            self.send_header("X-Pod", answer.backend.pod)
            self.send_header("X-Version", answer.backend.version)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Quiet: the router has its record."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live.front", description="The router over HTTP.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", default="shop")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with Router(options.kubeconfig, namespace=options.namespace) as router, Front(router, port=options.port) as front:
        print(f"router of {options.namespace} on {front.url}", flush=True)
        told.wait()


if __name__ == "__main__":
    main()
