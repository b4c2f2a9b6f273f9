"""Every planned type has a case for everything special that it can meet, and on every engine one that is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from gates.quality.expectations import arguments_of, planned_types
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.conftest import Both
from tests.gates.quality.parity.databases import Compared, possible_cases
from tests.gates.quality.parity.features import BATCH, DATA, at_the_edge, features

NUMBERS = ("nulls", "nan", "infinity", "decimal", "duplicates", "integer", "float")
TEXTS = ("nulls", "unicode", "duplicates")
TABLE_WIDE = frozenset(
    {
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
    }
)
SPECIAL: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(TABLE_WIDE, ()),
    **dict.fromkeys((f"expect_column_{name}_to_be_between" for name in ("sum", "mean", "median", "stdev")), NUMBERS),
    "expect_column_quantile_values_to_be_between": (*NUMBERS, "date", "timestamp", "zone"),
    "expect_column_value_z_scores_to_be_less_than": NUMBERS,
    "expect_column_values_to_not_be_outliers": NUMBERS,
    "expect_multicolumn_sum_to_equal": NUMBERS,
    "expect_column_pair_values_to_be_in_set": (*NUMBERS, "unicode"),
}
"""What a type can meet in data where that is not everything. Types about lengths, patterns and LIKE meet texts."""
SERVERS = ("postgres", "mysql")


def met(kind: str) -> Iterator[str]:
    """Everything special that `kind` can meet."""
    texts = "_lengths_" in kind or "regex" in kind or "like_pattern" in kind
    yield from TEXTS if texts else SPECIAL.get(kind, DATA)
    yield from BATCH
    arguments = arguments_of(kind)
    if "strict_min" in arguments or "strictly" in arguments:
        yield "strict"
    if "min_value" in arguments:
        yield from ("open below", "open above")
    for argument, feature in (("mostly", "mostly"), ("row_condition", "condition")):
        # Types of columns are no matter of rows: `mostly` and conditions are taken and mean nothing.
        if argument in arguments and "type" not in kind:
            yield feature


def by_type(cases: tuple[Case, ...]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {kind: [] for kind in planned_types()}
    for case in cases:
        found.setdefault(case.type, []).append(case)
    return found


@pytest.mark.parametrize("engine", ["postgres", "mysql", "sqlite"])
def test_every_planned_type_has_a_case_for_all_that_it_can_meet(engine: str) -> None:
    """DuckDB and Spark have the cases that PostgreSQL has. SQLite and MySQL have no moments with zones."""
    missing = {
        kind: lacking
        for kind, cases in by_type(possible_cases(engine)).items()
        if kind in planned_types()
        for lacking in [set(met(kind)) - set[str]().union(*map(features, cases))]
        if lacking - (set() if engine == "postgres" else {"zone"})
    }
    assert missing == {}


def test_every_type_with_mostly_has_a_case_at_the_edge(asked: Both, found: Mapping[str, Compared]) -> None:
    answers = [asked.answers(), *(here.theirs for here in found.values())]
    edged = {
        case.type
        for case in all_cases()
        if any(case.id in said and at_the_edge(case, said[case.id]) for said in answers)
    }
    assert {kind for kind in planned_types() if "mostly" in met(kind)} - edged == set()


def test_every_planned_type_is_seen_to_hold_and_to_fail_on_every_database(found: Mapping[str, Compared]) -> None:
    """What only raises, or is always left to Great Expectations, would agree with it about nothing."""
    one_sided = {
        (engine, kind)
        for engine, here in found.items()
        for kind, cases in by_type(here.cases).items()
        if kind in planned_types() and kind not in ORDERED
        for seen in [{here.ours[case.id].get("success") for case in cases if not here.ours[case.id].get("raised")}]
        if not {True, False} <= seen
    }
    assert one_sided == set()


ORDERED = frozenset({"expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing"})
"""Not planned on databases: rows have no order there."""


def test_every_result_format_is_asked_of_every_type() -> None:
    shown: dict[str, set[str]] = {}
    for case in all_cases():
        form = case.result_format if isinstance(case.result_format, str) else case.result_format["result_format"]
        shown.setdefault(case.type, set()).add(form)
    formats = {"BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"}
    assert {kind for kind in planned_types() if not formats <= shown[kind]} == set()
