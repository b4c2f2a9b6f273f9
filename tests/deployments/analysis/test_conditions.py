"""Conditions: what they say, what they refuse, and that nothing unclear is ever true."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.analysis.conditioned import ConditionPolicy, measure
from deployments.analysis.conditions.evaluate import holds
from deployments.analysis.conditions.syntax import ConditionError, parse_condition
from gates.verdict import Outcome


@pytest.mark.parametrize(
    ("condition", "result", "expected"),
    [
        ("result[0] >= 0.95", [0.97], True),
        ("result[0] >= 0.95", [0.9], False),
        ("result >= 0.95 && result < 1", 0.96, True),
        ("result < 0.1 || result > 0.9", 0.5, False),
        ("len(result) == 0 || isNaN(result[0]) || result[0] < 5", [math.nan], True),
        ("isInf(result[0])", [math.inf], True),
        ("default(result.missing, 1) < 2", {}, True),
        ("isNil(result.missing)", {}, True),
        ("result.a.b[1] == 'x'", {"a": {"b": ["y", "x"]}}, True),
        ("result['a-b'] == 1", {"a-b": 1}, True),
        ("result in ['a', 'b']", "b", True),
        ("result not in ['a', 'b']", "c", True),
        ("'x' in result", {"x": 1}, True),
        ("not (result[0] > 2)", [1], True),
        ("!(result[0] > 2) and true", [1], True),
        ("all(result, {# > 1})", [2, 3], True),
        ("any(result, # > 2)", [2, 3], True),
        ("none(result, .bad)", [{"bad": False}], True),
        ("one(result, # == 1)", [1, 2, 1], False),
        ("count(result, # > 1) == 2", [1, 2, 3], True),
        ("count(result) == 1", [True, False], True),
        ("len(filter(result, # > 1)) == 1", [1, 2], True),
        ("sum(map(result, # * 2)) == 6", [1, 2], True),
        ("max(result) - min(result) < 2", [1, 2], True),
        ("mean(result) == 1.5", [1, 2], True),
        ("abs(result) + ceil(0.2) + floor(0.8) + round(0.4) == 3", -2, True),
        ("asFloat(result) < 0.5 && asInt('3') == 3", "0.25", True),
        ("result startsWith 'ok' and result endsWith '!' and result contains 'k'", "ok!", True),
        ("result[0] > 1 ? result[0] < 3 : false", [2], True),
        ("(result ?? 3) == 3", None, True),
        ("2 ** 3 ** 2 == 512 and -2 ** 2 == -4 and 7 % 4 == 3", 0, True),
        ("1 + 2 * 3 == 7 and 1_000 == 1e3 and .5 < 1", 0, True),
        ("result == nil", None, True),
        ("result[-1] == 3", [1, 3], True),
        (r'result == "a\"b\n"', 'a"b\n', True),
    ],
)
def test_answers(condition: str, result: Any, expected: bool) -> None:
    assert holds(parse_condition(condition), result) is expected


@pytest.mark.parametrize(
    ("condition", "result", "why"),
    [
        ("result[0] < 5", [], "has 0 values"),
        ("result[0] < 5", [math.nan], "NaN"),
        ("result[0] == result[0]", [math.nan], "NaN"),
        ("all(result, # < 5)", [], "list is empty"),
        ("none(result, # < 5)", [], "list is empty"),
        ("result < 5", "4", "not a number"),
        ("result == 5", "5", "cannot be compared"),
        ("result == true", 1, "cannot be compared"),
        ("result", 1, "not true or false"),
        ("result and true", 1, "not true or false"),
        ("1 / result > 0", 0, "division by zero"),
        ("result.x.y > 0", {"x": 1}, "no parts"),
        ("result.__class__ == 1", 1, "no parts"),
        ("9 ** 9 ** 9 > 1", 0, "range"),
        ("max(result) > 0", [], "empty"),
        ("asFloat(result) > 1", "many", "not a number"),
        ("asInt(result) > 1", "NaN", "not a whole number"),
        ("result[0.5] > 1", [1], "not a whole number"),
        ("len(result) > 1", 3, "no length"),
        ("sum(map(result, 1e300 * 1e300)) > 1", [1, 2], ""),
    ],
)
def test_what_has_no_clear_answer_is_an_error(condition: str, result: Any, why: str) -> None:
    parsed = parse_condition(condition)
    if why:
        with pytest.raises(ConditionError, match=why):
            holds(parsed, result)
    else:
        assert isinstance(holds(parsed, result), bool)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "the end was not expected"),
        ("result[0] >", "the end was not expected"),
        ("result[0] 5", "'5' at character 11 was not expected"),
        ("result[0", "the end was not expected, ']' was"),
        ("__import__('os').system('id')", "function '__import__' is not supported"),
        ("results[0] > 1", "'results' is not known"),
        ("result matches 'a+'", "'matches' is not supported"),
        ("1..3", "not understood"),
        ("result | len", "not understood"),
        ("let x == 1", "'let' is not known"),
        ("# > 1", "'#' at character 1 was not expected"),
        ("len()", "takes 1 arguments"),
        ("(" * 60 + "1" + ")" * 60, "nested more than"),
        ("result" + "[0]" * 60 + " > 1", "more than 40 levels"),
        ("1 < " + "1" * 3000, "too long"),
        ('result == "\\x41"', "escape"),
        ("result == 'open", "not understood"),
        ("result = 1", "not understood"),
    ],
)
def test_what_is_not_a_condition_is_refused(condition: str, why: str) -> None:
    with pytest.raises(ConditionError, match=why.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")):
        parse_condition(condition)


@given(st.text(alphabet="result[]0.19<>=!&|()andornot'\"#{},?:+-*/%^ ", max_size=60))
def test_any_text_is_answered_or_refused(text: str) -> None:
    for result in ([1.0], [], {"a": 1}, math.nan):
        with contextlib.suppress(ConditionError):
            assert isinstance(holds(parse_condition(text), result), bool)


@given(left=st.floats(allow_nan=False), right=st.floats(allow_nan=False))
def test_comparisons_are_those_of_numbers(left: float, right: float) -> None:
    assert holds(parse_condition("result[0] < result[1]"), [left, right]) is (left < right)
    assert holds(parse_condition("result[0] == result[1]"), [left, right]) is (left == right)


def _policy(success: str | None = None, failure: str | None = None) -> ConditionPolicy:
    return ConditionPolicy(name="m", success=success, failure=failure)


@pytest.mark.parametrize(
    ("policy", "result", "outcome"),
    [
        (_policy("result[0] > 1"), [2], Outcome.PASS),
        (_policy("result[0] > 1"), [1], Outcome.FAIL),
        (_policy(failure="result[0] > 1"), [2], Outcome.FAIL),
        (_policy(failure="result[0] > 1"), [1], Outcome.PASS),
        (_policy("result[0] < 1", "result[0] > 2"), [1.5], Outcome.INCONCLUSIVE),
        (_policy("result[0] < 3", "result[0] > 2"), [2.5], Outcome.FAIL),
        # Argo Rollouts passes every one of these.
        (_policy("len(result) == 0 || result[0] < 1"), [], Outcome.INCONCLUSIVE),
        (_policy("isNaN(result[0]) || result[0] < 1"), [math.nan], Outcome.INCONCLUSIVE),
        (_policy(failure="result[0] > 1"), [math.nan], Outcome.INCONCLUSIVE),
        (_policy(failure="len(result) > 0 && result[0] > 1"), [], Outcome.INCONCLUSIVE),
        (_policy("default(result, 0) == 0"), None, Outcome.INCONCLUSIVE),
        (_policy("result[0] < 1"), [], Outcome.INCONCLUSIVE),
        (_policy(failure="isNaN(result[0])"), [math.nan], Outcome.FAIL),
        (_policy("result[0] < 1"), ["many"], Outcome.ERROR),
        (_policy("result.ok"), {"ok": "yes"}, Outcome.ERROR),
    ],
)
def test_measurements_fail_closed(policy: ConditionPolicy, result: Any, outcome: Outcome) -> None:
    assert measure(result, policy, role="canary", number=1).outcome is outcome
