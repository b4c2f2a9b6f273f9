"""Where Headgate deliberately does not do what Great Expectations does on pandas, each with its reason.

`docs/quality.md` says the same for users. A difference that the cases no longer show fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.gates.quality.parity.cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`covers` picks the cases that differ on `engines`: exactly those. `name` is its heading in the documentation."""

    name: str
    reason: str
    covers: Callable[[Case], bool]
    engines: tuple[str, ...] = ("duckdb",)


FALLBACK = (
    "expect_column_values_to_match_strftime_format is not planned",
    "expect_column_values_to_be_json_parseable is not planned",
    "expect_column_values_to_match_json_schema is not planned",
    "expect_column_values_to_be_dateutil_parseable is not planned",
    "expect_column_kl_divergence_to_be_less_than is not planned",
    "expect_multicolumn_values_to_be_unique is not planned",
    "expect_no_such_thing is not planned",
    "quantiles with a relative error",
    "(assert not)",
    "(groupref)",
    "(at boundary)",
)
"""Reasons for which a case goes to Great Expectations itself, each shown by a case."""


def _ids(*patterns: str) -> Callable[[Case], bool]:
    """Cases whose id matches one of the regular expressions."""
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda case: any(pattern.search(case.id) for pattern in compiled)


EVERY = ("duckdb", "sqlite", "postgres", "mysql")

DIFFERENCES = (
    Difference(
        name="Days as bounds of timestamps",
        reason=(
            "`2024-01-01` beside a timestamp is the beginning of that day. Great Expectations on pandas raises, because "
            "it turns the text into a date, which pandas does not compare with timestamps; on SQL it does the same as we."
        ),
        covers=_ids(
            r'(max|min)_to_be_between {"column": "ts", "m.._value": "....-..-.."[,}]',
            r'_values_to_be_between {"column": "ts", "m.._value": "....-..-.."}',
        ),
    ),
    Difference(
        name="Decimals are numbers",
        reason=(
            "A decimal is compared with a number by value: 2.20 is 2.2, and sums, means and deviations of decimals exist. "
            "On pandas, decimals are Python objects that equal no float but whole and binary ones, and nulls among them "
            "make aggregates raise."
        ),
        covers=_ids(
            r'column_(sum|mean|stdev)_to_be_between {"column": "dec"',
            r'z_scores_to_be_less_than {"column": "dec"',
            r'"dec", "value_set": \[1.1, 2.2\]',
            r'_values_to_be_between {"column": "dec", "min_value": 2.2',
        ),
    ),
    Difference(
        name="Texts in ISO form are dates",
        reason=(
            "In a set, `2024-02-29` is that day beside a column of dates, and a moment beside timestamps, whichever other "
            "texts are in the set. On pandas, a text never equals a date, and texts of different forms make the whole set "
            "one of texts."
        ),
        covers=_ids(
            r'column_values_to_(not_)?be_in_set {"column": "d"',
            r'column_values_to_be_in_set {"column": "ts", "value_set": \[".*", ',
        ),
    ),
    Difference(
        name="Whole numbers with nulls stay whole",
        reason=(
            "pandas turns a column of integers with a null into floats: beyond 2^53 values run together, and the text of 5 "
            "is `5.0`, three characters long."
        ),
        covers=_ids(r'^big: .*in_set {"column": "i64"', r'value_lengths_to_(be_between|equal) {"column": "n"'),
    ),
    Difference(
        name="Sums do not overflow",
        reason="A sum of 64-bit integers is exact; pandas wraps round at 2^63.",
        covers=_ids(r'^big: column_sum_to_be_between {"column": "top"'),
    ),
    Difference(
        name="Narrow floats are summed in 64 bits",
        reason="Sums, means and deviations of 32-bit floats are computed in 64 bits; pandas stays with 32.",
        covers=_ids(r'column_(sum|mean|stdev)_to_be_between {"column": "real"'),
    ),
    Difference(
        name="Types have the engine's own names",
        reason=(
            "`int64` and its like are understood on files, but what is observed is the type as the engine calls it, "
            "`BIGINT`."
        ),
        covers=_ids(
            r'people: column_values_to_be_(of_type|in_type_list) {"column": "(id|f)"',
            r'people: column_type_to_be {"column": "(id|f)"',
        ),
    ),
    Difference(
        name="Two nulls are equal where `or_equal` is asked for",
        reason=(
            "With `or_equal` and `ignore_row_if: neither`, a pair of nulls holds: so do Great Expectations' SQL and Spark; "
            "only on pandas it does not."
        ),
        covers=_ids(r'a_to_be_greater_than_b .*"or_equal": true, "ignore_row_if": "neither"'),
    ),
    Difference(
        name="Quantile ranges that cannot be meant",
        reason=(
            "Another number of ranges than of quantiles, or a lower bound above the upper one, is an error of the suite. "
            "Great Expectations compares only the pairs that there are, and judges the other by its upper bound or not "
            "at all."
        ),
        covers=_ids(r'"quantiles": \[0.5, 0.6\]', r"\[\[101, 99\]\]}}"),
        engines=EVERY,
    ),
    Difference(
        name="No quantile is no check",
        reason="Without a quantile, nothing is checked: an error of the suite. Great Expectations passes it.",
        covers=_ids(r'"quantiles": \[\]'),
        engines=("duckdb", "sqlite", "postgres"),
    ),
    Difference(
        name="Parameters anywhere",
        reason='`{"$PARAMETER": name}` may also stand for the name of a column, which Great Expectations refuses.',
        covers=_ids(r'column_to_exist {"column": {"\$PARAMETER'),
        engines=EVERY,
    ),
    Difference(
        name="An empty table has no unexpected rows",
        reason="`unexpected_count` is 0 there; Great Expectations' patterns with LIKE say null.",
        covers=_ids(r"^empty: column_values_to_(not_)?match_like_pattern "),
        engines=("sqlite", "postgres", "mysql"),
    ),
    Difference(
        name="LIKE is for texts",
        reason="A pattern for a column of numbers is an error, as in PostgreSQL; SQLite and MySQL turn numbers into texts.",
        covers=_ids(r'like_pattern {"column": "n"'),
        engines=("sqlite", "mysql"),
    ),
    Difference(
        name="Sums do not overflow in SQLite",
        reason="Sums beyond 2^63 are computed as floats; Great Expectations gets an error of SQLite.",
        covers=_ids(r'^big: column_sum_to_be_between {"column": "top"'),
        engines=("sqlite",),
    ),
    Difference(
        name="Texts in ISO form are moments for PostgreSQL",
        reason="Great Expectations sends texts, which PostgreSQL does not compare with timestamps.",
        covers=_ids(r'column_values_to_be_in_set {"column": "ts", "value_set": \[".*", '),
        engines=("postgres",),
    ),
    Difference(
        name="Types are spelt as in the catalogue of the database",
        reason="`bigint` for PostgreSQL, `bigint(20)` for MariaDB; what is written in a suite may be spelt either way.",
        covers=_ids(
            r'column_values_to_be_(of_type|in_type_list) {"column": "(id|f)"', r'column_type_to_be {"column": "(id|f)"'
        ),
        engines=("postgres", "mysql"),
    ),
    Difference(
        name="Moments are shown whole",
        reason="Great Expectations cuts an observed timestamp to the day when its bound is a day.",
        covers=_ids(r'^one: column_(max|min)_to_be_between {"column": "ts"'),
        engines=("sqlite", "postgres", "mysql"),
    ),
    Difference(
        name="Narrow floats in sets",
        reason="0.1 in 32 bits is not 0.1; Great Expectations fails the set, and yet lists nothing as missing.",
        covers=_ids(r'distinct_values_to_equal_set {"column": "real"'),
        engines=("postgres", "mysql"),
    ),
)


def explained(case: Case, engine: str) -> list[Difference]:
    """The differences on `engine` that cover `case`."""
    return [difference for difference in DIFFERENCES if engine in difference.engines and difference.covers(case)]
