"""Who asks, and what answers look like: authentication, refusals, pages of lists."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import MergeRequest, ProjectRecord, Role, Token, User
from cicd.sandbox.routing import Call, Handler, paginate
from headgate.errors import HeadgateError

_MOST_PER_PAGE = 100
_DEFAULT_PER_PAGE = 20


class Refusal(Exception):  # noqa: N818 - an answer
    """An HTTP status and body to answer with."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body if isinstance(body, dict) else {"message": body}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An authenticated request."""

    call: Call
    user: User
    token: Token


def authenticate(instance: Instance, call: Call) -> Token:
    """The token of the request. Raises `Refusal` 401 as GitLab words it."""
    header = call.headers.get("private-token", "")
    bearer = call.headers.get("authorization", "")
    job = call.headers.get("job-token", "") or call.value("job_token")
    value = header or bearer.removeprefix("Bearer ").strip() or job
    token = instance.tokens.get(value)
    if token is None:
        raise Refusal(401, "401 Unauthorized")
    if token.revoked:
        if token.job_id is not None:
            raise Refusal(401, "401 Unauthorized")
        raise Refusal(
            401,
            {
                "error": "invalid_token",
                "error_description": "Token was revoked. You have to re-authorize from the user.",
            },
        )
    # A job token sent as PRIVATE-TOKEN is not a personal token, and the other way round.
    if (token.job_id is not None) is not (value == job):
        raise Refusal(401, "401 Unauthorized")
    return token


class Guard:
    """Wraps handlers: authentication, scope and role first, refusals turned into answers."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def __call__(
        self,
        handler: Callable[[Asked], Response],
        *,
        write: bool = False,
        role: Role = Role.REPORTER,
        job_token: bool = False,
    ) -> Handler:
        """`write` needs the scope `api`, reading one of `api` and `read_api`; `job_token` lets CI_JOB_TOKEN in."""

        @functools.wraps(handler)
        def guarded(call: Call) -> Response:
            try:
                token = authenticate(self._instance, call)
                self._check(token, write=write, role=role, job_token=job_token)
                return handler(Asked(call=call, user=token.user, token=token))
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)
            except HeadgateError as error:  # a name that Git does not take, for instance
                return JSONResponse({"message": f"400 Bad request - {error.what}"}, status_code=400)

        return guarded

    @staticmethod
    def _check(token: Token, *, write: bool, role: Role, job_token: bool) -> None:
        if token.job_id is not None:
            if not job_token:
                raise Refusal(401, "401 Unauthorized")
            return
        allowed = {"api"} if write else {"api", "read_api"}
        if not token.scopes & allowed:
            raise Refusal(
                403,
                {
                    "error": "insufficient_scope",
                    "error_description": "The request requires higher privileges than provided by the access token.",
                    "scope": "api" if write else "api read_api",
                },
            )
        if token.user.role < role:
            raise Refusal(403, "403 Forbidden")

    def project(self, asked: Asked) -> ProjectRecord:
        """The project of the path, with pushes noticed. Raises `Refusal` 404."""
        project = self._instance.find_project(asked.call.args["project"])
        if project is None:
            raise Refusal(404, "404 Project Not Found")
        self._instance.refresh(project)
        return project

    def merge_request(self, asked: Asked) -> tuple[ProjectRecord, MergeRequest]:
        project = self.project(asked)
        iid = asked.call.args["iid"]
        for request in project.merge_requests:
            if str(request.iid) == iid:
                return project, request
        raise Refusal(404, "404 Not found")


def required(call: Call, *names: str) -> None:
    """Raises `Refusal` 400 when a parameter is missing, in Grape's words."""
    missing = [name for name in names if call.value(name) == ""]
    if missing:
        raise Refusal(400, {"error": ", ".join(f"{name} is missing" for name in missing)})


def listing(url: str, call: Call, items: Sequence[Any]) -> Response:
    """One page with GitLab's headers. The links name the server's own address, whatever name the client used."""
    page = max(1, call.number("page", 1))
    per_page = min(_MOST_PER_PAGE, max(1, call.number("per_page", _DEFAULT_PER_PAGE)))
    shown, total = paginate(items, page, per_page)
    pages = max(1, -(-total // per_page))
    others = {name: value for name, value in call.query.items() if name not in ("page", "per_page")}

    def link(number: int, relation: str) -> str:
        from urllib.parse import urlencode

        return f'<{url}{call.path}?{urlencode({**others, "page": number, "per_page": per_page})}>; rel="{relation}"'

    links = [link(page - 1, "prev")] if page > 1 else []
    links += [link(page + 1, "next")] if page < pages else []
    links += [link(1, "first"), link(pages, "last")]
    headers = {
        "Link": ", ".join(links),
        "X-Page": str(page),
        "X-Per-Page": str(per_page),
        "X-Prev-Page": str(page - 1) if page > 1 else "",
        "X-Next-Page": str(page + 1) if page < pages else "",
        "X-Total": str(total),
        "X-Total-Pages": str(pages),
    }
    return JSONResponse(shown, headers=headers)
