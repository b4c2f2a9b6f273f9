"""What must hold for any history: order, repetition and strangers do not change a report."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from observability.dora import DoraReport, Period, evaluate_dora
from observability.events import DELIVERY, DeliveryEvent, Kind
from tests.testing.delivery import DAY0

PERIOD = Period(start=DAY0, end=DAY0 + timedelta(hours=30))

some = st.sampled_from
moments = st.integers(min_value=-10, max_value=40).map(lambda hours: DAY0 + timedelta(hours=hours))


@st.composite
def histories(draw: st.DrawFn, services: tuple[str, ...] = ("shop", "dags/shop")) -> list[DeliveryEvent]:
    """Histories in a small world, so that releases, commits, incidents and moments collide often."""
    count = draw(st.integers(min_value=0, max_value=14))
    kinds = some([*DELIVERY, Kind.SERVICE_UPGRADED, Kind.CHANGE_MERGED, Kind.INCIDENT_DETECTED, Kind.INCIDENT_RESOLVED])
    return [
        DeliveryEvent(
            kind=draw(kinds),
            source=draw(some(["/a", "/b"])),
            id=f"{number}",
            occurred_at=draw(moments),
            subject=draw(some(["INC-1", "INC-2"])),
            service=draw(some(services)),
            environment=draw(some(["prod", "staging"])),
            commit=draw(some([None, "c1", "c2", "c3"])),
            committed_at=draw(st.none() | moments),
            outcome=draw(some(["", "success", "failure", "error", "canceled"])),
            release=draw(some([None, "r1", "r2", "r3"])),
            data={"unplanned": draw(some([True, False, False])), "failed_at": draw(some([None, "garbage"]))},
        )
        for number in range(count)
    ]


@given(events=histories(), seed=st.integers(), twice=st.integers(min_value=0, max_value=5))
def test_order_and_repetition_change_nothing(events: list[DeliveryEvent], seed: int, twice: int) -> None:
    shuffled = [*events, *events[:twice]]
    random.Random(seed).shuffle(shuffled)
    assert evaluate_dora(shuffled, PERIOD) == evaluate_dora(events, PERIOD)


@given(events=histories(), strangers=histories(services=("other",)))
def test_an_unrelated_service_changes_nothing(events: list[DeliveryEvent], strangers: list[DeliveryEvent]) -> None:
    renamed = [
        DeliveryEvent(
            kind=e.kind, source="/other", id=e.id, occurred_at=e.occurred_at, subject=e.subject, service="other",
            environment=e.environment, commit=f"other-{e.commit}", committed_at=e.committed_at, outcome=e.outcome,
            release=e.release and f"other-{e.release}", data=e.data,
        )
        for e in strangers
    ]  # fmt: skip
    mixed = evaluate_dora([*events, *renamed], PERIOD)
    assert (
        tuple(found for found in mixed.services if found.service != "other") == evaluate_dora(events, PERIOD).services
    )


@given(events=histories())
def test_the_numbers_are_coherent(events: list[DeliveryEvent]) -> None:
    report: DoraReport = evaluate_dora(events, PERIOD)
    for found in report.services:
        for rate in (found.change_fail_rate, found.deployment_rework_rate):
            assert rate.value is None or 0 <= rate.value <= 1
            assert (rate.value is None) == (rate.n == 0)
            assert rate.n == found.deployment_frequency.n
        for span in (found.change_lead_time, found.failed_deployment_recovery_time):
            assert (span.median is None) == (span.n == 0)
            if span.median is not None and span.p90 is not None:
                assert 0 <= span.median <= span.p90
            assert span.n <= span.applicable
        applicable = found.failed_deployment_recovery_time.applicable
        assert applicable == found.change_fail_rate.numerator


@given(first=histories(), second=histories())
def test_conflicting_duplicates_are_settled_the_same_way_in_any_order(
    first: list[DeliveryEvent], second: list[DeliveryEvent]
) -> None:
    """`second` reuses the identities of `first` for other facts: a broken emitter must not make reports flicker."""
    assert evaluate_dora([*first, *second], PERIOD) == evaluate_dora([*second, *first], PERIOD)
