"""The sandbox's GitLab as one object: start it, make projects and tokens, push, and look at what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from starlette.responses import JSONResponse, Response

from cicd.sandbox.gitlab.access import Guard
from cicd.sandbox.gitlab.api_ci import CiApi
from cicd.sandbox.gitlab.api_history import HistoryApi, add_incident, close_incident
from cicd.sandbox.gitlab.api_merge_requests import MergeRequestApi
from cicd.sandbox.gitlab.api_repository import RepositoryApi
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import Incident, Job, MergeRequest, Pipeline, ProjectRecord, Role, Variable
from cicd.sandbox.gitlab.runner import Runner, artifact_folder, trace_file
from cicd.sandbox.routing import Call, Fault, Router
from cicd.sandbox.server import AppServer
from headgate.clock import Clock, SystemClock
from headgate.errors import NotFoundError, RemoteTimeoutError

_WAIT_S = 0.2


class Project:
    """A project as its owner sees it. `variables` are its CI/CD variables; plain strings are masked by their name."""

    def __init__(self, instance: Instance, record: ProjectRecord) -> None:
        self._instance = instance
        self._record = record
        self.id = record.id
        self.path = record.path
        self.repository: Path = record.repository.path
        self.variables = record.variables
        self.web_url = f"{instance.url}/{record.path}"

    @property
    def clone_url(self) -> str:
        """Path of the bare repository: clone from it and push to it."""
        return str(self.repository)

    def refresh(self) -> None:
        """Notice pushes now; the runner does it by itself within half a second."""
        self._instance.refresh(self._record)

    def merge_request(self, iid: int) -> MergeRequest:
        """Raises `NotFoundError`."""
        for request in self._record.merge_requests:
            if request.iid == iid:
                return request
        raise NotFoundError(f"no merge request !{iid}", where=self.path, next_step="Open it first.")

    def open_incident(self, title: str, *, severity: str = "UNKNOWN") -> Incident:
        """An issue of type incident, opened now."""
        user = self._instance.add_user("responder", role=Role.DEVELOPER)
        return add_incident(self._instance, self._record, user, title=title, severity=severity)

    def close_incident(self, incident: Incident) -> None:
        """Close it, now."""
        close_incident(self._instance, incident)

    def pipelines(self) -> list[Pipeline]:
        """Oldest first."""
        with self._instance.lock:
            return list(self._record.pipelines)

    def trace(self, pipeline: Pipeline, job: str) -> str:
        """What the newest try of the named job printed; empty when it has not run."""
        path = trace_file(self._record, self._newest(pipeline, job))
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def artifacts(self, pipeline: Pipeline, job: str) -> Path:
        """The folder of what the newest try of the named job left; it may not exist."""
        return artifact_folder(self._record, self._newest(pipeline, job))

    @staticmethod
    def _newest(pipeline: Pipeline, name: str) -> Job:
        for job in reversed(pipeline.jobs):
            if job.name == name:
                return job
        raise NotFoundError(f"no job {name!r} in the pipeline {pipeline.id}", next_step="Look at its rules.")


class GitLabSandbox:
    """GitLab on a free loopback port, its state under `root`.

    `extra_path` is put before PATH in CI jobs. `workers` jobs run at a time. Use it with `with`, or `start` and `stop`.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock | None = None,
        *,
        port: int = 0,
        workers: int = 2,
        extra_path: Sequence[Path] = (),
    ) -> None:
        self._instance = Instance(root, clock or SystemClock())
        self._runner = Runner(self._instance, workers=workers, extra_path=extra_path)
        self.router = Router(not_found=_not_found)
        self._server = AppServer(self.router, name="gitlab", port=port)
        self.url = self._instance.url = self._server.url
        guard = Guard(self._instance)
        RepositoryApi(self._instance, guard).mount(self.router)
        MergeRequestApi(self._instance, guard).mount(self.router)
        CiApi(self._instance, guard, self._runner).mount(self.router)
        HistoryApi(self._instance, guard).mount(self.router)

    def start(self) -> None:
        self._server.start()
        self._runner.start()

    def stop(self) -> None:
        """End running jobs with all their processes, then the server."""
        self._runner.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_project(
        self,
        path: str,
        *,
        import_from: Path | None = None,
        default_branch: str = "main",
        only_allow_merge_if_pipeline_succeeds: bool = True,
    ) -> Project:
        """A project over a new bare repository, filled from a repository or a folder of files. Starts no pipeline."""
        record = self._instance.add_project(
            path,
            import_from=import_from,
            default_branch=default_branch,
            only_if_pipeline_succeeds=only_allow_merge_if_pipeline_succeeds,
        )
        return Project(self._instance, record)

    def project(self, path: str) -> Project:
        """Raises `NotFoundError`."""
        record = self._instance.find_project(path)
        if record is None:
            raise NotFoundError(f"no project {path!r}", where=self.url, next_step="Create it first.")
        return Project(self._instance, record)

    def token(self, user: str, *scopes: str, role: Role = Role.DEVELOPER) -> str:
        """A new personal access token; the user is made with this role when he does not exist. Default scope: api."""
        return self._instance.add_token(self._instance.add_user(user, role=role), frozenset(scopes or ("api",))).value

    def revoke(self, token: str) -> None:
        self._instance.tokens[token].revoked = True

    def inject(self, fault: Fault) -> None:
        """Let the next matching requests fail in the given way."""
        self.router.inject(fault)

    def wait_for(self, condition: Callable[[], bool], *, timeout_s: float = 60.0, what: str = "the condition") -> None:
        """Wait until `condition` holds; it is asked whenever something changes. Raises `RemoteTimeoutError`."""
        import time

        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise RemoteTimeoutError(f"{what} did not come about in {timeout_s:g} s", where=self.url)
            with self._instance.changed:
                self._instance.changed.wait(_WAIT_S)

    def wait_idle(self, timeout_s: float = 120.0) -> None:
        """Notice all pushes, and wait until no job runs or is due."""
        for record in list(self._instance.projects):
            self._instance.refresh(record)
        self.wait_for(self._runner.idle, timeout_s=timeout_s, what="the end of all jobs")


def _not_found(call: Call) -> Response:
    known = call.path.startswith("/api/")
    return JSONResponse({"error": "404 Not Found"} if known else {"message": "404 Not Found"}, status_code=404)


__all__ = ["Fault", "GitLabSandbox", "Project", "Role", "Variable"]
