"""Suites on one batch: one question for all of them, round by round, and exactly one answer for each expectation."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlglot import exp

from gates.quality.expectations import NotPlanned
from gates.quality.expectations.context import Reference
from gates.quality.keys import KeyedBatch
from gates.quality.metrics import Count, Distinct, Failed, Finding, Planned, Rows, Sample, Schema, Values
from gates.quality.result_format import ResultFormat
from gates.quality.session import MAX_ROUNDS, ROWS, Job, first_needs, run_suites
from gates.quality.suite import Expectation, parse_suite
from headgate.errors import UnreachableError
from tests.testing.quality_batch import CannedBatch

HELD = Finding(success=True, result={})
BROKEN = Finding(success=False, result={"unexpected_count": 2})
NULLS = Count(condition=exp.column("id").is_(exp.null()))
KEYS = Distinct(keys=(exp.column("id"),))
SHOWN = Rows(of=exp.column("id").is_(exp.null()), columns=("id",))


def job(*types: str, name: str = "s", parameters: Mapping[str, Any] | None = None) -> Job:
    document = {"name": name, "expectations": [{"type": kind, "kwargs": {"column": "id"}} for kind in types]}
    return Job(
        suite=parse_suite(json.dumps(document).encode(), f"{name}.json"),
        result_format=ResultFormat(),
        parameters=parameters or {},
    )


def one_count(values: Values) -> Planned | Finding:
    return HELD if values[NULLS] == 0 else Planned(needs=(SHOWN,), then=shown)


def shown(values: Values) -> Finding:
    sample = values[SHOWN]
    return Finding(success=False, result={"rows": list(sample.index)})


def interpret(expectation: Expectation, schema: Schema, **_: Any) -> Planned | Finding | NotPlanned:
    """A catalogue of its own: what matters here is the order of questions and answers."""

    def forever(_: Values) -> Planned:
        return Planned(needs=(ROWS,), then=forever)

    match expectation.type:
        case "counts":
            return Planned(needs=(NULLS,), then=one_count)
        case "distinct":
            return Planned(needs=(KEYS, NULLS), then=lambda values: Finding(success=values[KEYS] == 3, result={}))
        case "at_once":
            return HELD if schema.get("id") else BROKEN
        case "needs_nothing":
            return Planned(needs=(), then=lambda _: HELD)
        case "has_a_defect":
            return Planned(needs=(NULLS,), then=lambda values: values["no such metric"])  # type: ignore[index]
        case "cannot_be_planned":
            raise ZeroDivisionError("division by zero")
        case "asks_forever":
            return Planned(needs=(ROWS,), then=forever)
    return NotPlanned(reason=f"{expectation.type} is not planned")


def test_suites_on_one_batch_ask_once_for_what_both_need() -> None:
    batch = CannedBatch({NULLS: 0, KEYS: 3})
    one, two = run_suites([job("counts", "distinct"), job("counts", name="t")], batch, interpret=interpret)
    assert batch.asked == [(ROWS, NULLS, KEYS)]
    assert [entry.finding.success for entry in (*one.judged, *two.judged)] == [True, True, True]
    assert (one.rows, two.rows, two.suite.name) == (3, 3, "t")


def test_a_failure_costs_one_more_round_for_all_of_them() -> None:
    batch = CannedBatch({NULLS: 1, SHOWN: Sample(count=1, columns=("id",), rows=((None,),), index=(2,))})
    (found,) = run_suites([job("counts", "counts")], batch, interpret=interpret)
    assert batch.asked == [(ROWS, NULLS), (SHOWN,)]
    assert [entry.finding.result for entry in found.judged] == [{"rows": [2]}, {"rows": [2]}]


def test_a_suite_without_questions_still_learns_whether_the_batch_is_empty() -> None:
    batch = CannedBatch(rows=0)
    (found,) = run_suites([job("at_once", "needs_nothing")], batch, interpret=interpret)
    assert (found.rows, batch.asked) == (0, [(ROWS,)])
    assert [entry.finding for entry in found.judged] == [HELD, HELD]


@pytest.mark.parametrize("rows", [Failed(reason="gone"), None, True, "3"])
def test_rows_that_were_not_counted_are_not_known(rows: object) -> None:
    (found,) = run_suites([job("at_once")], CannedBatch(rows=rows), interpret=interpret)
    assert found.rows is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("has_a_defect", "KeyError: 'no such metric'"),
        ("cannot_be_planned", "ZeroDivisionError: division by zero"),
        ("asks_forever", f"not judged: it still asked for more after {MAX_ROUNDS} rounds"),
        ("custom_thing", "not judged: custom_thing is not planned, and nothing else judged it"),
    ],
)
def test_what_cannot_be_judged_is_a_finding_that_raised_and_takes_no_other_with_it(kind: str, said: str) -> None:
    (found,) = run_suites([job("counts", kind, "counts")], CannedBatch({NULLS: 0}), interpret=interpret)
    assert [entry.finding.success for entry in found.judged] == [True, False, True]
    assert found.judged[1].finding.raised == said


def test_what_is_not_planned_goes_to_the_fallback_of_all_suites_at_once() -> None:
    asked: list[list[tuple[str, list[int]]]] = []

    def fallback(left: Sequence[tuple[Job, tuple[Expectation, ...]]]) -> Sequence[Mapping[int, Finding]]:
        asked.append([(job.suite.name, [entry.index for entry in entries]) for job, entries in left])
        return [{1: BROKEN}, {}]

    jobs = [job("counts", "custom_a"), job("custom_b", name="t")]
    one, two = run_suites(jobs, CannedBatch({NULLS: 0}), interpret=interpret, fallback=fallback)
    assert asked == [[("s", [1]), ("t", [0])]]
    assert (one.judged[1].finding, one.judged[1].engine) == (BROKEN, "great_expectations")
    assert one.judged[0].engine == "canned"
    assert two.judged[0].finding.raised  # the fallback said nothing about it
    assert two.judged[0].reason == "custom_b is not planned"


def test_a_fallback_without_an_answer_for_a_suite_is_no_pass() -> None:
    (found,) = run_suites([job("custom")], CannedBatch(), interpret=interpret, fallback=lambda _: [])
    assert found.judged[0].finding.raised


def test_the_fallback_is_not_started_for_nothing() -> None:
    def fallback(_: object) -> Sequence[Mapping[int, Finding]]:
        raise AssertionError("nothing was left to judge")

    run_suites([job("counts")], CannedBatch({NULLS: 0}), interpret=interpret, fallback=fallback)


def test_parameters_of_the_run_win_over_those_of_the_suite() -> None:
    document = b'{"name": "s", "suite_parameters": {"a": 1, "b": 2}, "expectations": []}'
    known = Job(suite=parse_suite(document, "s.json"), result_format=ResultFormat(), parameters={"b": 3, "c": 4}).known
    assert known == {"a": 1, "b": 3, "c": 4}


def test_a_server_that_is_gone_ends_the_run() -> None:
    class Gone(CannedBatch):
        def compute(self, metrics: object) -> Values:
            raise UnreachableError("the server closed the connection")

    with pytest.raises(UnreachableError):
        run_suites([job("counts")], Gone(), interpret=interpret)


@pytest.mark.parametrize(("ordered", "reference"), [(True, Reference.PANDAS), (False, Reference.SQL)])
def test_files_have_the_meaning_of_pandas_and_tables_that_of_sql(ordered: bool, reference: Reference) -> None:
    seen: list[object] = []

    def listening(*_: object, **settings: object) -> Finding:
        seen.append(settings["reference"])
        return HELD

    batch = CannedBatch()
    batch.ordered = ordered
    run_suites([job("any")], batch, interpret=listening)
    assert seen == [reference]


def test_what_the_engine_cannot_say_exactly_goes_to_the_fallback() -> None:
    batch = CannedBatch({NULLS: Failed(reason="no look-ahead in RE2", unsupported=True)})
    (found,) = run_suites([job("counts")], batch, interpret=interpret, fallback=lambda _: [{0: HELD}])
    assert (found.judged[0].finding, found.judged[0].reason) == (HELD, "no look-ahead in RE2")


def test_the_duration_is_that_of_the_whole_run() -> None:
    clock = itertools.count(step=5)
    (found,) = run_suites([job("at_once")], CannedBatch(), interpret=interpret, monotonic=lambda: float(next(clock)))
    assert found.duration_s == 5.0


def test_the_first_round_is_what_explain_shows() -> None:
    jobs = [job("counts", "at_once", "custom", "cannot_be_planned")]
    needs, aside = first_needs(jobs, CannedBatch(), interpret=interpret)
    assert needs == (ROWS, NULLS)
    assert aside == (
        ("s", "at_once(id)", "decided by the columns alone"),
        ("s", "custom(id)", "Great Expectations itself: custom is not planned"),
        ("s", "cannot_be_planned(id)", "not judged: ZeroDivisionError: division by zero"),
    )


def test_rows_to_show_come_with_their_key() -> None:
    wider = Rows(of=SHOWN.of, columns=("id", "name"))
    sample = Sample(count=1, columns=("id", "name"), rows=((None, "a"), (None, "b")), index=(4, 7))
    batch = CannedBatch({wider: sample, NULLS: 2}, columns=("id", "name"))
    keyed = KeyedBatch(batch, ("name", "gone"))
    answer = keyed.compute([SHOWN, NULLS])
    assert batch.asked == [(wider, NULLS)]
    assert answer == {
        SHOWN: Sample(count=1, columns=("id",), rows=((None,), (None,)), index=(4, 7)),
        NULLS: 2,
    }
    assert keyed.keys == {4: (("name", "a"),), 7: (("name", "b"),)}
