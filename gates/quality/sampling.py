"""What a sample of the rows says about all of them. Pure.

A sample can fail a check: a wrong row is wrong wherever the others are. It passes one only if the policy says so. What is
about all rows together (their number, a sum, a mean) is not decided by some of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gates.quality.runner import ExpectationResult
from gates.quality.suite import Expectation
from gates.quality.wording import allowed_percent
from gates.verdict import Measurement, Outcome, Verdict

_Z = 2.576
"""Two-sided 99 %: how sure a sample must be that more values are unexpected than are allowed."""
_OF_COLUMNS = frozenset(
    {
        "expect_column_to_exist",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_be_in_type_list",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
    }
)
"""These are about the columns, which every row has."""
_IN_EVERY_PART = frozenset({"expect_column_distinct_values_to_be_in_set", "unexpected_rows_expectation"})
"""What fails in a part of the rows fails in all of them."""
_RELATIVE = frozenset({"expect_column_value_z_scores_to_be_less_than"})
"""Rows are judged by what all of them are like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`share` of the rows (above 0, below 1) was looked at. `passes`: the policy takes it for all of them."""

    share: float
    passes: bool = False

    @property
    def shown(self) -> str:
        return f"{self.share * 100:.6g} %"


def sample_leaf(sampling: Sampling, rows: int | None) -> Verdict:
    """What it is worth that only a sample was looked at."""
    measurement = Measurement(
        observed=sampling.share, threshold=1, comparison=">=", unit="of the rows", sample=rows, source="sample"
    )
    if sampling.passes:
        message = f"a sample of {sampling.shown} of the rows stands for all of them, which this check allows"
        return Verdict(name="sample", outcome=Outcome.PASS, message=message, rule="sample", measurement=measurement)
    return Verdict(
        name="sample",
        outcome=Outcome.INCONCLUSIVE,
        message=f"only a sample of {sampling.shown} of the rows was looked at: it can fail a check, not pass it",
        rule="sample",
        measurement=measurement,
        fix="Run it on all rows; or let a sample pass (`--sample-passes`, `sample_passes: true`).",
    )


def is_decided(expectation: Expectation, found: ExpectationResult) -> bool:
    """Whether an expectation that does not hold in a sample does not hold in all rows either."""
    if expectation.type in _OF_COLUMNS | _IN_EVERY_PART:
        return True
    if expectation.type in _RELATIVE or found.unexpected_count is None or found.element_count is None:
        return False
    allowed = allowed_percent(expectation) / 100
    looked_at = found.element_count - (found.missing_count or 0)
    return not allowed or surely_above(found.unexpected_count, looked_at, allowed)


def surely_above(count: int, of: int, share: float) -> bool:
    """Whether `count` of `of` leaves little doubt (Wilson's bound at 99 %) that the true share is above `share`."""
    if not of:
        return False
    seen = min(1.0, count / of)
    centre = seen + _Z**2 / (2 * of)
    spread = _Z * math.sqrt(seen * (1 - seen) / of + _Z**2 / (4 * of**2))
    return (centre - spread) / (1 + _Z**2 / of) > share
