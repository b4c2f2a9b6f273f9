"""Text, JUnit, Code Quality: what each must show, and that nothing in a tree can break out of its form."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given

from gates.report.code_quality import render_code_quality, to_code_quality
from gates.report.json_form import render_json
from gates.report.junit import render_junit
from gates.report.note import render_note
from gates.report.text import render_text
from gates.report.tree import is_blocking, is_remark
from gates.verdict import Location, Outcome, Severity, Verdict, group
from headgate.secrets import MASK, Secret
from tests.testing.verdicts import MIXED, any_verdict

# -- text --------------------------------------------------------------------------------------------------------------


def test_the_text_shows_what_did_not_pass() -> None:
    assert render_text(MIXED).splitlines() == [
        "FAIL unit: 1 FAIL",
        "  FAIL tests/test_a.py: 1 FAIL, 1 PASS",
        "    FAIL test_sum: assert 3 == 4  [tests/test_a.py:7]",
        "      | assert 3 == 4",
        "FAIL quality: 2 FAIL, 1 ERROR",
        "  FAIL expect_column_values_to_be_between(amount): amount: 3 of 120 rows unexpected: 2.5 % > 0 %  [gx/orders.json:12]",
        "    measured 2.5 % unexpected, must be <= 0 (n = 120)",
        "    | row 17 of orders.parquet (id=4): amount = -**.**",
        "    → Repair the step.",
        "  WARNING FAIL expect_column_mean_to_be_between(amount): amount: 2.2 < 100  [gx/orders.json:20]",
        "  ERROR customers: no data file",
        "    → Build it.",
        "INCONCLUSIVE dags: no DAG  [dags]",
        "SKIPPED policy: not asked for",
        "FAIL gate: 2 FAIL, 1 INCONCLUSIVE, 1 SKIPPED",
    ]


def test_the_full_text_shows_what_passed_too() -> None:
    assert "    PASS passed: 12 passed" in render_text(MIXED, full=True).splitlines()


def test_colours_only_on_request() -> None:
    assert "\x1b" not in render_text(MIXED)
    assert "\x1b[31mFAIL\x1b[0m unit" in render_text(MIXED, colour=True)


def test_sections_open_and_close_in_pairs_and_only_passes_are_closed() -> None:
    tree = group("gate", [*MIXED.children, Verdict(name="other", outcome=Outcome.PASS)])
    text = render_text(tree, sections_at=1_700_000_000)
    opened = re.findall(r"\x1b\[0Ksection_start:1700000000:([\w.-]+)(\[collapsed=true\])?\r\x1b\[0K", text)
    closed = re.findall(r"\x1b\[0Ksection_end:1700000000:([\w.-]+)\r\x1b\[0K", text)
    assert [name for name, _ in opened] == closed
    assert [bool(flag) for _, flag in opened] == [False, False, False, False, True]


@given(any_verdict())
def test_no_control_character_of_a_message_reaches_the_terminal(verdict: Verdict) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", render_text(verdict, full=True))


# -- JUnit -------------------------------------------------------------------------------------------------------------


def test_junit_has_a_suite_per_gate_and_a_case_per_check() -> None:
    root = ET.fromstring(render_junit(MIXED))
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("errors"), s.get("skipped")) for s in root] == [
        ("unit", "2", "1", "0", "0"),
        ("quality", "3", "1", "1", "1"),
        ("dags", "1", "0", "1", "0"),
        ("policy", "1", "0", "0", "1"),
    ]
    case = root[1][0]
    assert (case.get("classname"), case.get("file"), case.get("line")) == ("quality", "gx/orders.json", "12")
    assert "row 17 of orders.parquet" in (case[0].text or "")


@given(any_verdict())
def test_junit_is_always_legal_and_counts_what_it_lists(verdict: Verdict) -> None:
    root = ET.fromstring(render_junit(verdict))
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(verdict.leaves())
    blocking = sum(is_blocking(leaf) for leaf in verdict.leaves())
    assert sum(int(s.get("failures", "")) + int(s.get("errors", "")) for s in root) == blocking
    assert sum(int(s.get("tests", "")) for s in root) == len(cases)


# -- Code Quality ------------------------------------------------------------------------------------------------------


def test_code_quality_lists_findings_that_have_a_place() -> None:
    entries = to_code_quality(MIXED)
    assert [(e["check_name"], e["severity"], e["location"]) for e in entries] == [
        ("test-failed", "critical", {"path": "tests/test_a.py", "lines": {"begin": 7}}),
        ("expect_column_values_to_be_between", "critical", {"path": "gx/orders.json", "lines": {"begin": 12}}),
        ("expect_column_mean_to_be_between(amount)", "minor", {"path": "gx/orders.json", "lines": {"begin": 20}}),
        ("dags", "major", {"path": "dags", "lines": {"begin": 1}}),
    ]


def finding(name: str = "cycle", line: int = 3, message: str = "a → b", path: str = "dags/a.py") -> Verdict:
    return Verdict(name=name, outcome=Outcome.FAIL, message=message, location=Location(path=path, line=line))


def prints(*findings: Verdict) -> list[str]:
    return [entry["fingerprint"] for entry in to_code_quality(group("gate", [group("dags", findings)]))]


def test_a_finding_that_moves_or_changes_its_numbers_stays_the_same() -> None:
    assert prints(finding()) == prints(finding(line=99, message="3 of 120"))


@pytest.mark.parametrize("other", [finding(name="syntax-error"), finding(path="dags/b.py")])
def test_other_findings_have_other_fingerprints(other: Verdict) -> None:
    assert prints(finding()) != prints(other)


@given(any_verdict())
def test_fingerprints_are_unique_and_stable(verdict: Verdict) -> None:
    found = [entry["fingerprint"] for entry in to_code_quality(verdict)]
    assert len(set(found)) == len(found)
    assert found == [entry["fingerprint"] for entry in to_code_quality(verdict)]


# -- all ---------------------------------------------------------------------------------------------------------------

RENDERINGS = [render_text, render_junit, render_code_quality, render_json, render_note]


@pytest.mark.parametrize("render", RENDERINGS)
def test_secrets_are_masked_wherever_they_stand(render: object) -> None:
    secret = Secret("hunter2-hunter2").reveal()
    leaf = Verdict(
        name=f"check {secret}",
        outcome=Outcome.FAIL,
        message=f"token {secret}",
        fix=f"use {secret}",
        details=(f"saw {secret}",),
        location=Location(path="a.py", line=1),
    )
    text = render(group("gate", [group("unit", [leaf])]))  # type: ignore[operator]  # a table of functions
    assert secret not in text
    assert MASK in text


@given(any_verdict())
def test_a_leaf_is_blocking_or_a_remark_or_fine(verdict: Verdict) -> None:
    for leaf in verdict.leaves():
        assert not (is_blocking(leaf) and is_remark(leaf))
        if leaf.outcome in {Outcome.PASS, Outcome.SKIPPED}:
            assert not is_blocking(leaf)
            assert not is_remark(leaf)
        if leaf.severity is Severity.CRITICAL and leaf.outcome is Outcome.FAIL:
            assert is_blocking(leaf)
        assert is_blocking(replace(leaf, outcome=Outcome.ERROR))
