"""Run the configured gates and write their reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cicd.cli.context import say
from cicd.gate_context import GateContext
from gates.report.code_quality import render_code_quality
from gates.report.json_form import render_json
from gates.report.junit import render_junit
from gates.report.note import render_note
from gates.report.text import render_text
from gates.verdict import Outcome, Verdict, group
from headgate.errors import ConfigError

if TYPE_CHECKING:
    from cicd.config.model import Config, GatesConfig, QualityGateConfig
    from gates.quality.compare.gate import BaseComparison
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
    import os

    from cicd.gate_context import base_revision, fetch_changed
    from gates.quality.engine_runner import ChosenRunner, EngineRunner
    from gates.quality.gate import QualityCheck, run_quality
    from gates.quality.reference import ReferenceRunner

    checks = [
        QualityCheck(
            name=check.name,
            suite=check.suite or "",
            data=check.data,
            compare=_comparison(check),
            build=check.build,
            timeout_s=check.timeout_s,
            key=check.key,
            reveal=check.reveal,
            allow_empty=check.allow_empty,
            table=check.table,
            engine=check.engine,
            paths=_paths(check, root),
            memory_limit_mb=check.memory_limit_mb,
            max_bytes=check.max_bytes,
            sample=check.sample,
            sample_passes=check.sample_passes,
            quarantine=check.quarantine,
        )
        for check in gates.quality
    ]
    chosen = runner or ChosenRunner(runners={"headgate": EngineRunner(), "great_expectations": ReferenceRunner()})
    changed = fetch_changed(root, os.environ) if any(check.paths for check in checks) else None
    base = base_revision(os.environ)
    return run_quality(checks, root=root, runner=chosen, clock=clock, changed=changed, base=base)


def _paths(check: QualityGateConfig, root: Path) -> tuple[str, ...]:
    """What the data of a check is made from; () where that is not known for sure, so that the check is run."""
    import glob

    from cicd.config.places import FILE_NAME
    from gates.quality.dbt import made_from, parse_manifest

    made: tuple[str, ...] = ()
    if check.dbt is not None:
        place = root / check.dbt_manifest
        if not place.is_file():
            return ()
        found = made_from(parse_manifest(place.read_bytes(), check.dbt_manifest), check.dbt)
        if not found:
            return ()
        project = Path(check.dbt_manifest).parent.parent.as_posix()
        made = tuple(glob.escape(file if project == "." else f"{project}/{file}") for file in found)
    # A check whose settings change is a changed check.
    return (*check.paths, *made, FILE_NAME) if check.paths or made else ()


def _comparison(check: QualityGateConfig) -> BaseComparison | None:
    from gates.quality.compare.decide import Policy
    from gates.quality.compare.gate import BaseComparison
    from gates.quality.compare.model import Question

    if check.compare is None:
        return None
    return BaseComparison(
        inputs=check.inputs,
        allow_new=check.allow_new,
        question=Question(key=check.key, segment=check.segment, ignore=check.ignore, tolerance=check.tolerance),
        policy=Policy(
            max_changed_ratio=check.max_changed_ratio,
            max_lost_ratio=check.max_lost_ratio,
            max_added_ratio=check.max_added_ratio,
            max_duplicated_ratio=check.max_duplicated_ratio,
            max_shift=check.max_shift,
            max_segment_ratio=check.max_segment_ratio,
            schema_changes=check.schema_changes,
            allow_empty=check.allow_empty,
        ),
    )


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
            (reports.folder / "note.md", note_text(verdict, context)),
        ]
    for path, text in forms:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error
    return tuple(path for path, _ in forms)


def note_text(verdict: Verdict, context: GateContext) -> str:
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
