"""What has to be done, from what Git and the target say: the table of starts, and the status they amount to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployments.gitops.repository import Desired, Release
from deployments.gitops.trailers import ReleaseNote
from deployments.locks import LockInfo
from deployments.release.plan import Continue, Facts, FinishTurningBack, Nothing, Refuse, Write, plan_resume, plan_start
from deployments.release.status import Standing, describe_facts, history_rows
from deployments.rollouts.decide import Plan
from deployments.rollouts.snapshot import Pause, Phase, SetWeight, Snapshot, Strategy

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PLAN = Plan(strategy=Strategy.CANARY, baseline="", max_step_s=60, deadline=NOW)
LIVE = Snapshot(
    strategy=Strategy.CANARY, observed=True, phase=Phase.HEALTHY, current="a", stable="a", weight=100.0,
    steps=(SetWeight(percent=25), Pause()),
)  # fmt: skip
MOVING = replace(LIVE, phase=Phase.PAUSED, current="b", step=1, weight=25.0, paused=True)
NOTE = ReleaseNote(release_id="rel-1", service="s", environment="e", version="2", previous="1")
STANDING = Release(note=NOTE, commit="c1", at=NOW)
REVERTED = replace(STANDING, reverted_by="c2", reason="bad")


def _facts(
    version: str,
    newest: Release | None = None,
    snapshot: Snapshot = LIVE,
    *,
    in_step: bool = True,
    unfinished: str | None = None,
    obstacle: str = "",
) -> Facts:
    return Facts(
        desired=Desired(version=version, revision="c9"),
        newest=newest,
        snapshot=snapshot,
        in_step=in_step,
        unfinished=unfinished,
        obstacle=obstacle,
    )


@pytest.mark.parametrize(
    ("facts", "asked", "start", "resume", "standing"),
    [
        (_facts("1"), "2", Write, Nothing, Standing.LIVE),
        (_facts("2"), "2", Nothing, Nothing, Standing.LIVE),
        (_facts("2", STANDING), "2", Nothing, Nothing, Standing.LIVE),
        (_facts("2", STANDING), "3", Write, Nothing, Standing.LIVE),
        (_facts("2", STANDING, in_step=False), "2", Continue, Continue, Standing.ROLLING_OUT),
        (_facts("2", STANDING, MOVING), "2", Continue, Continue, Standing.ROLLING_OUT),
        (_facts("2", STANDING, MOVING), "3", Refuse, Continue, Standing.ROLLING_OUT),
        (_facts("2", STANDING, unfinished="rel-1"), "2", Continue, Continue, Standing.LIVE),
        (_facts("2", STANDING, unfinished="rel-1"), "3", Refuse, Continue, Standing.LIVE),
        (_facts("2", STANDING, unfinished="rel-0"), "3", Write, Nothing, Standing.LIVE),
        (_facts("1", REVERTED), "2", Write, Nothing, Standing.LIVE),
        (_facts("1", REVERTED, unfinished="rel-1"), "2", FinishTurningBack, FinishTurningBack, Standing.LIVE),
        (_facts("1", REVERTED, MOVING), "2", FinishTurningBack, FinishTurningBack, Standing.TURNING_BACK),
        (_facts("1", REVERTED, MOVING), "3", Refuse, FinishTurningBack, Standing.TURNING_BACK),
        (_facts("2", None, MOVING), "2", Refuse, Refuse, Standing.NOT_SETTLED),
        (_facts("1", None, MOVING), "2", Refuse, Refuse, Standing.NOT_SETTLED),
        (_facts("7", REVERTED), "2", Write, Nothing, Standing.LIVE),
        (_facts("1", None, replace(LIVE, steps=())), "2", Refuse, Nothing, Standing.LIVE),
    ],
)
def test_table(facts: Facts, asked: str, start: type, resume: type, standing: Standing) -> None:
    planned = plan_start(facts, asked, PLAN, name="s in e")
    assert type(planned) is start
    if isinstance(planned, Refuse):
        assert planned.error.next_step
    assert type(plan_resume(facts, name="s in e")) is resume
    assert describe_facts(facts, None, service="s", environment="e", now=NOW).standing is standing


@pytest.mark.parametrize("newest", [None, STANDING, REVERTED])
def test_nothing_begins_beside_an_operation_of_somebody_else(newest: Release | None) -> None:
    version = "1" if newest is REVERTED else "2"
    facts = _facts(version, newest, in_step=False, obstacle="an operation of ada is Running")
    for planned in (plan_start(facts, "3", PLAN, name="s in e"), plan_resume(facts, name="s in e")):
        assert isinstance(planned, Refuse)
        assert "an operation of ada is Running" in str(planned.error)
        assert "Wait until it has ended" in str(planned.error)


def test_an_interrupted_run_goes_on_and_waits_for_the_operation_of_somebody_else() -> None:
    facts = _facts("2", STANDING, in_step=False, unfinished="rel-1", obstacle="an operation of ada is Running")
    assert isinstance(plan_resume(facts, name="s in e"), Continue)


def test_status_names_a_living_holder_only() -> None:
    lock = LockInfo(
        state="l",
        holder="ada@ci",
        process=None,
        token=1,
        expires_at=NOW + timedelta(seconds=9),
        purpose="release rel-1",
    )
    held = describe_facts(_facts("2", STANDING, MOVING), lock, service="s", environment="e", now=NOW).row()
    assert (held["held_by"], held["place"], held["release"]) == (
        "ada@ci (release rel-1)", "step 1 of 2, 25 % of the traffic", "rel-1",
    )  # fmt: skip
    late = describe_facts(_facts("2", STANDING), lock, service="s", environment="e", now=NOW + timedelta(seconds=9))
    assert late.held_by is None
    stale = describe_facts(
        _facts("2", None, replace(LIVE, observed=False)), None, service="s", environment="e", now=NOW
    )
    assert stale.phase == "Unknown"


def test_history_says_how_each_release_ended() -> None:
    rows = history_rows((REVERTED, STANDING))
    assert [(row["ending"], row["reason"]) for row in rows] == [("turned back", "bad"), ("stands", None)]


def test_a_finished_release_beside_an_unsynced_change_is_not_called_in_progress() -> None:
    facts = _facts("2", STANDING, in_step=False)
    start = plan_start(facts, "3", PLAN, name="s in e")
    assert isinstance(start, Refuse)
    assert "not in step with Git" in str(start.error)
    moving = plan_start(_facts("2", STANDING, MOVING, in_step=False), "3", PLAN, name="s in e")
    assert isinstance(moving, Refuse)
    assert "in progress" in str(moving.error)
