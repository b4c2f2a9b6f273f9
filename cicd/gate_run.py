"""Run the configured gates, and hand the verdict to everybody who waits for it.

Files, the merge request and the event store only ever hear of the verdict; trouble with them never changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cicd.cli.context import App, say
from cicd.gate_context import GateContext
from gates.report.code_quality import render_code_quality
from gates.report.json_form import render_json
from gates.report.junit import render_junit
from gates.report.note import render_note
from gates.report.text import render_text
from gates.verdict import Outcome, Verdict, group
from headgate.errors import ConfigError
from observability.events import DeliveryEvent, Kind, event_id

if TYPE_CHECKING:
    from cicd.config.model import Config, GatesConfig
    from cicd.gitlab.port import Forge
    from gates.quality.runner import SuiteRunner
    from headgate.clock import Clock

GATES = ("unit", "quality", "dags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Which files to write: `folder` gets all forms under fixed names, the others one form each. None writes nothing."""

    folder: Path | None = None
    junit: Path | None = None
    code_quality: Path | None = None


def select(gates: GatesConfig, names: Sequence[str]) -> tuple[str, ...]:
    """The gates to run: those named, else all that are configured. Raises `ConfigError` for one that is not."""
    configured = [name for name in GATES if getattr(gates, name)]
    missing = [name for name in names if name not in configured]
    if missing:
        raise ConfigError(
            f"gate {missing[0]!r} is not configured (configured: {', '.join(configured) or 'none'})",
            where="headgate.yaml: gates",
            next_step=f"Add `gates.{missing[0]}`, or run without naming it.",
        )
    return tuple(name for name in configured if not names or name in names)


def run_gates(
    config: Config, root: Path, names: Sequence[str], *, clock: Clock, runner: SuiteRunner | None = None
) -> Verdict:
    """The verdict `gate` of the selected gates; without any gate INCONCLUSIVE. Progress is told on stderr."""
    selected = select(config.gates, names)
    if not selected:
        return Verdict(
            name="gate",
            outcome=Outcome.INCONCLUSIVE,
            message="no gate is configured, so nothing was checked",
            fix="Add `gates` to headgate.yaml; `headgate init` proposes them.",
        )
    verdicts = []
    for name in selected:
        say(f"{name}: running")
        verdict = _RUN[name](config.gates, root, clock, runner)
        say(f"{name}: {verdict.outcome.value} {verdict.message}".rstrip())
        verdicts.append(verdict)
    return group("gate", verdicts, required=selected)


def _unit(gates: GatesConfig, root: Path, clock: Clock, runner: SuiteRunner | None) -> Verdict:  # noqa: ARG001 - one signature
    from gates.unit.gate import UnitGate, run_unit

    settings = gates.unit
    if settings is None:
        raise ConfigError("gates.unit is not configured")
    gate = UnitGate(command=settings.command, paths=settings.paths, timeout_s=settings.timeout_s)
    return run_unit(gate, root=root, clock=clock)


def _quality(gates: GatesConfig, root: Path, clock: Clock, runner: SuiteRunner | None) -> Verdict:
    from gates.quality.gate import QualityCheck, run_quality
    from gates.quality.reference import ReferenceRunner

    checks = [
        QualityCheck(
            name=check.name,
            suite=check.suite,
            data=check.data,
            build=check.build,
            timeout_s=check.timeout_s,
            key=check.key,
            reveal=check.reveal,
            allow_empty=check.allow_empty,
        )
        for check in gates.quality
    ]
    return run_quality(checks, root=root, runner=runner or ReferenceRunner(), clock=clock)


def _dags(gates: GatesConfig, root: Path, clock: Clock, runner: SuiteRunner | None) -> Verdict:  # noqa: ARG001 - one signature
    from gates.dags.gate import DagGate, run_dags

    settings = gates.dags
    if settings is None:
        raise ConfigError("gates.dags is not configured")
    gate = DagGate(path=settings.path, airflow=settings.airflow, require=settings.require)
    return run_dags(gate, root=root, clock=clock)


_RUN: Mapping[str, Callable[[GatesConfig, Path, Clock, SuiteRunner | None], Verdict]] = {
    "unit": _unit,
    "quality": _quality,
    "dags": _dags,
}


# -- reports -----------------------------------------------------------------------------------------------------------


def check_writable(reports: Reports) -> None:
    """Make the folders of the reports, before the gates have taken their time. Raises `ConfigError`."""
    for target in (reports.folder, *(path.parent for path in (reports.junit, reports.code_quality) if path)):
        if target is None:
            continue
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(target, error) from error


def write_reports(verdict: Verdict, reports: Reports, context: GateContext) -> tuple[Path, ...]:
    """Write the files asked for and return their paths. Raises `ConfigError` when one cannot be written."""
    forms: list[tuple[Path, str]] = []
    if reports.junit:
        forms.append((reports.junit, render_junit(verdict)))
    if reports.code_quality:
        forms.append((reports.code_quality, render_code_quality(verdict)))
    if reports.folder:
        forms += [
            (reports.folder / "verdict.json", render_json(verdict, _described(context))),
            (reports.folder / "verdict.txt", render_text(verdict, full=True) + "\n"),
            (reports.folder / "junit.xml", render_junit(verdict)),
            (reports.folder / "code-quality.json", render_code_quality(verdict)),
            (reports.folder / "note.md", note(verdict, context)),
        ]
    for path, text in forms:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error
    return tuple(path for path, _ in forms)


def note(verdict: Verdict, context: GateContext) -> str:
    """The text of the merge-request note."""
    return render_note(verdict, commit=context.commit or "", blob_url=context.blob_url, job_url=context.job_url)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the report cannot be written: {error.strerror or error}",
        where=str(path),
        next_step="Correct the path or its permissions.",
    )


def _described(context: GateContext) -> dict[str, str]:
    known = {"commit": context.commit, "merge_request": context.change, "job_url": context.job_url}
    return {key: value for key, value in known.items() if value}


# -- the forge ---------------------------------------------------------------------------------------------------------


def post(
    verdict: Verdict, config: Config, context: GateContext, *, connect: Callable[[str, str], Forge] | None = None
) -> None:
    """Put the sticky note and one commit status per gate on the merge request.

    Whatever goes wrong is a warning on stderr: the verdict, and the exit code that follows from it, stand.
    """
    if config.forge is None or context.merge_request is None:
        missing = "no forge is configured" if config.forge is None else "this is no merge-request pipeline"
        say(f"warning: nothing was posted: {missing}")
        return
    try:
        if connect is None:
            from cicd.gitlab.forge import connect as connect_gitlab

            connect = connect_gitlab
        forge = connect(config.forge.url, config.forge.project)
    except Exception as error:  # noqa: BLE001 - see the docstring
        say(f"warning: nothing was posted to {config.forge.url}: {error}")
        return
    with forge if isinstance(forge, AbstractContextManager) else nullcontext():
        _attempt("the note", partial(forge.put_note, context.merge_request, _key(verdict), note(verdict, context)))
        for gate in verdict.children if context.commit else ():
            _attempt(f"the commit status of {gate.name}", partial(_set_status, forge, gate, context))


def _set_status(forge: Forge, gate: Verdict, context: GateContext) -> None:
    from cicd.gitlab.port import CommitState, CommitStatus

    forge.set_status(
        CommitStatus(
            sha=context.commit or "",
            name=f"headgate/{gate.name}",
            state=CommitState.SUCCESS if gate.outcome is Outcome.PASS else CommitState.FAILED,
            description=f"{gate.outcome.value}: {gate.message}",
            target_url=context.job_url,
            ref=context.branch,
            pipeline_id=context.pipeline_id,
        )
    )


def _attempt(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - see the docstring of `post`
        say(f"warning: {what} could not be posted: {error}")


def _key(verdict: Verdict) -> str:
    """Each set of gates has a note of its own: jobs that run one gate each must not overwrite one another's."""
    return "-".join(["gate", *sorted(child.name for child in verdict.children)])


# -- events ------------------------------------------------------------------------------------------------------------

_EVENT_OUTCOMES = {Outcome.PASS: "success", Outcome.FAIL: "failure"}


def events(verdict: Verdict, config: Config, context: GateContext, clock: Clock) -> Iterable[DeliveryEvent]:
    """One `testsuiterun.finished` per gate. A run is told from another of the same commit by its job, else by time."""
    now = clock.now()
    for gate in verdict.children:
        leaves = gate.leaves()
        yield DeliveryEvent(
            kind=Kind.GATE_FINISHED,
            source=f"headgate://{config.project}/gate",
            id=event_id("gate", config.project, gate.name, context.commit or "", context.job_id or now.isoformat()),
            occurred_at=now,
            subject=gate.name,
            commit=context.commit,
            committed_at=context.committed_at,
            outcome=_EVENT_OUTCOMES.get(gate.outcome, "error"),
            change=context.change,
            url=context.job_url or None,
            data={
                "verdict": gate.outcome.value,
                "checks": len(leaves),
                "failed": sum(leaf.outcome is Outcome.FAIL for leaf in leaves),
                "duration_s": gate.duration_s,
            },
        )


def record(app: App, verdict: Verdict, context: GateContext) -> None:
    """Append the events to the configured store; a failing store is a warning on stderr."""
    from cicd.record import record as record_events

    record_events(app, tuple(events(verdict, app.config, context, app.clock)))
