"""The engine over fakes: endings, continuing, refusals; and every fault at every call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.release.model import Ending, ReleaseRequest, ReleaseResult
from deployments.release.plan import Continue, Nothing, Write
from deployments.rollouts.snapshot import Strategy
from headgate.errors import HeadgateError, RemoteStateError, UnsafeActionError
from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.testing.release_fakes import FakeWorld, Fault, KilledError, make_engine

REQUEST = ReleaseRequest(version="1.1", source_commit="a" * 40, source_repo="shop/data-platform")
STRATEGIES = [Strategy.CANARY, Strategy.BLUE_GREEN]


def _kinds(world: FakeWorld) -> list[Kind]:
    return [event.kind for event in world.events.values()]


def _commits(world: FakeWorld, kind: str) -> int:
    return sum(found == kind for _, _, found in world.commits)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_good_version_is_promoted(strategy: Strategy) -> None:
    world = FakeWorld(strategy=strategy)
    result = make_engine(world, soak=strategy is Strategy.BLUE_GREEN).start(REQUEST)
    assert (result.ending, result.exit_code) == (Ending.PROMOTED, ExitCode.PASS)
    assert (world.stable, world.version, world.lock) == ("1.1", "1.1", None)
    assert _kinds(world) == [Kind.SERVICE_UPGRADED]
    event = next(iter(world.events.values()))
    assert (event.commit, event.service, event.outcome) == ("a" * 40, "shop", "success")
    assert ("1.1", None, "active") in world.passed or strategy is Strategy.CANARY


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_version_is_turned_back_everywhere(strategy: Strategy) -> None:
    world = FakeWorld(strategy=strategy, bad_versions=frozenset({"1.1"}))
    result = make_engine(world).start(REQUEST)
    assert (result.ending, result.exit_code) == (Ending.ROLLED_BACK, ExitCode.FAIL)
    assert (world.stable, world.current, world.version, world.aborted) == ("1.0", "1.0", "1.0", False)
    assert world.log.count("abort") == 1
    assert "resume" not in world.log
    assert _kinds(world) == [Kind.SERVICE_ROLLEDBACK]
    assert next(iter(world.events.values())).data["reason"] == "error ratio 0.2 > 0.02"


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(FakeWorld(never_ready=True), id="pods never ready: the deadline"),
        pytest.param(FakeWorld(silent=True), id="no evidence: the step's limit"),
        pytest.param(FakeWorld(sync_fails=True), id="the sync fails"),
    ],
)
def test_what_does_not_get_on_is_turned_back(world: FakeWorld) -> None:
    result = make_engine(world).start(REQUEST)
    assert result.ending is Ending.ROLLED_BACK
    assert (world.stable, world.current, world.version) == ("1.0", "1.0", "1.0")
    assert not world.passed
    assert not world.resumed


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("bad", [False, True])
def test_what_went_all_the_way_by_itself_is_judged_before_it_counts(strategy: Strategy, bad: bool) -> None:
    """A person, a timer or a rollback window may promote past the steps: without evidence that is no promotion."""
    world = FakeWorld(strategy=strategy, promotes_itself=True, bad_versions=frozenset({"1.1"}) if bad else frozenset())
    result = make_engine(world).start(REQUEST)
    if bad:
        assert result.ending is Ending.ROLLED_BACK
        assert (world.stable, world.version) == ("1.0", "1.0")
    else:
        assert result.ending is Ending.PROMOTED
        assert ("1.1", None, "active") in world.passed


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_went_all_the_way_by_itself_without_any_evidence_is_turned_back(strategy: Strategy) -> None:
    world = FakeWorld(strategy=strategy, promotes_itself=True, silent=True)
    assert make_engine(world).start(REQUEST).ending is Ending.ROLLED_BACK
    assert world.version == "1.0"


def test_an_abort_from_outside_says_when_there_is_nothing_to_abort() -> None:
    world = FakeWorld()
    with pytest.raises(RemoteStateError, match="nothing is in flight"):
        make_engine(world).abort_only()
    assert "abort" not in world.log


def test_version_that_is_live_is_nothing_to_do() -> None:
    world = FakeWorld()
    make_engine(world).start(REQUEST)
    done = list(world.log)
    result = make_engine(world).start(REQUEST)
    assert (result.ending, result.exit_code) == (Ending.UNCHANGED, ExitCode.PASS)
    assert world.log == done
    assert len(world.commits) == 2


def test_dry_run_is_the_same_plan_and_changes_nothing() -> None:
    world = FakeWorld()
    _, planned = make_engine(world).plan(REQUEST)
    assert planned == Write(previous="1.0", base="c0")
    assert (world.log, world.commits, world.lock) == ([], [("c0", "1.0", "")], None)
    make_engine(world).start(REQUEST)
    assert isinstance(make_engine(world).plan(REQUEST)[1], Nothing)


def test_two_releases_in_a_row_are_told_apart() -> None:
    world = FakeWorld()
    first = make_engine(world).start(REQUEST)
    second = make_engine(world).start(replace(REQUEST, version="1.2"))
    assert first.release_id != second.release_id
    assert (world.stable, len(world.events)) == ("1.2", 2)


def test_rolled_back_version_may_be_tried_again() -> None:
    world = FakeWorld(bad_versions=frozenset({"1.1"}))
    first = make_engine(world).start(REQUEST)
    world.bad_versions = frozenset()
    again = make_engine(world).start(REQUEST)
    assert (first.ending, again.ending) == (Ending.ROLLED_BACK, Ending.PROMOTED)
    assert first.release_id != again.release_id


def _killed_in_the_middle(world: FakeWorld) -> None:
    """Kill the run at its first resume."""
    probe = FakeWorld(strategy=world.strategy)
    make_engine(probe).start(REQUEST)
    for number in range(1, probe.calls):
        trial = FakeWorld(strategy=world.strategy, fault_at=number, fault=Fault.KILL_BEFORE)
        with pytest.raises(KilledError):
            make_engine(trial).start(REQUEST)
        if trial.faulted == "resume":
            world.fault_at = number
            with pytest.raises(KilledError):
                make_engine(world).start(REQUEST)
            return


def test_resume_continues_what_a_killed_run_left() -> None:
    world = FakeWorld()
    _killed_in_the_middle(world)
    assert isinstance(make_engine(world).plan(REQUEST)[1], Continue)
    assert make_engine(world).resume().ending is Ending.PROMOTED
    assert _commits(world, "release") == 1


def test_another_version_is_refused_while_one_is_under_way() -> None:
    world = FakeWorld()
    _killed_in_the_middle(world)
    with pytest.raises(RemoteStateError, match=r"version 1\.1 is in progress.*release resume"):
        make_engine(world).start(replace(REQUEST, version="1.2"))
    assert make_engine(world).resume().ending is Ending.PROMOTED


def test_abort_turns_back_what_is_under_way() -> None:
    world = FakeWorld()
    _killed_in_the_middle(world)
    result = make_engine(world).turn_back("it smells", finished_too=False)
    assert result.ending is Ending.ROLLED_BACK
    assert (world.stable, world.current, world.version, world.log.count("abort")) == ("1.0", "1.0", "1.0", 1)


def test_abort_without_a_release_is_refused_and_rollback_turns_a_live_one_back() -> None:
    world = FakeWorld()
    make_engine(world).start(REQUEST)
    with pytest.raises(UnsafeActionError, match="no release under way"):
        make_engine(world).turn_back("x", finished_too=False)
    result = make_engine(world).turn_back("customers complain", finished_too=True)
    assert result.ending is Ending.ROLLED_BACK
    assert (world.stable, world.version) == ("1.0", "1.0")
    assert "abort" not in world.log  # nothing was in flight
    assert "promote" in world.log  # the pauses on the way back are skipped
    with pytest.raises(UnsafeActionError):
        make_engine(world).turn_back("again", finished_too=True)


def test_promotion_on_the_word_of_a_person_is_recorded_as_such() -> None:
    world = FakeWorld(silent=True)
    _killed_in_the_middle(world)
    result = make_engine(world).promote("ada")
    assert result.ending is Ending.PROMOTED
    assert next(iter(world.events.values())).data["decided_by"] == "ada"


def test_ctrl_c_says_how_to_go_on_and_leaves_the_lock_to_be_taken() -> None:
    world = FakeWorld()
    engine = make_engine(world)
    said: list[str] = []
    engine._say = said.append
    sleep = world.clock.sleep

    def interrupted(seconds: float) -> None:
        sleep(seconds)
        if world.step == 1:
            world.clock.sleep = sleep  # type: ignore[method-assign]
            raise KeyboardInterrupt

    world.clock.sleep = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        engine.start(REQUEST)
    assert "release resume shop --env prod" in said[-1]
    assert make_engine(world).start(REQUEST).ending is Ending.PROMOTED
    assert _commits(world, "release") == 1


def test_target_that_is_not_healthy_is_no_ground_for_a_release() -> None:
    world = FakeWorld(current="0.9", step=1)
    with pytest.raises(RemoteStateError, match="has not settled"):
        make_engine(world).start(REQUEST)
    assert world.lock is None


def _calls_of_a_whole_run(strategy: Strategy, bad: frozenset[str]) -> int:
    world = FakeWorld(strategy=strategy, bad_versions=bad)
    make_engine(world).start(REQUEST)
    return world.calls


def _run_until_settled(world: FakeWorld) -> ReleaseResult:
    """Run the same command until it says how it ended; errors and kills are followed by another run."""
    for _ in range(4):
        try:
            return make_engine(world).start(REQUEST)
        except (KilledError, HeadgateError):
            if world.faulted == "release lock" and world.lock is None:
                return ReleaseResult(  # killed when everything was done: nothing is left that a second run could know
                    ending=Ending.ROLLED_BACK if world.bad_versions else Ending.PROMOTED,
                    service="shop", environment="prod", version="1.1", message="",
                )  # fmt: skip
            world.holder_dead = True  # the process has ended, one way or the other
    raise AssertionError(f"not settled after a {world.fault} in {world.faulted}")


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("bad", [frozenset[str](), frozenset({"1.1"})], ids=["good", "bad"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_fault_at_every_call_ends_settled(strategy: Strategy, bad: frozenset[str], fault: Fault) -> None:
    calls = _calls_of_a_whole_run(strategy, bad)
    assert calls > 30
    for number in range(1, calls + 1):
        world = FakeWorld(strategy=strategy, bad_versions=bad, fault_at=number, fault=fault)
        result = _run_until_settled(world)
        told = f"{fault} in {world.faulted} (call {number})"
        if world.faulted == "release lock" and world.lock is not None:
            world.holder_dead = True  # what stays of the lock is legible, and the next run tidies up
            result = make_engine(world).start(REQUEST)
        wanted = "1.0" if bad else "1.1"
        assert (world.stable, world.current, world.version) == (wanted, wanted, wanted), told
        assert not world.aborted, told
        assert world.lock is None, told
        assert result.ending in ({Ending.ROLLED_BACK} if bad else {Ending.PROMOTED, Ending.UNCHANGED}), told
        assert _commits(world, "release") == 1, told
        assert _commits(world, "revert") == (1 if bad else 0), told
        assert len(world.resumed) == len(set(world.resumed)), told
        for version, step in world.resumed:
            role, place = ("preview", None) if strategy is Strategy.BLUE_GREEN else ("canary", step)
            assert (version, place, role) in world.passed, told
        assert _kinds(world) == [Kind.SERVICE_ROLLEDBACK if bad else Kind.SERVICE_UPGRADED], told
        assert world.log.count("abort") == len({"abort"} & set(world.log)) or fault is Fault.TIMEOUT_AFTER, told
