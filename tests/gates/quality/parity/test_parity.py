"""Every case on our engine says what Great Expectations itself says, but for the differences that are listed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gates.quality.engines.duckdb import open_files
from gates.quality.engines.port import Batch
from gates.quality.expectations import planned_types
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.compare import differences
from tests.gates.quality.parity.conftest import Both
from tests.gates.quality.parity.differences import DIFFERENCES, FALLBACK, explained
from tests.gates.quality.parity.ours import judge, not_planned

CASES = tuple(case for case in all_cases() if case.oracle == "pandas")
TYPES = sorted({case.type for case in CASES})

Answers = Mapping[str, Mapping[str, Any]]


def open_table(folder: Path, name: str) -> Batch:
    return open_files([folder / f"{name}.parquet"])


@pytest.fixture(scope="module")
def answers(asked: Both, folder: Path) -> tuple[Answers, Answers]:
    """Theirs and ours, of all cases. Ours while they think."""
    ours = judge(CASES, partial(open_table, folder))
    return asked.answers(), ours


def unlike(case: Case, answers: tuple[Answers, Answers]) -> list[str]:
    theirs, ours = answers
    return differences(theirs[case.id], ours[case.id])


@pytest.mark.parametrize("kind", TYPES)
def test_duckdb_says_what_pandas_says(kind: str, answers: tuple[Answers, Answers]) -> None:
    aside = not_planned(answers[1])
    wrong = [
        f"{case.id}\n  " + "\n  ".join(text[:500] for text in found)
        for case in CASES
        if case.type == kind and case.id not in aside and not explained(case, "duckdb")
        for found in [unlike(case, answers)]
        if found
    ]
    assert not wrong, f"{len(wrong)} cases differ:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "difference", [entry for entry in DIFFERENCES if "duckdb" in entry.engines], ids=lambda difference: difference.name
)
def test_a_difference_that_is_listed_is_still_one(difference: Any, answers: tuple[Answers, Answers]) -> None:
    covered = [case for case in CASES if difference.covers(case)]
    same = [case.id for case in covered if not unlike(case, answers)]
    assert covered, "no case shows it"
    assert not same, "these do not differ: take them out of the difference"


def test_nulls_are_counted_among_the_unexpected(answers: tuple[Answers, Answers]) -> None:
    """A difference that is left out of the comparison: Great Expectations cannot sort texts and None, and says nothing."""
    name = 'pairs: column_pair_values_to_be_equal {"column_A": "x", "column_B": "y"}'
    theirs, ours = (answer[name]["result"] for answer in answers)
    assert "partial_unexpected_counts" not in theirs
    assert {"value": ("d", None), "count": 1} in ours["partial_unexpected_counts"]


def test_what_goes_to_the_fallback_is_what_is_listed(answers: tuple[Answers, Answers]) -> None:
    aside = not_planned(answers[1])
    unexpected = {name: why for name, why in aside.items() if not any(text in why for text in FALLBACK)}
    assert not unexpected
    assert [text for text in FALLBACK if not any(text in why for why in aside.values())] == []


def test_there_are_enough_cases_of_every_type() -> None:
    assert len(all_cases()) >= 600
    assert len({case.type for case in all_cases()} & planned_types()) == len(planned_types())


def test_at_least_fifty_types_are_planned() -> None:
    assert len(planned_types()) >= 50


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_every_difference_is_in_the_documentation(difference: Any) -> None:
    page = (Path(__file__).parents[4] / "docs" / "quality.md").read_text(encoding="utf-8")
    assert f"| {difference.name} |" in page
