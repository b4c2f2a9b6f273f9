"""Jobs, queue and builds of the sandbox's Jenkins, and the executors that run them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cicd.sandbox.jenkins.execution import Execution
from cicd.sandbox.jenkins.jenkinsfile import Parameter, PipelineFile, parse_jenkinsfile
from headgate.clock import Clock
from headgate.errors import ConfigError

_POLL_S = 0.5


@dataclass(kw_only=True)
class Job:
    """A pipeline job; `name` is its full name, folders included. `jenkinsfile` None: read it from `repo`."""

    name: str
    repo: str
    branch: str
    environment: dict[str, str]
    jenkinsfile: str | None
    parameters: tuple[Parameter, ...] = ()
    enabled: bool = True
    builds: list[Build] = field(default_factory=list)


@dataclass(kw_only=True)
class Item:
    """An entry of the queue; `build` is set when it has left as a build."""

    id: int
    job: Job
    parameters: dict[str, str]
    user: str
    since: datetime
    why: str | None = "In the quiet period. Expires in 0 ms"
    cancelled: bool = False
    build: Build | None = None


@dataclass(kw_only=True)
class Build:
    """A build; `result` None while it runs. `duration_ms` is 0 while it runs, as in Jenkins."""

    number: int
    job: Job
    parameters: dict[str, str]
    user: str
    queue_id: int
    started: datetime
    folder: Path
    result: str | None = None
    duration_ms: int = 0
    artifacts: tuple[str, ...] = ()

    @property
    def console(self) -> Path:
        return self.folder / "log"

    def text(self) -> str:
        """The console so far."""
        return self.console.read_text(encoding="utf-8", errors="replace") if self.console.exists() else ""


class Controller:
    """Everything one Jenkins knows. `lock` guards it; `changed` wakes executors and whoever waits."""

    def __init__(self, root: Path, clock: Clock, *, executors: int = 2) -> None:
        self.root = root
        self.clock = clock
        self.url = ""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.jobs: dict[str, Job] = {}
        self.items: list[Item] = []
        self.credentials: dict[str, str] = {}
        self.extra_path: tuple[Path, ...] = ()
        self.held = False  # a test or a rehearsal may keep the queue from moving
        self._running: dict[tuple[str, int], Execution] = {}
        self._ids = itertools.count(1)
        self._stopping = False
        self.executors = executors
        self._threads = [
            threading.Thread(target=self._work, name=f"sandbox-executor-{number}", daemon=True)
            for number in range(executors)
        ]

    def start(self) -> None:
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def stop(self) -> None:
        with self.lock:
            self._stopping = True
            for execution in self._running.values():
                execution.abort()
            self.changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=20)

    def add_job(self, job: Job) -> None:
        if job.jenkinsfile is not None and not job.parameters:
            job.parameters = parse_jenkinsfile(job.jenkinsfile).parameters
        with self.lock:
            if job.name in self.jobs:
                raise ConfigError(f"the job {job.name!r} exists already", next_step="Choose another name.")
            self.jobs[job.name] = job

    # queue

    def enqueue(self, job: Job, given: Mapping[str, str], user: str) -> Item:
        """Parameters that the job does not declare are dropped, and an equal waiting item is taken for the same one."""
        values = {p.name: given.get(p.name, p.default) for p in job.parameters}
        with self.lock:
            for item in self.items:
                waiting = item.build is None and not item.cancelled
                if waiting and item.job is job and item.parameters == values:
                    return item
            item = Item(id=next(self._ids), job=job, parameters=values, user=user, since=self.clock.now())
            self.items.append(item)
            self.changed.notify_all()
            return item

    def cancel(self, item: Item) -> None:
        with self.lock:
            if item.build is None:
                item.cancelled, item.why = True, None
            self.changed.notify_all()

    def hold(self, held: bool) -> None:
        with self.lock:
            self.held = held
            self.changed.notify_all()

    def abort(self, build: Build) -> None:
        with self.lock:
            execution = self._running.get((build.job.name, build.number))
        if execution is not None:
            execution.abort()

    def _work(self) -> None:
        while True:
            with self.changed:
                if self._stopping:
                    return
                build = self._take()
                if build is None:
                    self.changed.wait(_POLL_S)
            if build is not None:
                self._run(build)

    def _take(self) -> Build | None:
        for item in self.items:
            if item.build is not None or item.cancelled:
                continue
            item.why = self._blocked(item.job)
            if item.why is None:
                return self._leave(item)
        return None

    def _blocked(self, job: Job) -> str | None:
        """Why an item of the job may not start yet, in Jenkins' words."""
        if self.held:
            return "Waiting for next available executor"
        running = next((build for build in job.builds if build.result is None), None)
        if running is not None and not self._concurrent(job):
            return f"Build #{running.number} is already in progress (ETA: N/A)"
        return None

    @staticmethod
    def _concurrent(job: Job) -> bool:
        try:
            return parse_jenkinsfile(job.jenkinsfile).concurrent if job.jenkinsfile is not None else False
        except ValueError:
            return False

    def _leave(self, item: Item) -> Build:
        number = len(item.job.builds) + 1
        folder = self.root / "jobs" / item.job.name / "builds" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        item.build = build = Build(
            number=number,
            job=item.job,
            parameters=dict(item.parameters),
            user=item.user,
            queue_id=item.id,
            started=self.clock.now(),
            folder=folder,
        )
        item.job.builds.append(build)
        self._running[item.job.name, number] = Execution(
            self._variables(build), self.credentials, self.extra_path, self.root / "home"
        )
        return build

    def _variables(self, build: Build) -> dict[str, str]:
        job = build.job
        return {
            **job.environment,
            **build.parameters,
            "JENKINS_URL": f"{self.url}/",
            "JOB_NAME": job.name,
            "JOB_BASE_NAME": job.name.rpartition("/")[2],
            "BUILD_NUMBER": str(build.number),
            "BUILD_ID": str(build.number),
            "BUILD_TAG": f"jenkins-{job.name.replace('/', '-')}-{build.number}",
            "BUILD_URL": f"{build_url(self.url, build)}",
        }

    def _run(self, build: Build) -> None:
        execution = self._running[build.job.name, build.number]
        workspace = self.root / "workspace" / build.job.name / str(build.number)
        outcome = execution.run(build.job.repo, build.job.branch, build.job.jenkinsfile, workspace, build.folder)
        with self.lock:
            del self._running[build.job.name, build.number]
            if outcome.parameters is not None and build.job.jenkinsfile is None:
                build.job.parameters = outcome.parameters  # Jenkins learns them from the first build
            build.artifacts = outcome.artifacts
            build.duration_ms = max(1, round((self.clock.now() - build.started).total_seconds() * 1000))
            build.result = outcome.result
            self.changed.notify_all()

    def idle(self) -> bool:
        with self.lock:
            return not self._running and not any(i.build is None and not i.cancelled for i in self.items)


def job_url(url: str, name: str) -> str:
    """Address of a job, folders as `job/folder/job/name`."""
    return url + "".join(f"/job/{part}" for part in name.split("/")) + "/"


def build_url(url: str, build: Build) -> str:
    return f"{job_url(url, build.job.name)}{build.number}/"


__all__ = ["Build", "Controller", "Item", "Job", "PipelineFile", "build_url", "job_url"]
