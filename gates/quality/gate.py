"""Build the data, find its files, run the suites, judge what came out."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gates.quality.changes import concerned
from gates.quality.evaluate import Batch, evaluate_suite
from gates.quality.runner import SuiteJob, SuiteResult, SuiteRunner
from gates.quality.sampling import Sampling
from gates.quality.suite import Suite, parse_suite
from gates.subprocesses import environment, interpreter_resolved, tail
from gates.verdict import Location, Outcome, Verdict, group
from headgate import process
from headgate.clock import Clock
from headgate.errors import ConfigError

if TYPE_CHECKING:
    from gates.quality.compare.gate import BaseComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCheck:
    """One suite on one batch. Paths are relative to the repository root; `data` may be a glob, or a database's URL.

    `build` is run before anything is checked, once for all checks that name the same command. `key` names the columns
    that identify a row in reports, where they are shown as they are; `reveal` those whose failing values may be shown.
    `timeout_s` counts for the build and for the suite, each. `paths` are globs of what the data is made from. `engine`
    chooses the runner; limits are in mebibytes and bytes. `sample` is the share of the rows that the suite looks at, and
    `sample_passes` whether that may pass. `quarantine` is a folder for failing rows. `compare`: what `build` makes is compared with what it makes
    at the base of the change; a check without a `suite` is only compared.
    """

    name: str
    data: str
    suite: str = ""
    compare: BaseComparison | None = None
    build: tuple[str, ...] = ()
    timeout_s: float = 600.0
    key: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()
    allow_empty: bool = False
    table: str | None = None
    engine: str = ""
    paths: tuple[str, ...] = ()
    memory_limit_mb: int | None = None
    max_bytes: int | None = None
    sample: float | None = None
    sample_passes: bool = False
    quarantine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    check: QualityCheck
    suite: Suite
    files: tuple[str, ...]


def run_quality(
    checks: Sequence[QualityCheck],
    *,
    root: Path,
    runner: SuiteRunner,
    clock: Clock,
    changed: Collection[str] | None = None,
    base: str | None = None,
) -> Verdict:
    """The verdict `quality`: one node per check. What cannot be checked is an ERROR node with the next step.

    `changed` are the files of the change; checks whose `paths` it does not concern are SKIPPED. None: all are run.
    `base` is the commit or branch that outputs are compared with (see `gates.quality.compare.base_version.find_base`).
    """
    started = clock.monotonic()
    concerns = {check.name: concerned(check.paths, _own(check), changed) for check in checks}
    broken = _build([check for check in checks if concerns[check.name]], root)
    prepared = [
        (broken.get(check.build) or _prepare(check, root)) if concerns[check.name] else _unchanged(check, changed or ())
        for check in checks
    ]
    ready = [item for item in prepared if isinstance(item, _Ready)]
    comparisons = _compare(
        [check for check in checks if concerns[check.name] and check.build not in broken], root, base
    )
    jobs = [_job(item, root) for item in ready if item.suite.expectations]
    results = runner.run(jobs, timeout_s=sum(item.check.timeout_s for item in ready)) if jobs else {}
    nodes = [
        _with_comparison(
            check,
            _judge(item, results, runner.name) if isinstance(item, _Ready) else item,
            comparisons.get(check.name),
        )
        for check, item in zip(checks, prepared, strict=True)
    ]
    nodes += _selection(concerns, changed)
    node = group("quality", nodes, required=[check.name for check in checks])
    return Verdict(
        name=node.name,
        outcome=node.outcome,
        message=_summary(nodes),
        children=node.children,
        duration_s=clock.monotonic() - started,
    )


def _own(check: QualityCheck) -> tuple[str, ...]:
    return (check.suite, check.data) if check.suite else (check.data,)


def _compare(checks: Sequence[QualityCheck], root: Path, base: str | None) -> Mapping[str, Verdict]:
    """Verdicts of those checks that are compared with the base, by name."""
    if not any(check.compare for check in checks):
        return {}
    from gates.quality.compare.gate import ComparedCheck, compare_to_base

    compared = [
        ComparedCheck(
            name=check.name,
            data=check.data,
            command=check.build,
            comparison=check.compare,
            reveal=(*check.key, *check.reveal),
            timeout_s=check.timeout_s,
            memory_limit_mb=check.memory_limit_mb,
        )
        for check in checks
        if check.compare
    ]
    return compare_to_base(compared, root=root, revision=base)


def _with_comparison(check: QualityCheck, node: Verdict | None, comparison: Verdict | None) -> Verdict:
    """The verdict of a check: of its suite, of its comparison, or of both."""
    if node is None:
        missing = _cannot("neither a suite nor a comparison was run", "Name a suite, or set `compare`.")
        return replace(comparison or missing, name=check.name)
    if comparison is None:
        return replace(node, name=check.name)
    parts = (*(node.children or (replace(node, name="suite"),)), comparison)
    whole = group(check.name, parts)
    return replace(whole, message=f"{node.message}; compare: {comparison.message}", location=node.location)


def _summary(nodes: Sequence[Verdict]) -> str:
    run = [node for node in nodes if node.outcome is not Outcome.SKIPPED and node.rule != _SELECTION]
    leaves = [leaf for node in run for leaf in node.leaves()]
    bad = sum(leaf.outcome is not Outcome.PASS for leaf in leaves)
    skipped = sum(node.outcome is Outcome.SKIPPED for node in nodes)
    if skipped and not run:
        return f"nothing to check: the change concerns none of {skipped} tables"
    text = f"{len(leaves)} checks on {len(run)} tables"
    after = f"; {skipped} tables unchanged, not checked" if skipped else ""
    return (f"{bad} of {text} did not pass" if bad else f"{text} passed") + after


_SELECTION = "changes"


def _unchanged(check: QualityCheck, changed: Collection[str]) -> Verdict:
    return Verdict(
        name=check.name,
        outcome=Outcome.SKIPPED,
        message=f"unchanged, not checked: none of the {len(changed)} changed files is its suite, its data or in its paths",
        location=Location(path=check.suite) if check.suite else None,
        rule="unchanged",
    )


def _selection(concerns: Mapping[str, bool], changed: Collection[str] | None) -> list[Verdict]:
    """That checks were left out is itself a finding: it was measured which files changed."""
    left_out = [name for name, wanted in concerns.items() if not wanted]
    if changed is None or not left_out:
        return []
    said = f"{len(changed)} changed files concern {len(concerns) - len(left_out)} of {len(concerns)} checks"
    return [Verdict(name="changed files", outcome=Outcome.PASS, message=said, rule=_SELECTION)]


def _build(checks: Sequence[QualityCheck], root: Path) -> dict[tuple[str, ...], Verdict]:
    """Run each distinct build command; the verdict of those that did not work."""
    broken: dict[tuple[str, ...], Verdict] = {}
    for command in dict.fromkeys(check.build for check in checks if check.build):
        timeout_s = max(check.timeout_s for check in checks if check.build == command)
        shown = " ".join(command)
        try:
            done = process.run(interpreter_resolved(command), timeout_s=timeout_s, cwd=root, env=environment())
        except ConfigError as error:
            broken[command] = _cannot(f"build `{shown}`: {error.what}", error.next_step or "")
            continue
        if done.timed_out or done.returncode != 0:
            reason = (
                f"did not end within {timeout_s:g} s" if done.timed_out else f"failed with status {done.returncode}"
            )
            broken[command] = _cannot(
                f"the build `{shown}` {reason}",
                "Run it by hand at the root of the repository; nothing was checked without it.",
                details=tail(done.stderr or done.stdout),
            )
    return broken


def _prepare(check: QualityCheck, root: Path) -> _Ready | Verdict | None:
    """Read the suite and find the data. A problem is a verdict: the other checks still run. None without a suite."""
    if not check.suite:
        return None
    place = Location(path=check.suite)
    try:
        suite = parse_suite((root / check.suite).read_bytes(), check.suite)
    except ConfigError as error:
        line = (error.where or "").rpartition(":")[2]
        place = Location(path=check.suite, line=int(line) if line.isdigit() else None)
        return _cannot(f"{error.where}: {error.what}", error.next_step or "", place)
    except OSError as error:
        return _cannot(
            f"the suite {check.suite} cannot be read: {error.strerror}",
            f"Correct gates.quality ({check.name}).suite, or add the file.",
            place,
        )
    if "://" in check.data:
        return _Ready(check=check, suite=suite, files=())
    files = tuple(sorted(_matches(check.data, root)))
    if not files:
        return _cannot(
            f"no data file matches {check.data}",
            f"Build the data first (gates.quality ({check.name}).build), or correct `data`.",
            place,
        )
    return _Ready(check=check, suite=suite, files=files)


def _matches(pattern: str, root: Path) -> list[str]:
    found = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    return [path.replace(os.sep, "/") for path in found if (root / path).is_file()]


def _job(item: _Ready, root: Path) -> SuiteJob:
    return SuiteJob(
        name=item.check.name,
        suite=item.suite,
        files=tuple((root / file).resolve() for file in item.files),
        key=item.check.key,
        data=item.check.data if not item.files else f"{glob.escape(str(root.resolve()))}/{item.check.data}",
        table=item.check.table,
        engine=item.check.engine,
        memory_limit_mb=item.check.memory_limit_mb,
        max_bytes=item.check.max_bytes,
        sample=item.check.sample,
        quarantine=root / item.check.quarantine if item.check.quarantine else None,
        reveal=item.check.reveal,
    )


def _judge(item: _Ready, results: Mapping[str, SuiteResult], source: str) -> Verdict:
    name = item.check.name
    batch = Batch(
        name=name,
        suite=item.suite,
        files=item.files or (item.check.table or item.check.name,),
        reveal=(*item.check.key, *item.check.reveal),
        allow_empty=item.check.allow_empty,
        sampling=None
        if item.check.sample is None
        else Sampling(share=item.check.sample, passes=item.check.sample_passes),
    )
    found = results.get(name)
    if found is None and item.suite.expectations:
        return _cannot("the engine returned nothing for this suite", "Run the gate again with one suite.", name=name)
    return evaluate_suite(batch, found or SuiteResult(name=name), source=found.engine or source if found else source)


def _cannot(
    message: str, fix: str, location: Location | None = None, *, details: tuple[str, ...] = (), name: str = ""
) -> Verdict:
    return Verdict(
        name=name,
        outcome=Outcome.ERROR,
        message=message,
        fix=fix,
        location=location,
        details=details,
        rule="not-checked",
    )
