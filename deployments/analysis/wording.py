"""A verdict of the judge as text for people. Pure."""

from __future__ import annotations

import math

from deployments.analysis.judge import Evidence, JudgeVerdict, Kind
from deployments.analysis.judge.model import Arm


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
    lines.append(f"  harm   {_process(evidence.log_harm, evidence.harm_needed, evidence.harm_at_s)}")
    lines.append(f"  safety {_process(evidence.log_safety, evidence.safety_needed, evidence.safety_at_s)}")
    lines += [f"  fault: {fault}" for fault in evidence.faults[:5]]
    if len(evidence.faults) > 5:
        lines.append(f"  and {len(evidence.faults) - 5} more faults")
    if evidence.next:
        lines.append(f"  next: {evidence.next}")
    return lines


def arm_text(arm: Arm, kind: Kind) -> str:
    """Counts and estimate of one arm."""
    if arm.estimate is None and not arm.total:
        return "nothing seen"
    estimate = "" if arm.estimate is None else f" = {number(arm.estimate)}"
    if kind is Kind.GAUGE:
        return f"{_count(arm.total)} values, mean{estimate or ' not known'}"
    if arm.bad is None:
        return f"{_count(arm.total)} events{estimate}"
    return f"{_count(arm.bad)} of {_count(arm.total)}{estimate}"


def e_value(log_e: float) -> str:
    """An E-value from its natural logarithm, as a short text."""
    if math.isnan(log_e):
        return "-"
    if log_e > 13.8:
        return f"1e{math.floor(log_e / math.log(10))}"
    return "0" if log_e < -13.8 else f"{math.exp(log_e):.3g}"


def number(value: float) -> str:
    """Four digits that say something."""
    return f"{value:.4g}"


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
    return f" (and {_count(evidence.history)} before the canary)" if evidence.history else ""


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else number(value)
