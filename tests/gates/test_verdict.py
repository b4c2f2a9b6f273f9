"""Combination of outcomes: the table, and the properties that must hold for every tree."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.verdict import Measurement, Outcome, Severity, Verdict, blocking_outcome, combine, exit_code, group, judge
from headgate.exit_codes import ExitCode

F, E, U, P, S = Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.SKIPPED

# Every pair, both orders follow from the property below.
PAIRS = {
    (F, F): F, (F, E): F, (F, U): F, (F, P): F, (F, S): F,
    (E, E): E, (E, U): E, (E, P): E, (E, S): E,
    (U, U): U, (U, P): U, (U, S): U,
    (P, P): P, (P, S): P,
    (S, S): S,
}  # fmt: skip

outcomes = st.lists(st.sampled_from(list(Outcome)), max_size=8)


@pytest.mark.parametrize(("pair", "whole"), PAIRS.items(), ids=lambda value: "-".join(value) if len(value) == 2 else "")
def test_every_pair_of_outcomes_combines_as_the_table_says(pair: tuple[Outcome, Outcome], whole: Outcome) -> None:
    assert combine(pair) is whole
    assert combine(reversed(pair)) is whole


def test_the_table_has_every_pair() -> None:
    assert set(PAIRS) == set(itertools.combinations_with_replacement((F, E, U, P, S), 2))


def test_nothing_at_all_is_inconclusive() -> None:
    assert combine([]) is Outcome.INCONCLUSIVE
    assert group("empty", []).outcome is Outcome.INCONCLUSIVE


@given(outcomes, st.randoms())
def test_order_and_repetition_do_not_matter(items: list[Outcome], random: object) -> None:
    shuffled = items * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert combine(shuffled) is combine(items)


@given(outcomes, outcomes)
def test_parts_can_be_combined_first(left: list[Outcome], right: list[Outcome]) -> None:
    if left and right:
        assert combine([combine(left), combine(right)]) is combine(left + right)


@given(outcomes)
def test_a_pass_needs_a_pass_and_nothing_worse(items: list[Outcome]) -> None:
    assert (combine(items) is P) == (P in items and not {F, E, U} & set(items))


@given(outcomes, st.sampled_from([F, E, U]))
def test_one_more_bad_part_never_helps(items: list[Outcome], bad: Outcome) -> None:
    assert combine([*items, bad]) is not P


@given(outcomes)
def test_required_but_not_reported_is_an_error(items: list[Outcome]) -> None:
    children = [Verdict(name=f"check {at}", outcome=outcome) for at, outcome in enumerate(items)]
    required = [*(child.name for child in children), "the missing one"]
    node = group("all", children, required=required)
    assert node.outcome in {E, F}
    assert node.children[-1].name == "the missing one"
    assert node.children[-1].outcome is E
    assert len(node.children) == len(children) + 1


def test_required_and_reported_adds_nothing() -> None:
    child = Verdict(name="a", outcome=P)
    assert group("all", [child], required=["a"]).children == (child,)


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.INFO])
def test_only_critical_failures_block(severity: Severity) -> None:
    remark = Verdict(name="a", outcome=F, severity=severity)
    assert blocking_outcome(remark) is P
    assert group("all", [remark]).outcome is P
    assert group("all", [remark]).children[0].outcome is F


@pytest.mark.parametrize("outcome", [E, S])
def test_severity_excuses_no_errors(outcome: Outcome) -> None:
    assert blocking_outcome(Verdict(name="a", outcome=outcome, severity=Severity.INFO)) is outcome


def test_an_open_question_of_lesser_severity_counts_as_skipped_and_alone_is_no_pass() -> None:
    question = Verdict(name="a", outcome=U, severity=Severity.WARNING)
    assert blocking_outcome(question) is S
    assert group("g", [question]).outcome is S
    assert group("g", [question, Verdict(name="b", outcome=P)]).outcome is P


def test_only_a_pass_exits_with_0() -> None:
    assert {outcome: exit_code(outcome) for outcome in Outcome} == {
        P: ExitCode.PASS,
        F: ExitCode.FAIL,
        E: ExitCode.UNDECIDED,
        U: ExitCode.UNDECIDED,
        S: ExitCode.UNDECIDED,
    }


@pytest.mark.parametrize(
    ("observed", "comparison", "threshold", "outcome", "message"),
    [
        (0.031, "<=", 0.02, F, "0.031 > 0.02"),
        (0.02, "<=", 0.02, P, "0.02 <= 0.02"),
        (0.02, "<", 0.02, F, "0.02 >= 0.02"),
        (5, ">=", 1, P, "5 >= 1"),
        (0, ">=", 1, F, "0 < 1"),
        (1, ">", 1, F, "1 <= 1"),
        (3, "==", 4, F, "3 != 4"),
        (None, "<=", 1, U, "nothing to compare"),
        (math.nan, "<=", 1, U, "nothing to compare"),
        (1, "<=", math.nan, U, "nothing to compare"),
        (1, "<=", None, U, "nothing to compare"),
        ("many", "<=", 1, U, "nothing to compare"),
    ],
)
def test_a_measurement_is_judged_and_the_message_says_the_inequality(
    observed: float | str | None, comparison: str, threshold: float | None, outcome: Outcome, message: str
) -> None:
    verdict = judge("error ratio", Measurement(observed=observed, threshold=threshold, comparison=comparison))
    assert verdict.outcome is outcome
    assert verdict.message.startswith(message)


def test_the_context_of_a_measurement_is_in_the_message() -> None:
    measurement = Measurement(
        observed=0.5, threshold=0.1, unit="ratio", window_s=300.0, sample=12_410, source="canary pods"
    )
    assert judge("errors", measurement).message == "0.5 > 0.1 (ratio, 300 s, n=12410, canary pods)"


def test_leaves_are_in_order_and_a_leaf_is_its_own() -> None:
    a, b, c = (Verdict(name=name, outcome=P) for name in "abc")
    assert group("root", [group("left", [a, b]), c]).leaves() == (a, b, c)
    assert a.leaves() == (a,)


@pytest.mark.parametrize(("items", "message"), [([P, P, F], "1 FAIL, 2 PASS"), ([], "nothing was checked")])
def test_a_group_counts_its_children(items: list[Outcome], message: str) -> None:
    assert group("g", [Verdict(name=str(at), outcome=item) for at, item in enumerate(items)]).message == message
