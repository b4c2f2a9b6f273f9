"""The watch stream of applications: first what is there, then every change, one JSON object a line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cicd.sandbox.argocd.accounts import Accounts
from cicd.sandbox.argocd.applications import Applications
from cicd.sandbox.argocd.wire import APPLICATION_GROUP, ApiError, select_fields
from cicd.sandbox.kubernetes.cluster import Cluster, Object, ref_of

Stop = Callable[[], None]


class Streams:
    """The open watch streams; `close` ends them all, as a load balancer does now and then."""

    def __init__(self, cluster: Cluster, accounts: Accounts, apps: Applications) -> None:
        self._cluster = cluster
        self._accounts = accounts
        self._apps = apps
        self._stops: set[Stop] = set()

    def route(self) -> Route:
        return Route("/api/v1/stream/applications", self._endpoint, methods=["GET"])

    def close(self) -> None:
        """Cut every open stream."""
        for stop in list(self._stops):
            stop()

    async def _endpoint(self, request: Request) -> Response:
        query = dict(request.query_params)
        try:
            caller = self._accounts.identify(request.headers.get("authorization"))
            visible = {app["metadata"]["name"] for app in self._apps.listed(caller)}
        except ApiError as error:
            # The filter is laid over whatever is answered, errors included.
            return JSONResponse(select_fields(_refusal(error), query.get("fields", "")), status_code=error.status)
        return StreamingResponse(self._events(query, visible), media_type="application/json")

    async def _events(self, query: Mapping[str, str], visible: set[str]) -> AsyncIterator[bytes]:
        """Events of the applications that match `name` and `projects`, shown with the health of their resources."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[str, Object] | None] = asyncio.Queue()

        def put(item: tuple[str, Object] | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def stop() -> None:
            put(None)

        def receive(event: str, obj: Object) -> None:
            ref = ref_of(obj)
            if (ref.group, ref.kind) == (APPLICATION_GROUP, "Application"):
                put((event, obj))

        with self._cluster.locked():
            for app in self._cluster.list(APPLICATION_GROUP, "Application"):
                put(("ADDED", app))
            unsubscribe = self._cluster.subscribe(receive)
        self._stops.add(stop)
        try:
            while (item := await queue.get()) is not None:
                event, app = item
                if app["metadata"]["name"] in visible and _wanted(app, query):
                    result = {"type": event, "application": self._apps.presented(app)}
                    line = select_fields({"result": result}, query.get("fields", ""))
                    yield json.dumps(line, separators=(",", ":")).encode() + b"\n"
        finally:
            self._stops.discard(stop)
            unsubscribe()


def _refusal(error: ApiError) -> Object:
    """A refusal of a stream; its form is not that of the other endpoints."""
    told = {"grpc_code": int(error.code), "http_code": error.status, "message": error.message}
    return {"error": {**told, "http_status": HTTPStatus(error.status).phrase}}


def _wanted(app: Mapping[str, Object], query: Mapping[str, str]) -> bool:
    projects = [item for item in query.get("projects", "").split(",") if item]
    name = query.get("name")
    return (not name or app["metadata"]["name"] == name) and (not projects or app["spec"]["project"] in projects)
