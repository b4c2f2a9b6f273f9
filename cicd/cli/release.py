"""`headgate release`: roll a version out, watch it, promote or turn it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import App, columns, emit, output_option, say
from headgate.exit_codes import ExitCode
from headgate.interrupts import stop_signals

if TYPE_CHECKING:
    from deployments.release.model import ReleaseRequest, ReleaseResult, Settings
    from deployments.release.plan import Facts, Start
    from deployments.release.status import Status


@click.group()
def release() -> None:
    """Roll a version out through GitOps, watch it, promote or turn it back.

    Exit codes: 0 promoted (or already live), 1 rolled back, 4 undecided: run the same command again, it continues.
    """


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """SERVICE and --env, which every subcommand takes."""
    command = click.option("--env", "environment", required=True, metavar="NAME", help="Environment of headgate.yaml.")(
        command
    )
    return click.argument("service")(command)


@release.command()
@target_options
@click.option("--version", required=True, metavar="TAG", help="Version (image tag or sha256 digest) to roll out.")
@click.option("--source-repo", metavar="REPO", help="Repository that the version was built from.  [default: project]")
@click.option("--source-commit", metavar="SHA", help="Full commit that the version was built from.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and change nothing.")
@click.option(
    "--on",
    "where",
    type=click.Choice(["here", "jenkins"]),
    default="here",
    show_default=True,
    help="Where the release runs.",
)
@output_option()
@click.pass_obj
def start(
    app: App,
    service: str,
    environment: str,
    version: str,
    source_repo: str | None,
    source_commit: str | None,
    dry_run: bool,
    where: str,
    output: str,
) -> int:
    """Roll a version out; run again after an interruption, it continues."""
    from cicd import release as wiring

    wiring.find_service(app.config, service, environment)
    request = wiring.build_request(version, source_repo, source_commit, root=app.root, project=app.config.project)
    if where == "jenkins" and not dry_run:
        return _on_jenkins(app, service, environment, request, output)
    with stop_signals(), wiring.connect(app, service, environment) as connected:
        if dry_run:
            facts, planned = connected.engine.plan(request)
            return _emit_plan(output, connected.engine.name, version, facts, planned, connected.engine.settings)
        return _emit_result(output, connected.engine.start(request))


@release.command()
@target_options
@output_option()
@click.pass_obj
def resume(app: App, service: str, environment: str, output: str) -> int:
    """Continue a release that was interrupted, forward or back."""
    from cicd import release as wiring

    with stop_signals(), wiring.connect(app, service, environment) as connected:
        return _emit_result(output, connected.engine.resume())


@release.command()
@target_options
@click.option("--reason", default="aborted by an operator", show_default=True, help="Written into Git and the event.")
@output_option()
@click.pass_obj
def abort(app: App, service: str, environment: str, reason: str, output: str) -> int:
    """Turn a release that is under way back. A run that drives it notices and turns Git back itself."""
    from cicd import release as wiring
    from headgate.errors import LockHeldError

    with stop_signals(), wiring.connect(app, service, environment) as connected:
        try:
            result = connected.engine.turn_back(reason, finished_too=False)
        except LockHeldError as error:
            connected.engine.abort_only()
            say(f"traffic goes back to the stable version; {error.what}: it will turn Git back")
            return ExitCode.PASS
        _emit_result(output, result)
        return ExitCode.PASS


@release.command()
@target_options
@click.option(
    "--reason", default="rolled back by an operator", show_default=True, help="Written into Git and the event."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option()
@click.pass_obj
def rollback(app: App, service: str, environment: str, reason: str, yes: bool, output: str) -> int:
    """Turn the newest release back, also when it is live."""
    from cicd import release as wiring

    _confirm(yes, f"Turn {service} in {environment} back to the version before?")
    with stop_signals(), wiring.connect(app, service, environment) as connected:
        _emit_result(output, connected.engine.turn_back(reason, finished_too=True))
        return ExitCode.PASS


@release.command()
@target_options
@click.option("--by", envvar=["GITLAB_USER_LOGIN", "USER"], default="an operator", help="Who decides; recorded.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option()
@click.pass_obj
def promote(app: App, service: str, environment: str, by: str, yes: bool, output: str) -> int:
    """Let a release that is under way go through without further evidence, on your word."""
    from cicd import release as wiring

    _confirm(yes, f"Promote {service} in {environment} without evidence?")
    with stop_signals(), wiring.connect(app, service, environment) as connected:
        return _emit_result(output, connected.engine.promote(by))


@release.command()
@target_options
@output_option()
@click.pass_obj
def status(app: App, service: str, environment: str, output: str) -> int:
    """Say what Git asks for and what runs."""
    from cicd import release as wiring

    with wiring.connect(app, service, environment) as connected:
        found = wiring.read_status(connected, app.clock)
    emit(output, found.row(), lambda: _status_text(found))
    return ExitCode.PASS


@release.command()
@target_options
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), default=3600.0, show_default=True, help="Seconds."
)
@output_option()
@click.pass_obj
def watch(app: App, service: str, environment: str, timeout_s: float, output: str) -> int:
    """Follow a release until it is live (0) or was turned back (1); 4 when the time is up."""
    from cicd import release as wiring

    with wiring.connect(app, service, environment) as connected:
        found, code = wiring.watch(connected, app.clock, timeout_s=timeout_s, say=say)
    emit(output, found.row(), lambda: _status_text(found))
    return code


@release.command()
@target_options
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many releases.")
@output_option()
@click.pass_obj
def history(app: App, service: str, environment: str, limit: int, output: str) -> int:
    """List the releases of a service, newest first, from Git."""
    from cicd import release as wiring
    from deployments.release.status import history_rows

    with wiring.open_store(app, service, environment) as store:
        rows = history_rows(store.releases(service, environment)[:limit])
    emit(output, rows, lambda: columns(rows, ["release", "at", "version", "previous", "ending", "reason"]))
    return ExitCode.PASS


@release.command()
@click.option(
    "--replay",
    "evidence",
    required=True,
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="evidence.json of a past verdict (.headgate/evidence/), or a folder of them. May be repeated.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the evidence there, SVG.",
)
@output_option()
def analyse(evidence: tuple[Path, ...], picture: Path | None, output: str) -> int:
    """Compute past verdicts anew from their evidence: the same outcome and exit code, bit for bit, or 4 if it is not."""
    from cicd.cli.replay import emit_replay

    return emit_replay(evidence, picture, output)


def _on_jenkins(app: App, service: str, environment: str, request: ReleaseRequest, output: str) -> int:
    from cicd.release_remote import run_on_jenkins
    from headgate.errors import ConfigError

    jenkins = app.config.deploy.jenkins if app.config.deploy else None
    if jenkins is None:
        raise ConfigError(
            "no Jenkins is configured", where="deploy.jenkins", next_step="Add url and job to headgate.yaml."
        )
    code, summary = run_on_jenkins(app, jenkins, service=service, environment=environment, request=request)
    emit(
        output,
        summary,
        lambda: f"{service} {request.version} in {environment}: build {summary['build']} {summary['outcome']}",
    )
    return code


def _emit_result(output: str, result: ReleaseResult) -> int:
    data = {
        "ending": result.ending.value,
        "service": result.service,
        "environment": result.environment,
        "version": result.version,
        "previous": result.previous,
        "release": result.release_id,
        "message": result.message,
        "commit": result.commit,
        "reverted_by": result.reverted_by,
        "exit_code": int(result.exit_code),
    }
    head = f"{result.service} {result.version} in {result.environment}: {result.ending.value.upper()}"
    emit(output, data, lambda: f"{head}\n  {result.message}")
    return result.exit_code


def _emit_plan(output: str, name: str, version: str, facts: Facts, planned: Start, settings: Settings) -> int:
    from deployments.release.plan import Refuse

    if isinstance(planned, Refuse):
        raise planned.error
    kind = type(planned).__name__
    data = {
        "plan": kind,
        "target": name,
        "from": facts.desired.version,
        "to": version,
        "strategy": settings.strategy.value,
        "weights": list(facts.snapshot.weights),
        "max_step_s": settings.max_step_s,
        "deadline_s": settings.deadline_s,
    }
    words = {
        "Nothing": f"{name}: nothing to do, version {version} is live and healthy",
        "Write": f"{name}: would change {facts.desired.version} -> {version} in Git, sync, and go by {settings.strategy.value}"
        f"{' over ' + ', '.join(f'{weight} %' for weight in facts.snapshot.weights) if facts.snapshot.weights else ''}",
        "Continue": f"{name}: would continue the release of {version} that is under way",
        "FinishTurningBack": f"{name}: would finish turning {version} back",
    }
    emit(output, data, lambda: words[kind])
    return ExitCode.PASS


def _status_text(found: Status) -> str:
    lines = [f"{found.service} {found.version} in {found.environment}: {found.standing.value}"]
    lines.append(f"  {found.phase}, {found.place}{f': {found.message}' if found.message else ''}")
    lines.append(f"  Git {found.revision[:12]}, {'in step' if found.in_step else 'not in step'}")
    if found.release_id:
        lines.append(f"  newest release {found.release_id}")
    if found.held_by:
        lines.append(f"  driven by {found.held_by}")
    return "\n".join(lines)


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)
