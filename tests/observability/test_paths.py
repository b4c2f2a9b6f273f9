"""Joining events to changes."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from observability.events import DeliveryEvent, Kind
from observability.paths import find_path, paths
from tests.observability.test_dora_properties import histories
from tests.testing.delivery import deployed, event

GATE = event(Kind.GATE_FINISHED, "1 09:00", change="!12", commit="head0000", service=None)
MERGE = event(Kind.CHANGE_MERGED, "1 10:00", change="!12", commit="merge000", service=None)
RELEASE = deployed("1 11:00", "merge000", release="r1")
BACK = event(Kind.SERVICE_ROLLEDBACK, "1 12:00", release="r1")
OTHER = deployed("2 11:00", "other000", release="r2")


def test_change_commit_and_release_join() -> None:
    one, two = paths([OTHER, BACK, RELEASE, GATE, MERGE])
    assert (one.key, one.events) == ("!12", (GATE, MERGE, RELEASE, BACK))
    assert one.commits == ("head0000", "merge000")
    assert two.key == "other000"


def test_a_rollback_belongs_to_the_release_it_replaced() -> None:
    restored = event(
        Kind.SERVICE_ROLLEDBACK, "3 00:00", release="r3", commit="merge000", data={"previous_release": "r2"}
    )
    found = {path.key: len(path.events) for path in paths([MERGE, RELEASE, OTHER, restored])}
    assert found == {"!12": 2, "other000": 2}


def test_events_that_name_nothing_are_on_no_path() -> None:
    assert paths([event(Kind.INCIDENT_DETECTED, "1 09:00", subject="INC-1")]) == ()


def test_finding_by_change_commit_prefix_and_release() -> None:
    found = paths([GATE, MERGE, RELEASE, OTHER])
    for name in ("!12", "merge000", "merge00", "r1"):
        path = find_path(found, name)
        assert path is not None
        assert path.key == "!12"
    assert find_path(found, "m") is None
    assert find_path(found, "nobody") is None


@given(events=histories(), seed=st.integers())
def test_order_and_repetition_change_nothing(events: list[DeliveryEvent], seed: int) -> None:
    shuffled = [*events, *events]
    random.Random(seed).shuffle(shuffled)
    found = paths(events)
    assert paths(shuffled) == found
    on_paths = [event for path in found for event in path.events]
    assert len(on_paths) == len({(event.source, event.id) for event in on_paths})
