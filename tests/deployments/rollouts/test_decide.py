"""The decision table: one row per state and evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.rollouts.decide import (
    UNCHANGED,
    Abort,
    Done,
    Evidence,
    Plan,
    Resume,
    StepKey,
    TurnBack,
    Wait,
    decide,
    plan_problem,
    step_key,
)
from deployments.rollouts.snapshot import OtherStep, Pause, Phase, SetWeight, Snapshot, Strategy
from deployments.rollouts.status import parse_rollout
from gates.verdict import Outcome, Verdict
from tests.deployments.rollouts.test_status import SAMPLES, load

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CANARY = Plan(strategy=Strategy.CANARY, baseline="cd8bd885d", max_step_s=60, deadline=NOW + timedelta(hours=1))
BLUE_GREEN = replace(CANARY, strategy=Strategy.BLUE_GREEN, baseline="75bf8d68c4")
SOAKED = replace(BLUE_GREEN, soak=True)
LATE = replace(CANARY, deadline=NOW)


def _evidence(name: str, plan: Plan, outcome: Outcome | None, age_s: float = 1) -> Evidence | None:
    key = step_key(parse_rollout(load(name)), plan)
    verdict = Verdict(name="analysis", outcome=outcome, message="said") if outcome else None
    return Evidence(key=key, since=NOW - timedelta(seconds=age_s), verdict=verdict) if key else None


@pytest.mark.parametrize(
    ("name", "plan", "outcome", "age_s", "expected"),
    [
        ("canary_paused_step_1", CANARY, None, 1, Wait),
        ("canary_paused_step_1", CANARY, Outcome.PASS, 1, Resume),
        ("canary_paused_step_1", CANARY, Outcome.FAIL, 1, Abort),
        ("canary_paused_step_1", CANARY, Outcome.INCONCLUSIVE, 1, Abort),
        ("canary_paused_step_1", CANARY, Outcome.ERROR, 1, Abort),
        ("canary_paused_step_1", CANARY, None, 61, Abort),
        ("canary_paused_step_1", LATE, Outcome.PASS, 1, Abort),
        ("canary_unpausing", CANARY, None, 1, Wait),
        ("canary_paused_in_timed_step", CANARY, Outcome.PASS, 1, Wait),
        ("canary_paused_in_timed_step", CANARY, Outcome.FAIL, 1, Abort),
        ("canary_more_replicas_needed", CANARY, None, 1, Wait),
        ("canary_more_replicas_needed", LATE, None, 1, Abort),
        ("canary_promoted_healthy", CANARY, None, 1, Done),
        ("canary_promoted_healthy", replace(CANARY, baseline="7dbb59489c"), None, 1, Wait),
        ("canary_promoted_healthy", replace(CANARY, baseline="7dbb59489c"), None, 11, TurnBack),
        ("canary_not_observed_yet", CANARY, Outcome.PASS, 1, Wait),
        ("canary_not_observed_yet", LATE, None, 1, Abort),
        ("canary_aborted", CANARY, None, 1, TurnBack),
        ("canary_promote_full_under_way", CANARY, None, 1, Wait),
        ("canary_degraded_progress_deadline", CANARY, None, 1, Abort),
        ("canary_degraded_invalid_spec", CANARY, None, 1, Abort),
        ("canary_aborted_by_progress_deadline", CANARY, None, 1, TurnBack),
        ("canary_nginx_weight_5", CANARY, None, 1, Wait),
        ("canary_nginx_paused_weight_50", CANARY, Outcome.PASS, 1, Resume),
        ("canary_nginx_aborted_by_analysis", CANARY, None, 1, TurnBack),
        ("bluegreen_paused_before_switch", BLUE_GREEN, None, 1, Wait),
        ("bluegreen_paused_before_switch", BLUE_GREEN, Outcome.PASS, 1, Resume),
        ("bluegreen_paused_before_switch", BLUE_GREEN, Outcome.FAIL, 1, Abort),
        ("bluegreen_switched_healthy", BLUE_GREEN, None, 1, Done),
        ("bluegreen_switched_healthy", SOAKED, None, 1, Wait),
        ("bluegreen_switched_healthy", SOAKED, None, 61, TurnBack),
        ("bluegreen_switched_healthy", SOAKED, Outcome.PASS, 1, Done),
        ("bluegreen_switched_healthy", SOAKED, Outcome.FAIL, 1, TurnBack),
        ("bluegreen_aborted", BLUE_GREEN, None, 1, TurnBack),
        ("bluegreen_cutover_pending", BLUE_GREEN, None, 1, Wait),
    ],
)
def test_table(name: str, plan: Plan, outcome: Outcome | None, age_s: float, expected: type) -> None:
    action = decide(parse_rollout(load(name)), plan, _evidence(name, plan, outcome, age_s), NOW)
    assert type(action) is expected, action
    assert action.why


def test_every_sample_is_in_the_table() -> None:
    table = next(mark for mark in test_table.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    covered = {row[0] for row in table.args[1]}
    assert {path.stem for path in SAMPLES.glob("*.yaml")} - covered == {
        "canary_reverted_healthy",
        "canary_paused_before_phase_existed",
    }


@pytest.mark.parametrize(
    "key",
    [
        StepKey(version="7dbb59489c", step=3, role="canary"),
        StepKey(version="older", step=1, role="canary"),
        StepKey(version="7dbb59489c", step=1, role="preview"),
        StepKey(version="cd8bd885d", step=None, role=UNCHANGED),
    ],
)
@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.FAIL])
def test_evidence_of_another_step_or_version_is_not_used(key: StepKey, outcome: Outcome) -> None:
    stray = Evidence(key=key, since=NOW, verdict=Verdict(name="a", outcome=outcome, message="m"))
    assert isinstance(decide(parse_rollout(load("canary_paused_step_1")), CANARY, stray, NOW), Wait)


_STEPS = st.sampled_from([SetWeight(percent=25), Pause(), Pause(duration_s=5), OtherStep(kind="analysis")])
_SNAPSHOTS = st.builds(
    Snapshot,
    strategy=st.sampled_from(Strategy),
    observed=st.booleans(),
    phase=st.sampled_from(Phase),
    message=st.sampled_from(["", "ProgressDeadlineExceeded", "CanaryPauseStep"]),
    current=st.sampled_from(["", "old", "new"]),
    stable=st.sampled_from(["", "old", "new"]),
    step=st.none() | st.integers(0, 4),
    steps=st.lists(_STEPS, max_size=4).map(tuple),
    weight=st.none() | st.sampled_from([0.0, 25.0, 100.0]),
    paused=st.booleans(),
    pause_ends=st.booleans(),
    unpausing=st.booleans(),
    aborted=st.booleans(),
    promoting=st.booleans(),
    active=st.none() | st.sampled_from(["old", "new"]),
)


@given(snapshot=_SNAPSHOTS, soak=st.booleans(), late=st.booleans())
def test_without_evidence_nothing_with_traffic_goes_on(snapshot: Snapshot, soak: bool, late: bool) -> None:
    plan = Plan(
        strategy=snapshot.strategy,
        baseline="old",
        max_step_s=60,
        deadline=NOW if late else NOW + timedelta(hours=1),
        soak=soak,
    )
    action = decide(snapshot, plan, None, NOW)
    if isinstance(action, Resume):
        assert snapshot.weight == 0
        assert not any(isinstance(step, SetWeight) for step in snapshot.steps[: snapshot.step])
    if isinstance(action, Done):
        assert snapshot.settled
        assert not soak
        assert snapshot.current != "old"
    if not snapshot.observed:
        assert isinstance(action, Wait | Abort)


def _with(*steps: object) -> Snapshot:
    base = parse_rollout(load("canary_paused_step_1"))
    return replace(base, steps=steps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("snapshot", "plan", "problem"),
    [
        (_with(SetWeight(percent=25), Pause()), CANARY, None),
        (_with(SetWeight(percent=25), Pause(duration_s=5), SetWeight(percent=50), Pause()), CANARY, None),
        (_with(SetWeight(percent=25), Pause(duration_s=5)), CANARY, "go on without evidence"),
        (_with(Pause(), SetWeight(percent=25)), CANARY, "go on without evidence"),
        (_with(), CANARY, "no step"),
        (_with(SetWeight(percent=100), Pause()), CANARY, "no step"),
        (_with(SetWeight(percent=25), Pause()), replace(CANARY, weights=(5,)), r"\[25\].*\[5\]"),
        (_with(SetWeight(percent=25), Pause()), BLUE_GREEN, "set up for canary"),
        (parse_rollout(load("bluegreen_aborted")), BLUE_GREEN, None),
        (replace(parse_rollout(load("bluegreen_aborted")), auto_promotes=True), BLUE_GREEN, "autoPromotionEnabled"),
    ],
)
def test_targets_that_would_go_on_by_themselves_are_refused(
    snapshot: Snapshot, plan: Plan, problem: str | None
) -> None:
    import re

    found = plan_problem(snapshot, plan)
    assert (found is None) if problem is None else re.search(problem, found or "")
