"""Where Headgate deliberately does not do what Great Expectations does on pandas, each with its reason.

`docs/quality-differences.md` says the same for users. A difference that the cases no longer show fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.gates.quality.parity.cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`covers` picks the cases that differ: exactly those. `name` is its heading in the documentation."""

    name: str
    reason: str
    covers: Callable[[Case], bool]


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
        name="Nulls are counted among the unexpected",
        reason=(
            "`partial_unexpected_counts` is there where texts and nulls are unexpected together, and nulls are one value "
            "in it. Great Expectations leaves the counts out, since Python cannot sort texts and None."
        ),
        covers=lambda case: (
            case.table == "pairs"
            and ('"x", "y"' in case.id or '"x", "column_B": "y"' in case.id)
            and "either_value" not in case.id
            and "any_value" not in case.id
            and "compound" not in case.type
            and ("within_record" not in case.type or "never" in case.id)
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
            "No quantile at all, another number of ranges than of quantiles, a lower bound above the upper one: an error "
            "of the suite. Great Expectations passes the first, compares only the pairs that there are, and fails the last."
        ),
        covers=_ids(r'"quantiles": \[\]', r'"quantiles": \[0.5, 0.6\]', r"\[\[101, 99\]\]}}"),
    ),
    Difference(
        name="Parameters anywhere",
        reason='`{"$PARAMETER": name}` may also stand for the name of a column, which Great Expectations refuses.',
        covers=_ids(r'column_to_exist {"column": {"\$PARAMETER'),
    ),
)


def explained(case: Case) -> list[Difference]:
    """The differences that cover `case`."""
    return [difference for difference in DIFFERENCES if difference.covers(case)]
