"""The runner: takes jobs that are due, runs their scripts in fresh clones, and keeps traces and artifacts."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cicd.sandbox.gitlab.ci_values import JobSpec
from cicd.sandbox.gitlab.instance import Instance
from cicd.sandbox.gitlab.model import Deployment, Job, Pipeline, ProjectRecord
from cicd.sandbox.gitlab.schedule import next_job
from cicd.sandbox.gitlab.variables import expand, job_variables
from cicd.sandbox.globs import glob_pattern
from cicd.sandbox.shell import ShellRun

_MASK = "[MASKED]"
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_SCRIPT_TIMEOUT_S = 300.0  # of after_script
_POLL_S = 0.5


class Runner:
    """Worker threads over one instance. `extra_path` is put before PATH in jobs, the running Python's folder first.

    A real runner starts an image; here the "image" is the environment this process runs in.
    """

    def __init__(self, instance: Instance, *, workers: int = 2, extra_path: Sequence[Path] = ()) -> None:
        self._instance = instance
        self._path = os.pathsep.join(
            [*map(str, extra_path), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        )
        self._running: dict[int, ShellRun] = {}
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"sandbox-runner-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def stop(self) -> None:
        with self._instance.changing():
            self._stopping = True
            for run in self._running.values():
                run.cancel()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=20)

    def cancel(self, job: Job) -> None:
        """End a running job, or mark one that has not started."""
        with self._instance.changing():
            if job.status in ("created", "pending", "manual"):
                job.status, job.finished_at = "canceled", self._instance.now()
            elif job.id in self._running:
                self._running[job.id].cancel()

    def idle(self) -> bool:
        """Nothing runs and nothing is due."""
        with self._instance.lock:
            return not self._running and not any(
                job.status in ("created", "pending", "running")
                for project in self._instance.projects
                for pipeline in project.pipelines
                for job in pipeline.jobs
                if not job.external and not job.retried
            )

    def _work(self) -> None:
        while True:
            with self._instance.changed:
                if self._stopping:
                    return
                due = self._take()
                if due is None and not self._instance.changed.wait(_POLL_S):
                    for project in self._instance.projects:
                        self._instance.refresh(project)  # pushes come over the file system and ring no bell
            if due is not None:
                self._run(*due)

    def _take(self) -> tuple[ProjectRecord, Pipeline, Job] | None:
        for project in self._instance.projects:
            for pipeline in project.pipelines:
                if pipeline.finished_at is not None:
                    continue
                before = [job.status for job in pipeline.jobs]
                job = next_job(pipeline)
                if job is not None:
                    job.status, job.started_at = "running", self._instance.now()
                    self._running[job.id] = ShellRun()
                if job is not None or before != [item.status for item in pipeline.jobs]:
                    self._instance.update_pipeline(pipeline)
                if job is not None:
                    return project, pipeline, job
        return None

    # one job

    def _run(self, project: ProjectRecord, pipeline: Pipeline, job: Job) -> None:
        spec = job.spec
        if spec is None:
            return
        deployment = self._begin_deployment(project, pipeline, job, spec)
        token = self._instance.add_token(pipeline.user, frozenset({"job"}), job_id=job.id)
        folder = project.folder / "builds" / str(job.id)
        clean = True
        try:
            status = self._execute(project, pipeline, job, spec, token.value, folder)
        except Exception as error:  # noqa: BLE001 - whatever a job does, the runner goes on with the next
            status, clean = None, False
            self._write_trace(project, job, f"ERROR: Job failed (system failure): {error}\n")
        finally:
            token.revoked = True
            shutil.rmtree(folder, ignore_errors=True)
        with self._instance.changing():
            cancelled = self._running.pop(job.id).cancelled
            self._finish(
                pipeline,
                job,
                spec,
                status,
                "canceled" if cancelled else None,
                "script_failure" if clean else "runner_system_failure",
            )
            if deployment is not None:
                deployment.status = job.status
                deployment.updated_at = self._instance.now()
            self._instance.update_pipeline(pipeline)

    def _finish(
        self, pipeline: Pipeline, job: Job, spec: JobSpec, status: int | None, forced: str | None, reason: str
    ) -> None:
        job.finished_at = self._instance.now()
        job.exit_code = status
        job.status = forced or ("success" if status == 0 else "failed")
        if job.status != "failed":
            return
        job.failure_reason = reason
        if status in spec.allow_exit_codes:
            job.allow_failure = True
        worth_it = spec.retry_exit_codes is None or status in spec.retry_exit_codes
        if job.tries < spec.retry_max and worth_it:
            job.retried = True
            again = Job(
                id=self._instance.new_id(),
                name=job.name,
                stage=job.stage,
                created_at=self._instance.now(),
                spec=spec,
                allow_failure=job.allow_failure,
                tries=job.tries + 1,
            )
            pipeline.jobs.append(again)

    def _begin_deployment(
        self, project: ProjectRecord, pipeline: Pipeline, job: Job, spec: JobSpec
    ) -> Deployment | None:
        if not spec.environment:
            return None
        name = expand(spec.environment, {**pipeline.variables, **spec.variables})
        return self._instance.add_deployment(
            project,
            environment=name,
            sha=pipeline.sha,
            ref=pipeline.ref,
            tag=False,
            status="running",
            user=pipeline.user,
            job=job,
        )

    def _execute(
        self, project: ProjectRecord, pipeline: Pipeline, job: Job, spec: JobSpec, token: str, folder: Path
    ) -> int | None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        project.repository.checkout(pipeline.sha, folder)
        self._restore(project, pipeline, job, spec, folder)
        variables = job_variables(self._instance.url, project, pipeline, job, token=token, folder=folder)
        hidden = [token] + [
            project.variable(key).value for key in project.variables if project.variable(key).is_masked(key)
        ]
        trace = trace_file(project, job)
        trace.parent.mkdir(parents=True, exist_ok=True)
        self._write_trace(
            project, job, f"Running on the sandbox runner\nChecking out {pipeline.sha[:8]} as detached HEAD\n"
        )
        run = self._running[job.id]
        environ = self._environ(variables)
        status = run.execute(
            ["bash", "-eo", "pipefail", "-c", script_text(spec.script)],
            cwd=folder, env=environ, output=trace, hide=hidden, mask=_MASK, timeout_s=spec.timeout_s,
        )  # fmt: skip
        if spec.after_script:
            after = ShellRun()
            after.execute(
                ["bash", "-c", script_text(spec.after_script)],
                cwd=folder, env=environ | {"CI_JOB_STATUS": "success" if status == 0 else "failed"},
                output=trace, hide=hidden, mask=_MASK, timeout_s=_SCRIPT_TIMEOUT_S,
            )  # fmt: skip
        self._collect(project, job, spec, folder, succeeded=status == 0)
        last = "Job succeeded" if status == 0 else f"ERROR: Job failed: {_why(run, status)}"
        self._write_trace(project, job, last + "\n")
        return status

    def _environ(self, variables: Mapping[str, str]) -> dict[str, str]:
        home = self._instance.root / "home"
        home.mkdir(parents=True, exist_ok=True)
        passed = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        return {**passed, "HOME": str(home), "PATH": self._path, **variables}

    @staticmethod
    def _write_trace(project: ProjectRecord, job: Job, text: str) -> None:
        path = trace_file(project, job)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    # artifacts

    def _collect(self, project: ProjectRecord, job: Job, spec: JobSpec, folder: Path, *, succeeded: bool) -> None:
        kept = (
            spec.artifact_paths
            if spec.artifacts_when in ("always", "on_success" if succeeded else "on_failure")
            else ()
        )
        patterns = [glob_pattern(path) for path in (*kept, *spec.report_paths)]
        found = []
        for file in sorted(folder.rglob("*")) if patterns else ():
            name = file.relative_to(folder).as_posix()
            if file.is_file() and not name.startswith(".git/") and any(p.fullmatch(name) for p in patterns):
                target = artifact_folder(project, job) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
                found.append(name)
        job.artifacts = tuple(found)

    def _restore(self, project: ProjectRecord, pipeline: Pipeline, job: Job, spec: JobSpec, folder: Path) -> None:
        """Artifacts of earlier stages, or of the needed jobs, as they are downloaded before a job."""
        place = pipeline.stages.index(job.stage)
        with self._instance.lock:
            sources = [
                other
                for other in pipeline.jobs
                if not other.external and other.finished
                and (other.name in spec.needs if spec.needs is not None else pipeline.stages.index(other.stage) < place)
            ]  # fmt: skip
        for other in sources:
            patterns = [glob_pattern(path) for path in other.spec.artifact_paths] if other.spec else []
            for name in other.artifacts:
                if any(pattern.fullmatch(name) for pattern in patterns):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(artifact_folder(project, other) / name, folder / name)


def trace_file(project: ProjectRecord, job: Job) -> Path:
    return project.folder / "traces" / f"{job.id}.log"


def artifact_folder(project: ProjectRecord, job: Job) -> Path:
    return project.folder / "artifacts" / str(job.id)


def script_text(lines: Sequence[str]) -> str:
    """One shell script that shows each command before it runs, as GitLab's traces do."""
    shown = []
    for line in lines:
        first = line.strip().partition("\n")[0].replace("'", "'\\''")
        more = " # collapsed multi-line command" if "\n" in line.strip() else ""
        shown.append(f"echo '$ {first}{more}'\n{line.rstrip()}")
    return "\n".join(shown) + "\n"


def _why(run: ShellRun, status: int | None) -> str:
    if run.cancelled:
        return "canceled"
    if run.timed_out:
        return "execution took longer than the job's timeout"
    return f"exit code {status}"
