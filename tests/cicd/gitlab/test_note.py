"""The sticky note: body and plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.gitlab.note import ExistingNote, NotePlan, build_body, decide_note, marker

OURS, THEIRS = 7, 8


def note(number: int, body: str, author: int = OURS, *, system: bool = False) -> ExistingNote:
    return ExistingNote(id=number, body=body, author_id=author, is_system=system)


BODY = build_body("gate", "text")


@pytest.mark.parametrize(
    ("existing", "plan"),
    [
        ([], NotePlan(create=True)),
        ([note(1, "talk")], NotePlan(create=True)),
        ([note(1, BODY)], NotePlan()),
        ([note(1, BODY.replace("\n", "\r\n") + "\r\n")], NotePlan()),
        ([note(1, build_body("gate", "old"))], NotePlan(update=1)),
        ([note(1, build_body("release", "old"))], NotePlan(create=True)),
        ([note(1, build_body("gate", "old"), THEIRS)], NotePlan(create=True)),
        ([note(1, BODY, system=True)], NotePlan(create=True)),
        ([note(1, f"quoted {BODY}")], NotePlan(create=True)),
        ([note(3, BODY), note(2, BODY), note(9, BODY)], NotePlan(delete=(3, 9))),
        ([note(3, BODY), note(2, build_body("gate", "old"))], NotePlan(update=2, delete=(3,))),
    ],
)
def test_plan(existing: list[ExistingNote], plan: NotePlan) -> None:
    assert decide_note(existing, "gate", BODY, author_id=OURS) == plan


def test_without_a_known_author_the_marker_alone_decides() -> None:
    assert decide_note([note(1, BODY, THEIRS)], "gate", BODY, author_id=None) == NotePlan()


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["gate", "other"]), st.sampled_from([OURS, THEIRS]))))
def test_carrying_a_plan_out_leaves_exactly_one(entries: list[tuple[int, str, int]]) -> None:
    existing = {number: note(number, build_body(key, "old"), author) for number, key, author in entries}
    plan = decide_note(list(existing.values()), "gate", BODY, author_id=OURS)
    if plan.create:
        existing[99] = note(99, BODY)
    if plan.update is not None:
        existing[plan.update] = note(plan.update, BODY)
    for number in plan.delete:
        del existing[number]
    assert decide_note(list(existing.values()), "gate", BODY, author_id=OURS) == NotePlan()
    assert [n.body for n in existing.values() if n.author_id == OURS and marker("gate") in n.body] == [BODY]


@pytest.mark.parametrize(
    "hostile",
    [
        "/merge",
        "text\n/close",
        "  /approve",
        "> /merge",
        "- /label ~bug",
        "```\n/merge\n```",
        "a\r\n/merge",
        "a\r/merge",
    ],
)
def test_quick_actions_are_out_of_force(hostile: str) -> None:
    for line in build_body("gate", hostile).splitlines():
        assert not line.lstrip(" >-*+\t").startswith("/")


def test_paths_in_the_text_stay_as_they_are() -> None:
    assert "see data/raw and http://example.com/x" in build_body("gate", "see data/raw and http://example.com/x")


def test_a_marker_in_the_text_is_no_marker() -> None:
    assert build_body("gate", f"x\n{marker('gate')}").count("<!-- headgate:") == 1


@given(st.text(max_size=4000), st.integers(300, 2000))
def test_the_body_fits_and_keeps_its_marker(text: str, limit: int) -> None:
    body = build_body("gate", text, limit=limit)
    assert len(body) <= limit
    assert body.startswith(marker("gate"))
    assert build_body("gate", body.removeprefix(marker("gate")), limit=limit) == body


def test_a_cut_closes_the_open_fence_and_says_so() -> None:
    body = build_body("gate", "```text\n" + "row\n" * 1000 + "```\n", limit=800)
    assert body.count("```") == 2
    assert "_Shortened: " in body
    assert body.index("```", 50) < body.index("_Shortened")


@pytest.mark.parametrize("key", ["", "Gate", "a b", "a-->", "x" * 80])
def test_keys_that_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="note key"):
        marker(key)
