"""`verdict`: from the state of the evidence to an outcome that explains itself."""

from __future__ import annotations

from deployments.analysis.judge.model import JudgeVerdict, State
from gates.verdict import Outcome


def verdict(state: State) -> JudgeVerdict:
    """The outcome so far. May be asked after every interval."""
    del state
    return JudgeVerdict(
        outcome=Outcome.INCONCLUSIVE, decided_at_s=None, message="no data yet", cause="no data", metrics=()
    )
