"""Comparisons of commits as facts: gaps, chains, and what reports make of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from observability.commits import Commit
from observability.dora import Period, evaluate_dora
from observability.events import DeliveryEvent, Kind
from observability.ranges import Gap, Live, Ranges, find_gaps, range_ends, range_event
from tests.testing.delivery import at, deployed, event

PERIOD = Period(start=at("0 00:00"), end=at("20 00:00"))


def commit(sha: str, when: str | None = None) -> Commit:
    return Commit(sha=sha, at=at(when) if when else None)


def compared(since: str, until: str, *commits: Commit, service: str = "shop", when: str = "2 09:30") -> DeliveryEvent:
    gap = Gap(service=service, environment="prod", since=since, until=until, at=at(when))
    return range_event(gap, commits, by="git")


def linked(events: list[DeliveryEvent]) -> list[tuple[str | None, str, str | None]]:
    (report,) = evaluate_dora(events, PERIOD).services
    return [(change.commit, change.linked_by, change.excluded) for change in report.changes]


HISTORY = [deployed("1 10:00", "v1"), deployed("2 10:00", "v2"), deployed("3 10:00", "v3")]


def test_gaps_are_between_what_was_live_one_after_the_other() -> None:
    failed = deployed("2 12:00", "bad", outcome="failure")
    found = find_gaps([*HISTORY, failed, compared("v1", "v2")])
    assert [(gap.since, gap.until, gap.at) for gap in found] == [("v2", "v3", at("3 10:00"))]


@pytest.mark.parametrize(
    "second",
    [
        deployed("2 10:00", "v1"),
        deployed("2 10:00", None),
        deployed("2 10:00", "v2", data={"commits": '[{"sha":"v2"}]'}),
        deployed("2 10:00", "v2", data={"changes": '["!7"]'}),
        deployed("2 10:00", "v2", environment="staging"),
        deployed("2 10:00", "v2", outcome="failure"),
    ],
    ids=["same commit", "no commit", "lists commits", "names changes", "elsewhere", "never live"],
)
def test_what_needs_no_comparison_is_no_gap(second: DeliveryEvent) -> None:
    assert find_gaps([HISTORY[0], second]) == ()


def test_two_environments_with_the_same_step_are_one_gap() -> None:
    elsewhere = [replace(e, id=f"{e.id}-eu", environment="prod-eu") for e in HISTORY]
    assert len(find_gaps([*HISTORY, *elsewhere])) == 2
    assert len(find_gaps([*HISTORY, *elsewhere], environment="prod-eu")) == 2
    assert find_gaps(HISTORY, service="other") == ()


def test_a_range_counts_and_a_known_commit_does_not_count_again() -> None:
    facts = [compared("v1", "v2", commit("c1", "2 08:00"), commit("v2", "2 09:00")), compared("v2", "v3")]
    assert linked([*HISTORY, *facts]) == [
        ("v1", "recorded", "baseline"),
        ("c1", "range", None),
        ("v2", "range", None),
        (None, "range", "already_deployed"),
    ]


def test_a_comparison_of_another_service_does_not_count() -> None:
    fact = compared("v1", "v2", commit("c1", "2 08:00"), service="cart")
    assert ("c1", "range", None) not in linked([*HISTORY, fact])


def test_pushes_are_joined_to_the_range_of_a_deployment() -> None:
    pushes = [compared("v1", "p1", commit("p1", "2 07:00")), compared("p1", "v2", commit("v2", "2 08:00"))]
    assert linked([*HISTORY[:2], *pushes])[1:] == [("p1", "range", None), ("v2", "range", None)]
    assert find_gaps([*HISTORY[:2], *pushes]) == ()
    assert linked([*HISTORY[:2], pushes[1]])[1:] == [("v2", "recorded", None)]


def test_a_comparison_says_what_it_compared() -> None:
    fact = compared("v1", "v2", commit("c1"))
    assert range_ends(fact) == ("v1", "v2")
    assert range_ends(event(Kind.COMMITS_COMPARED, "1 10:00")) is None
    assert fact.commit is None
    assert replace(fact, id="") == replace(compared("v1", "v2", commit("c1")), id="")


@pytest.mark.parametrize(
    ("pushes", "joined"),
    [
        ([("p1", "2 08:00"), ("v2", "2 09:00")], True),
        ([("p1", "0 08:00"), ("v2", "2 09:00")], False),
        ([("p1", "2 08:00"), ("v2", "2 11:00")], False),
        ([("v1", "0 07:00"), ("p1", "0 08:00"), ("v2", "2 09:00")], True),
    ],
    ids=["in between", "before anything was known", "after it was live", "since the first commit was pushed"],
)
def test_a_chain_is_of_pushes_from_the_one_to_the_other(pushes: list[tuple[str, str]], joined: bool) -> None:
    since, facts = {"v1": "v0", "p1": "v1", "v2": "p1"}, []
    for name, when in pushes:
        facts.append(compared(since[name], name, commit(name), when=when))
    methods = {method for _, method, _ in linked([*HISTORY[:2], *facts])[1:]}
    assert methods == ({"range"} if joined else {"recorded"})


@given(
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda e: e[0] != e[1]), max_size=14),
    since=st.integers(0, 8),
    until=st.integers(0, 8),
)
def test_a_chain_is_found_where_there_is_one(edges: list[tuple[int, int]], since: int, until: int) -> None:
    assume(since != until)
    ranges = Ranges()
    for first, last in edges:
        ranges.add(compared(f"n{first}", f"n{last}", commit(f"{first}-{last}")))
    reachable, more = {until}, True
    while more:
        found = reachable | {first for first, last in edges if last in reachable}
        more, reachable = found != reachable, found
    joined = ranges.between(Live(commit=f"n{since}", at=at("2 00:00")), Live(commit=f"n{until}", at=at("3 00:00")))
    assert (joined is not None) == (since in reachable)
    assert joined is None or {c.sha for c in joined} <= {f"{first}-{last}" for first, last in edges}
