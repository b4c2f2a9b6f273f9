"""A release on other servers: run by a Jenkins job, and recorded as a deployment in GitLab."""

from __future__ import annotations

from cicd.cli.context import App, say
from cicd.config.model import JenkinsConfig
from deployments.release.model import ReleaseRequest
from headgate.exit_codes import ExitCode
from observability.events import DeliveryEvent


def run_on_jenkins(
    app: App, config: JenkinsConfig, *, service: str, environment: str, request: ReleaseRequest
) -> tuple[int, dict[str, object]]:
    """Run the release as a build of the delivery job; its exit code and a summary.

    A build that did not say how its release ended is undecided, whatever colour it has.
    """
    from cicd.jenkins.client import connect as connect_jenkins

    parameters = {
        "SERVICE": service,
        "ENVIRONMENT": environment,
        "VERSION": request.version,
        "SOURCE_REPO": request.source_repo or "",
        "SOURCE_COMMIT": request.source_commit or "",
    }
    with connect_jenkins(config.url, clock=app.clock) as jobs:
        item = jobs.trigger(config.job, parameters)
        say(f"Jenkins: queued as {item.id} of {config.job}")
        result = jobs.wait(item, timeout_s=config.timeout_s, on_text=lambda text: say(text.rstrip("\n")))
    code = result.headgate_exit if result.headgate_exit is not None else int(ExitCode.UNDECIDED)
    if code == ExitCode.PASS and result.outcome.value != "SUCCESS":
        code = int(ExitCode.UNDECIDED)
    summary: dict[str, object] = {
        "service": service,
        "environment": environment,
        "version": request.version,
        "job": config.job,
        "build": result.number,
        "url": result.url,
        "outcome": result.outcome.value,
        "exit_code": code,
    }
    return code, summary


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
