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
            r'not_be_outliers {"column": "dec"',
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
            r'column_values_to_be_in_set {"column": "(ts|tz)"',
            r'most_common_value_to_be_in_set {"column": "(ts|tz)"',
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
            r'column_values_to_be_(of_type|in_type_list) {"column": "(?!nope|(d|dec)").*(?<!"BOOLEAN_ONLY")(?<!_count": 3})$',
            r'column_type_to_be {"column": "(?!nope|(d|dec)")',
            r'column_(values_to_be_(of_type|in_type_list)|type_to_be) {"column": "(d|dec)"',
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
        covers=_ids(r"^empty: column_values_to_(not_)?match_like_pattern(_list)? "),
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
        covers=_ids(r'column_values_to_be_in_set {"column": "(ts|tz)"'),
        engines=("postgres",),
    ),
    Difference(
        name="Types are spelt as in the catalogue of the database",
        reason="`bigint` for PostgreSQL, `bigint(20)` for MariaDB; what is written in a suite may be spelt either way.",
        covers=_ids(
            r'column_(values_to_be_(of_type|in_type_list)|type_to_be) {"column": "(?!nope)'
            r'.*(?<!"BOOLEAN_ONLY")(?<!_count": 3})$'
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
    Difference(
        name="A most common moment",
        reason="Beside timestamps, a text in ISO form is that moment; Great Expectations compares the two as texts.",
        covers=_ids(r'most_common_value_to_be_in_set {"column": "(ts|tz)"'),
        engines=("sqlite", "postgres", "mysql"),
    ),
    Difference(
        name="A condition for pairs in a set",
        reason=(
            "The rows that a `row_condition` leaves out are not looked at. Great Expectations counts their pairs as "
            "unexpected, more than there are rows, and raises."
        ),
        covers=_ids(r"column_pair_values_to_be_in_set .*row_condition"),
        engines=EVERY,
    ),
    Difference(
        name="Quantiles under a condition",
        reason="The quantiles of the rows that are left; Great Expectations on SQL cannot build the query, and raises.",
        covers=_ids(r"quantile_values_to_be_between .*row_condition.*!="),
        engines=("sqlite", "postgres", "mysql"),
    ),
    Difference(
        name="Quantiles of MySQL",
        reason="`percentile_disc`, as on the other databases; Great Expectations' own ranks on MySQL are one off.",
        covers=_ids(
            r'^floats: column_quantile_values_to_be_between {"column": "(inf|finite)"',
            r"^ordered: column_quantile_values_to_be_between .*\[0.(55|7|8)\]",
        ),
        engines=("mysql",),
    ),
    Difference(
        name="Texts are no numbers for SQLite and MySQL",
        reason='`"1"` is not 1, as on pandas; SQLite and MySQL turn one into the other.',
        covers=_ids(r'^people: column_values_to_(not_)?be_in_set {"column": "n", "value_set": \[("1"|1), "3"\]'),
        engines=("sqlite", "mysql"),
    ),
    Difference(
        name="Texts have no sum",
        reason="The sum, mean or deviation of texts is an error, as on pandas; for SQLite and MySQL it is 0.",
        covers=_ids(r'^people: column_(sum|mean|stdev)_to_be_between {"column": "s", "min_value": 0}$'),
        engines=("sqlite", "mysql"),
    ),
    Difference(
        name="An empty set of pairs",
        reason="No pair is in it, as on pandas; Great Expectations' SQL for it is no SQL.",
        covers=_ids(r'pair_values_to_be_in_set .*"value_pairs_set": \[\]'),
        engines=("sqlite",),
    ),
    Difference(
        name="Booleans have a sum and a maximum in PostgreSQL",
        reason="True is 1 and false is 0, as on pandas; PostgreSQL itself refuses.",
        covers=_ids(r'^people: column_(sum|mean|stdev|max|min)_to_be_between {"column": "b", '),
        engines=("postgres",),
    ),
    Difference(
        name="Lengths are characters in MySQL",
        reason="`é` is one character long, as everywhere; Great Expectations asks MySQL for bytes.",
        covers=_ids(r'^texts: column_value_lengths_to_equal {"column": "size"'),
        engines=("mysql",),
    ),
    Difference(
        name="Deviations have all their digits in MySQL",
        reason="3.605551275463989; Great Expectations shows, and judges, 3.6056.",
        covers=_ids(
            r'^people: column_stdev_to_be_between {"column": "(id|n)", "min_value": 0, "max_value": 1000000000.0}$'
        ),
        engines=("mysql",),
    ),
    Difference(
        name="Keys with nulls are never equal in MySQL",
        reason="As for UNIQUE, and as on the other databases; Great Expectations has them equal on MySQL.",
        covers=_ids(r'^people: compound_columns_to_be_unique {"column_list": \["n", "nullf"\]}'),
        engines=("mysql",),
    ),
    Difference(
        name="Regular expressions of Spark",
        reason=(
            "They are Java's, as for Great Expectations on Spark: `\\w` is ASCII only, and `\\Z` also stands before a "
            "last newline."
        ),
        covers=_ids(r'match_regex {"column": "mail", "regex": "(\^\\\\w\+@.*|c\\\\Z)"'),
        engines=("spark",),
    ),
    Difference(
        name="Types of Spark",
        reason="`timestamp_ntz` and `string`: as Spark's SQL calls them. Great Expectations calls them by Python's classes.",
        covers=_ids(r'column_(values_to_be_(of_type|in_type_list)|type_to_be) {"column": "(ts|tz|s|cat)"'),
        engines=("spark",),
    ),
)


def explained(case: Case, engine: str) -> list[Difference]:
    """The differences on `engine` that cover `case`."""
    return [difference for difference in DIFFERENCES if engine in difference.engines and difference.covers(case)]
