"""The verdict: a tree that says what was checked, what was seen, and what follows.

Every gate and every analysis returns one; text, JSON, JUnit, Code Quality and the merge-request note render it.
Absence never passes: an empty tree, a missing check, NaN and an unreachable server are never PASS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from headgate.exit_codes import ExitCode


class Outcome(StrEnum):
    """The five outcomes of any check."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    FAIL = "FAIL"
    ERROR = "ERROR"
    INCONCLUSIVE = "INCONCLUSIVE"
    SKIPPED = "SKIPPED"


# Worst first. SKIPPED yields to everything: a skipped part says nothing about the whole, and a whole of nothing
# but skipped parts is itself skipped, which is not a pass.
_PRECEDENCE = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.SKIPPED)

_EXIT_CODES: dict[Outcome, ExitCode] = {
    Outcome.PASS: ExitCode.PASS,
    Outcome.FAIL: ExitCode.FAIL,
    Outcome.ERROR: ExitCode.UNDECIDED,
    Outcome.INCONCLUSIVE: ExitCode.UNDECIDED,
    Outcome.SKIPPED: ExitCode.UNDECIDED,
}


class Severity(StrEnum):
    """How much a failing check matters. Only `critical` blocks; the others are reported."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured against what.

    `observed` None means that nothing was observed. `comparison` is the inequality that must hold, written between
    observed and threshold: one of ``<= < >= > == in``. `window_s` is the span that was looked at, seconds.
    `sample` is the number of items behind the value (requests, rows). `source` names where it was read.
    """

    observed: float | int | str | None
    threshold: float | int | str | None
    comparison: str = "<="
    unit: str = ""
    window_s: float | None = None
    sample: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in the repository: path relative to its root, with `/`; line counts from 1, None for the whole file."""

    path: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One node of the tree; a leaf is one check.

    `name` is stable from run to run (it is the key of reports). `message` says the inequality; `fix` the next step.
    `rule` names the rule behind a finding. `details` are further lines (masked examples), already safe to show.
    `duration_s` is wall time, None where not measured.
    """

    name: str
    outcome: Outcome
    message: str = ""
    severity: Severity = Severity.CRITICAL
    measurement: Measurement | None = None
    location: Location | None = None
    rule: str = ""
    fix: str = ""
    details: tuple[str, ...] = ()
    duration_s: float | None = None
    children: tuple[Verdict, ...] = ()

    def leaves(self) -> tuple[Verdict, ...]:
        """All nodes without children below this one, in order; itself if it has none."""
        if not self.children:
            return (self,)
        return tuple(leaf for child in self.children for leaf in child.leaves())

    @property
    def exit_code(self) -> ExitCode:
        return exit_code(self.outcome)


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole: the worst of FAIL > ERROR > INCONCLUSIVE > PASS > SKIPPED.

    Nothing at all is INCONCLUSIVE. The result does not depend on order or repetition.
    """
    seen = set(outcomes)
    for outcome in _PRECEDENCE:
        if outcome in seen:
            return outcome
    return Outcome.INCONCLUSIVE


def exit_code(outcome: Outcome) -> ExitCode:
    """The process exit code that stands for `outcome`; SKIPPED is undecided, never a pass."""
    return _EXIT_CODES[outcome]


def group(
    name: str, children: Iterable[Verdict], *, required: Iterable[str] | None = None, message: str = ""
) -> Verdict:
    """A node whose outcome follows from its children.

    A failing child that is not `critical` does not block: it counts as PASS here and keeps its own FAIL below.
    Each name in `required` without a child of that name becomes an ERROR child: the checks reported must equal the
    checks required. Without any child the node is INCONCLUSIVE.
    """
    nodes = tuple(children)
    present = {node.name for node in nodes}
    missing = tuple(
        Verdict(
            name=wanted,
            outcome=Outcome.ERROR,
            message="required, but not reported",
            fix="Look for the step that should have run it.",
        )
        for wanted in (required or ())
        if wanted not in present
    )
    nodes += missing
    outcome = combine(blocking_outcome(node) for node in nodes)
    if not message:
        counts = {kind: sum(node.outcome is kind for node in nodes) for kind in _PRECEDENCE}
        message = ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count) or "nothing was checked"
    return Verdict(name=name, outcome=outcome, message=message, children=nodes)


def blocking_outcome(verdict: Verdict) -> Outcome:
    """What a node contributes to its parent.

    Of a node that is not critical, a FAIL counts as PASS (it was measured, and is only reported) and INCONCLUSIVE as
    SKIPPED (nothing was learnt: alone it still makes no pass). An ERROR blocks whatever the severity.
    """
    if verdict.severity is Severity.CRITICAL:
        return verdict.outcome
    return {Outcome.FAIL: Outcome.PASS, Outcome.INCONCLUSIVE: Outcome.SKIPPED}.get(verdict.outcome, verdict.outcome)


def judge(name: str, measurement: Measurement, *, rule: str = "", fix: str = "") -> Verdict:
    """A leaf from a numeric measurement: does `observed comparison threshold` hold?

    Nothing observed, NaN, no threshold, or text is INCONCLUSIVE, never PASS. The message says the inequality found.
    """
    observed, threshold = measurement.observed, measurement.threshold
    if not (_is_number(observed) and _is_number(threshold)):
        outcome = Outcome.INCONCLUSIVE
        text = f"nothing to compare: observed {observed}, threshold {threshold}{_context(measurement)}"
    else:
        holds = _COMPARISONS[measurement.comparison](float(observed), float(threshold))
        sign = measurement.comparison if holds else _NEGATED[measurement.comparison]
        outcome = Outcome.PASS if holds else Outcome.FAIL
        text = f"{_number(observed)} {sign} {_number(threshold)}{_context(measurement)}"
    return Verdict(name=name, outcome=outcome, message=text, measurement=measurement, rule=rule, fix=fix)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not math.isnan(value)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
}
_NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!="}


def _number(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _context(measurement: Measurement) -> str:
    parts = [measurement.unit] if measurement.unit else []
    if measurement.window_s is not None:
        parts.append(f"{measurement.window_s:g} s")
    if measurement.sample is not None:
        parts.append(f"n={measurement.sample}")
    if measurement.source:
        parts.append(measurement.source)
    return f" ({', '.join(parts)})" if parts else ""
