"""The Kubernetes HTTP API: the slice that the official clients and Headgate use, as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cicd.sandbox.kubernetes import api_errors as errors
from cicd.sandbox.kubernetes import api_writes as writes
from cicd.sandbox.kubernetes.api_resources import (
    REVIEW_GROUP,
    REVIEW_PLURAL,
    VERSION,
    Resource,
    api_group,
    api_groups,
    api_resources,
    api_versions,
    find_resource,
)
from cicd.sandbox.kubernetes.api_selectors import parse_fields, parse_labels
from cicd.sandbox.kubernetes.api_watch import watch
from cicd.sandbox.kubernetes.cluster import Cluster, Object
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.workloads import render_metrics

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

READ_VERBS = frozenset({"get", "list", "watch"})
ANONYMOUS = "system:anonymous"
WATCH_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who a token stands for. `verbs` None: everything is allowed."""

    name: str
    verbs: frozenset[str] | None = None

    def may(self, verb: str) -> bool:
        return self.name != ANONYMOUS and (self.verbs is None or verb in self.verbs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path points at."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str


class KubernetesApi:
    """The application; `tokens` maps bearer tokens to users, pods' /metrics need none."""

    def __init__(self, cluster: Cluster, pods: PodController, tokens: Mapping[str, User]) -> None:
        self._cluster, self._pods, self._tokens = cluster, pods, tokens

    def app(self) -> ASGIApp:
        from starlette.applications import Starlette
        from starlette.routing import Route

        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(
            routes=[
                Route("/pods/{namespace}/{pod}/metrics", self._metrics),
                Route("/healthz", _healthy),
                Route("/{path:path}", self._serve, methods=methods),
            ]
        )

    async def _metrics(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        process = self._pods.process(request.path_params["namespace"], request.path_params["pod"])
        if process is None or process.started is None:
            return PlainTextResponse("no such process\n", status_code=503)
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        kind = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
        text = render_metrics(process.counters, openmetrics=openmetrics)
        return PlainTextResponse(text, headers={"content-type": f"{kind}; charset=utf-8"})

    async def _serve(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            return await self._answer(request)
        except errors.StatusError as error:
            return JSONResponse(error.body, status_code=error.code)

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, PlainTextResponse

        user = self._user(request.headers.get("authorization", ""))
        parts = [part for part in request.url.path.split("/") if part]
        document = _discovery(parts) if request.method == "GET" else None
        if document is not None:
            return JSONResponse(document)
        if parts == ["apis", REVIEW_GROUP, "v1", REVIEW_PLURAL] and request.method == "POST":
            return JSONResponse(_review(user, await request.body()), status_code=201)
        target = parse_target(parts)
        if target is None:
            return PlainTextResponse("404 page not found\n", status_code=404)
        verb = _verb(request, target)
        if not user.may(verb):
            raise errors.forbidden(user.name, verb, target.resource, target.namespace or "", target.name)
        if verb == "list":
            return JSONResponse(self._list(target, _chosen(request)))
        if verb == "watch":
            return self._watch(request, target)
        code = 201 if verb == "create" else 200
        return JSONResponse(self._one(verb, request, target, await request.body()), status_code=code)

    def _user(self, header: str) -> User:
        kind, _, token = header.partition(" ")
        if not token.strip():
            return User(name=ANONYMOUS)
        user = self._tokens.get(token.strip()) if kind.lower() == "bearer" else None
        if user is None:
            raise errors.unauthorized()
        return user

    def _one(self, verb: str, request: Request, target: Target, body: bytes) -> Object:
        resource, status = target.resource, target.subresource == "status"
        if verb == "create":
            value = writes.read_object(resource, body)
            return writes.create(self._cluster, resource, target.namespace or "", value)
        ref = resource.ref(target.namespace or "", target.name)
        if verb == "get":
            found = self._cluster.get(ref)
            if found is None:
                raise errors.not_found(resource, target.name)
            return found
        if verb == "update":
            return writes.replace(self._cluster, resource, ref, writes.read_object(resource, body), status=status)
        if verb == "patch":
            kind = request.headers.get("content-type", "").partition(";")[0].strip()
            return writes.patch(self._cluster, resource, ref, kind, body, status=status)
        return writes.delete(self._cluster, resource, ref, body)

    def _list(self, target: Target, chosen: Callable[[Mapping[str, Any]], bool]) -> Object:
        resource = target.resource
        with self._cluster.locked():
            found = [obj for obj in self._cluster.list(resource.group, resource.kind, target.namespace) if chosen(obj)]
            version = self._cluster.resource_version
        if not resource.custom:
            for obj in found:
                del obj["apiVersion"], obj["kind"]
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return {**head, "metadata": {"resourceVersion": str(version)}, "items": found}

    def _watch(self, request: Request, target: Target) -> Response:
        from starlette.responses import StreamingResponse

        query, chosen = request.query_params, _chosen(request)
        text = query.get("resourceVersion", "")
        since = int(text) if text.isascii() and text.isdigit() and text != "0" else None
        limit = query.get("timeoutSeconds", "")
        timeout_s = float(limit) if limit.isascii() and limit.isdigit() and int(limit) else WATCH_LIMIT_S
        if target.name:
            name = target.name
            only, chosen = chosen, lambda obj: obj["metadata"]["name"] == name and only(obj)
        stream = watch(
            self._cluster,
            target.resource,
            target.namespace,
            chosen,
            since=since,
            timeout_s=min(timeout_s, WATCH_LIMIT_S),
        )
        return StreamingResponse(stream, media_type="application/json")


async def _healthy(_: Request) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("ok")


def parse_target(parts: list[str]) -> Target | None:
    """`api/v1/...` or `apis/<group>/<version>/...` to what it means; None when nothing is served there."""
    if parts[:1] == ["api"]:
        group, version, rest = "", "".join(parts[1:2]), parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        return None
    resource = find_resource(group, version, rest[0])
    name, subresource = "".join(rest[1:2]), "".join(rest[2:3])
    if resource is None or (subresource and not (subresource == "status" and resource.status)):
        return None
    if resource.namespaced and name and namespace is None:
        return None
    return Target(resource=resource, namespace=namespace, name=name, subresource=subresource)


def _discovery(parts: list[str]) -> Object | None:
    match parts:
        case ["version"]:
            return VERSION
        case ["api"]:
            return api_versions()
        case ["api", version]:
            return api_resources("", version)
        case ["apis"]:
            return api_groups()
        case ["apis", group]:
            return api_group(group)
        case ["apis", group, version]:
            return api_resources(group, version)
        case _:
            return None


def _verb(request: Request, target: Target) -> str:
    if request.method == "GET":
        if request.query_params.get("watch", "") in {"1", "true", "True"}:
            return "watch"
        return "get" if target.name else "list"
    named = {"PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    if target.name and request.method in named and not (target.subresource and request.method == "DELETE"):
        return named[request.method]
    if request.method == "POST" and not target.name and (target.namespace or not target.resource.namespaced):
        return "create"
    raise errors.method_not_allowed()


def _chosen(request: Request) -> Callable[[Mapping[str, Any]], bool]:
    try:
        labels = parse_labels(request.query_params.get("labelSelector", ""))
        fields = parse_fields(request.query_params.get("fieldSelector", ""))
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    return lambda obj: labels(obj["metadata"].get("labels") or {}) and fields(obj)


def _review(user: User, body: bytes) -> Object:
    """A SelfSubjectAccessReview: may I? Rights here are by verb, whatever the resource."""
    resource = Resource(group=REVIEW_GROUP, version="v1", plural=REVIEW_PLURAL, kind="SelfSubjectAccessReview")
    if user.name == ANONYMOUS:
        raise errors.forbidden(user.name, "create", resource, "", "")
    value = writes.read_object(resource, body)
    asked = (value.get("spec") or {}).get("resourceAttributes") or {}
    allowed = user.may(str(asked.get("verb", "")))
    return {**value, "metadata": {}, "status": {"allowed": allowed}}
