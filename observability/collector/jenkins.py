"""Jenkins: the Notification plugin's JSON, and the CDEvents plugin. Pure.

A build is a pipeline run. An address with `environment` says that the job deploys: its builds are deployments then, of
the service that the address or the build's parameter SERVICE names. A job that runs `headgate release` tells that
itself and must not be told twice, so nothing but the address makes a deployment of a build.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from observability.collector import cdevents
from observability.collector.facts import Id, Origin, deployment_event, fact, host, sha, web
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated, Translation
from observability.collector.moments import from_milliseconds
from observability.events import Kind
from observability.records import Foreign, Text

PIPELINE_OUTCOMES: Mapping[str, str] = {
    "SUCCESS": "success",
    "UNSTABLE": "failure",
    "FAILURE": "failure",
    "ABORTED": "canceled",
}
DEPLOYMENT_OUTCOMES: Mapping[str, str] = {**PIPELINE_OUTCOMES, "UNSTABLE": "error"}
"""An unstable build went on to its end; whether what it deployed is sound, nobody has said."""
_COMMITS = ("SOURCE_COMMIT", "GIT_COMMIT", "COMMIT", "SHA")
_VERSIONS = ("VERSION", "IMAGE_TAG", "TAG")


class _Scm(Foreign):
    commit: str | None = None
    branch: str | None = None


class _Build(Foreign):
    number: Id
    phase: Text
    status: str | None = None
    timestamp: int | None = None
    duration: int | None = None
    full_url: str | None = None
    url: str | None = None
    scm: _Scm | None = None
    parameters: dict[str, Any] | None = None


class _Job(Foreign):
    name: Text
    url: str | None = None
    build: _Build


def translate(delivery: Delivery) -> Translation:
    """What Jenkins tells. Raises pydantic's `ValidationError` for a payload of neither plugin."""
    body = delivery.body
    if cdevents.is_cdevent(delivery):
        return cdevents.translate(delivery)
    if not isinstance(body, Mapping) or "build" not in body:
        return Refused(reason="neither a CDEvent nor JSON of the Notification plugin (`name` and `build`)")
    job = _Job.model_validate(body)
    build = job.build
    if build.phase not in ("COMPLETED", "FINALIZED"):
        return Ignored(reason="a build that has not ended")
    if build.status == "NOT_BUILT":
        return Ignored(reason="a build that did not run")
    status = build.status or ""
    if status not in PIPELINE_OUTCOMES:
        return Refused(reason=f"the status {status[:60]!r} of a build is not known")
    try:
        # The time of the phase, which both of them have: the second message of one build is the same fact.
        at = from_milliseconds(build.timestamp) if build.timestamp else delivery.received_at
    except ValueError as error:
        return Refused(reason=f"build.timestamp: {error}")
    return _told(job, status, at, delivery.hints)


def _told(job: _Job, status: str, at: datetime, hints: Hints) -> Translation:
    build, parameters = job.build, job.build.parameters or {}
    path = (job.url or job.name).strip("/")
    origin = Origin(provider="jenkins", project=f"{host(build.full_url, 'jenkins')}/{path}")
    commit = sha(_parameter(parameters, _COMMITS)) or sha(build.scm.commit if build.scm else None)
    service = hints.service or _parameter(parameters, ("SERVICE",))
    key = f"build/{build.number}"
    if hints.environment is None:
        event = fact(
            origin,
            Kind.PIPELINE_FINISHED,
            key,
            status=status,
            at=at,
            subject=f"{job.name} #{build.number}",
            service=service,
            commit=commit,
            outcome=PIPELINE_OUTCOMES[status],
            url=web(build.full_url),
            data={
                "branch": build.scm.branch if build.scm else None,
                "duration_s": (build.duration or 0) / 1000 or None,
            },
        )
        return Translated(events=(event,))
    if service is None:
        return Refused(reason="the address names an environment, but neither it nor the parameter SERVICE a service")
    event = deployment_event(
        origin,
        key=key,
        status=status,
        outcome=DEPLOYMENT_OUTCOMES[status],
        at=at,
        service=service,
        environment=hints.environment,
        commit=commit,
        url=web(build.full_url),
        data={"version": _parameter(parameters, _VERSIONS), "job": job.name},
    )
    return Translated(events=(event,))


def _parameter(parameters: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    found = (parameters.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)
