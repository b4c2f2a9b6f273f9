"""A story proves something only if every claim was seen."""

from __future__ import annotations

import pytest

from cicd.demo.proof import Chapter, Proof, as_data, exit_code, render
from headgate.exit_codes import ExitCode


def chapter(*holds: bool) -> Chapter:
    proofs = tuple(Proof(claim=f"claim {n}", holds=held, seen="seen") for n, held in enumerate(holds))
    return Chapter(scenario="x", title="title", proofs=proofs, seconds=1.0)


@pytest.mark.parametrize(
    ("chapters", "code"),
    [
        ([], ExitCode.FAIL),
        ([chapter()], ExitCode.FAIL),
        ([chapter(True)], ExitCode.PASS),
        ([chapter(True), chapter(True, False)], ExitCode.FAIL),
        ([chapter(True), chapter()], ExitCode.FAIL),
    ],
)
def test_nothing_proved_is_not_a_pass(chapters: list[Chapter], code: ExitCode) -> None:
    assert exit_code(chapters) is code


def test_the_table_marks_what_did_not_hold() -> None:
    text = render([chapter(True, False)])
    assert "FAILED" in text
    assert "ok  claim 0: seen" in text
    assert "NOT claim 1: seen" in text


def test_the_data_say_the_same() -> None:
    (data,) = as_data([chapter(True, False)])
    assert data["proved"] is False
    assert [proof["holds"] for proof in data["proofs"]] == [True, False]  # type: ignore[attr-defined]
