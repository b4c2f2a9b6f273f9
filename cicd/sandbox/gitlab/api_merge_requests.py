"""Endpoints: merge requests and their notes."""

from __future__ import annotations

import hashlib
from email.parser import BytesParser
from email.policy import HTTP

from starlette.responses import JSONResponse, Response

from cicd.sandbox.gitlab.access import Asked, Guard, Refusal, listing, required
from cicd.sandbox.gitlab.api_history import changed
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.merging import MergeRefused, detailed_status, merge
from cicd.sandbox.gitlab.model import MergeRequest, Note, ProjectRecord, Role
from cicd.sandbox.gitlab.shapes import Shape, Shapes
from cicd.sandbox.routing import Call, Router
from headgate.errors import NotFoundError

_LONGEST_NOTE = 1_000_000
_ROOT = "/api/v4/projects/{project}/merge_requests"
_COMMITS = "/api/v4/projects/{project}/repository/commits"


class MergeRequestApi:
    """Handlers over one instance."""

    def __init__(self, instance: Instance, guard: Guard) -> None:
        self._instance = instance
        self._guard = guard
        self._shapes = Shapes(instance.url)

    def mount(self, router: Router) -> None:
        guard = self._guard
        router.add("GET", _ROOT, guard(self._list))
        router.add("POST", _ROOT, guard(self._create, write=True, role=Role.DEVELOPER))
        router.add("GET", f"{_ROOT}/{{iid}}", guard(self._get))
        router.add("PUT", f"{_ROOT}/{{iid}}", guard(self._update, write=True, role=Role.DEVELOPER))
        router.add("PUT", f"{_ROOT}/{{iid}}/merge", guard(self._merge, write=True))
        router.add("GET", f"{_ROOT}/{{iid}}/pipelines", guard(self._pipelines))
        router.add("POST", f"{_ROOT}/{{iid}}/pipelines", guard(self._run_pipeline, write=True, role=Role.DEVELOPER))
        router.add("GET", f"{_ROOT}/{{iid}}/commits", guard(self._commits))
        notes = f"{_ROOT}/{{iid}}/notes"
        router.add("GET", notes, guard(self._notes))
        router.add("POST", notes, guard(self._add_note, write=True))
        router.add("GET", f"{notes}/{{note}}", guard(self._get_note))
        router.add("PUT", f"{notes}/{{note}}", guard(self._edit_note, write=True))
        router.add("DELETE", f"{notes}/{{note}}", guard(self._delete_note, write=True))

        router.add("GET", f"{_COMMITS}/{{sha}}/merge_requests", guard(self._of_commit))
        router.add("POST", "/api/v4/projects/{project}/uploads", guard(self._upload, write=True))
        router.add("GET", "/api/v4/projects/{project}/uploads/{secret}/{name}", guard(self._uploaded))

    def _shape(self, project: ProjectRecord, request: MergeRequest) -> Shape:
        with self._instance.lock:
            return self._shapes.merge_request(
                project,
                request,
                pipeline=self._instance.head_pipeline(project, request),
                detailed_status=detailed_status(self._instance, project, request),
            )

    def _list(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        found = [
            request
            for request in changed(project.merge_requests, call)
            if call.value("state", "all") in ("all", request.state)
            and call.value("source_branch") in ("", request.source_branch)
            and call.value("target_branch") in ("", request.target_branch)
        ]
        return listing(self._instance.url, call, [self._shape(project, request) for request in found])

    def _create(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        required(call, "source_branch", "target_branch", "title")
        source, target = call.value("source_branch"), call.value("target_branch")
        for other in project.merge_requests:
            if (other.state, other.source_branch, other.target_branch) == ("opened", source, target):
                raise Refusal(409, [f"Another open merge request already exists for this source branch: !{other.iid}"])
        try:
            request = self._instance.add_merge_request(
                project,
                source=source,
                target=target,
                title=call.value("title"),
                description=call.value("description"),
                author=asked.user,
            )
        except NotFoundError as error:
            raise Refusal(422, [f"Branch does not exist: {error.what}"]) from error
        return JSONResponse(self._shape(project, request), status_code=201)

    def _get(self, asked: Asked) -> Response:
        return JSONResponse(self._shape(*self._guard.merge_request(asked)))

    def _update(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        call = asked.call
        with self._instance.changing():
            event = call.value("state_event")
            if event == "close" and request.state == "opened":
                request.state = "closed"
            elif event == "reopen" and request.state == "closed":
                request.state = "opened"
            request.title = call.value("title") or request.title
            request.description = call.value("description", request.description)
            request.updated_at = self._instance.now()
        return JSONResponse(self._shape(project, request))

    def _merge(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        call = asked.call
        try:
            merge(
                self._instance,
                project,
                request,
                asked.user,
                call.value("sha"),
                call.value("merge_commit_message"),
            )
        except MergeRefused as refused:
            raise Refusal(refused.status, str(refused)) from refused
        if call.flag("should_remove_source_branch"):
            project.repository.delete_branch(request.source_branch)
        return JSONResponse(self._shape(project, request))

    def _pipelines(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        found = [item for item in reversed(project.pipelines) if item.merge_request is request]
        return listing(self._instance.url, asked.call, [self._shapes.pipeline(project, item) for item in found])

    def _run_pipeline(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        pipeline = self._instance.create_merge_request_pipeline(project, request, asked.user)
        if pipeline is None:
            raise Refusal(400, {"base": ["Pipeline will not run for the selected trigger."]})
        return JSONResponse(self._shapes.pipeline_detail(project, pipeline), status_code=201)

    def _commits(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        found = project.repository.history(request.sha, 1000)
        known = {item.sha for item in project.repository.history(request.base_sha, 1000)}
        shown = [self._shapes.commit(project, item) for item in found if item.sha not in known]
        return listing(self._instance.url, asked.call, shown)

    def _of_commit(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        try:
            sha = project.repository.commit(asked.call.args["sha"]).sha
        except NotFoundError as error:
            raise Refusal(404, "404 Commit Not Found") from error
        found = []
        for request in project.merge_requests:
            known = {item.sha for item in project.repository.history(request.base_sha, 1000)}
            brought = {item.sha for item in project.repository.history(request.sha, 1000)} - known
            if sha in brought or sha == request.merge_commit_sha:
                found.append(self._shape(project, request))
        return listing(self._instance.url, asked.call, found)

    # uploads

    def _upload(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        name, content = _form_file(asked.call)
        secret = hashlib.sha256(name.encode() + content).hexdigest()[:32]
        with self._instance.changing():
            project.uploads[f"{secret}/{name}"] = content
        url = f"/uploads/{secret}/{name}"
        found = {"id": len(project.uploads), "alt": name, "url": url}
        found |= {"full_path": f"/-/project/{project.id}{url}", "markdown": f"![{name}]({url})"}
        return JSONResponse(found, status_code=201)

    def _uploaded(self, asked: Asked) -> Response:
        project, args = self._guard.project(asked), asked.call.args
        content = project.uploads.get(f"{args['secret']}/{args['name']}")
        if content is None:
            raise Refusal(404, "404 Not found")
        return Response(content, headers={"Content-Disposition": "attachment"})

    # notes

    def _notes(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        key = "updated_at" if asked.call.value("order_by") == "updated_at" else "created_at"
        with self._instance.lock:
            ordered = sorted(
                request.notes,
                key=lambda note: (getattr(note, key), note.id),
                reverse=asked.call.value("sort", "desc") == "desc",
            )
            return listing(
                self._instance.url, asked.call, [self._shapes.note(project, request, note) for note in ordered]
            )

    def _add_note(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        note = self._instance.add_note(request, self._body(asked), asked.user)
        return JSONResponse(self._shapes.note(project, request, note), status_code=201)

    def _get_note(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        return JSONResponse(self._shapes.note(project, request, self._find_note(asked, request)))

    def _edit_note(self, asked: Asked) -> Response:
        project, request = self._guard.merge_request(asked)
        with self._instance.changing():
            note = self._find_note(asked, request)
            self._check_author(asked, note)
            note.body, note.updated_at = self._body(asked), self._instance.now()
        return JSONResponse(self._shapes.note(project, request, note))

    def _delete_note(self, asked: Asked) -> Response:
        _, request = self._guard.merge_request(asked)
        with self._instance.changing():
            note = self._find_note(asked, request)
            self._check_author(asked, note)
            request.notes.remove(note)
        return Response(status_code=204)

    @staticmethod
    def _body(asked: Asked) -> str:
        required(asked.call, "body")
        body = asked.call.value("body")
        if len(body) > _LONGEST_NOTE:
            raise Refusal(400, {"note": ["is too long (maximum is 1000000 characters)"]})
        return body

    @staticmethod
    def _find_note(asked: Asked, request: MergeRequest) -> Note:
        for note in request.notes:
            if str(note.id) == asked.call.args["note"]:
                return note
        raise Refusal(404, "404 Not found")

    @staticmethod
    def _check_author(asked: Asked, note: Note) -> None:
        if note.author is not asked.user and asked.user.role < Role.MAINTAINER:
            raise Refusal(403, "403 Forbidden")


def _form_file(call: Call) -> tuple[str, bytes]:
    """The name and the content of the field `file` of a form."""
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + call.body)
    for part in form.iter_parts() if form.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            return part.get_filename() or "file", content if isinstance(content, bytes) else b""
    raise Refusal(400, {"error": "file is missing"})
