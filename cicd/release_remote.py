"""A release on other servers: run by a Jenkins job, and recorded as a deployment in GitLab."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cicd.cli.context import App, say
from cicd.config.model import JenkinsConfig
from deployments.release.model import ReleaseRequest
from headgate.exit_codes import ExitCode
from observability.events import DeliveryEvent, event_id


def run_on_jenkins(
    app: App, config: JenkinsConfig, *, service: str, environment: str, request: ReleaseRequest
) -> tuple[int, dict[str, object]]:
    """Run the release as a build of the delivery job; its exit code and a summary.

    A build that did not say how its release ended is undecided, whatever colour it has. Within one CI job the request
    is the same one: a command that was killed and is run again finds its own build instead of starting another.
    """
    from cicd.jenkins.client import connect as connect_jenkins
    from cicd.jenkins.outcome import exit_code, explain

    parameters = {
        "SERVICE": service,
        "ENVIRONMENT": environment,
        "VERSION": request.version,
        "SOURCE_REPO": request.source_repo or "",
        "SOURCE_COMMIT": request.source_commit or "",
    }
    with connect_jenkins(config.url, clock=app.clock) as jobs:
        item = jobs.trigger(config.job, parameters, request=_request_id(parameters, os.environ))
        say(f"Jenkins: queued as {item.id} of {config.job}")
        result = jobs.wait(item, timeout_s=config.timeout_s, on_text=lambda text: say(text.rstrip("\n")))
    code = exit_code(result)
    if code is ExitCode.UNDECIDED:
        say(explain(result))
    summary: dict[str, object] = {
        "service": service,
        "environment": environment,
        "version": request.version,
        "job": config.job,
        "build": result.number,
        "url": result.url,
        "outcome": result.outcome.value,
        "exit_code": int(code),
    }
    return code, summary


def _request_id(parameters: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """The same for every run of this command in one CI job; None elsewhere, where each command is a request of its own."""
    job = environ.get("CI_JOB_ID") or environ.get("BUILD_TAG")
    return event_id("jenkins", job, *(f"{name}={value}" for name, value in sorted(parameters.items()))) if job else None


def record_in_forge(app: App, event: DeliveryEvent) -> None:
    """The deployment record of GitLab, whose own DORA figures need it; trouble is a warning, never an outcome."""
    forge = app.config.forge
    if forge is None or event.commit is None or event.environment is None or event.outcome != "success":
        return
    from cicd.gitlab.forge import connect as connect_forge
    from cicd.gitlab.forge import find_token
    from cicd.gitlab.port import DeploymentRecord, DeploymentState

    if find_token() is None:
        return
    try:
        with connect_forge(forge.url, forge.project, clock=app.clock) as api:
            api.record_deployment(
                DeploymentRecord(
                    environment=f"{event.environment}/{event.service}",
                    sha=event.commit,
                    ref="main",
                    state=DeploymentState.SUCCESS,
                )
            )
    except Exception as error:  # noqa: BLE001 - a missing record must not change what a release ended as
        say(f"warning: the deployment was not recorded in GitLab: {error}")
