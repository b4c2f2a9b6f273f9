"""What to do next with a rollout: one pure function, written as a table that is read from the top.

Whoever drives a rollout looks, asks `decide`, acts, and looks again. Nothing is remembered between two looks but the
evidence of the present step, and evidence that does not belong to the present step is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deployments.rollouts.snapshot import OtherStep, Pause, Phase, SetWeight, Snapshot, Strategy
from gates.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a release may and must do.

    `baseline` is the identity of the version that was stable before (empty: not known). `weights` are the weights
    that the steps must have, 0 and 100 left out (empty: any). `max_step_s` bounds one step, `deadline` everything.
    `soak` says that the new version is judged once more when it has all the traffic. `grace_s` is how long the target may look as if nothing
    had been changed: an answer may be older than the change.
    """

    strategy: Strategy
    baseline: str
    max_step_s: float
    deadline: datetime
    weights: tuple[int, ...] = ()
    soak: bool = False
    grace_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKey:
    """Which step evidence belongs to: the version, the place in the steps, and the role that is looked at.

    The role is canary, preview, active (after a switch), or `UNCHANGED`: not judged, only timed.
    """

    version: str
    step: int | None
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a step: since when it is looked at, and the verdict (None: not decided yet)."""

    key: StepKey
    since: datetime
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Look again later."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on to the next step: this step's evidence passed."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Give all traffic back to the stable version, and then turn Git back. `outcome` says how sure we are."""

    why: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBack:
    """Turn Git back; traffic needs no abort (already aborted, or already switched)."""

    why: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The new version has all the traffic and passed."""

    why: str


Action = Wait | Resume | Abort | TurnBack | Done

UNCHANGED = "unchanged"

_Rule = Callable[[Snapshot, Plan, Evidence | None, datetime], Action | None]


def decide(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action:
    """The next action; the first rule that has an answer decides, and without one it waits.

    `evidence` of another step or version than the present one is ignored.
    """
    fitting = evidence if evidence is not None and evidence.key == step_key(snapshot, plan) else None
    for rule in _RULES:
        action = rule(snapshot, plan, fitting, now)
        if action is not None:
            return action
    return Wait(why=snapshot.message or snapshot.phase.value)


def step_key(snapshot: Snapshot, plan: Plan) -> StepKey | None:
    """The step whose evidence is wanted now; None when there is nothing to look at."""
    if not snapshot.observed or snapshot.aborted or not snapshot.current:
        return None
    if snapshot.in_flight:
        # While pods come and go the counts say more about the move than about the version: look at pauses only.
        if not snapshot.paused or snapshot.unpausing or snapshot.promoting:
            return None
        if snapshot.strategy is Strategy.BLUE_GREEN:
            return StepKey(version=snapshot.current, step=None, role="preview")
        if snapshot.weight is None or snapshot.weight <= 0:
            return None
        return StepKey(version=snapshot.current, step=snapshot.step, role="canary")
    if snapshot.settled and snapshot.current == plan.baseline:
        return StepKey(version=snapshot.current, step=None, role=UNCHANGED)
    if plan.soak and snapshot.settled:
        return StepKey(version=snapshot.current, step=None, role="active")
    return None


def plan_problem(snapshot: Snapshot, plan: Plan) -> str | None:
    """Why this target cannot be driven by this plan, or None.

    Evidence can only stop a rollout that waits for it: the last weight must be followed by a pause without duration,
    and a blue-green target must not switch by itself.
    """
    if snapshot.strategy is not plan.strategy:
        return f"the target is set up for {snapshot.strategy.value}, the plan for {plan.strategy.value}"
    if plan.strategy is Strategy.BLUE_GREEN:
        return (
            "it switches by itself: set autoPromotionEnabled to false and remove autoPromotionSeconds"
            if snapshot.auto_promotes
            else None
        )
    if plan.weights and snapshot.weights != plan.weights:
        return f"its steps have the weights {list(snapshot.weights)}, headgate.yaml expects {list(plan.weights)}"
    below = [at for at, step in enumerate(snapshot.steps) if isinstance(step, SetWeight) and 0 < step.percent < 100]
    if not below:
        return "it has no step with a weight under 100, so nothing could be looked at before all traffic moves"
    after = snapshot.steps[below[-1] + 1 :]
    if not any(isinstance(step, Pause) and step.duration_s is None for step in after):
        return "its last weight is not followed by a pause without duration, so it would go on without evidence"
    return None


def _not_observed(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    if snapshot.observed:
        return None
    if now >= plan.deadline:
        return Abort(why="the deadline passed before the change was observed", outcome=Outcome.INCONCLUSIVE)
    return Wait(why="the change has not been observed yet")


def _aborted(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    if not snapshot.aborted or not snapshot.in_flight:
        return None
    return TurnBack(why=snapshot.message or "it was aborted", outcome=Outcome.FAIL)


def _failed_evidence(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    verdict = evidence.verdict if evidence else None
    if verdict is None or verdict.outcome is Outcome.PASS:
        return None
    kind = Abort if snapshot.in_flight else TurnBack
    return kind(why=verdict.message or verdict.outcome.value, outcome=verdict.outcome)


def _settled(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:
    if not snapshot.settled:
        return None
    if snapshot.current == plan.baseline:
        if evidence is None or (now - evidence.since).total_seconds() < plan.grace_s:
            return Wait(why="it still runs what ran before")
        return TurnBack(
            why="the new version did not change the workload: it still runs what ran before", outcome=Outcome.FAIL
        )
    if not plan.soak:
        return Done(why="it has all the traffic and is healthy")
    if evidence is not None and evidence.verdict is not None:
        return Done(why=f"it has all the traffic and passed the soak: {evidence.verdict.message}")
    if _overdue(evidence, plan, now):
        return TurnBack(why="the soak was not decided in time", outcome=Outcome.INCONCLUSIVE)
    return Wait(why="soaking: the new version has all the traffic and is looked at")


def _degraded(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    if snapshot.phase is not Phase.DEGRADED:
        return None
    # Only these two do not heal by themselves; anything else has until the deadline.
    if any(reason in snapshot.message for reason in ("ProgressDeadlineExceeded", "InvalidSpec")):
        return Abort(why=snapshot.message, outcome=Outcome.FAIL)
    return None


def _late(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:
    if now >= plan.deadline:
        return Abort(
            why=f"the deadline passed ({snapshot.phase.value}, {snapshot.ready} of {snapshot.wanted} ready)",
            outcome=Outcome.INCONCLUSIVE,
        )
    if _overdue(evidence, plan, now):
        return Abort(
            why=f"step {snapshot.step} was not decided within {plan.max_step_s:g} s", outcome=Outcome.INCONCLUSIVE
        )
    return None


def _moving(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    if snapshot.unpausing:
        return Wait(why="it was told to go on and has not moved yet")
    if snapshot.promoting:
        return Wait(why="it was told to promote and has not ended yet")
    if snapshot.waits_for_us and snapshot.phase is Phase.PAUSED:
        return None
    return Wait(why=snapshot.message or snapshot.phase.value)


def _step(snapshot: Snapshot, plan: Plan, evidence: Evidence | None, now: datetime) -> Action | None:  # noqa: ARG001 - one shape for all rules
    at = snapshot.steps[snapshot.step] if snapshot.step is not None and snapshot.step < len(snapshot.steps) else None
    if isinstance(at, OtherStep):
        return Wait(why=f"its own step {at.kind}")
    if evidence is not None and evidence.verdict is not None and evidence.verdict.outcome is Outcome.PASS:
        return Resume(why=evidence.verdict.message)
    if isinstance(at, Pause) and snapshot.weight == 0:
        # A pause before any traffic moved: there is nothing to look at yet.
        return Resume(why="no traffic on the new version yet") if _no_weight_before(snapshot) else None
    return Wait(why="gathering evidence")


def _no_weight_before(snapshot: Snapshot) -> bool:
    before = snapshot.steps[: snapshot.step]
    return not any(isinstance(step, SetWeight) and step.percent > 0 for step in before)


def _overdue(evidence: Evidence | None, plan: Plan, now: datetime) -> bool:
    if evidence is None or evidence.verdict is not None:
        return False
    return (now - evidence.since).total_seconds() >= plan.max_step_s


_RULES: tuple[_Rule, ...] = (
    _not_observed,
    _aborted,
    _failed_evidence,
    _settled,
    _degraded,
    _late,
    _moving,
    _step,
)
