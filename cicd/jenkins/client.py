"""`DeliveryJobs` over a Jenkins controller.

jenkinsapi gives the transport; the waiting is ours: its `block_until_building` never ends on a cancelled item and its
constructor crawls every folder of the controller.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from cicd.jenkins.console import ConsoleTail
from cicd.jenkins.errors import ACCESS_ADVICE
from cicd.jenkins.outcome import parse_exit
from cicd.jenkins.payloads import BuildData, JobData, QueueItemData, parse
from cicd.jenkins.port import REQUEST_PARAMETER, BuildOutcome, BuildResult, QueueItem
from cicd.jenkins.transport import Transport
from headgate.clock import Clock, SystemClock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    TransportError,
    UnreachableError,
)
from headgate.secrets import read_secret

_LOOK_BACK = 50  # builds among which a request of ours is looked for
_TRIGGER_ATTEMPTS = 3
_PARAMETERS = "actions[parameters[name,value]]"
_QUEUE_ID = re.compile(r"/queue/item/(\d+)/?$")


def connect(
    url: str, *, environ: Mapping[str, str] | None = None, clock: Clock | None = None, timeout_s: float = 30.0
) -> JenkinsJobs:
    """The jobs of the controller at `url`; nothing is asked yet. Close it, or use it with `with`.

    `timeout_s` bounds one request. Raises `AuthenticationError` when user or token is not set, `ConfigError` when
    jenkinsapi is not installed.
    """
    # Not read as a secret: the text of a secret is masked everywhere, and users have names such as "headgate".
    user = (os.environ if environ is None else environ).get("HEADGATE_JENKINS_USER", "")
    token = read_secret("HEADGATE_JENKINS_TOKEN", environ)
    if not user or token is None:
        missing = "HEADGATE_JENKINS_TOKEN" if user else "HEADGATE_JENKINS_USER"
        raise AuthenticationError(f"{missing} is not set", where=url, next_step=ACCESS_ADVICE)
    clock = clock or SystemClock()
    try:
        transport = Transport(url, user, token, clock=clock, timeout_s=timeout_s)
    except ImportError as error:
        raise ConfigError("jenkinsapi is not installed", next_step="Install headgate[jenkins].") from error
    return JenkinsJobs(transport, clock=clock)


def job_path(job: str) -> str:
    """`folder/name` as Jenkins writes it in URLs: `/job/folder/job/name`. Raises `ConfigError` for an empty part."""
    parts = job.strip("/").split("/")
    if not all(parts) or any(part in (".", "..") for part in parts):
        raise ConfigError(f"{job!r} is not the full name of a job", next_step="Write it as name or folder/name.")
    return "".join(f"/job/{quote(part, safe='')}" for part in parts)


class JenkinsJobs:
    """`DeliveryJobs` for one controller. `poll_s` is the pause between two looks."""

    def __init__(self, transport: Transport, *, clock: Clock, poll_s: float = 1.0) -> None:
        self._transport = transport
        self._clock = clock
        self._poll_s = poll_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # starting

    def check(self, job: str, parameters: Collection[str]) -> None:
        """Raise what `trigger` would raise before it sends anything: no such job, disabled, parameters not declared."""
        self._check_job(job_path(job), job, dict.fromkeys((*parameters, REQUEST_PARAMETER), ""))

    def trigger(self, job: str, parameters: Mapping[str, str], *, request: str | None = None) -> QueueItem:
        """Ask for one build and return its place in the queue.

        The build carries `request` (a new random id if None) as parameter HEADGATE_REQUEST. When an answer is lost,
        and when `request` was given, the queue and the newest builds are searched for it before anything is sent.
        Raises `ConfigError` when the job does not declare a parameter: Jenkins would drop it without a word.
        """
        path = job_path(job)
        repeated = request is not None
        request = request or uuid.uuid4().hex
        wanted = {**parameters, REQUEST_PARAMETER: request}
        self._check_job(path, job, wanted)
        lost: TransportError | None = None
        for _ in range(_TRIGGER_ATTEMPTS):
            if lost is not None or repeated:
                found = self._find(path, request)
                if found is not None:
                    return QueueItem(job=job, id=found, request=request)
            try:
                return QueueItem(job=job, id=self._post_build(path, wanted), request=request)
            except (RemoteTimeoutError, ServerFaultError, UnreachableError) as error:
                lost = error
                self._clock.sleep(self._poll_s)
        found = self._find(path, request)
        if found is None:
            raise lost or AssertionError("unreachable")
        return QueueItem(job=job, id=found, request=request)

    def _check_job(self, path: str, job: str, parameters: Mapping[str, str]) -> None:
        tree = "buildable,property[parameterDefinitions[name]],actions[parameterDefinitions[name]]"
        data = parse(JobData, self._transport.get_json(f"{path}/api/json", tree=tree))
        if not data.buildable:
            raise RemoteStateError(
                f"the job {job!r} is disabled", where=self._transport.url + path, next_step="Enable it in Jenkins."
            )
        missing = sorted(set(parameters) - data.parameter_names)
        if missing:
            raise ConfigError(
                f"the job {job!r} does not declare the parameters {', '.join(missing)}",
                where=self._transport.url + path,
                next_step="Add them to its Jenkinsfile and run the job once: Jenkins reads them in the first build.",
            )

    def _post_build(self, path: str, parameters: Mapping[str, str]) -> int:
        response = self._transport.post(f"{path}/buildWithParameters", parameters)
        # Only the number counts: the address is built from the controller's own idea of its URL, which may be wrong.
        match = _QUEUE_ID.search(response.headers.get("Location", ""))
        if match is None:
            raise ServerFaultError(
                "Jenkins accepted the build but named no queue item",
                where=self._transport.url + path,
                next_step="Check that a proxy keeps the Location header.",
            )
        return int(match.group(1))

    def _find(self, path: str, request: str) -> int | None:
        """The queue id of the build or queue item that carries `request`, None when there is none."""
        queue = self._transport.get_json("/queue/api/json", tree=f"items[id,{_PARAMETERS}]")
        for item in _items(queue, "items"):
            data = parse(QueueItemData, item)
            if data.parameter(REQUEST_PARAMETER) == request:
                return data.id
        for build in self._recent_builds(path):
            if build.parameter(REQUEST_PARAMETER) == request:
                return build.queue_id
        return None

    def _recent_builds(self, path: str) -> Sequence[BuildData]:
        tree = f"builds[number,queueId,{_PARAMETERS}]{{0,{_LOOK_BACK}}}"
        return [
            parse(BuildData, item) for item in _items(self._transport.get_json(f"{path}/api/json", tree=tree), "builds")
        ]

    # waiting

    def wait(self, item: QueueItem, *, timeout_s: float, on_text: Callable[[str], None] | None = None) -> BuildResult:
        """Follow `item` through the queue and its build to the end.

        A short loss of the connection is waited out; after `timeout_s` in all `RemoteTimeoutError` says where the build
        stands. The build itself is left running: the release in it must not be cut off by an impatient caller.
        """
        deadline = self._clock.monotonic() + timeout_s
        number = self._wait_for_build(item, deadline)
        if number is None:
            return BuildResult(job=item.job, outcome=BuildOutcome.CANCELLED)
        path = f"{job_path(item.job)}/{number}"
        tail = ConsoleTail(self._transport, f"{path}/logText/progressiveText", on_text)
        while True:
            data = parse(BuildData, self._transport.get_json(f"{path}/api/json"))
            if self._over(data):
                return self._result(item.job, data, tail)
            tail.advance()
            self._pause(deadline, f"{item.job} #{number} is still running after {timeout_s:g} s", path)

    def _wait_for_build(self, item: QueueItem, deadline: float) -> int | None:
        path = f"/queue/item/{item.id}"
        while True:
            try:
                data = parse(QueueItemData, self._transport.get_json(f"{path}/api/json"))
            except NotFoundError:
                # Jenkins forgets an item five minutes after it has left the queue; the build still knows its number.
                return self._build_of(item)
            if data.cancelled:
                return None
            if data.executable is not None:
                return data.executable.number
            self._pause(deadline, f"{item.job} is still in the queue: {data.why or 'no reason given'}", path)

    def _build_of(self, item: QueueItem) -> int:
        for build in self._recent_builds(job_path(item.job)):
            if build.queue_id == item.id or build.parameter(REQUEST_PARAMETER) == item.request:
                return build.number
        raise NotFoundError(
            f"neither the queue item {item.id} nor a build of it exists",
            where=self._transport.url + job_path(item.job),
            next_step="It was cancelled long ago, or its build was deleted; look at the job's history.",
        )

    @staticmethod
    def _over(data: BuildData) -> bool:
        # Between the last step and its storage a build has a result and is still building.
        return not data.building and data.result is not None

    def _result(self, job: str, data: BuildData, tail: ConsoleTail) -> BuildResult:
        tail.finish()
        return BuildResult(
            job=job,
            outcome=data.outcome,
            number=data.number,
            url=data.url or f"{self._transport.url}{job_path(job)}/{data.number}/",
            duration_s=data.duration / 1000 if data.duration else None,
            headgate_exit=parse_exit(tail.text),
            console_tail=tail.masked(),
        )

    def _pause(self, deadline: float, what: str, path: str) -> None:
        if self._clock.monotonic() >= deadline:
            raise RemoteTimeoutError(
                what,
                where=self._transport.url + path,
                next_step="It goes on without this command; look at it in Jenkins, or raise deploy.jenkins.timeout_s.",
            )
        self._clock.sleep(self._poll_s)


def _items(data: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = data.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
