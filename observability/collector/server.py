"""The collector's HTTP server: Uvicorn with the bounds of `Limits`."""

from __future__ import annotations

import uvicorn

from observability.collector.app import Collector
from observability.collector.guard import guarded
from observability.collector.request import Limits
from observability.collector.site import Pages, Site

_GRACE_S = 20


def build_server(collector: Collector, pages: Pages, limits: Limits | None = None) -> uvicorn.Server:
    """A server to be run on a socket that listens already. A stop signal lets running requests end."""
    limits = limits or Limits()
    config = uvicorn.Config(
        Site(collector, pages),
        http=guarded(limits.header_s, lambda result: collector.count("unknown", result)),
        ws="none",
        log_level="warning",
        lifespan="off",
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=limits.idle_s,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)
