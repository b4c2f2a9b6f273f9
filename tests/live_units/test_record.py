"""The router's own record, and the pace of the load."""

from __future__ import annotations

import pytest

from tests.live.record import Count, Record
from tests.live.router import Pace


def test_sums_by_service_hash_and_version() -> None:
    record = Record()
    for moment, service, pod_hash, bad in (
        (10.2, "stable", "a", False),
        (10.9, "stable", "a", True),
        (11.0, "canary", "b", False),
        (12.5, "canary", "a", False),
    ):
        record.add(moment=moment, service=service, hash=pod_hash, version=f"1.{pod_hash}", bad=bad)
    assert record.count("service") == {"stable": Count(total=2, bad=1), "canary": Count(total=2, bad=0)}
    assert record.count("hash", since=11) == {"b": Count(total=1), "a": Count(total=1)}
    assert record.count("version", until=11) == {"1.a": Count(total=2, bad=1)}
    assert [(row.second, row.total, row.bad) for row in record.rows(since=10, until=12)] == [(10, 2, 1), (11, 1, 0)]


def test_ratio() -> None:
    assert (Count(total=200, bad=6).ratio, Count().ratio) == (0.03, 0.0)


def test_pace_is_steady_and_makes_up_for_less_than_a_second() -> None:
    pace = Pace(10)
    handed = [pace.next(now) for now in (5.0, 5.0, 5.0, 6.0, 6.0, 60.0, 60.0)]
    assert [number for number, _ in handed] == [0, 1, 2, 3, 4, 5, 6]
    assert [wait_s for _, wait_s in handed] == pytest.approx([0.0, 0.1, 0.2, 0.0, 0.0, 0.0, 0.1])


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_of_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="none"):
        Pace(rate)
