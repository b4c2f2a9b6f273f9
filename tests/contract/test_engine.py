"""The contract engine itself: a sandbox that differs from the recording must be found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.normalise import Names, differences, normal
from tests.contract.recording import Recorded, Seen, Segment, load
from tests.contract.replay import Replay, Report
from tests.contract.states import agree_part_by_part, missing_in_order
from tests.contract.stories import CHAINS
from tests.contract.world import World

GOOD = CHAINS["canary"][0]
SESSION = CHAINS["session and errors"][0]


def _replayed(tmp_path: Path, segments: list[Segment], story: Any = SESSION) -> list[str]:
    report = Report()
    with World(tmp_path) as world:
        Replay(world, story, report, segments).run()
    return report.problems


def _with_call(segment: Segment, **changes: Any) -> Segment:
    assert segment.call is not None
    return replace(segment, call=replace(segment.call, **changes))


def _answer(call: Recorded, **changes: Any) -> dict[str, Any]:
    return {**call.answer, **changes}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda call: {"status": 418}, "status: recorded 418 but 401"),
        (lambda call: {"content_type": "text/plain"}, "content type: recorded text/plain"),
        (lambda call: {"answer": _answer(call, code=13)}, "$.code: recorded 13 but 16"),
        (lambda call: {"answer": _answer(call, details=[{}])}, "$.details: recorded [{}] but it is missing"),
        (lambda call: {"answer": {"code": call.answer["code"]}}, "$.error: not recorded"),
        (lambda call: {"answer": _answer(call, code="16")}, '$.code: recorded "16" but 16'),
    ],
)
def test_a_different_answer_is_a_problem(
    tmp_path: Path, change: Callable[[Recorded], dict[str, Any]], found: str
) -> None:
    first = load(SESSION.name)[0]
    assert first.call is not None
    problems = _replayed(tmp_path, [_with_call(first, **change(first.call))])
    assert any(found in problem for problem in problems), problems


def _until_paused() -> list[Segment]:
    """The first story up to the first pause: create, refresh, sync, push, sync."""
    return load(GOOD.name)[:8]


def test_the_unchanged_beginning_has_no_problem(tmp_path: Path) -> None:
    assert _replayed(tmp_path, _until_paused(), GOOD) == []


def _changed(segments: list[Segment], kind: str, change: Callable[[Any], Any]) -> list[Segment]:
    """The last segment with the last recorded state of a kind changed."""
    last = segments[-1]
    index = max(number for number, seen in enumerate(last.seen) if seen.kind == kind)
    seen = list(last.seen)
    seen[index] = replace(seen[index], value=change(seen[index].value))
    return [*segments[:-1], replace(last, seen=tuple(seen))]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("rollout", lambda value: {**value, "generation": 5}),
        ("rollout", lambda value: {**value, "status": {**value["status"], "phase": "Degraded"}}),
        ("rollout", lambda value: {**value, "status": {**value["status"], "currentStepIndex": 3}}),
        ("rollout", lambda value: {**value, "status": {**value["status"], "pauseConditions": []}}),
        ("rollout", lambda value: {**value, "status": {**value["status"], "abort": True}}),
        ("application", lambda value: {**value, "health": {"status": "Healthy"}}),
        ("application", lambda value: {**value, "sync": {**value["sync"], "status": "OutOfSync"}}),
        ("application", lambda value: {**value, "history": []}),
    ],
)
def test_a_state_that_does_not_come_is_a_problem(tmp_path: Path, kind: str, change: Callable[[Any], Any]) -> None:
    problems = _replayed(tmp_path, _changed(_until_paused(), kind, change), GOOD)
    assert any(f"{kind} after" in problem and "did not come in order" in problem for problem in problems), problems


def test_a_state_that_was_never_recorded_is_a_problem(tmp_path: Path) -> None:
    """Take the pause out of the recording: the sandbox's pause is then one too many."""
    segments = load(GOOD.name)[:9]
    without = [replace(item, seen=tuple(seen for seen in item.seen if not _is_paused(seen))) for item in segments]
    problems = _replayed(tmp_path, without, GOOD)
    assert any("not recorded here" in problem and "phase Paused" in problem for problem in problems), problems


def _is_paused(seen: Seen) -> bool:
    return seen.kind == "rollout" and seen.value["status"]["phase"] == "Paused"


def _states(*values: str) -> list[tuple[tuple[str, Any], ...]]:
    return [(("phase", value),) for value in values]


@pytest.mark.parametrize(
    ("wanted", "found", "missing"),
    [
        ("ab", "ab", None),
        ("ac", "abc", None),
        ("aa", "a", None),
        ("ba", "ab", "a"),
        ("abc", "ab", "c"),
        ("", "", None),
        ("a", "", "a"),
    ],
)
def test_order(wanted: str, found: str, missing: str | None) -> None:
    expected = None if missing is None else _states(missing)[0]
    assert missing_in_order(_states(*wanted), _states(*found)) == expected


def test_parts_may_cross_but_not_turn_round() -> None:
    recorded = [(("sync", "Old"), ("health", "Good")), (("sync", "New"), ("health", "Bad"))]
    crossing = [
        (("sync", "Old"), ("health", "Good")),
        (("sync", "Old"), ("health", "Bad")),
        (("sync", "New"), ("health", "Bad")),
    ]
    backwards = [(("sync", "New"), ("health", "Good")), (("sync", "Old"), ("health", "Bad"))]
    assert agree_part_by_part(crossing, recorded)
    assert not agree_part_by_part(backwards, recorded)


def test_volatile_values_are_alike_and_others_are_not() -> None:
    names, other = Names(), Names()
    names.commits = {"a" * 40: "c" * 40}
    other.commits = {"b" * 40: "c" * 40}
    names.learn("shop/x:1", "6f9c")
    other.learn("shop/x:1", "77aa")
    left = {"uid": "1", "at": "2026-01-01T00:00:00Z", "revision": "a" * 40, "pod": "x-6f9c-abcde", "n": 1}
    right = {"uid": "2", "at": "2027-01-01T00:00:00Z", "revision": "b" * 40, "pod": "x-77aa-zzzzz", "n": 1}
    assert not list(differences(normal(left, names), normal(right, other)))
    wrong = {**right, "revision": "d" * 40, "n": True}
    assert len(list(differences(normal(left, names), normal(wrong, other)))) == 2
