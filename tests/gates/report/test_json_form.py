"""JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gates.report.json_form import SCHEMA_VERSION, parse_json, render_json, to_data
from gates.report.tree import masked
from gates.verdict import Measurement, Outcome, Verdict
from headgate.errors import ConfigError
from tests.testing.verdicts import MIXED, any_verdict


@given(any_verdict())
def test_nothing_is_lost_on_the_way_there_and_back(verdict: Verdict) -> None:
    text = render_json(verdict, {"commit": "abc"})
    assert parse_json(text, "x") == (masked(verdict), {"commit": "abc"})
    assert render_json(parse_json(text, "x")[0], {"commit": "abc"}) == text


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_has_not_come_back(value: float) -> None:
    measurement = Measurement(observed=value, threshold=1, window_s=value)
    text = render_json(Verdict(name="a", outcome=Outcome.INCONCLUSIVE, measurement=measurement, duration_s=value))
    assert "NaN" not in text.replace('"NaN"', "")
    back = parse_json(text, "x")[0]
    assert back.measurement is not None
    for number in (back.measurement.observed, back.measurement.window_s, back.duration_s):
        assert isinstance(number, float)
        assert number == value or (math.isnan(number) and math.isnan(value))


def test_whole_numbers_and_texts_keep_their_type() -> None:
    measurement = Measurement(observed=3, threshold="4", comparison="in")
    back = parse_json(render_json(Verdict(name="a", outcome=Outcome.FAIL, measurement=measurement)), "x")[0]
    assert back.measurement is not None
    assert back.measurement == measurement
    assert isinstance(back.measurement.observed, int)


def test_the_form() -> None:
    data = to_data(MIXED)
    assert (data["schema_version"], data["exit_code"], data["verdict"]["outcome"]) == (SCHEMA_VERSION, 1, "FAIL")
    assert data["verdict"]["children"][2] == {
        "name": "dags",
        "outcome": "INCONCLUSIVE",
        "message": "no DAG",
        "location": {"path": "dags", "line": None},
    }


GOOD = to_data(MIXED)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        {},
        {**GOOD, "schema_version": 2},
        {**GOOD, "verdict": {"name": "x"}},
        {**GOOD, "verdict": {"name": "x", "outcome": "MAYBE"}},
        {**GOOD, "verdict": {"name": "x", "outcome": "PASS", "unknown": 1}},
        '{"verdict":' * 100_000,
    ],
    ids=lambda value: str(value)[:30],
)
def test_anything_else_is_refused(document: str | dict[str, Any]) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ConfigError, match="not a verdict that Headgate wrote") as refused:
        parse_json(text, "old.json")
    assert refused.value.where == "old.json"


def test_a_tree_nested_without_end_is_refused() -> None:
    deep = Verdict(name="x", outcome=Outcome.PASS)
    for _ in range(60):
        deep = replace(deep, children=(deep,))
    with pytest.raises(ConfigError):
        parse_json(render_json(deep), "deep.json")
