"""The merge-request note."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.report.note import MAX_CHARACTERS, code, render_note
from gates.verdict import Location, Outcome, Verdict, group
from tests.testing.verdicts import MIXED, any_verdict

NOTE = render_note(
    MIXED,
    commit="0123456789abcdef" * 2 + "01234567",
    blob_url="https://git.example/p/-/blob/abc",
    job_url="https://git.example/j/1",
)


def test_the_verdict_comes_first_then_what_blocks_then_the_rest_folded() -> None:
    assert NOTE.startswith("### ❌ Headgate: FAIL – blocked\n\ncommit `0123456789ab`, [job](https://git.example/j/1)\n")
    blocking, _, folded = NOTE.partition("<details>")
    assert "2.5 % > 0 %" in blocking
    assert "row 17 of orders.parquet (id=4): amount = -**.**" in blocking
    assert "[`gx/orders.json:12`](https://git.example/p/-/blob/abc/gx/orders.json#L12)" in blocking
    assert "`measured 2.5 % unexpected, must be <= 0 (n = 120)`" in blocking
    assert "12 passed" not in blocking
    assert "12 passed" in folded
    assert "🔹 **warning** `quality / expect_column_mean_to_be_between(amount)`" in folded


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        (Outcome.PASS, "✅ Headgate: PASS – may be merged"),
        (Outcome.ERROR, "could not be judged, so it is blocked"),
        (Outcome.INCONCLUSIVE, "could not be decided, so it is blocked"),
        (Outcome.SKIPPED, "nothing was checked, so it is blocked"),
    ],
)
def test_titles(outcome: Outcome, title: str) -> None:
    assert title in render_note(Verdict(name="gate", outcome=outcome)).splitlines()[0]


def test_links_only_for_real_addresses_and_paths_are_quoted() -> None:
    leaf = Verdict(name="x", outcome=Outcome.FAIL, location=Location(path="a b/)c.py", line=3))
    assert "](" not in render_note(group("g", [leaf]), blob_url="javascript:alert(1)")
    assert "](https://x.y/a%20b/%29c.py#L3)" in render_note(group("g", [leaf]), blob_url="https://x.y")


HOSTILE = [
    "/merge",
    "@all",
    "`x` ``y``",
    "</details><script>alert(1)</script>",
    "[a](http://x) ![b](http://y)",
    "| a | b |",
    "line\n/close\nmore",
    "```\n/approve\n```",
    "~~~",
    "\u202egnp.exe",
    "<!-- headgate:note:gate -->",
]


def bare(note: str) -> str:
    """The note without its code spans and code blocks: the text that Markdown interprets."""
    without_blocks = re.sub(r"^  (`{3,})text\n.*?^  \1$", "", note, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", without_blocks)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_verdict_is_interpreted(text: str) -> None:
    def leaf(outcome: Outcome) -> Verdict:
        return Verdict(
            name=text,
            outcome=outcome,
            message=text,
            fix=text,
            details=(text, text),
            location=Location(path=text, line=1),
        )

    tree = group(text, [group(text, [leaf(Outcome.FAIL), leaf(Outcome.PASS)], message=text)])
    left = bare(render_note(tree, blob_url=""))
    for mark in ("/", "@", "script", "](", "<!--", "~", "\u202e"):
        assert mark not in left.replace("</details>", "").replace("</summary>", "")


@given(st.text(max_size=60))
def test_a_code_span_cannot_be_left(text: str) -> None:
    span = code(text)
    if span:
        ticks = re.match(r"`+", span)
        assert ticks is not None
        inner = span[len(ticks.group()) : -len(ticks.group())]
        assert len(ticks.group()) not in {len(run) for run in re.findall(r"`+", inner)}
        assert "\n" not in span


@given(any_verdict(), st.integers(2_000, 5_000))
def test_the_limit_is_kept_and_details_are_closed(verdict: Verdict, limit: int) -> None:
    note = render_note(verdict, limit=limit)
    assert len(note) <= limit
    assert note.count("<details><summary>") == note.count("</details>")


def test_what_does_not_fit_is_counted_and_what_blocks_goes_first() -> None:
    failing = [Verdict(name=f"bad {at}", outcome=Outcome.FAIL, message="x" * 200) for at in range(2_000)]
    passing = [Verdict(name=f"good {at}", outcome=Outcome.PASS, message="x" * 200) for at in range(2_000)]
    note = render_note(group("gate", [group("g", [*passing, *failing])]))
    assert len(note) <= MAX_CHARACTERS
    shown = len(re.findall(r"`g / bad \d+`", note))
    assert shown > 100
    assert f"and {2_000 - shown} more" in note
