"""A metric's policy with every default filled in, checked once. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from deployments.analysis.judge.model import JudgePolicy, Kind, MetricPolicy, Worse
from deployments.analysis.judge.ratio import Line
from headgate.errors import ConfigError

_MARGIN_RATIO = {Kind.RATIO: 1.0, Kind.COUNT: 1.0, Kind.HISTOGRAM: 1.0, Kind.GAUGE: 0.25}
_MARGIN_ABSOLUTE = {Kind.RATIO: 0.001, Kind.COUNT: 0.0, Kind.HISTOGRAM: 0.001, Kind.GAUGE: 0.0}
_MIN_TOTAL = {Kind.RATIO: 100, Kind.COUNT: 0, Kind.HISTOGRAM: 100, Kind.GAUGE: 1}
_MIN_INTERVALS = {Kind.RATIO: 3, Kind.COUNT: 3, Kind.HISTOGRAM: 3, Kind.GAUGE: 1}


class Rules(NamedTuple):
    """What the judge looks up at every interval; `goal` and `safe_at` are log E-values."""

    policy: MetricPolicy
    tolerated: Line
    margin: Line
    goal: float
    safe_at: float
    min_total: int
    min_intervals: int
    max_faults: int
    arms_distinct: bool


def rules_of(policy: JudgePolicy) -> dict[str, Rules]:
    """The rules of every metric. Raises `ConfigError` for a policy that makes no sense."""
    names = [metric.name for metric in policy.metrics]
    if not names:
        raise _refused("it names no metric", "Name at least one; a verdict on nothing can't be a pass.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _refused(f"{twice[0]!r} is there twice", "Give every metric its own name.")
    for name, chance in (("alpha", policy.alpha), ("beta", policy.beta)):
        if not 0.0 < chance < 1.0:
            raise _refused(f"{name} is {chance}", f"Let {name} be between 0 and 1, such as 0.05.")
    whole = math.fsum(metric.weight for metric in policy.metrics)
    for metric in policy.metrics:
        if metric.share_from is not None and metric.share_from not in names:
            raise _refused(
                f"share_from of {metric.name} is {metric.share_from!r}, which is not there",
                "Name a metric of the policy.",
            )
    return {metric.name: _rules(metric, policy, whole) for metric in policy.metrics}


def _rules(metric: MetricPolicy, policy: JudgePolicy, whole: float) -> Rules:
    kind = metric.kind
    ratio = _MARGIN_RATIO[kind] if metric.margin_ratio is None else metric.margin_ratio
    absolute = _MARGIN_ABSOLUTE[kind] if metric.margin_absolute is None else metric.margin_absolute
    _check(metric, ratio, absolute)
    tolerated = Line(1.0 + metric.max_ratio_increase, metric.max_absolute_increase)
    margin = Line(tolerated.factor * (1.0 + ratio), tolerated.increase * (1.0 + ratio) + absolute)
    if metric.worse is Worse.LOWER:
        tolerated = Line(1.0 - metric.max_ratio_increase, metric.max_absolute_increase)
        margin = Line(tolerated.factor * (1.0 - ratio), tolerated.increase + absolute)
    return Rules(
        metric,
        tolerated,
        margin,
        goal=math.log(whole / (metric.weight * policy.alpha)),
        safe_at=-math.log(policy.beta),
        min_total=_MIN_TOTAL[kind] if metric.min_total is None else metric.min_total,
        min_intervals=_MIN_INTERVALS[kind] if metric.min_intervals is None else metric.min_intervals,
        max_faults=policy.max_faults,
        arms_distinct=policy.arms_distinct,
    )


def _check(metric: MetricPolicy, ratio: float, absolute: float) -> None:
    name, kind = metric.name, metric.kind
    for field, number in (
        ("max_ratio_increase", metric.max_ratio_increase),
        ("max_absolute_increase", metric.max_absolute_increase),
        ("margin_ratio", ratio),
        ("margin_absolute", absolute),
    ):
        if not math.isfinite(number) or number < 0.0:
            raise _refused(f"{field} of {name} is {number}", "Give a number of at least 0.")
    if not ratio and not absolute:
        raise _refused(
            f"{name} has no margin",
            "Set margin_ratio or margin_absolute: without one no amount of data can pass a canary.",
        )
    if not math.isfinite(metric.weight) or metric.weight <= 0.0:
        raise _refused(f"weight of {name} is {metric.weight}", "Give a number above 0.")
    if kind is Kind.COUNT and (metric.max_absolute_increase or absolute):
        raise _refused(f"{name} counts events without a total, so it has no rate to add to", "Use max_ratio_increase.")
    if kind is Kind.COUNT and metric.share is not None and not 0.0 < metric.share < 1.0:
        raise _refused(f"share of {name} is {metric.share}", "Give the canary's part of the traffic, between 0 and 1.")
    if kind is not Kind.GAUGE and metric.worse is Worse.LOWER:
        raise _refused(f"{name} is no gauge, but worse is lower", "Count the bad events instead of the good ones.")
    if metric.worse is Worse.LOWER and max(metric.max_ratio_increase, ratio) >= 1.0:
        raise _refused(
            f"{name} may fall by all of itself",
            "Let max_ratio_increase and margin_ratio be below 1 where lower is worse.",
        )
    if kind is Kind.HISTOGRAM and metric.slo_index is not None and metric.slo_index < 1:
        raise _refused(
            f"slo_index of {name} is {metric.slo_index}", "The first bucket can't be beyond the SLO; use 1 or more."
        )


def _refused(what: str, next_step: str) -> ConfigError:
    return ConfigError(f"the policy can't be used: {what}", where="analysis", next_step=next_step)
