"""Reading Great Expectations suites."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.suite import Suite, parse_suite, with_values
from gates.verdict import Severity
from headgate.errors import ConfigError

SUITE = """{
  "name": "orders",
  "expectations": [
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
    {
      "type": "expect_column_values_to_not_be_null",
      "kwargs": {"column": "id"}, "severity": "warning", "future_key": [1]
    },

    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id", "mostly": 0.5}},
    {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["id", "day"]}, "severity": null},
    {"type": "a_type_of_next_year", "kwargs": {"column_A": "a", "column_B": "b"}, "severity": "info"}
  ],
  "meta": {"expectations": [1, 2]},
  "suite_parameters": {"limit": 3}
}
"""


def suite(**changes: Any) -> bytes:
    return json.dumps({"name": "s", "expectations": [], **changes}).encode()


def test_a_suite_is_read_with_names_severities_and_lines() -> None:
    parsed = parse_suite(SUITE.encode(), "gx/orders.json")
    assert (parsed.name, parsed.path, dict(parsed.suite_parameters)) == ("orders", "gx/orders.json", {"limit": 3})
    assert [(entry.name, entry.severity, entry.line) for entry in parsed.expectations] == [
        ("expect_table_row_count_to_be_between", Severity.CRITICAL, 4),
        ("expect_column_values_to_not_be_null(id)", Severity.WARNING, 5),
        ("expect_column_values_to_not_be_null(id) #2", Severity.CRITICAL, 10),
        ("expect_compound_columns_to_be_unique(id, day)", Severity.CRITICAL, 11),
        ("a_type_of_next_year(a, b)", Severity.INFO, 12),
    ]
    assert [entry.index for entry in parsed.expectations] == [0, 1, 2, 3, 4]


def test_a_suite_may_be_empty_and_nameless() -> None:
    parsed = parse_suite(b'\xef\xbb\xbf{"expectations": []}', "a.json")
    assert (parsed.name, parsed.expectations) == ("a.json", ())


@pytest.mark.parametrize(
    ("data", "where", "said"),
    [
        (b'{\n "name": "x"\n', "s.json:3", "not JSON"),
        (b"", "s.json:1", "not JSON"),
        (b"name: x\n", "s.json:1", "not JSON"),
        (b'\n\n["a" "b"]', "s.json:3", "not JSON"),
        (b"[]", "s.json:1", "not a JSON object"),
        (b"3", "s.json:1", "not a JSON object"),
        (b"\xff\xfe{", "s.json", "not UTF-8"),
        (b"[" * 100_000, "s.json", "nested too deeply"),
        (b'{"expectations": [{"type": "a"}], "expectations": []}', "s.json", "'expectations' is there twice"),
        (
            b'{"expectations": [\n{"type": "a", "kwargs": {"mostly": 1, "mostly": 0}}]}',
            "s.json",
            "'mostly' is there twice",
        ),
        (b'{"expectations": [\n{"expectation_type": "a"}]}', "s.json:2", "has expectation_type"),
        (b'{"name": "x"}', "s.json:1", "no list `expectations`"),
        (suite(expectations={}), "s.json:1", "no list `expectations`"),
        (b'{"expectation_suite_name": "x", "expectations": []}', "s.json:1", "0.x"),
        (suite(expectations=[3]), "s.json:1", "expectation 1 is not a JSON object"),
        (b'{"expectations": [\n{"type": "a"},\n{"kwargs": {}}]}', "s.json:3", "expectation 2 has no type"),
        (suite(expectations=[{"type": "a", "kwargs": []}]), "s.json:1", "kwargs of expectation 1"),
        (suite(expectations=[{"type": "a", "severity": "fatal"}]), "s.json:1", "'fatal' is not a severity"),
        (suite(expectations=[{"type": "a", "severity": ["critical"]}]), "s.json:1", "is not a severity"),
        (b" " * (17 * 1024 * 1024), "s.json", "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_suite_is_refused_with_the_place(data: bytes, where: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_suite(data, "s.json")
    assert refused.value.where == where
    assert said in refused.value.what
    assert refused.value.next_step


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        suite = parse_suite(data, "s.json")
    except ConfigError as refused:
        assert refused.next_step  # noqa: PT017 - either way is right; a refusal must say what to do
    else:
        assert isinstance(suite, Suite)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4), st.integers(0, 4), st.sampled_from([None, 1, 4]))
def test_lines_are_those_of_the_entries_whatever_stands_around_them(
    extra: dict[str, Any], entries: int, indent: int | None
) -> None:
    expectations = [{"type": f"marker_{at}", "kwargs": extra} for at in range(entries)]
    text = json.dumps({**extra, "name": "s", "expectations": expectations, "meta": extra}, indent=indent)
    lines = text.splitlines() if indent else [text]
    for entry in parse_suite(text.encode(), "s.json").expectations:
        begun = "\n".join(lines[entry.line - 1 :])
        assert f"marker_{entry.index}" in begun
        assert indent is None or lines[entry.line - 1].strip() == "{"


YAML = """\
# the orders
name: orders
id: 11111111-1111-1111-1111-111111111111
notes: [first, second]
meta: {great_expectations_version: 1.24.1}
suite_parameters: {low: 2024-01-01}
expectations:
  - type: expect_column_to_exist
    kwargs: {column: a}
  - type: expect_column_max_to_be_between
    severity: info
    kwargs:
      column: a
      min_value: 2024-01-01
"""


def test_a_suite_in_yaml_is_the_same_suite() -> None:
    suite = parse_suite(YAML.encode(), "gx/orders.yaml")

    assert suite.name == "orders"
    assert suite.notes == ("first", "second")
    assert suite.meta == {"great_expectations_version": "1.24.1"}
    assert suite.id == "11111111-1111-1111-1111-111111111111"
    assert [entry.line for entry in suite.expectations] == [8, 10]
    assert suite.expectations[1].kwargs == {"column": "a", "min_value": "2024-01-01"}
    assert suite.suite_parameters == {"low": "2024-01-01"}


def test_reports_show_the_values_of_parameters() -> None:
    named = {"$PARAMETER": "name"}
    kwargs = {"column": named, "mostly": {"$PARAMETER": "nobody"}, "min_value": {"$PARAMETER": "now() - 1"}}
    parsed = parse_suite(
        suite(expectations=[{"type": "a", "kwargs": kwargs}], suite_parameters={"name": "id"}), "s.json"
    )
    (entry,) = with_values(parsed).expectations
    assert dict(entry.kwargs) == {**kwargs, "column": "id"}
    assert (parsed.expectations[0].columns, entry.columns) == ((), ("id",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2", "s.yml:2"),
        ("a: &x 1\nb: *x", "aliases"),
        ("expectations:\n  - kwargs: {}\n", "s.yml:2"),
        ("expectations:\n  - type: a\n    severity: bad\n", "severity of expectation 1"),
        ("expectations: []\nmeta: 3\n", "`meta`"),
        ("", "not a JSON object"),
        ("- 1", "not a JSON object"),
        ("a: !!python/object:os.system x", "s.yml:1"),
        ("expectations: {a: 1}", "no list `expectations`"),
        ("expectations: []\nname: a\nexpectations: []", "s.yml:3"),
        ("expectations: [{type: a, kwargs: {b: 1, b: 2}}]", "'b' is there twice"),
        ("expectations: " + "[" * 50_000, "s.yml:1"),
    ],
)
def test_a_broken_yaml_suite_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_suite(text.encode(), "s.yml")

    assert message in str(caught.value)


@given(st.text(alphabet="ab:-[]{}&*!#|>'\"\n \t1expectations", max_size=40))
def test_any_yaml_is_read_or_refused(text: str) -> None:
    try:
        suite = parse_suite(text.encode(), "s.yaml")
    except ConfigError:
        return
    assert isinstance(suite, Suite)
