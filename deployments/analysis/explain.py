"""A verdict of the judge as text for people: the terminal report, and the lines of a release. Pure."""

from __future__ import annotations

from deployments.analysis.judge import Evidence, JudgeVerdict
from deployments.analysis.picture import figure
from deployments.analysis.wording import arm_text, count_text, e_value, number
from observability.figure import spark


def verdict_text(found: JudgeVerdict) -> str:
    """The outcome, and for each metric: counts per arm, estimate and interval, evidence, and what would change it."""
    when = "" if found.decided_at_s is None else f" at {found.decided_at_s:g} s"
    lines = [f"{found.outcome.value}{when}  {found.message}"]
    if len(found.metrics) == 1:
        return "\n".join([*lines, *evidence_lines(found.metrics[0])[1:]])
    for evidence in found.metrics:
        lines += ["", *evidence_lines(evidence)]
    return "\n".join(lines)


def evidence_lines(evidence: Evidence) -> list[str]:
    """One metric as a few lines, the first its outcome."""
    lines = [f"{evidence.name}: {evidence.outcome.value}  {evidence.message}"]
    lines.append(f"  canary    {arm_text(evidence.canary, evidence.kind)}")
    lines.append(f"  baseline  {arm_text(evidence.baseline, evidence.kind)}{_history(evidence)}")
    if evidence.ratio is not None:
        lines.append(f"  canary / baseline {number(evidence.ratio)}{_interval(evidence)}")
    lines += _courses(evidence)
    lines += [f"  fault: {fault}" for fault in evidence.faults[:5]]
    if len(evidence.faults) > 5:
        lines.append(f"  and {len(evidence.faults) - 5} more faults")
    if evidence.next:
        lines.append(f"  next: {evidence.next}")
    return lines


def _courses(evidence: Evidence) -> list[str]:
    """Both E-values: over time as a line of blocks, and how far they got."""
    drawn = figure(evidence)
    sparks = [spark(drawn, number) for number in range(2)]
    drawn_both = all(sparks)
    harm, safety = (f"{blocks}  " if drawn_both else "" for blocks in sparks)
    lines = [
        f"  harm      {harm}{_process(evidence.log_harm, evidence.harm_needed, evidence.harm_at_s)}",
        f"  safety    {safety}{_process(evidence.log_safety, evidence.safety_needed, evidence.safety_at_s)}",
    ]
    if drawn_both:
        first, last = evidence.trail[0].t, evidence.trail[-1].t
        lines.append(f"            {first:g} s to {last:g} s; a full block decides, the lowest is E = 0.1 or less")
    return lines


def _process(log_e: float, needed: float, at_s: float | None) -> str:
    """How far one process got."""
    return f"E {e_value(log_e)} of {e_value(needed)}{'' if at_s is None else f', reached at {at_s:g} s'}"


def _interval(evidence: Evidence) -> str:
    if evidence.ratio_low is None and evidence.ratio_high is None:
        return ""
    low = "0" if evidence.ratio_low is None else number(evidence.ratio_low)
    high = "?" if evidence.ratio_high is None else number(evidence.ratio_high)
    return f" (between {low} and {high})"


def _history(evidence: Evidence) -> str:
    return f" (and {count_text(evidence.history)} before the canary)" if evidence.history else ""
