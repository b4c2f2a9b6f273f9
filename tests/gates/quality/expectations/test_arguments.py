"""Arguments of expectations are coerced as Great Expectations coerces them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from gates.quality.expectations import arguments as given
from gates.quality.expectations import configured
from tests.gates.quality.expectations.support import expectation


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (1, 1.0),
        (True, 1.0),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        ("2024-01-05", date(2024, 1, 5)),
        ("2024-1-5", date(2024, 1, 5)),
        ("2024-01-05T10:00", datetime(2024, 1, 5, 10)),  # noqa: DTZ001
        ("2024-01-05 10:00:01.5", datetime(2024, 1, 5, 10, 0, 1, 500_000)),  # noqa: DTZ001
        ("2024-01-05T10:00:00Z", datetime(2024, 1, 5, 10, tzinfo=UTC)),
        ("2024-01-05T10:00:00-0530", datetime(2024, 1, 5, 10, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
    ],
)
def test_bounds(value: Any, bound: Any) -> None:
    assert given.bound(value) == bound


@pytest.mark.parametrize("value", ["", "abc", "2024-13-01", "2024-01-05T25:00", [1], {}, "01.02.2024"])
def test_what_is_no_bound(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        given.bound(value)


@pytest.mark.parametrize(("value", "whole"), [(3, 3), ("3", 3), (3.9, 3), (True, True)])
def test_whole_numbers(value: Any, whole: int) -> None:
    assert given.whole(value) == whole


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "3.5", None, []])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        given.whole(value)


@pytest.mark.parametrize(("value", "flag"), [(True, True), ("yes", True), ("OFF", False), (0, False), (1.0, True)])
def test_flags(value: Any, flag: bool) -> None:
    assert given.flag(value) is flag


@pytest.mark.parametrize("value", ["maybe", 2, None, []])
def test_what_is_no_flag(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        given.flag(value)


def test_the_configuration_is_reported_as_it_was_run() -> None:
    entry = expectation(
        "expect_column_values_to_be_between", column="a", min_value=1, max_value={"$PARAMETER": "top"}, mostly="0.5"
    )

    assert configured(entry, {"top": 9}) == {"column": "a", "min_value": 1.0, "max_value": 9.0, "mostly": 0.5}


def test_a_configuration_that_cannot_be_run_is_reported_as_written() -> None:
    entry = expectation("expect_column_values_to_be_between", column="a", max_value={"$PARAMETER": "top"})

    assert configured(entry, {}) == {"column": "a", "max_value": {"$PARAMETER": "top"}}
