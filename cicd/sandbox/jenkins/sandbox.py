"""The sandbox's Jenkins as one object: start it, make jobs, and look at what came of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from cicd.sandbox.jenkins.api import JenkinsApi, not_found
from cicd.sandbox.jenkins.controller import Build, Controller, Item, Job
from cicd.sandbox.jenkins.jenkinsfile import Parameter
from cicd.sandbox.routing import Fault, Router
from cicd.sandbox.server import AppServer
from headgate.clock import Clock, SystemClock
from headgate.errors import RemoteTimeoutError

_WAIT_S = 0.2


class JenkinsSandbox:
    """Jenkins on a free loopback port, its state under `root`.

    `user` and `token` may do everything; `add_user` makes others. `credentials` are texts by id, masked in consoles.
    `extra_path` is put before PATH in builds. Use it with `with`, or `start` and `stop`.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock | None = None,
        *,
        port: int = 0,
        executors: int = 2,
        extra_path: Sequence[Path] = (),
    ) -> None:
        self.user = "headgate"
        self.token = secrets.token_hex(17)
        self._users = {self.user: self.token}
        self._may_build = {self.user}
        self._controller = Controller(root, clock or SystemClock(), executors=executors)
        self._controller.extra_path = tuple(extra_path)
        self._api = JenkinsApi(self._controller, self._users, self._may_build)
        self.router = Router(not_found=not_found, guard=self._api.guard)
        self._server = AppServer(self.router, name="jenkins", port=port)
        self.url = self._controller.url = self._server.url
        self._api.mount(self.router)

    @property
    def credentials(self) -> dict[str, str]:
        return self._controller.credentials

    def start(self) -> None:
        self._server.start()
        self._controller.start()

    def stop(self) -> None:
        """End running builds with all their processes, then the server."""
        self._controller.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_user(self, name: str, *, may_build: bool) -> str:
        """A user who may read, and start builds if `may_build`; returns the API token."""
        self._users[name] = secrets.token_hex(17)
        if may_build:
            self._may_build.add(name)
        return self._users[name]

    def create_job(
        self,
        name: str,
        *,
        repo: str,
        jenkinsfile: Path | str | None = None,
        branch: str = "main",
        environment: Mapping[str, str] | None = None,
        parameters: Sequence[str] = (),
        enabled: bool = True,
    ) -> Job:
        """A pipeline job (`folder/name` makes the folder) that builds `branch` of `repo`, a URL or path.

        `jenkinsfile` is its text or a path; None takes the file `Jenkinsfile` of the repository, whose parameters
        Jenkins learns in the first build; until then the string parameters named in `parameters` are declared.
        Raises `ValueError` for a Jenkinsfile outside of the supported subset.
        """
        text = jenkinsfile.read_text(encoding="utf-8") if isinstance(jenkinsfile, Path) else jenkinsfile
        job = Job(
            name=name,
            repo=repo,
            branch=branch,
            environment=dict(environment or {}),
            jenkinsfile=text,
            parameters=tuple(Parameter(name=item, kind="StringParameterDefinition") for item in parameters),
            enabled=enabled,
        )
        self._controller.add_job(job)
        return job

    def job(self, name: str) -> Job:
        """Raises `KeyError`."""
        return self._controller.jobs[name]

    def enqueue(self, name: str, parameters: Mapping[str, str]) -> Item:
        """Ask for a build without HTTP. Raises `KeyError` for an unknown job."""
        return self._controller.enqueue(self.job(name), parameters, self.user)

    def hold_queue(self, held: bool = True) -> None:
        """Let nothing leave the queue, as when all executors are busy; False lets it go on."""
        self._controller.hold(held)

    def cancel_queue(self) -> None:
        """Cancel everything that waits."""
        for item in list(self._controller.items):
            self._controller.cancel(item)

    def forget_queue(self) -> None:
        """Drop items that have left the queue, as Jenkins does after five minutes."""
        with self._controller.lock:
            self._controller.items = [
                item for item in self._controller.items if item.build is None and not item.cancelled
            ]

    def renew_crumb(self) -> None:
        """Make all crumbs handed out so far invalid."""
        self._api.new_crumb()

    def abort(self, build: Build) -> None:
        self._controller.abort(build)

    def inject(self, fault: Fault) -> None:
        """Let the next matching requests fail in the given way."""
        self.router.inject(fault)

    def wait_for(self, condition: Callable[[], bool], *, timeout_s: float = 60.0, what: str = "the condition") -> None:
        """Wait until `condition` holds. Raises `RemoteTimeoutError`."""
        import time

        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise RemoteTimeoutError(f"{what} did not come about in {timeout_s:g} s", where=self.url)
            with self._controller.changed:
                self._controller.changed.wait(_WAIT_S)

    def wait_idle(self, timeout_s: float = 120.0) -> None:
        """Wait until nothing is queued and nothing runs."""
        self.wait_for(self._controller.idle, timeout_s=timeout_s, what="the end of all builds")


__all__ = ["Fault", "JenkinsSandbox"]
