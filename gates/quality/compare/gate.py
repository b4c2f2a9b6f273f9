"""The comparison as part of the quality gate: head's output against what the base's pipeline makes of the same input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gates.quality.compare.base_version import (
    BaseBuild,
    BaseBuildError,
    build_base,
    built_together,
    checked_out,
    find_base,
)
from gates.quality.compare.decide import Policy, evaluate_comparison
from gates.quality.compare.fetch import MEMORY_LIMIT_MB, fetch_comparison
from gates.quality.compare.model import Question
from gates.quality.compare.source import Side
from gates.quality.engines.files import find_files
from gates.quality.engines.open import Limits
from gates.verdict import Outcome, Verdict
from headgate.errors import ConfigError, HeadgateError


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseComparison:
    """How a check compares its output with the base's.

    `inputs` are what both pipelines read (see `BaseBuild`). `allow_new`: base may have no such data, which then passes;
    without it, it is INCONCLUSIVE.
    """

    inputs: tuple[str, ...] = ()
    question: Question = field(default_factory=Question)
    policy: Policy = field(default_factory=Policy)
    allow_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCheck:
    """One check that is to be compared: `data` (path or glob, relative to the root) as `command` has made it of head."""

    name: str
    data: str
    command: tuple[str, ...]
    comparison: BaseComparison
    reveal: tuple[str, ...] = ()
    timeout_s: float = 600.0
    memory_limit_mb: int | None = None

    @property
    def base(self) -> BaseBuild:
        return BaseBuild(command=self.command, inputs=self.comparison.inputs, timeout_s=self.timeout_s)


def compare_to_base(checks: Sequence[ComparedCheck], *, root: Path, revision: str | None) -> Mapping[str, Verdict]:
    """One verdict `compare` for each check, by its name; what cannot be compared is an ERROR.

    The base is built once for all checks with the same command and inputs; `revision`: see `find_base`.
    """
    if not checks:
        return {}
    try:
        commit = find_base(root, revision)
    except HeadgateError as error:
        return {check.name: _error(error) for check in checks}
    verdicts: dict[str, Verdict] = {}
    for build in built_together([check.base for check in checks]):
        mine = [check for check in checks if (check.command, check.comparison.inputs) == (build.command, build.inputs)]
        verdicts |= _built_and_compared(build, mine, root, commit)
    return verdicts


def _built_and_compared(
    build: BaseBuild, checks: Sequence[ComparedCheck], root: Path, commit: str
) -> dict[str, Verdict]:
    # Every build has a tree of its own, so that what one leaves behind is not another's input.
    try:
        with checked_out(root, commit) as there:
            build_base(build, root=root, there=there)
            return {check.name: _compared(check, root, there, commit) for check in checks}
    except HeadgateError as error:
        return {check.name: _error(error) for check in checks}


def _compared(check: ComparedCheck, root: Path, there: Path, commit: str) -> Verdict:
    comparison = check.comparison
    if not _exists(there / check.data):
        return _new(check, commit)
    shown = (
        *comparison.question.key,
        *check.reveal,
        *([comparison.question.segment] if comparison.question.segment else []),
    )
    limits = Limits(memory_limit_mb=check.memory_limit_mb or MEMORY_LIMIT_MB, statement_timeout_s=check.timeout_s)
    try:
        found = fetch_comparison(
            Side(data=str(there / check.data), label=f"{check.data} at base {commit[:12]}"),
            Side(data=str(root / check.data), label=check.data),
            comparison.question,
            limits,
        )
    except HeadgateError as error:
        return _error(error)
    return evaluate_comparison(found, comparison.policy, reveal=shown)


def _exists(pattern: Path) -> bool:
    try:
        find_files([pattern])
    except ConfigError:
        return False
    return True


def _new(check: ComparedCheck, commit: str) -> Verdict:
    message = f"the pipeline at base {commit[:12]} makes no {check.data}"
    if check.comparison.allow_new:
        return Verdict(
            name="compare", outcome=Outcome.PASS, message=f"{message}: new, which this check allows", rule="new"
        )
    return Verdict(
        name="compare",
        outcome=Outcome.INCONCLUSIVE,
        message=f"{message}, so there is nothing to compare with",
        rule="no-base",
        fix="If the table is new with this change, set `allow_new: true` for it.",
    )


def _error(error: HeadgateError) -> Verdict:
    text = f"{error.where}: {error.what}" if error.where else error.what
    return Verdict(
        name="compare",
        outcome=Outcome.ERROR,
        message=text,
        rule="not-compared",
        fix=error.next_step or "",
        details=error.details if isinstance(error, BaseBuildError) else (),
    )
