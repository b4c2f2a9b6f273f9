"""Endpoints: pipelines, jobs with traces and artifacts, environments, deployments."""

from __future__ import annotations

from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from cicd.sandbox.gitlab.access import Asked, Guard, Refusal, listing, required
from cicd.sandbox.gitlab.api_history import changed
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import Deployment, Job, Pipeline, ProjectRecord, Role
from cicd.sandbox.gitlab.runner import Runner, artifact_folder, trace_file
from cicd.sandbox.gitlab.shapes import Shape, Shapes
from cicd.sandbox.routing import Router

_STATES = ("running", "success", "failed", "canceled")
_ROOT = "/api/v4/projects/{project}"


class CiApi:
    """Handlers over one instance and its runner."""

    def __init__(self, instance: Instance, guard: Guard, runner: Runner) -> None:
        self._instance = instance
        self._guard = guard
        self._runner = runner
        self._shapes = Shapes(instance.url)

    def mount(self, router: Router) -> None:
        guard = self._guard
        router.add("GET", "/api/v4/job", guard(self._own_job, job_token=True))
        router.add("GET", f"{_ROOT}/pipelines", guard(self._pipelines))
        router.add("POST", f"{_ROOT}/pipeline", guard(self._create_pipeline, write=True, role=Role.DEVELOPER))
        router.add("GET", f"{_ROOT}/pipelines/{{pipeline}}", guard(self._pipeline))
        router.add("GET", f"{_ROOT}/pipelines/{{pipeline}}/jobs", guard(self._pipeline_jobs))
        router.add(
            "POST", f"{_ROOT}/pipelines/{{pipeline}}/cancel", guard(self._cancel, write=True, role=Role.DEVELOPER)
        )
        router.add("GET", f"{_ROOT}/jobs/{{job}}", guard(self._job))
        router.add("GET", f"{_ROOT}/jobs/{{job}}/trace", guard(self._trace))
        router.add("POST", f"{_ROOT}/jobs/{{job}}/play", guard(self._play, write=True, role=Role.DEVELOPER))
        router.add("GET", f"{_ROOT}/jobs/{{job}}/artifacts/{{path*}}", guard(self._artifact, job_token=True))
        router.add("GET", f"{_ROOT}/environments", guard(self._environments, job_token=True))
        router.add("GET", f"{_ROOT}/deployments", guard(self._deployments, job_token=True))
        router.add(
            "POST",
            f"{_ROOT}/deployments",
            guard(self._deploy, write=True, role=Role.DEVELOPER, job_token=True),
        )
        router.add("GET", f"{_ROOT}/deployments/{{deployment}}", guard(self._deployment, job_token=True))
        router.add(
            "PUT",
            f"{_ROOT}/deployments/{{deployment}}",
            guard(self._update_deployment, write=True, role=Role.DEVELOPER, job_token=True),
        )

    # pipelines

    def _pipelines(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        found = [
            pipeline
            for pipeline in reversed(project.pipelines)
            if call.value("sha") in ("", pipeline.sha)
            and call.value("ref") in ("", pipeline.ref)
            and call.value("status") in ("", pipeline.status)
            and call.value("source") in ("", pipeline.source)
        ]
        return listing(self._instance.url, call, [self._shapes.pipeline(project, item) for item in found])

    def _create_pipeline(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        required(asked.call, "ref")
        ref = asked.call.value("ref")
        if ref not in project.heads:
            raise Refusal(400, {"base": ["Reference not found"]})
        pipeline = self._instance.create_pipeline(
            project, source="api", sha=project.heads[ref], ref=ref, user=asked.user
        )
        if pipeline is None:
            raise Refusal(400, {"base": ["Pipeline will not run for the selected trigger."]})
        return JSONResponse(self._shapes.pipeline_detail(project, pipeline), status_code=201)

    def _find_pipeline(self, asked: Asked) -> tuple[ProjectRecord, Pipeline]:
        project = self._guard.project(asked)
        for pipeline in project.pipelines:
            if str(pipeline.id) == asked.call.args["pipeline"]:
                return project, pipeline
        raise Refusal(404, "404 Not found")

    def _pipeline(self, asked: Asked) -> Response:
        return JSONResponse(self._shapes.pipeline_detail(*self._find_pipeline(asked)))

    def _pipeline_jobs(self, asked: Asked) -> Response:
        project, pipeline = self._find_pipeline(asked)
        with self._instance.lock:
            found = [
                self._job_shape(project, pipeline, job)
                for job in pipeline.jobs
                if not job.external and (asked.call.flag("include_retried") or not job.retried)
            ]
        return listing(self._instance.url, asked.call, found)

    def _cancel(self, asked: Asked) -> Response:
        project, pipeline = self._find_pipeline(asked)
        for job in list(pipeline.jobs):
            self._runner.cancel(job)
        self._instance.update_pipeline(pipeline)
        return JSONResponse(self._shapes.pipeline_detail(project, pipeline))

    # jobs

    def _job_shape(self, project: ProjectRecord, pipeline: Pipeline, job: Job) -> Shape:
        return self._shapes.job(project, pipeline, job, project.repository.commit(pipeline.sha))

    def _find_job(self, asked: Asked) -> tuple[ProjectRecord, Pipeline, Job]:
        project = self._guard.project(asked)
        for pipeline, job in project.jobs():
            if str(job.id) == asked.call.args["job"] and not job.external:
                return project, pipeline, job
        raise Refusal(404, "404 Not found")

    def _own_job(self, asked: Asked) -> Response:
        for project in self._instance.projects:
            for pipeline, job in project.jobs():
                if job.id == asked.token.job_id:
                    return JSONResponse(self._job_shape(project, pipeline, job))
        raise Refusal(401, "401 Unauthorized")

    def _job(self, asked: Asked) -> Response:
        return JSONResponse(self._job_shape(*self._find_job(asked)))

    def _trace(self, asked: Asked) -> Response:
        project, _, job = self._find_job(asked)
        path = trace_file(project, job)
        return PlainTextResponse(path.read_bytes() if path.exists() else b"")

    def _play(self, asked: Asked) -> Response:
        project, pipeline, job = self._find_job(asked)
        with self._instance.changing():
            if job.status != "manual" or job.spec is None:
                raise Refusal(400, "400 Bad request - Unplayable Job")
            import dataclasses

            job.spec, job.status = dataclasses.replace(job.spec, when="always"), "created"
            self._instance.update_pipeline(pipeline)
        return JSONResponse(self._job_shape(project, pipeline, job))

    def _artifact(self, asked: Asked) -> Response:
        project, _, job = self._find_job(asked)
        name = asked.call.args["path"]
        if name not in job.artifacts:
            raise Refusal(404, "404 Not found")
        return FileResponse(artifact_folder(project, job) / name, media_type="application/octet-stream")

    # environments and deployments

    def _environments(self, asked: Asked) -> Response:
        project = self._guard.project(asked)
        wanted = asked.call.value("name")
        found = [self._shapes.environment(item) for item in project.environments if wanted in ("", item.name)]
        return listing(self._instance.url, asked.call, found)

    def _deployments(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        if call.value("updated_after") and call.value("order_by") != "updated_at":
            raise Refusal(400, "400 Bad request - `updated_at` filter requires `updated_at` sort")
        found = [
            item
            for item in changed(project.deployments, call, by="id", sort="asc")
            if call.value("environment") in ("", item.environment.name) and call.value("status") in ("", item.status)
        ]
        return listing(self._instance.url, call, [self._shapes.deployment(item) for item in found])

    def _find_deployment(self, asked: Asked) -> Deployment:
        for deployment in self._guard.project(asked).deployments:
            if str(deployment.id) == asked.call.args["deployment"]:
                return deployment
        raise Refusal(404, "404 Deployment Not Found")

    def _deployment(self, asked: Asked) -> Response:
        return JSONResponse(self._shapes.deployment(self._find_deployment(asked)))

    def _deploy(self, asked: Asked) -> Response:
        project, call = self._guard.project(asked), asked.call
        required(call, "environment", "sha", "ref", "tag", "status")
        self._check_state(call.value("status"))
        if not project.repository.has(call.value("sha")):
            raise Refusal(400, {"sha": ["The commit does not exist"]})
        deployment = self._instance.add_deployment(
            project,
            environment=call.value("environment"),
            sha=call.value("sha"),
            ref=call.value("ref"),
            tag=call.flag("tag"),
            status=call.value("status"),
            user=asked.user,
        )
        return JSONResponse(self._shapes.deployment(deployment), status_code=201)

    def _update_deployment(self, asked: Asked) -> Response:
        deployment = self._find_deployment(asked)
        required(asked.call, "status")
        status = asked.call.value("status")
        self._check_state(status)
        if deployment.job is not None:
            raise Refusal(403, "403 Forbidden")  # belongs to a job, which sets it
        with self._instance.changing():
            if deployment.status == status or deployment.status != "running":
                raise Refusal(400, f'Cannot transition status from "{deployment.status}" to "{status}"')
            deployment.status, deployment.updated_at = status, self._instance.now()
        return JSONResponse(self._shapes.deployment(deployment))

    @staticmethod
    def _check_state(status: str) -> None:
        if status not in _STATES:
            raise Refusal(400, {"error": "status does not have a valid value"})
