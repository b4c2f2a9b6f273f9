"""The judge: sequential tests of a canary against its baseline that may be looked at after every interval. Pure.

`start(policy)` makes a state, `update(state, interval)` feeds it one interval, `verdict(state)` says what follows.
"""

from deployments.analysis.judge.core import State, start, update
from deployments.analysis.judge.decide import verdict
from deployments.analysis.judge.model import (
    Evidence,
    Interval,
    JudgePolicy,
    JudgeVerdict,
    Kind,
    MetricPolicy,
    Observation,
    Pairing,
    Side,
    Worse,
    default_policy,
)

VERSION = 1
"""Of the arithmetic. A change by which the same intervals may get other numbers raises it; evidence carries it."""

__all__ = [
    "VERSION",
    "Evidence",
    "Interval",
    "JudgePolicy",
    "JudgeVerdict",
    "Kind",
    "MetricPolicy",
    "Observation",
    "Pairing",
    "Side",
    "State",
    "Worse",
    "default_policy",
    "start",
    "update",
    "verdict",
]
