"""`start` and `update`: the state of all metrics, fed interval by interval."""

from __future__ import annotations

from deployments.analysis.judge.model import Interval, JudgePolicy, State


def start(policy: JudgePolicy) -> State:
    """The state before any interval. Raises `ConfigError` for a policy that makes no sense."""
    return State(policy=policy, metrics={})


def update(state: State, interval: Interval) -> State:
    """The state after one more interval. Never raises for bad data: that becomes a fault of the interval."""
    del interval
    return state
