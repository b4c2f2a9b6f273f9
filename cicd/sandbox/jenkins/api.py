"""Endpoints of the sandbox's Jenkins: authentication, crumbs, and what changes or reads jobs, queue and builds."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import unquote

from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response

from cicd.sandbox.jenkins.controller import Build, Controller, Item, Job
from cicd.sandbox.jenkins.shapes import Shapes, cut_tree
from cicd.sandbox.routing import Call, Router

CRUMB_FIELD = "Jenkins-Crumb"
VERSION = "2.528"
_JOB_PATTERN = "[^/]+(?:/job/[^/]+)*"  # jobs may lie in folders: /job/a/job/b


class JenkinsApi:
    """Handlers over one controller. `users` maps names to API tokens; `may_build` are those with Job/Build."""

    def __init__(self, controller: Controller, users: dict[str, str], may_build: set[str]) -> None:
        self._controller = controller
        self._users = users
        self._may_build = may_build
        self._shapes = Shapes(controller)
        self._crumb = secrets.token_hex(32)

    def new_crumb(self) -> None:
        """Make the crumbs handed out so far invalid, as a restart does."""
        self._crumb = secrets.token_hex(32)

    def mount(self, router: Router) -> None:
        # Jenkins gives the same data in several forms; what jenkinsapi asks for as `python` it reads as JSON first.
        for form in ("json", "python"):
            self._mount_reads(router, form)
        router.add("POST", "/queue/cancelItem", self._cancel)
        for rest, handler in (("/build", self._build_now), ("/buildWithParameters", self._build_with_parameters)):
            router.add("POST", "/job/{job}" + rest, handler, job=_JOB_PATTERN)
        for method, rest, on_build in (
            ("GET", "/consoleText", self._console),
            ("GET", "/logText/progressiveText", self._progressive),
            ("GET", "/artifact/{path*}", self._artifact),
            ("POST", "/stop", self._stop),
        ):
            router.add(method, "/job/{job}/{number}" + rest, self._on_build(on_build), job=_JOB_PATTERN)

    def _mount_reads(self, router: Router, form: str) -> None:
        router.add("GET", f"/api/{form}", lambda call: _json(call, self._shapes.root()))
        router.add("GET", f"/crumbIssuer/api/{form}", self._issue_crumb)
        router.add("GET", f"/queue/api/{form}", self._queue)
        router.add("GET", f"/queue/item/{{item}}/api/{form}", self._item)
        router.add("GET", f"/job/{{job}}/api/{form}", self._job, job=_JOB_PATTERN)
        show = self._on_build(lambda call, build: _json(call, self._shapes.build(build)))
        router.add("GET", f"/job/{{job}}/{{number}}/api/{form}", show, job=_JOB_PATTERN)

    def guard(self, call: Call) -> Response | None:
        """Who asks: 401 for wrong credentials, 403 without any or without the right, and for a POST without a crumb."""
        header = call.headers.get("authorization", "")
        if not header:
            return _html(403, "Authentication required")
        name = self._authenticate(header)
        if name is None:
            return _html(401, "Invalid password/token for user")
        if call.method == "POST":
            if not hmac.compare_digest(call.headers.get(CRUMB_FIELD.lower(), "").encode(), self._crumb.encode()):
                return _html(403, "No valid crumb was included in the request")
            if name not in self._may_build:
                return _html(403, f"{name} is missing the Job/Build permission")
        return None

    def _authenticate(self, header: str) -> str | None:
        kind, _, value = header.partition(" ")
        try:
            name, _, token = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        held = self._users.get(name)
        known = held is not None and hmac.compare_digest(held.encode(), token.encode())
        return name if kind.lower() == "basic" and known else None

    def _user(self, call: Call) -> str:
        return self._authenticate(call.headers["authorization"]) or "anonymous"

    def _issue_crumb(self, call: Call) -> Response:
        issued = {"crumb": self._crumb, "crumbRequestField": CRUMB_FIELD}
        return _json(call, {"_class": "hudson.security.csrf.DefaultCrumbIssuer", **issued})

    # jobs

    def _find_job(self, call: Call) -> Job | None:
        return self._controller.jobs.get(_full_name(call))

    def _job(self, call: Call) -> Response:
        name = _full_name(call)
        with self._controller.lock:
            job = self._find_job(call)
            if job is not None:
                return _json(call, self._shapes.job(job, full="tree" in call.query))
            if any(other.startswith(f"{name}/") for other in self._controller.jobs):
                return _json(call, self._shapes.folder(name))
        return not_found(call)

    def _build_now(self, call: Call) -> Response:
        job = self._find_job(call)
        if job is None:
            return not_found(call)
        if job.parameters:
            return _html(400, "Nothing is submitted")
        return self._enqueue(call, job)

    def _build_with_parameters(self, call: Call) -> Response:
        job = self._find_job(call)
        if job is None:
            return not_found(call)
        if not job.parameters:
            return _html(400, f"{job.name} is not parameterized")
        return self._enqueue(call, job)

    def _enqueue(self, call: Call, job: Job) -> Response:
        if not job.enabled:
            return _html(409, f"{job.name} is not buildable")
        for parameter in job.parameters:
            value = call.value(parameter.name, parameter.default)
            if parameter.choices and value not in parameter.choices:
                return _html(400, f"Illegal choice for parameter {parameter.name}: {value}")
        given = {name: str(value) for name, value in {**call.query, **call.fields}.items()}
        item = self._controller.enqueue(job, given, self._user(call))
        return Response(status_code=201, headers={"Location": f"{self._controller.url}/queue/item/{item.id}/"})

    # queue

    def _queue(self, call: Call) -> Response:
        with self._controller.lock:
            waiting = [item for item in self._controller.items if item.build is None and not item.cancelled]
            shape = {
                "_class": "hudson.model.Queue",
                "discoverableItems": [],
                "items": [self._shapes.item(item) for item in reversed(waiting)],
            }
        return _json(call, shape)

    def _find_item(self, number: str) -> Item | None:
        return next((item for item in self._controller.items if str(item.id) == number), None)

    def _item(self, call: Call) -> Response:
        with self._controller.lock:
            item = self._find_item(call.args["item"])
            return not_found(call) if item is None else _json(call, self._shapes.item(item))

    def _cancel(self, call: Call) -> Response:
        item = self._find_item(call.value("id"))
        if item is None:
            return not_found(call)
        self._controller.cancel(item)
        return Response(status_code=204)

    # builds

    def _on_build(self, handler: Callable[[Call, Build], Response]) -> Callable[[Call], Response]:
        def find(call: Call) -> Response:
            with self._controller.lock:
                job = self._find_job(call)
                number = call.args["number"]
                for build in job.builds if job else ():
                    if number == str(build.number) or (number == "lastBuild" and job and build is job.builds[-1]):
                        return handler(call, build)
            return not_found(call)

        return find

    @staticmethod
    def _console(_: Call, build: Build) -> Response:
        return PlainTextResponse(build.console.read_bytes() if build.console.exists() else b"")

    @staticmethod
    def _progressive(call: Call, build: Build) -> Response:
        """Text from the byte `start` on; a start behind the end begins again, as in Jenkins."""
        # The result is read before the text: the other way round the last lines could be missed.
        more = build.result is None
        text = build.console.read_bytes() if build.console.exists() else b""
        start = call.number("start", 0)
        start = 0 if start > len(text) else start
        headers = {"X-Text-Size": str(len(text))} | ({"X-More-Data": "true"} if more else {})
        return PlainTextResponse(text[start:], headers=headers)

    @staticmethod
    def _artifact(call: Call, build: Build) -> Response:
        name = call.args["path"]
        if name not in build.artifacts:
            return not_found(call)
        return FileResponse(build.folder / "archive" / name)

    def _stop(self, _: Call, build: Build) -> Response:
        self._controller.abort(build)
        return Response(status_code=302, headers={"Location": "."})


def _full_name(call: Call) -> str:
    """`a/job/b` of the path as `a/b`."""
    return "/".join(unquote(part) for part in call.args["job"].split("/job/"))


def _json(call: Call, shape: object) -> Response:
    return JSONResponse(cut_tree(shape, call.value("tree")), headers={"X-Jenkins": VERSION})


def _html(status: int, text: str) -> Response:
    page = f"<html><head><title>Error {status}</title></head><body><h2>HTTP ERROR {status} {text}</h2></body></html>"
    return HTMLResponse(page, status_code=status, headers={"X-Jenkins": VERSION})


def not_found(_: Call) -> Response:
    return _html(404, "Not Found")
