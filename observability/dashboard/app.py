"""The web application: dashboard, `/metrics` and `/api/dora.json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta, tzinfo
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headgate.clock import Clock, SystemClock
from headgate.errors import HeadgateError
from observability.dashboard import pages
from observability.dashboard.changes import change_view
from observability.dashboard.view import overview
from observability.dora import Period
from observability.dora_report import to_data
from observability.metrics import expose
from observability.paths import find_path, paths
from observability.reporting import report_of

if TYPE_CHECKING:
    from observability.store import EventStore

MAX_DAYS = 3660


def create_app(
    store: EventStore,
    *,
    clock: Clock | None = None,
    registries: Sequence[CollectorRegistry] = (),
    title: str = "Headgate",
    days: int = 30,
    zone: tzinfo = UTC,
) -> Starlette:
    """The application on `store`. `days` is the window of the front page and of the gauges of `/metrics`.

    Everything shown is computed from the store on request, so several servers may show one store. `registries` are
    shown on `/metrics` as well. A store that cannot be read is answered with 503.
    """
    views = _Views(store, clock or SystemClock(), title, days, zone, registries)
    return Starlette(
        routes=[
            Route("/", views.front, methods=["GET"]),
            Route("/changes/{name:path}", views.change, methods=["GET"]),
            Route("/metrics", views.metrics, methods=["GET"]),
            Route("/api/dora.json", views.dora, methods=["GET"]),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_harden)],
        exception_handlers={HeadgateError: _unavailable},
    )


class _Views:
    """Handlers; the ones that read the store are plain functions, which Starlette runs in threads."""

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        title: str,
        days: int,
        zone: tzinfo,
        registries: Sequence[CollectorRegistry],
    ) -> None:
        self.store = store
        self.clock = clock
        self.title = title
        self.days = days
        self.zone = zone
        self.registries = registries

    def front(self, request: Request) -> Response:
        view = overview(
            tuple(self.store.read()),
            title=self.title,
            now=self.clock.now(),
            days=_days(request, self.days),
            zone=self.zone,
            report=lambda period: report_of(self.store, period),
        )
        return HTMLResponse(pages.overview_page(view))

    def change(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = find_path(paths(self.store.read()), name)
        if found is None:
            return HTMLResponse(pages.missing_page(name, self.title), status_code=404)
        return HTMLResponse(pages.change_page(change_view(found, self.zone), self.title))

    def metrics(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        body, content_type = expose(self.store, self.clock, timedelta(days=self.days), accept, self.registries)
        return Response(body, headers={"Content-Type": content_type})

    def dora(self, request: Request) -> Response:
        now = self.clock.now()
        query = request.query_params
        service, environment = query.get("service"), query.get("environment")
        report = report_of(
            self.store,
            Period(start=now - timedelta(days=_days(request, self.days)), end=now),
            wanted=lambda name, where: service in (None, name) and environment in (None, where),
        )
        return JSONResponse(to_data(report))


def _days(request: Request, default: int) -> int:
    text = request.query_params.get("days")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_DAYS and len(text) <= 6):
        raise HTTPException(400, f"days is a whole number from 1 to {MAX_DAYS}")
    return int(text)


def _unavailable(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler's signature
    return PlainTextResponse(f"{error}\n", status_code=503, headers={"Retry-After": "2"})


async def _harden(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = pages.content_security_policy()
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
