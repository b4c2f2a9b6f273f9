"""Evidence of every rule and every outcome: kept while a release goes on, and judged again bit for bit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.analysis.conditioned import ConditionPolicy
from deployments.analysis.counts import Counts, NoData
from deployments.analysis.evidence import FORMAT, evidence_document, replay
from deployments.analysis.feeds import CounterFeed
from deployments.analysis.judge import VERSION, JudgePolicy, Kind, MetricPolicy
from deployments.analysis.judged import JudgedMetric, JudgedPolicy
from deployments.analysis.measured import ConditionMetric, ThresholdMetric
from deployments.analysis.ports import Arm, Reading, Subject
from deployments.analysis.run import StepMetric
from deployments.analysis.seen import Measured, Result, Seen, Taken, figures_of, measured_verdict
from deployments.analysis.threshold import QueryError, ThresholdPolicy
from gates.verdict import Outcome, Verdict
from headgate.errors import ConfigError, UnreachableError
from headgate.secrets import Secret
from observability.figure import Figure, dump_figures, parse_figures, spark, svg
from tests.deployments.analysis.test_judged import START, Counters

LIMIT = ThresholdPolicy(name="errors", max_ratio=0.02, interval_s=5, count=3, failure_limit=1, inconclusive_limit=1)
CONDITIONS = ConditionPolicy(name="ok", success="result[0] >= 0.95", interval_s=5, count=2, inconclusive_limit=1)
STEPS = tuple(
    Subject(arm=Arm(hash="new", role="canary", weight=weight), baseline=Arm(hash="old", role="stable"), step=step)
    for weight, step in ((10, 1), (50, 3))
)


class Kept:
    """Keeps evidence the way a release does, through JSON."""

    def __init__(self) -> None:
        self.seen: list[tuple[Subject, Seen]] = []

    def __call__(self, metric: str, subject: Subject, seen: Seen) -> str:
        self.seen.append((subject, seen))
        return f"{metric}-{subject.step}.json"

    def documents(self) -> Iterator[Any]:
        for subject, seen in self.seen:
            yield json.loads(json.dumps(evidence_document(seen, {"step": subject.step}), allow_nan=False))


def judged(source: Counters, kept: Kept) -> JudgedMetric:
    judge = JudgePolicy(metrics=(MetricPolicy(name="errors"),), arms_distinct=True)
    feed = CounterFeed(metric="errors", kind=Kind.RATIO, source=source)
    return JudgedMetric(policy=JudgedPolicy(judge=judge, interval_s=5), feed=feed, record=kept)


def drive(metric: StepMetric, *, looks: int = 300) -> Verdict | None:
    """Step after step, as long as they pass."""
    at, found = 0, None
    for subject in STEPS:
        found = None
        for _ in range(looks):
            found = metric.look(subject, START + timedelta(seconds=5 * at))
            at += 1
            if found is not None:
                break
        if found is None or found.outcome is not Outcome.PASS:
            return found
    return found


def raises() -> Reading:
    raise UnreachableError("no connection", where="prometheus")


def empty() -> Reading:
    return Reading(errors={}, total={}, instances=frozenset())


class Values:
    """Results of a query, one after the other; the last one stays."""

    def __init__(self, *results: object) -> None:
        self._results = list(results)

    def measure(self, arm: Arm) -> object:
        found = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if isinstance(found, Exception):
            raise found
        return found


def by_test(canary: tuple[int, int], broken: Callable[[], Reading] | None = None) -> Callable[[Kept], StepMetric]:
    def build(kept: Kept) -> StepMetric:
        source = Counters(canary, (9, 900))
        source.broken = broken
        return judged(source, kept)

    return build


def by_limit(canary: tuple[int, int], broken: Callable[[], Reading] | None = None) -> Callable[[Kept], StepMetric]:
    def build(kept: Kept) -> StepMetric:
        source = Counters(canary, (9, 900))
        source.broken = broken
        return ThresholdMetric(policy=LIMIT, source=source, record=kept)

    return build


def conditioned(*results: object) -> Callable[[Kept], StepMetric]:
    return lambda kept: ConditionMetric(policy=CONDITIONS, source=Values(*results), record=kept)


CASES: dict[str, tuple[Callable[[Kept], StepMetric], list[Outcome]]] = {
    "a test that passes every step": (by_test((1, 100)), [Outcome.PASS, Outcome.PASS]),
    "a test that fails": (by_test((5, 100)), [Outcome.FAIL]),
    "a test without data": (by_test((1, 100), empty), [Outcome.INCONCLUSIVE]),
    "a test without a source": (by_test((1, 100), raises), [Outcome.ERROR]),
    "a limit that is kept at every step": (by_limit((1, 100)), [Outcome.PASS, Outcome.PASS]),
    "a limit that is not": (by_limit((5, 100)), [Outcome.FAIL]),
    "a limit with too few requests": (by_limit((0, 1)), [Outcome.INCONCLUSIVE]),
    "a limit without a source": (by_limit((0, 1), raises), [Outcome.ERROR]),
    "conditions that hold": (conditioned([0.97]), [Outcome.PASS, Outcome.PASS]),
    "conditions that fail later": (conditioned([0.97], [0.99], [0.5]), [Outcome.PASS, Outcome.FAIL]),
    "conditions on NaN": (conditioned([math.nan]), [Outcome.INCONCLUSIVE]),
    "conditions on nothing": (conditioned([]), [Outcome.INCONCLUSIVE]),
    "conditions on text": (conditioned("NaN"), [Outcome.ERROR]),
    "conditions without a source": (conditioned(UnreachableError("gone", where="x")), [Outcome.ERROR]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_verdict_of_a_release_is_kept_drawn_and_judged_again(case: str) -> None:
    build, outcomes = CASES[case]
    kept = Kept()
    found = drive(build(kept))
    assert found is not None
    assert found.outcome is outcomes[-1]
    assert found.details[-1].startswith("evidence: ")
    assert [seen.outcome for _, seen in kept.seen] == outcomes
    for document, (_, seen) in zip(kept.documents(), kept.seen, strict=True):
        again = replay(document, where="evidence.json")
        assert again.trouble is None
        assert again.seen is not None
        assert again.document == document["result"]
        assert again.seen.outcome is seen.outcome
        assert again.text.startswith(seen.outcome.value)
        assert seen.outcome.value in svg(figures_of("m", seen), "head")


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_was_changed_is_told_from_one_of_another_version(case: str) -> None:
    build, _ = CASES[case]
    kept = Kept()
    drive(build(kept))
    document = next(kept.documents())
    for key in ("result", "release"):
        changed = json.loads(json.dumps(document))
        changed[key]["message"] = "all is well"
        again = replay(changed, where="evidence.json")
        assert again.trouble is not None
        assert "the file was changed" in again.trouble
    newer = document | {"judge": VERSION + 1}
    for other in (newer, document | {"format": "headgate-evidence/9"}):
        again = replay(other, where="evidence.json")
        assert (again.seen, again.document["verdict"]) == (None, "ERROR")
        assert "replay it with that version" in str(again.trouble)


def test_secrets_are_masked_and_the_verdict_is_the_same_again() -> None:
    secret = "hg-evidence-token-5b1f"
    Secret(secret)
    kept = Kept()
    drive(conditioned(UnreachableError(f"no connection with {secret}", where="x"))(kept))
    (document,) = kept.documents()
    assert secret not in json.dumps(document)
    assert replay(document, where="evidence.json").trouble is None


def test_an_undecided_step_can_be_kept_as_it_stands() -> None:
    for build in (by_test((1, 100)), by_limit((0, 100)), conditioned([0.97])):
        metric = build(Kept())
        assert metric.standing() is None
        metric.look(STEPS[0], START)
        standing = metric.standing()
        assert standing is not None
        subject, seen = standing
        assert (subject, seen.outcome) == (STEPS[0], Outcome.INCONCLUSIVE)
        assert replay(json.loads(json.dumps(evidence_document(seen))), where="evidence.json").trouble is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"format": FORMAT},
        {"format": FORMAT, "rule": "test", "policy": 1},
        {"format": FORMAT, "rule": "limit", "policy": {"name": "x", "max_ratio": 0.1}, "measurements": 3},
        {"format": FORMAT, "rule": "limit", "policy": {"name": "x", "max_ratio": 0.1}, "measurements": [{"step": 1}]},
        {"format": FORMAT, "rule": "conditions", "policy": {"name": "x"}, "measurements": [{"result": "{"}]},
        {"format": FORMAT, "rule": "no"},
    ],
)
def test_what_is_no_evidence_is_refused(document: object) -> None:
    with pytest.raises(ConfigError, match=r"this (is not|evidence cannot be read)"):
        replay(document, where="evidence.json")


_COUNTS = st.integers(0, 60).flatmap(lambda total: st.builds(Counts, bad=st.integers(0, total), total=st.just(total)))
_INTERVALS = st.one_of(
    _COUNTS, st.builds(NoData, why=st.text(max_size=9)), st.builds(QueryError, why=st.text(max_size=9))
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)


def taken(what: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Taken, ...]]:
    one = st.builds(
        Taken,
        step=st.sampled_from(["1", "3"]),
        t=st.floats(0, 1e6).map(lambda t: round(t, 3)),
        window_s=st.none() | st.floats(0.1, 99).map(lambda t: round(t, 3)),
        what=what,
    )
    return st.lists(one, max_size=12).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.just(LIMIT), taken(_INTERVALS))
    | st.tuples(
        st.just(CONDITIONS), taken(st.builds(Result, value=_JSON) | st.builds(QueryError, why=st.text(max_size=9)))
    )
)
def test_whatever_was_measured_is_read_back_as_it_was(
    case: tuple[ThresholdPolicy | ConditionPolicy, tuple[Taken, ...]],
) -> None:
    policy, measurements = case
    found = measured_verdict(policy, "canary", measurements)
    seen = Measured(policy=policy, role="canary", taken=measurements, verdict=found)
    document = json.loads(json.dumps(evidence_document(seen), allow_nan=False))
    again = replay(document, where="evidence.json")
    assert again.trouble is None
    assert again.document == document["result"]
    drawn = figures_of("m", seen)
    assert "nan" not in svg(drawn, "").lower().replace(found.message.lower(), "")
    assert len(parse_figures(dump_figures(drawn))) == 1


@settings(max_examples=60, deadline=None)
@given(_JSON | st.dictionaries(st.sampled_from(["curves", "limits", "title", "log"]), _JSON))
def test_figures_from_anywhere_are_drawn_or_left_out(found: object) -> None:
    text = json.dumps(
        [found, {"curves": [found, {"points": [found, [1, 2], [math.nan, 1]]}], "limits": [{"value": found}]}]
    )
    figures = parse_figures(text)
    assert figures[-1].curves
    from xml.etree import ElementTree as ET

    ET.fromstring(svg(figures, "x", embedded=True))
    for figure in figures:
        spark(figure, 0)


def test_a_full_block_is_what_decides() -> None:
    kept = Kept()
    drive(by_test((5, 100))(kept))
    (drawn,) = figures_of("errors", kept.seen[0][1])
    assert spark(drawn, 0).endswith("█")
    assert "█" not in spark(drawn, 0)[:-1]
    assert spark(replace(drawn, limits=()), 0) == ""
    assert spark(Figure(title="", verdict="", message=""), 0) == ""
    assert parse_figures("{") == parse_figures(None) == ()


def test_moments_are_counted_from_the_first_measurement() -> None:
    kept = Kept()
    metric = ConditionMetric(policy=CONDITIONS, source=Values([1.0]), record=kept)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for second in range(20):
        if metric.look(STEPS[0], now + timedelta(seconds=second)) is not None:
            break
    ((_, seen),) = kept.seen
    assert isinstance(seen, Measured)
    assert [one.t for one in seen.taken] == [0.0, 5.0]
