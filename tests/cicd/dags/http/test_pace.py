"""How many requests at once."""

from __future__ import annotations

import pytest

from cicd.dags.http.pace import Pace


@pytest.mark.parametrize(("seconds", "limit"), [(0.0003, 16), (0.005, 50), (0.0125, 125), (0.2, 128)])
def test_the_longer_an_answer_takes_the_more(seconds: float, limit: int) -> None:
    pace = Pace(128)
    assert pace.limit == 16
    pace.measured(seconds)
    pace.measured(seconds * 7)
    assert pace.limit == limit


def test_never_more_than_the_most() -> None:
    pace = Pace(4)
    pace.measured(1.0)
    assert pace.limit == 4


def test_half_as_many_for_a_server_that_cannot_keep_up_and_slowly_more_again() -> None:
    pace = Pace(128)
    pace.measured(0.1)
    pace.answered(200, 0.0)
    pace.answered(429, 1.0)
    for _ in range(60):  # what was sent at the same time
        pace.answered(503, 1.05)
    assert pace.limit == 64
    pace.answered(429, 1.2)
    assert pace.limit == 32
    for _ in range(40):
        pace.answered(200, 2.0)
    assert pace.limit == 33
    for _ in range(100_000):
        pace.answered(200, 3.0)
    assert pace.limit == 128


def test_one_is_always_allowed() -> None:
    pace = Pace(128)
    for second in range(50):
        pace.answered(429, float(second))
    assert pace.limit == 1
