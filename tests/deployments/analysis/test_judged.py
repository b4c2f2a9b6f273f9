"""Judged metrics in a release: feeds, holes, steps, and what histograms, gauges and batch jobs become."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deployments.analysis.arms import Baseline, Readings, read_arms
from deployments.analysis.batch import BatchFeed, JsonValue
from deployments.analysis.counts import NoData
from deployments.analysis.feeds import CounterFeed, GaugeFeed
from deployments.analysis.histograms import SlowRequests, boundaries, bucket_difference, tail
from deployments.analysis.judge import JudgePolicy, Kind, MetricPolicy
from deployments.analysis.judged import JudgedMetric, JudgedPolicy
from deployments.analysis.ports import Arm, Reading, Sample, SeriesKey, Subject
from deployments.analysis.prometheus import PrometheusGauge, PrometheusValue
from deployments.analysis.runs import find, parse_document, parse_runs, same_hour_and_weekday
from deployments.analysis.threshold import QueryError
from gates.verdict import Outcome, Verdict
from headgate.errors import RemoteStateError, ServerFaultError, UnreachableError
from headgate.http import HttpClient
from tests.testing.stepped_clock import SteppedClock

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = Arm(hash="new", role="canary", weight=10)
STABLE = Arm(hash="old", role="stable", weight=10)
SUBJECT = Subject(arm=CANARY, baseline=STABLE, step=1)


def reading(arm: Arm, bad: float, total: float) -> Reading:
    key = (f"pod-{arm.hash}", "x=1")
    return Reading(errors={key: bad}, total={key: total}, instances=frozenset({key[0]}))


class Counters:
    """Counters that grow by (bad, total) of the arm at each reading; `broken` readings raise or give nothing."""

    def __init__(self, canary: tuple[int, int], stable: tuple[int, int]) -> None:
        self._rates = {"new": canary, "old": stable, "newer": canary}
        self._seen: dict[str, int] = {}
        self.broken: Callable[[], Reading] | None = None

    def read(self, arm: Arm) -> Reading:
        if self.broken is not None:
            return self.broken()
        times = self._seen[arm.hash] = self._seen.get(arm.hash, 0) + 1
        bad, total = self._rates[arm.hash]
        return reading(arm, bad * times, total * times)


def metric(source: Counters, *, inconclusive_limit: int = 3) -> JudgedMetric:
    judge = JudgePolicy(metrics=(MetricPolicy(name="errors"),), arms_distinct=True)
    feed = CounterFeed(metric="errors", kind=Kind.RATIO, source=source)
    return JudgedMetric(
        policy=JudgedPolicy(judge=judge, interval_s=5, inconclusive_limit=inconclusive_limit), feed=feed
    )


def run(judged: JudgedMetric, *, looks: int, subject: Subject = SUBJECT, begin: int = 0) -> tuple[Verdict | None, int]:
    """The verdict and the number of looks that it took."""
    for at in range(begin, begin + looks):
        found = judged.look(subject, START + timedelta(seconds=5 * at))
        if found is not None:
            return found, at - begin + 1
    return None, looks


def intervals_of(judged: JudgedMetric) -> int:
    """How many intervals stand behind the evidence of the present step."""
    standing = judged.standing()
    assert standing is not None
    return standing[1].verdict.metrics[0].intervals


def test_a_bad_canary_fails_and_an_equal_one_passes() -> None:
    failed, looks = run(metric(Counters((5, 100), (9, 900))), looks=100)
    assert failed is not None
    assert failed.outcome is Outcome.FAIL
    assert looks < 10
    assert failed.measurement is not None
    assert failed.measurement.observed == pytest.approx(0.05)
    assert any(line.startswith("baseline: ") for line in failed.details)
    passed, _ = run(metric(Counters((1, 100), (9, 900))), looks=200)
    assert passed is not None
    assert passed.outcome is Outcome.PASS


def test_looks_between_intervals_read_nothing() -> None:
    source = Counters((1, 100), (9, 900))
    judged = metric(source)
    for second in range(5):
        assert judged.look(SUBJECT, START + timedelta(seconds=second)) is None
    assert source._seen == {"new": 1, "old": 1}


def _refused() -> Reading:
    raise UnreachableError("no connection", where="prometheus")


def _nothing() -> Reading:
    return Reading(errors={}, total={}, instances=frozenset())


def test_a_source_that_stays_away_is_an_error_and_one_that_comes_back_begins_the_step_anew() -> None:
    source = Counters((1, 100), (9, 900))
    judged = metric(source)
    assert run(judged, looks=8)[0] is None
    assert intervals_of(judged) == 7
    source.broken = _refused
    assert run(judged, looks=2, begin=8)[0] is None
    source.broken = None
    assert run(judged, looks=3, begin=10)[0] is None
    assert intervals_of(judged) == 3  # the first difference spans the gap: no event is lost
    source.broken = _refused
    found, looks = run(judged, looks=20, begin=13)
    assert found is not None
    assert (found.outcome, looks) == (Outcome.ERROR, 5)
    assert "no connection" in found.message


def test_too_many_holes_are_inconclusive_and_say_why() -> None:
    source = Counters((1, 100), (9, 900))
    judged = metric(source)
    run(judged, looks=3)
    source.broken = _nothing
    found, looks = run(judged, looks=20, begin=3)
    assert found is not None
    assert (found.outcome, looks) == (Outcome.INCONCLUSIVE, 4)
    assert "no running instance" in found.message


def test_evidence_of_safety_belongs_to_a_step_and_harm_to_the_release() -> None:
    judged = metric(Counters((1, 100), (9, 900)))
    first, looks = run(judged, looks=200)
    assert first is not None
    second = Subject(arm=CANARY, baseline=STABLE, step=3)
    again, more = run(judged, looks=200, subject=second, begin=looks)
    assert again is not None
    assert (again.outcome, more) == (Outcome.PASS, looks)

    source = Counters((3, 100), (9, 900))
    judged = metric(source)
    assert run(judged, looks=4)[0] is None  # not enough for a verdict at this step
    alone, needed = run(metric(Counters((3, 100), (9, 900))), looks=100)
    carried, fewer = run(judged, looks=100, subject=second, begin=4)
    assert alone is not None
    assert carried is not None
    assert (alone.outcome, carried.outcome) == (Outcome.FAIL, Outcome.FAIL)
    assert fewer < needed
    fresh = Subject(arm=Arm(hash="newer", role="canary"), baseline=STABLE, step=1)
    assert run(judged, looks=2, subject=fresh, begin=200)[0] is None  # another version begins with nothing


def test_what_the_source_remembers_of_the_baseline_is_history_at_every_step() -> None:
    class Past(Counters):
        def read_at(self, arm: Arm, at: datetime) -> Reading:
            assert arm.hash == "old"
            looks = (at - START).total_seconds() / 5 + 1000
            return reading(arm, 9 * looks, 900 * looks)

    source = Past((1, 100), (9, 900))
    feed = CounterFeed(metric="errors", kind=Kind.RATIO, source=source, past=source)
    policy = JudgedPolicy(judge=JudgePolicy(metrics=(MetricPolicy(name="errors"),), arms_distinct=True), interval_s=5)
    judged = JudgedMetric(policy=policy, feed=feed)
    assert judged.look(SUBJECT, START) is None
    standing = judged.standing()
    assert standing is not None
    assert standing[1].verdict.metrics[0].history == 12 * 900
    first, looks = run(judged, looks=100, begin=1)
    assert first is not None
    assert first.outcome is Outcome.PASS
    second, _ = run(judged, looks=100, subject=Subject(arm=CANARY, baseline=STABLE, step=3), begin=looks + 1)
    assert second is not None
    assert second.outcome is Outcome.PASS, second.message


def test_an_undecided_step_says_where_it_stands() -> None:
    said: list[str] = []
    feed = CounterFeed(metric="errors", kind=Kind.RATIO, source=Counters((1, 10), (9, 90)))
    policy = JudgedPolicy(
        judge=JudgePolicy(metrics=(MetricPolicy(name="errors", margin_ratio=0.05),), arms_distinct=True), interval_s=5
    )
    run(JudgedMetric(policy=policy, feed=feed, say=said.append), looks=14)
    assert len(said) == 2
    assert said[0].startswith("errors: ")


def test_the_same_pods_for_both_arms_never_pass() -> None:
    class Same(Counters):
        def read(self, arm: Arm) -> Reading:
            return reading(STABLE, 1, 100)

    found, _ = run(metric(Same((1, 1), (1, 1)), inconclusive_limit=0), looks=10)
    assert found is not None
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "select the same pods (pod-old)" in found.message


def test_nothing_beside_the_new_version_is_no_comparison() -> None:
    alone = Subject(arm=Arm(hash="new", role="active"), baseline=None, step=None)
    found, _ = run(metric(Counters((1, 100), (9, 900)), inconclusive_limit=0), looks=10, subject=alone)
    assert found is not None
    assert "nothing beside the active version" in found.message


def test_a_fresh_baseline_is_told_by_its_role() -> None:
    asked: list[tuple[str, str]] = []

    class Roles:
        def read(self, arm: Arm) -> Reading:
            asked.append((arm.hash, arm.role))
            return reading(Arm(hash=arm.role, role=""), 1, 100)

    assert isinstance(read_arms(Roles(), SUBJECT, Baseline.FRESH), Readings)
    assert asked == [("new", "canary"), ("old", "baseline")]
    assert all("version" in baseline.proves for baseline in Baseline)


def _buckets(arm: str, **counts: float) -> Reading:
    series: dict[SeriesKey, float] = {(f"pod-{arm}", "app=x", f"le={le}"): count for le, count in counts.items()}
    return Reading(errors=series, total=series, instances=frozenset({f"pod-{arm}"}))


def test_buckets_become_slow_requests() -> None:
    found = tail(_buckets("a", **{"0.1": 50, "0.5": 90, "+Inf": 100}), 0.5)
    assert (list(found.errors.values()), list(found.total.values())) == ([10], [100])
    with pytest.raises(RemoteStateError, match=r"no boundary at 0.3; it has 0.1, 0.5, inf"):
        tail(_buckets("a", **{"0.1": 50, "0.5": 90, "+Inf": 100}), 0.3)
    with pytest.raises(RemoteStateError, match="no bucket"):
        tail(_buckets("a", **{"0.1": 50, "0.5": 90}), 0.5)
    with pytest.raises(RemoteStateError, match="not a bucket"):
        tail(reading(STABLE, 1, 2), 0.5)


def test_a_bucket_that_is_missing_is_a_query_error() -> None:
    class Source:
        def read(self, arm: Arm) -> Reading:
            return _buckets(arm.hash, **{"1": 5, "+Inf": 5})

    assert isinstance(read_arms(SlowRequests(buckets=Source(), above_s=0.5), SUBJECT), QueryError)


def test_buckets_become_events_of_each_bucket() -> None:
    before, after = (
        _buckets("a", **{"0.1": 5, "1.0": 9, "+Inf": 10}),
        _buckets("a", **{"0.1": 7, "1.0": 14, "+Inf": 16}),
    )
    assert bucket_difference(before, after) == (2, 3, 1)
    assert boundaries(after) == (0.1, 1.0, math.inf)
    assert isinstance(bucket_difference(before, _nothing()), NoData)
    broken = bucket_difference(_buckets("a", **{"0.1": 5, "+Inf": 5}), _buckets("a", **{"0.1": 9, "+Inf": 6}))
    assert isinstance(broken, NoData)


def _prometheus(*answers: dict[str, object], status: int = 200) -> tuple[HttpClient, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json=answers[min(len(asked), len(answers)) - 1])

    http = HttpClient("http://p", timeout_s=2, clock=SteppedClock(), transport=httpx.MockTransport(answer))
    return http, asked


def _answer(kind: str, result: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def test_any_query_gives_a_list_or_a_number() -> None:
    vector = [{"metric": {"pod": "a"}, "value": [1, "0.5"]}, {"metric": {"pod": "b"}, "value": [1, "NaN"]}]
    http, asked = _prometheus(_answer("vector", vector), _answer("vector", []), _answer("scalar", [1, "+Inf"]))
    source = PrometheusValue(query='x{h="{{hash}}",w="{{weight}}",r="{{role}}"}', http=http)
    first = source.measure(CANARY)
    assert isinstance(first, list)
    assert first[0] == 0.5
    assert math.isnan(first[1])
    assert asked[0].url.params["query"] == 'x{h="new",w="10",r="canary"}'
    assert source.measure(CANARY) == []
    assert source.measure(CANARY) == math.inf
    with pytest.raises(ServerFaultError, match="not an answer"):
        PrometheusValue(
            query="x", http=_prometheus({"status": "success", "data": {"resultType": "vector", "result": 1}})[0]
        ).measure(CANARY)


def test_a_gauge_is_read_over_the_span_since_the_last_look() -> None:
    series = [{"metric": {}, "values": [[START.timestamp() + 10, "5"], [START.timestamp() + 20, "6"]]}]
    http, asked = _prometheus(_answer("matrix", series), _answer("matrix", [*series, *series]), _answer("vector", []))
    gauge = PrometheusGauge(query='avg(memory{h="{{hash}}"})', http=http)
    found = gauge.samples(CANARY, START, START + timedelta(seconds=20), 10)
    assert [(sample.t - START.timestamp(), sample.value) for sample in found] == [(10, 5), (20, 6)]
    assert asked[0].url.params["start"] == f"{START.timestamp() + 10:.3f}"
    assert gauge.samples(CANARY, START, START + timedelta(seconds=9), 10) == ()
    for why in ("2 series", "gave a vector"):
        with pytest.raises(RemoteStateError, match=why):
            gauge.samples(CANARY, START, START + timedelta(seconds=20), 10)


class Gauges:
    def __init__(self, **values: tuple[float, ...]) -> None:
        self._values = values

    def samples(self, arm: Arm, since: datetime, until: datetime, step_s: float) -> tuple[Sample, ...]:
        return tuple(Sample(t=since.timestamp() + i, value=value) for i, value in enumerate(self._values[arm.hash], 1))


def test_gauges_are_paired_by_their_time() -> None:
    feed = GaugeFeed(metric="m", source=Gauges(new=(1, 2, 3), old=(4, 5)), step_s=1)
    assert feed.rows(SUBJECT, None, START) == ()
    rows = feed.rows(SUBJECT, START, START + timedelta(seconds=5))
    assert isinstance(rows, tuple)
    assert [[one.value for one in row.observations] for row in rows] == [[1, 4], [2, 5]]
    nothing = GaugeFeed(metric="m", source=Gauges(new=(), old=(4, 5)), step_s=1).rows(SUBJECT, START, START)
    assert nothing == NoData(why="canary: the query gave no value")


def _runs(*runs: tuple[str, str, float], field: str = "duration_s") -> str:
    return json.dumps({"runs": [{"version": version, "at": at, field: value} for version, at, value in runs]})


def test_batch_runs_are_paired_once_each() -> None:
    text = _runs(
        ("old", "2026-11-21T09:00:00Z", 60),
        ("new", "2026-11-21T09:05:00Z", 90),
        ("new", "2026-11-21T10:05:00Z", 95),
        ("newer", "2026-11-21T10:06:00Z", 95),
    )
    feed = BatchFeed(metric="m", kind=Kind.GAUGE, fetch=lambda: text, where="runs", fields=("duration_s",))
    rows = feed.rows(SUBJECT, None, START)
    assert isinstance(rows, tuple)
    assert [[one.value for one in row.observations] for row in rows] == [[90, 60]]  # the second has no baseline yet
    assert feed.rows(SUBJECT, START, START) == ()


def test_history_is_of_the_same_hour_and_weekday() -> None:
    runs = parse_runs(
        json.loads(
            _runs(
                ("old", "2026-11-07T09:20:00Z", 1),
                ("old", "2026-11-14T08:40:00Z", 2),
                ("old", "2026-11-14T12:00:00Z", 3),
                ("old", "2026-11-15T09:00:00Z", 4),
                ("old", "2026-11-21T08:30:00Z", 5),
                ("new", "2026-11-21T09:00:00Z", 6),
            )
        ),
        where="runs",
    )
    assert [run.numbers["duration_s"] for run in same_hour_and_weekday(runs, runs[-1].at)] == [2, 1]
    feed = BatchFeed(
        metric="m",
        kind=Kind.GAUGE,
        fetch=lambda: _runs(("new", "2026-11-21T09:00:00Z", 6), ("old", "2026-11-20T09:00:00Z", 6)),
        where="runs",
        fields=("duration_s",),
        baseline=Baseline.HISTORY,
    )
    found = feed.rows(SUBJECT, None, START)
    assert found == NoData(why="there is no earlier run of the same hour and weekday to compare with")


def test_batch_ratios_are_bad_of_total_and_missing_fields_are_faults() -> None:
    text = json.dumps(
        [
            {"version": "canary", "t": START.timestamp() - 60, "rejected": 3, "rows": 1000},
            {"version": "stable", "t": START.timestamp() - 120, "rejected": 1},
        ]
    )
    feed = BatchFeed(metric="m", kind=Kind.RATIO, fetch=lambda: text, where="runs", fields=("rejected", "rows"))
    rows = feed.rows(SUBJECT, None, START)
    assert isinstance(rows, tuple)
    canary, stable = rows[0].observations
    assert (canary.bad, canary.total) == (3, 1000)
    assert stable.fault is not None
    assert "has no rows" in stable.fault


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{}\n{", "neither JSON nor JSON lines"),
        ("{}", "no list of runs"),
        ("[1]", "run 1 is not an object"),
        ('[{"version": ""}]', "run 1 has no version"),
        ('[{"version": "a"}]', "does not say when"),
        ('[{"version": "a", "at": "2026-01-01"}]', "no UTC offset"),
        ('[{"version": "a", "t": 1e300}]', "run 1"),
    ],
)
def test_documents_that_are_no_runs_say_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ServerFaultError, match=why):
        parse_runs(parse_document(text, where="runs"), where="runs")
    feed = BatchFeed(metric="m", kind=Kind.GAUGE, fetch=lambda: text, where="runs", fields=("x",))
    assert isinstance(feed.rows(SUBJECT, None, START), QueryError)


def test_runs_may_be_lines() -> None:
    text = '{"version": "a", "t": 2, "x": 1}\n{"version": "a", "t": 1, "x": NaN, "ok": true}\n'
    first, second = parse_runs(parse_document(text, where="runs"), where="runs")
    assert math.isnan(first.numbers["x"])
    assert second.numbers == {"t": 2.0, "x": 1.0}


def test_paths_lead_to_values_or_to_nothing() -> None:
    document = {"a": {"b-c": [1, {"d": True}]}}
    assert find(document, "$.a.b-c[1].d") is True
    assert find(document, "{$['a']['b-c'][-2]}") == 1
    for nowhere in ("$.x", "$.a[0]", "$.a.b-c[7]", "$.a.b-c.d"):
        assert find(document, nowhere) == []
    with pytest.raises(ValueError, match="does not begin"):
        find(document, "a.b")
    source = JsonValue(path="$.a[?(@.x)]", fetch=lambda: json.dumps(document), where="runs")
    with pytest.raises(RemoteStateError, match="not understood"):
        source.measure(CANARY)
