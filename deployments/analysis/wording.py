"""Short texts for the judge's numbers. Pure."""

from __future__ import annotations

import math

from deployments.analysis.judge import Kind
from deployments.analysis.judge.model import Arm


def arm_text(arm: Arm, kind: Kind) -> str:
    """Counts and estimate of one arm."""
    if arm.estimate is None and not arm.total:
        return "nothing seen"
    estimate = "" if arm.estimate is None else f" = {number(arm.estimate)}"
    if kind is Kind.GAUGE:
        return f"{count_text(arm.total)} values, mean{estimate or ' not known'}"
    if arm.bad is None:
        return f"{count_text(arm.total)} events{estimate}"
    return f"{count_text(arm.bad)} of {count_text(arm.total)}{estimate}"


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


def count_text(value: float) -> str:
    """A count with its thousands apart."""
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else number(value)
