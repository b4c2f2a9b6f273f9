"""A collector on a loopback port, as `headgate serve` runs it, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from prometheus_client import generate_latest

from headgate.clock import Clock
from headgate.secrets import Secret
from observability.collector.app import Collector, Doors
from observability.collector.intake import Log
from observability.collector.names import Names
from observability.collector.request import Limits, Receive, Scope, Send
from observability.collector.senders import read_keys
from observability.collector.server import build_server

SECRETS: Mapping[str, str] = {
    "HEADGATE_GITLAB_WEBHOOK_TOKEN": "gitlab-token-of-tests",
    "HEADGATE_GITHUB_WEBHOOK_SECRET": "github-secret-of-tests",
    "HEADGATE_BITBUCKET_WEBHOOK_SECRET": "bitbucket-secret-of-tests",
    "HEADGATE_PAGERDUTY_WEBHOOK_SECRET": "pagerduty-secret-of-tests",
    "HEADGATE_COLLECTOR_TOKEN": "collector-token-of-tests",
}


async def no_pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Instead of the dashboard: 404 for everything."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Served:
    """A running collector; `post` sends what a sender would."""

    def __init__(self, collector: Collector, port: int) -> None:
        self.collector = collector
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self._before: dict[tuple[str, str], float] = {}

    def mark(self) -> None:
        """Count from here on."""
        samples = [sample for metric in self.collector.registry.collect() for sample in metric.samples]
        self._before = {
            (s.labels["sender"], s.labels["result"]): s.value
            for s in samples
            if s.name == "headgate_collector_requests_total"
        }

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, content=body, headers={"content-type": "application/json", **named})

    def raw(self, *parts: bytes, half_close: bool = False) -> bytes:
        """All that is answered to bytes as they are, until the server ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := _received(connection):
                answer += chunk
        return answer

    def counted(self, sender: str, result: str) -> float:
        """The metric's value for requests of a sender that ended so, since the last `mark`."""
        labels = {"sender": sender, "result": result}
        value = self.collector.registry.get_sample_value("headgate_collector_requests_total", labels) or 0.0
        return value - self._before.get((sender, result), 0.0)

    def metrics(self) -> str:
        return generate_latest(self.collector.registry).decode()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


@contextmanager
def serving(
    log: Log, *, secrets: Mapping[str, str] = SECRETS, limits: Limits | None = None, clock: Clock | None = None,
    names: Names | None = None, **doors: Any,
) -> Iterator[Served]:  # fmt: skip
    """A collector on `log`, with the secrets of the senders by the names of their variables."""
    keys = read_keys(lambda name: Secret(secrets[name]) if name in secrets else None)
    collector = Collector(log, Doors(keys=keys, **doors), clock=clock, limits=limits, names=names)
    server = build_server(collector, no_pages, limits)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        served = Served(collector, listener.getsockname()[1])
        try:
            yield served
        finally:
            served.http.close()
            server.should_exit = True
            thread.join(60)
