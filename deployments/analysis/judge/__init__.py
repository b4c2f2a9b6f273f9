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

__all__ = [
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
