"""A verdict as figures: E-values of harm and of safety over time, and the lines that they have to reach. Pure."""

from __future__ import annotations

import math

from deployments.analysis.judge import Evidence, JudgeVerdict
from deployments.analysis.wording import arm_text, e_value
from observability.figure import Curve, Figure, Limit, svg

_LN10 = math.log(10)


def picture(found: JudgeVerdict, *, title: str = "") -> str:
    """The whole verdict as SVG, one panel a metric. A verdict without metrics is a picture of its message."""
    return svg(figures(found), heading(found, title))


def heading(found: JudgeVerdict, title: str = "") -> str:
    """The outcome, and when it was decided."""
    when = "" if found.decided_at_s is None else f" at {found.decided_at_s:g} s"
    return f"{title + ': ' if title else ''}{found.outcome.value}{when}"


def figures(found: JudgeVerdict) -> tuple[Figure, ...]:
    """One figure a metric; without metrics one that has the message only."""
    if not found.metrics:
        text = found.message
        return (Figure(title="analysis", verdict=found.outcome.value, message=text, described=text),)
    return tuple(figure(evidence) for evidence in found.metrics)


def figure(evidence: Evidence) -> Figure:
    """The course of both processes; values are decimal logarithms of E-values."""
    harm = tuple((point.t, _log10(point.log_harm)) for point in evidence.trail)
    safety = tuple((point.t, _log10(point.log_safety)) for point in evidence.trail)
    return Figure(
        title=evidence.name,
        verdict=evidence.outcome.value,
        message=evidence.message,
        described=_described(evidence),
        log=True,
        curves=(
            Curve(name="harm", points=harm, label=_label("harm", harm), reached_at=evidence.harm_at_s),
            Curve(name="safety", points=safety, label=_label("safety", safety), reached_at=evidence.safety_at_s),
        ),
        limits=_limits(evidence),
    )


def _limits(evidence: Evidence) -> tuple[Limit, ...]:
    """What each process has to reach; one entry where both need the same."""
    if evidence.harm_needed == evidence.safety_needed:
        needed = evidence.harm_needed
        return (Limit(value=needed / _LN10, text=f"each decides at {e_value(needed)}"),)
    needs = (("harm", evidence.harm_needed), ("safety", evidence.safety_needed))
    return tuple(
        Limit(value=needed / _LN10, text=f"{name} decides at {e_value(needed)}", curve=at)
        for at, (name, needed) in enumerate(needs)
    )


def _log10(log_e: float) -> float:
    return log_e / _LN10


def _label(name: str, points: tuple[tuple[float, float], ...]) -> str:
    return f"{name} E {e_value(points[-1][1] * _LN10)}" if points else name


def _described(evidence: Evidence) -> str:
    return (
        f"{evidence.name}: {evidence.outcome.value}. {evidence.message.rstrip('.')}. Canary {arm_text(evidence.canary, evidence.kind)};"
        f" baseline {arm_text(evidence.baseline, evidence.kind)}. Evidence of harm {e_value(evidence.log_harm)} of"
        f" {e_value(evidence.harm_needed)}, of safety {e_value(evidence.log_safety)} of {e_value(evidence.safety_needed)}."
    )
