"""Recorded counts: lines, intervals, policies, and that nothing hostile passes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.analysis.evidence import evidence_document, replay, verdict_document
from deployments.analysis.explain import verdict_text
from deployments.analysis.judge import JudgeVerdict, Kind
from deployments.analysis.picture import picture
from deployments.analysis.policy import build_policy, load_policy, parse_policy
from deployments.analysis.recorded import Line, RecordingError, Spoilt, parse_lines
from deployments.analysis.recording import Recording, build_recording, judge
from deployments.analysis.seen import Judged
from gates.verdict import Outcome
from headgate.errors import ConfigError

Row = dict[str, Any]


def row(t: float, arm: str, **numbers: Any) -> Row:
    return {"t": t, "metric": "errors", "arm": arm} | numbers


def stream(canary: float, *, seconds: int = 120, history: int = 20, seed: int = 1, base: float = 0.01) -> list[Row]:
    """150 requests a second, a tenth of them to the canary."""
    random = Random(seed)

    def counts(n: int, p: float) -> dict[str, int]:
        total = max(0, round(random.gauss(n, n**0.5)))
        return {"bad": sum(random.random() < p for _ in range(total)), "total": total}

    rows = [row(t, "baseline", **counts(150, base)) for t in range(-history, 0)]
    for t in range(seconds):
        rows += [row(t, "baseline", **counts(135, base)), row(t, "canary", **counts(15, canary))]
    return rows


def verdict_of(rows: list[Row], policy: dict[str, Any] | None = None) -> JudgeVerdict:
    return judge(recording(rows, policy))


def recording(rows: list[Row], policy: dict[str, Any] | None = None) -> Recording:
    lines = parse_lines((json.dumps(one) for one in rows), where="counts")
    return build_recording(lines, parse_policy(policy, where="policy") if policy else None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[" * 100_001, "longer than"),
        ("[" * 50_000, "not JSON"),
        ("[1]", "not an object"),
        ('"text"', "not an object"),
        ("{}", "metric is missing"),
        ('{"t": 1, "t": 2}', "twice"),
        ('{"metric": "m", "arm": "canary", "n": 1}', "t is missing"),
        ('{"t": NaN, "metric": "m", "arm": "canary", "n": 1}', "t is NaN, not a moment"),
        ('{"t": "1", "metric": "m", "arm": "canary", "n": 1}', "not a number of seconds"),
        ('{"t": true, "metric": "m", "arm": "canary", "n": 1}', "not a number of seconds"),
        ('{"t": 1, "metric": "", "arm": "canary", "n": 1}', "not a name"),
        ('{"t": 1, "metric": "a\\u0000b", "arm": "canary", "n": 1}', "not a name"),
        ('{"t": 1, "metric": ["m"], "arm": "canary", "n": 1}', "not a name"),
        ('{"t": 1, "metric": "m", "n": 1}', "arm is missing"),
        ('{"t": 1, "metric": "m", "arm": "stable", "n": 1}', 'not "canary" or "baseline"'),
        ('{"t": 1, "metric": "m", "arm": {}, "n": 1}', 'not "canary" or "baseline"'),
        ('{"t": 1, "metric": "m", "arm": "canary"}', "no counts"),
        ('{"t": 1, "metric": "m", "arm": "canary", "bad": 1}', "total is missing"),
        ('{"t": 1, "metric": "m", "arm": "canary", "total": 1}', "bad is missing"),
        ('{"t": 1, "metric": "m", "arm": "canary", "bad": 1, "total": 1, "n": 1}', "it has bad, n, total"),
        ('{"t": 1, "metric": "m", "arm": "canary", "bad": "1", "total": 1}', "bad is '1', not a number"),
        ('{"t": 1, "metric": "m", "arm": "canary", "bad": null, "total": 1}', "bad is None"),
        ('{"t": 1, "metric": "m", "arm": "canary", "n": true}', "n is True"),
        ('{"t": 1, "metric": "m", "arm": "canary", "buckets": [1]}', "not a list of 2"),
        ('{"t": 1, "metric": "m", "arm": "canary", "buckets": [1, "2"]}', r"buckets\[1\] is '2'"),
        ('{"t": 1, "metric": "m", "arm": "canary", "n": 1, "weight": "10"}', "weight is '10'"),
    ],
)
def test_lines_that_are_none_name_their_number(line: str, why: str) -> None:
    good = json.dumps(row(0, "canary", n=1))
    with pytest.raises(RecordingError, match=rf"line 3: .*{why}"):
        list(parse_lines([good, "", line], where="counts.jsonl"))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"bad": float("nan"), "total": 3}, "bad is NaN"),
        ({"bad": 1, "total": float("inf")}, "total is inf"),
        ({"bad": -1, "total": 3}, "negative"),
        ({"bad": 1.5, "total": 3}, "not a whole number"),
        ({"bad": 4, "total": 3}, "bad 4 is more than total 3"),
        ({"bad": 1, "total": 10**30}, "too great"),
        ({"n": -3}, "negative"),
        ({"value": float("nan")}, "value is NaN"),
        ({"buckets": [1, -2]}, "negative"),
        ({"n": 1, "weight": 120}, "not a percentage"),
    ],
)
def test_numbers_that_cannot_be_true_spoil_their_metric(numbers: Row, why: str) -> None:
    (found,) = parse_lines([json.dumps(row(1, "canary", **numbers))], where="counts")
    assert isinstance(found, Spoilt)
    assert why in found.why


def test_whole_numbers_may_be_written_as_floats() -> None:
    (found,) = parse_lines([b'\xef\xbb\xbf{"t":1,"metric":"m","arm":"canary","bad":1.0,"total":3e0}'], where="x")
    assert isinstance(found, Line)
    assert found.numbers == (1, 3)


def test_bad_canary_fails_and_equal_one_passes() -> None:
    bad, good = verdict_of(stream(0.05)), verdict_of(stream(0.01, seconds=300))
    assert (bad.outcome, good.outcome) == (Outcome.FAIL, Outcome.PASS)
    assert bad.decided_at_s is not None
    assert 0 <= bad.decided_at_s < 60
    assert bad.metrics[0].canary.total < 15 * 60 * 1.5  # as it stood at the decision


def test_harm_late_in_the_file_wins_over_an_early_pass() -> None:
    rows = stream(0.01, seconds=200) + [r | {"t": r["t"] + 200} for r in stream(0.2, seconds=100, history=0)]
    found = verdict_of(rows)
    assert found.outcome is Outcome.FAIL
    assert found.decided_at_s is not None
    assert found.decided_at_s >= 200


GOOD = stream(0.01, seconds=300)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda rows: [r | {"bad": float("nan")} if r["t"] == 50 else r for r in rows], "NaN"),
        (lambda rows: [r | {"bad": -1} if r["t"] == 50 and r["arm"] == "canary" else r for r in rows], "negative"),
        (lambda rows: [*rows, next(r for r in rows if r["t"] == 50)], "duplicate"),
        (lambda rows: [r for r in rows if r["arm"] == "canary"], "baseline"),
        (lambda rows: [r for r in rows if r["arm"] == "baseline"], "nothing was observed of the canary"),
        (lambda rows: [r for r in rows if r["arm"] == "baseline" or r["t"] != 50], "missing"),
        (lambda rows: [r for r in rows if not 100 <= r["t"] < 130], "nothing was observed for 31 s"),
        (lambda rows: [r | {"bad": 0, "total": 0} for r in rows], "no traffic"),
        (lambda rows: [r | {"bad": 0, "total": 0} if r["arm"] == "canary" else r for r in rows], "no traffic"),
        (lambda rows: [r | {"bad": r["t"] % 3, "total": 100} for r in rows], "same series"),
        (lambda rows: [r if r["t"] != 9 or r["arm"] == "baseline" else row(9, "canary", n=1) for r in rows], "count"),
        (lambda rows: [], "no counts"),
    ],
)
def test_hostile_input_never_passes_and_names_the_cause(change: Any, cause: str) -> None:
    found = verdict_of(change(GOOD))
    assert found.outcome in {Outcome.ERROR, Outcome.INCONCLUSIVE}
    assert found.cause is not None
    assert cause in found.message
    assert found.decided_at_s is None


def test_proven_harm_is_not_hidden_by_a_fault() -> None:
    rows = stream(0.2)
    rows.append(rows[-1])
    assert verdict_of(rows).outcome is Outcome.FAIL


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(random: Any) -> None:
    rows = stream(0.03, seconds=60)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert verdict_document(verdict_of(shuffled)) == verdict_document(verdict_of(rows))


def _events(canary: float, *, weight: float | None = None) -> list[Row]:
    random = Random(3)
    rows = []
    for t in range(200):
        more: Row = {} if weight is None else {"weight": weight}
        rows += [row(t, "canary", n=max(0, round(random.gauss(canary, 2))), **more)]
        rows += [row(t, "baseline", n=round(random.gauss(20, 2)), **more)]
    return rows


def test_counts_without_totals_use_the_weight() -> None:
    assert verdict_of(_events(20, weight=50)).outcome is Outcome.PASS
    assert verdict_of(_events(20, weight=20)).outcome is Outcome.FAIL
    assert verdict_of(_events(5, weight=20)).outcome is Outcome.PASS


def test_without_a_weight_counts_may_fail_but_never_pass() -> None:
    assert verdict_of(_events(40)).outcome is Outcome.FAIL
    few = verdict_of(_events(5))
    assert few.outcome is Outcome.INCONCLUSIVE
    assert "part of the traffic is not known" in few.message


def test_counts_beside_one_ratio_take_their_share_from_its_totals() -> None:
    rows = [r | {"metric": "crashes"} for r in _events(20) if r["t"] < 100]
    rows += stream(0.01, seconds=100, history=0)
    found = verdict_of(rows)
    assert found.outcome is Outcome.FAIL
    assert {one.name: one.outcome for one in found.metrics}["crashes"] is Outcome.FAIL


def test_other_kinds_are_judged() -> None:
    random = Random(5)
    rows = []
    for t in range(150):
        for arm in ("canary", "baseline"):
            rows.append(row(t, arm, metric="latency", buckets=[random.randint(80, 120), random.randint(5, 15), 1]))
            rows.append(row(t, arm, metric="memory", value=random.gauss(100, 5)))
    found = verdict_of(rows)
    assert found.outcome is not Outcome.FAIL
    assert {one.kind for one in found.metrics} == {Kind.HISTOGRAM, Kind.GAUGE}


def test_policy_says_what_is_tolerated() -> None:
    assert verdict_of(stream(0.02), {"max_ratio_increase": 3}).outcome is Outcome.PASS
    assert verdict_of(stream(0.05), {"metrics": {"errors": {"max_absolute_increase": 0.1}}}).outcome is Outcome.PASS
    only = verdict_of(stream(0.01, seconds=300), {"metrics": {"errors": {}, "latency": {"kind": "gauge"}}})
    assert only.outcome is Outcome.INCONCLUSIVE  # what the policy asks for must be there
    assert "nothing was observed" in only.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("alpha: 2", "alpha"),
        ("alpha: .nan", "alpha"),
        ("max_ratio_incraese: 1", "max_ratio_incraese"),
        ("metrics: {}", "metrics"),
        ("metrics: {e: {kind: rate}}", "metrics.e.kind"),
        ("[1]", "not a mapping"),
        ("a: [", "cannot be read"),
    ],
)
def test_policies_that_are_wrong_are_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=why):
        load_policy(tmp_path / "policy.yaml")


def test_the_default_policy_tolerates_nothing() -> None:
    policy = build_policy(None, {"a": Kind.RATIO, "b": Kind.GAUGE})
    assert (policy.alpha, [m.max_ratio_increase for m in policy.metrics]) == (0.05, [0.0, 0.0])
    assert build_policy(parse_policy({"alpha": 0.01}, where="x"), {"a": Kind.RATIO}).alpha == 0.01


@pytest.mark.parametrize("rows", [stream(0.05), GOOD, _events(5), [*GOOD, GOOD[-1]], []])
def test_evidence_gives_the_same_verdict_again_bit_for_bit(rows: list[Row]) -> None:
    seen = recording(rows)
    found = judge(seen)
    text = json.dumps(evidence_document(Judged(recording=seen, verdict=found)), allow_nan=False)
    again = replay(json.loads(text), where="evidence.json")
    assert again.trouble is None
    assert again.seen == Judged(recording=seen, verdict=found)


@pytest.mark.parametrize("rows", [stream(0.05), GOOD, [r for r in GOOD if r["arm"] == "canary"], []])
def test_the_picture_is_well_formed_and_says_the_verdict(rows: list[Row]) -> None:
    from xml.etree import ElementTree as ET

    found = verdict_of([r | {"metric": "<errors> & more"} for r in rows])
    drawn = picture(found, title="shop & co")
    root = ET.fromstring(drawn)
    words = " ".join(root.itertext())
    assert found.outcome.value in words
    assert root.get("role") == "img"
    assert "prefers-color-scheme:dark" in drawn
    assert "nan" not in drawn.lower()
    assert verdict_text(found).startswith(found.outcome.value)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"bad": 11}, "bad 11 is more than total 10"),
        ({"bad": math.nan}, "bad is NaN"),
        ({"bad": 0.5}, "not a whole number"),
        ({"total": 10**40}, "too great to be a count"),
        ({"weight": 200}, "weight is 200, not a percentage"),
    ],
)
def test_the_line_that_cannot_be_true_is_what_is_named_among_other_faults(broken: Row, why: str) -> None:
    hole = {"t": 5000, "metric": "errors", "arm": "canary", "bad": 1, "total": 10}
    found = verdict_of([*GOOD, hole, hole | {"t": 9000} | broken])
    assert found.outcome is Outcome.ERROR
    assert found.message == f"errors: {found.cause}"
    assert f"line {len(GOOD) + 2}: canary: " in found.message
    assert why in found.message


def test_text_is_utf_8_and_may_begin_with_a_mark() -> None:
    line = json.dumps(GOOD[0])
    assert len(list(parse_lines([f"\ufeff{line}".encode(), b" \n"], where="counts"))) == 1
    for text in (line.encode("utf-16"), b"\xff"):
        with pytest.raises(RecordingError, match="line 1: it is not UTF-8 text"):
            list(parse_lines([text], where="counts"))
    with pytest.raises(RecordingError, match="line 2: "):
        list(parse_lines([line, f"\ufeff{line}"], where="counts"))
