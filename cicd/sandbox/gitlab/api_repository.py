"""Endpoints: version, users, projects, branches, commits and their statuses."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from cicd.sandbox.gitlab.access import Asked, Guard, Refusal, listing, required
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import Job, Pipeline, ProjectRecord, Role, User
from cicd.sandbox.gitlab.repository import Commit
from cicd.sandbox.gitlab.shapes import Shapes
from cicd.sandbox.routing import Router
from headgate.errors import NotFoundError

VERSION = {"version": "18.5.0", "revision": "sandbox"}
_EVENTS = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
_EXTERNAL_STAGE = "external"


class RepositoryApi:
    """Handlers over one instance."""

    def __init__(self, instance: Instance, guard: Guard) -> None:
        self._instance = instance
        self._guard = guard
        self._shapes = Shapes(instance.url)

    def mount(self, router: Router) -> None:
        guard = self._guard
        router.add("GET", "/api/v4/version", guard(lambda _: JSONResponse(VERSION), role=Role.GUEST))
        router.add("GET", "/api/v4/user", guard(self._me, role=Role.GUEST))
        router.add("GET", "/api/v4/personal_access_tokens/self", guard(self._token, role=Role.GUEST))
        router.add("GET", "/api/v4/users", guard(self._users))
        router.add("GET", "/api/v4/projects", guard(self._projects))
        router.add("GET", "/api/v4/projects/{project}", guard(self._project, job_token=True))
        root = "/api/v4/projects/{project}/repository"
        router.add("GET", f"{root}/branches", guard(self._branches))
        router.add("GET", f"{root}/branches/{{branch}}", guard(self._branch))
        router.add("GET", f"{root}/commits", guard(self._commits))
        router.add("GET", f"{root}/commits/{{sha}}", guard(self._commit))
        router.add("GET", f"{root}/commits/{{sha}}/statuses", guard(self._statuses))
        router.add(
            "POST",
            "/api/v4/projects/{project}/statuses/{sha}",
            guard(self._set_status, write=True, role=Role.DEVELOPER),
        )

    def _me(self, asked: Asked) -> Response:
        return JSONResponse(self._shapes.current_user(asked.user))

    @staticmethod
    def _token(asked: Asked) -> Response:
        return JSONResponse(
            {
                "id": asked.user.id,
                "name": asked.user.username,
                "revoked": False,
                "scopes": sorted(asked.token.scopes),
                "user_id": asked.user.id,
                "active": True,
                "expires_at": None,
            }
        )

    def _users(self, asked: Asked) -> Response:
        wanted = asked.call.value("username")
        found = [user for user in self._instance.users.values() if wanted in ("", user.username)]
        return listing(self._instance.url, asked.call, [self._shapes.user(user) for user in found])

    def _projects(self, asked: Asked) -> Response:
        found = [self._shapes.project(project, asked.user) for project in self._instance.projects]
        return listing(self._instance.url, asked.call, found)

    def _project(self, asked: Asked) -> Response:
        return JSONResponse(self._shapes.project(self._guard.project(asked), asked.user))

    def _branches(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        found = [self._shapes.branch(project, name, self._read(project, sha)) for name, sha in project.heads.items()]
        return listing(self._instance.url, asked.call, found)

    def _branch(self, asked: Asked) -> Response:
        project, name = self._guard.project(asked), asked.call.args["branch"]
        if name not in project.heads:
            raise Refusal(404, "404 Branch Not Found")
        return JSONResponse(self._shapes.branch(project, name, self._read(project, project.heads[name])))

    def _commits(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        try:
            found = project.repository.history(asked.call.value("ref_name", project.default_branch), 1000)
        except NotFoundError as error:
            raise Refusal(404, "404 Tree Not Found") from error
        return listing(self._instance.url, asked.call, [self._shapes.commit(project, item) for item in found])

    def _commit(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        return JSONResponse(self._shapes.commit(project, self._read(project, asked.call.args["sha"])))

    def _read(self, project: ProjectRecord, revision: str) -> Commit:
        try:
            return project.repository.commit(revision)
        except NotFoundError as error:
            raise Refusal(404, "404 Commit Not Found") from error

    # statuses

    def _statuses(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        call = asked.call
        sha = self._read(project, call.args["sha"]).sha
        with self._instance.lock:
            found = [
                self._shapes.status(pipeline, job)
                for pipeline, job in project.jobs()
                if pipeline.sha == sha
                and call.value("name") in ("", job.name)
                and call.value("pipeline_id") in ("", str(pipeline.id))
                and call.value("ref") in ("", pipeline.ref)
                and (call.flag("all") or not job.retried)
            ]
        return listing(self._instance.url, call, sorted(found, key=lambda item: item["id"]))

    def _set_status(self, asked: Asked) -> Response:
        """One status per name in the pipeline of the ref; posting a state again that it is in is refused with 400."""
        project, call = self._guard.project(asked), asked.call
        required(call, "state")
        state = call.value("state")
        if state not in _EVENTS:
            raise Refusal(400, {"error": "state does not have a valid value"})
        if not project.repository.has(call.args["sha"]):
            raise Refusal(404, "404 Commit Not Found")
        sha = self._read(project, call.args["sha"]).sha
        with self._instance.changing():
            pipeline = self._pipeline_for(project, sha, asked)
            name = call.value("name") or call.value("context") or "default"
            job = self._transition(pipeline, name, state, asked.user)
            job.description = call.value("description") or job.description
            job.target_url = call.value("target_url") or job.target_url
            self._instance.update_pipeline(pipeline)
            return JSONResponse(self._shapes.status(pipeline, job), status_code=201)

    def _pipeline_for(self, project: ProjectRecord, sha: str, asked: Asked) -> Pipeline:
        """The newest pipeline of the commit that has the ref and the id, as far as they are given; else an external one.

        A merge request's pipeline has a ref of its own: with the branch as ref a status lands beside it.
        """
        wanted, ref = asked.call.value("pipeline_id"), asked.call.value("ref")
        for pipeline in reversed(project.pipelines):
            if pipeline.sha == sha and ref in ("", pipeline.ref) and wanted in ("", str(pipeline.id)):
                return pipeline
        ref = ref or project.repository.branch_of(sha) or ""
        if not ref:
            raise Refusal(404, "404 References for commit Not Found")
        if wanted:
            raise Refusal(404, "404 Pipeline for pipeline_id, sha and ref Not Found")
        now = self._instance.now()
        pipeline = Pipeline(
            id=self._instance.new_id(),
            iid=len(project.pipelines) + 1,
            source="external",
            ref=ref,
            sha=sha,
            before_sha="0" * 40,
            user=asked.user,
            created_at=now,
            updated_at=now,
        )
        project.pipelines.append(pipeline)
        return pipeline

    def _transition(self, pipeline: Pipeline, name: str, state: str, user: User) -> Job:
        held = [job for job in pipeline.jobs if job.external and job.name == name and not job.retried]
        current = held[-1] if held else None
        now = self._instance.now()
        # Another user's unfinished status of that name is not taken over either.
        if current is not None and current.status in ("pending", "running") and current.author is user:
            refused = state == current.status or state == "pending"
            if refused:
                event = _EVENTS[state]
                raise Refusal(
                    400,
                    f"Cannot transition status via :{event} from :{current.status}"
                    f' (Reason(s): Status cannot transition via "{event}")',
                )
            job = current
        else:
            if current is not None:
                current.retried = True  # a finished status is not changed: a new one takes its place
            job = Job(id=self._instance.new_id(), name=name, stage=_EXTERNAL_STAGE, created_at=now, author=user)
            pipeline.jobs.append(job)
        job.status = state
        job.started_at = job.started_at or (now if state != "pending" else None)
        job.finished_at = now if state in ("success", "failed", "canceled") else None
        return job
