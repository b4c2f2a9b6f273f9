"""Counts, the threshold judge, and the gathering of evidence: nothing that is missing ever passes."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.analysis.counts import Counts, NoData, difference
from deployments.analysis.measured import ThresholdMetric
from deployments.analysis.ports import Arm, Reading, Subject
from deployments.analysis.run import AnalysisByRole, StepAnalysis
from deployments.analysis.threshold import QueryError, State, ThresholdPolicy, add, begin_step, measure, verdict
from gates.verdict import Outcome, Verdict
from headgate.errors import ServerFaultError

POLICY = ThresholdPolicy(
    name="error-ratio",
    max_ratio=0.02,
    min_total=50,
    interval_s=2,
    count=3,
    failure_limit=1,
    inconclusive_limit=2,
    consecutive_error_limit=2,
)
GOOD, BAD, FEW = Counts(bad=2, total=100), Counts(bad=3, total=100), Counts(bad=0, total=49)
NOTHING, BROKEN = NoData(why="no running instance"), QueryError(why="no answer")


def _reading(**pods: tuple[float, float]) -> Reading:
    return Reading(
        errors={(pod, "e"): bad for pod, (bad, _) in pods.items()},
        total={(pod, "t"): total for pod, (_, total) in pods.items()},
        instances=frozenset(pods),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (_reading(a=(1, 10)), _reading(a=(3, 110)), Counts(bad=2, total=100)),
        (_reading(a=(1, 10), b=(0, 5)), _reading(a=(1, 10), b=(1, 15)), Counts(bad=1, total=10)),
        (_reading(a=(9, 90)), _reading(a=(1, 20)), Counts(bad=1, total=20)),  # restarted: what it shows now is new
        (_reading(a=(1, 10)), _reading(a=(1, 10), b=(2, 40)), Counts(bad=2, total=40)),  # a pod that came
        (_reading(a=(1, 10), b=(5, 50)), _reading(a=(1, 12)), Counts(bad=0, total=2)),  # a pod that went
    ],
)
def test_differences(before: Reading, after: Reading, expected: Counts) -> None:
    assert difference(before, after) == expected


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (Reading(errors={}, total={}, instances=frozenset()), "no running instance"),
        (Reading(errors={("a", "e"): 0}, total={}, instances=frozenset("a")), "no series of the total"),
        (Reading(errors={}, total={("a", "t"): 9}, instances=frozenset("a")), "no series of the errors"),
        (_reading(a=(math.nan, 10)), "not a count"),
        (_reading(a=(0, math.inf)), "not a count"),
        (_reading(a=(0, -1)), "not a count"),
        (_reading(a=(0, 1.5)), "not a count"),
        (_reading(a=(11, 10)), "more errors"),
    ],
)
def test_what_is_no_count_is_no_data(after: Reading, why: str) -> None:
    found = difference(_reading(a=(0, 0)), after)
    assert isinstance(found, NoData)
    assert why in found.why


def _judge(*intervals: Counts | NoData | QueryError, policy: ThresholdPolicy = POLICY) -> Verdict | None:
    state = State()
    for interval in intervals:
        state = add(state, measure(interval, policy, role="canary", window_s=2.0, number=state.taken + 1))
    return verdict(state, policy)


@pytest.mark.parametrize(
    ("intervals", "outcome"),
    [
        ([], None),
        ([GOOD, GOOD], None),
        ([GOOD, GOOD, GOOD], Outcome.PASS),
        ([BAD], None),
        ([BAD, BAD], Outcome.FAIL),
        ([BAD, GOOD, GOOD, GOOD], Outcome.PASS),
        ([BAD, GOOD, GOOD, BAD], Outcome.FAIL),
        ([FEW, FEW], None),
        ([FEW, FEW, FEW], Outcome.INCONCLUSIVE),
        ([NOTHING, FEW, GOOD, NOTHING], Outcome.INCONCLUSIVE),
        ([BROKEN, BROKEN, GOOD, BROKEN, BROKEN], None),
        ([BROKEN, BROKEN, BROKEN], Outcome.ERROR),
        ([Counts(bad=0, total=0)] * 3, Outcome.INCONCLUSIVE),
        ([GOOD, GOOD, BAD, GOOD], Outcome.PASS),
    ],
)
def test_words_of_argo_rollouts(intervals: list[Counts | NoData | QueryError], outcome: Outcome | None) -> None:
    found = _judge(*intervals)
    assert (found.outcome if found else None) is outcome


def test_failures_are_counted_over_all_steps_of_a_version_and_successes_in_each() -> None:
    def through(*steps: list[Counts]) -> Verdict | None:
        state = State()
        for number, intervals in enumerate(steps):
            state = begin_step(state) if number else state
            for interval in intervals:
                state = add(state, measure(interval, POLICY, role="canary", window_s=2.0, number=state.taken + 1))
        return verdict(state, POLICY)

    assert through([BAD, GOOD, GOOD, GOOD], [GOOD, GOOD]) is None
    passed = through([BAD, GOOD, GOOD, GOOD], [GOOD, GOOD, GOOD])
    assert passed is not None
    assert passed.outcome is Outcome.PASS
    failed = through([BAD, GOOD, GOOD, GOOD], [GOOD, BAD])
    assert failed is not None
    assert failed.outcome is Outcome.FAIL
    assert [leaf.name for leaf in failed.children] == ["error-ratio 1", "error-ratio 5", "error-ratio 6"]


def test_messages_say_the_inequality_with_window_arm_and_sample() -> None:
    found = _judge(Counts(bad=13, total=410), policy=replace(POLICY, failure_limit=0))
    assert found is not None
    assert found.message == "error ratio 0.032 > 0.020 (2 s, canary, 410 requests)"
    assert found.measurement is not None
    assert (found.measurement.sample, found.measurement.threshold) == (410, 0.02)
    close = _judge(Counts(bad=2_001, total=100_000), policy=replace(POLICY, failure_limit=0))
    assert close is not None
    assert close.message == "error ratio 0.02001 > 0.02000 (2 s, canary, 100 000 requests)"
    few = _judge(FEW, FEW, FEW)
    assert few is not None
    assert "too few requests: 49 < 50" in few.message


_INTERVALS = st.lists(
    st.one_of(
        st.just(NOTHING),
        st.just(BROKEN),
        st.integers(0, 200).flatmap(lambda total: st.integers(0, total).map(lambda bad: Counts(bad=bad, total=total))),
    ),
    max_size=12,
)


@given(intervals=_INTERVALS)
def test_a_pass_has_count_good_measurements_behind_it(intervals: list[Counts | NoData | QueryError]) -> None:
    found = _judge(*intervals)
    good = [
        item for item in intervals if isinstance(item, Counts) and item.total >= 50 and item.bad / item.total <= 0.02
    ]
    if found is not None and found.outcome is Outcome.PASS:
        assert len(good) >= POLICY.count
        assert len([leaf for leaf in found.children if leaf.outcome is Outcome.FAIL]) <= POLICY.failure_limit


class Scripted:
    """A source whose readings follow a script by role; an exception is raised."""

    def __init__(self, canary: list[Reading | Exception], stable: Reading | None = None) -> None:
        self.canary, self.stable = canary, stable if stable is not None else _reading(s=(0, 1))

    def read(self, arm: Arm) -> Reading:
        if arm.role in {"stable", "active"} and arm.hash == "old":
            return self.stable
        found = self.canary.pop(0) if len(self.canary) > 1 else self.canary[0]
        if isinstance(found, Exception):
            raise found
        return found


SUBJECT = Subject(arm=Arm(hash="new", role="canary"), baseline=Arm(hash="old", role="stable"), step=1)


def _look(source: Scripted, *, subject: Subject = SUBJECT, times: int = 30) -> Verdict | None:
    analysis = StepAnalysis((ThresholdMetric(policy=POLICY, source=source),))
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for _ in range(times):
        found = analysis.look(subject, now)
        if found is not None:
            return found
        now += timedelta(seconds=1)
    return None


def _counting(bad: int) -> list[Reading | Exception]:
    return [_reading(c=(bad * n, 100 * n)) for n in range(20)]


def test_good_and_bad_counters() -> None:
    good, bad = _look(Scripted(_counting(1))), _look(Scripted(_counting(5)))
    assert good is not None
    assert good.outcome is Outcome.PASS
    assert good.message == "error ratio 0.010 <= 0.020 (2 s, canary, 100 requests)"
    assert bad is not None
    assert bad.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("source", "subject", "outcome", "why"),
    [
        (Scripted([_reading(c=(0, 0))]), SUBJECT, Outcome.INCONCLUSIVE, "too few requests"),
        (Scripted([_reading()]), SUBJECT, Outcome.INCONCLUSIVE, "no running instance"),
        (
            Scripted(_counting(0), _reading()),
            SUBJECT,
            Outcome.INCONCLUSIVE,
            "no running instance of the stable version",
        ),
        (Scripted(_counting(0), _reading(c=(0, 9))), SUBJECT, Outcome.INCONCLUSIVE, "select the same pods (c)"),
        (
            Scripted(_counting(0)),
            replace(SUBJECT, baseline=Arm(hash="new", role="stable")),
            Outcome.INCONCLUSIVE,
            "select the same pods",
        ),
        (Scripted([_reading(c=(math.nan, math.nan))]), SUBJECT, Outcome.INCONCLUSIVE, "not a count"),
        (Scripted([ServerFaultError("500")]), SUBJECT, Outcome.ERROR, "500"),
    ],
)
def test_missing_evidence_never_passes(source: Scripted, subject: Subject, outcome: Outcome, why: str) -> None:
    found = _look(source, subject=subject)
    assert found is not None
    assert found.outcome is outcome
    assert why in found.message


def test_without_a_baseline_the_arm_alone_is_judged() -> None:
    found = _look(Scripted(_counting(0)), subject=Subject(arm=Arm(hash="new", role="active"), baseline=None, step=None))
    assert found is not None
    assert found.outcome is Outcome.PASS


def test_another_step_discards_the_evidence_of_the_one_before() -> None:
    analysis = StepAnalysis((ThresholdMetric(policy=POLICY, source=Scripted(_counting(0))),))
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for second in range(6):
        assert analysis.look(SUBJECT, now + timedelta(seconds=second)) is None
    assert analysis.look(replace(SUBJECT, step=3), now + timedelta(seconds=6)) is None
    assert analysis.look(SUBJECT, now + timedelta(seconds=7)) is None


def test_no_metric_at_all_never_passes() -> None:
    found = StepAnalysis(()).look(SUBJECT, datetime(2026, 11, 21, tzinfo=UTC))
    assert found is not None
    assert found.outcome is Outcome.INCONCLUSIVE


def test_all_metrics_must_pass_and_one_fails_all() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    slow = replace(POLICY, name="slow", interval_s=100)

    def look(other: ThresholdPolicy, bad: int) -> Verdict | None:
        metrics = (
            ThresholdMetric(policy=POLICY, source=Scripted(_counting(bad))),
            ThresholdMetric(policy=other, source=Scripted(_counting(0))),
        )
        analysis = StepAnalysis(metrics)
        found = None
        for second in range(20):
            found = found or analysis.look(SUBJECT, now + timedelta(seconds=second))
        return found

    assert look(slow, 0) is None
    failed = look(slow, 9)
    assert failed is not None
    assert failed.outcome is Outcome.FAIL
    passed = look(replace(POLICY, name="other"), 0)
    assert passed is not None
    assert [child.name for child in passed.children] == ["error-ratio", "other"]


def test_soak_has_metrics_of_its_own() -> None:
    never, bad = StepAnalysis((ThresholdMetric(policy=POLICY, source=Scripted(_counting(0))),)), StepAnalysis(())
    both = AnalysisByRole(steps=never, soak=bad)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert both.look(SUBJECT, now) is None
    found = both.look(replace(SUBJECT, arm=Arm(hash="new", role="active")), now)
    assert found is not None
    assert found.outcome is Outcome.INCONCLUSIVE
