"""Collector and pages under one address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from observability.collector.app import Collector
from observability.collector.request import Receive, Scope, Send

Pages = Callable[[Scope, Receive, Send], Awaitable[None]]


class Site:
    """An ASGI application: the collector's own paths are the collector's, all others the pages'."""

    def __init__(self, collector: Collector, pages: Pages) -> None:
        self._collector = collector
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self._collector if self._collector.knows(scope.get("path", "")) else self._pages
        await chosen(scope, receive, send)
