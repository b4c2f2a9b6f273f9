"""The quality gate around its engine: builds, files, and everything that keeps a suite from being run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gates.quality.gate import QualityCheck, run_quality
from gates.quality.runner import ExpectationResult, SuiteResult
from gates.verdict import Location, Outcome, Verdict
from headgate.clock import SystemClock
from tests.testing.suites import CannedRunner

SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}
HELD = ExpectationResult(index=0, success=True)


def check(name: str = "orders", **settings: Any) -> QualityCheck:
    return QualityCheck(**{"name": name, "suite": "s.json", "data": "data/*.csv", "timeout_s": 30.0, **settings})


def answer(name: str = "orders") -> SuiteResult:
    return SuiteResult(name=name, row_count=1, file_rows=(1,), results=(HELD,))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "s.json").write_text(json.dumps(SUITE))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("id\n1\n")
    return tmp_path


def run(root: Path, runner: CannedRunner, *checks: QualityCheck) -> Verdict:
    return run_quality(checks, root=root, runner=runner, clock=SystemClock())


def test_a_check_that_passes(root: Path) -> None:
    runner = CannedRunner(answer())
    verdict = run(root, runner, check(key=("id",)))
    assert verdict.outcome is Outcome.PASS
    assert verdict.message == "2 checks on 1 tables passed"
    (job,) = runner.asked
    assert (job.files, job.key) == ((root / "data" / "a.csv",), ("id",))


@pytest.mark.parametrize(
    ("suite", "data", "said", "line"),
    [
        ("{,", "data/*.csv", "s.json:1: the suite is not JSON", 1),
        ('{\n"name": "x",\n"expectations": [{"type": 3}]}', "data/*.csv", "s.json:3: expectation 1 has no type", 3),
        (None, "data/*.csv", "the suite s.json cannot be read: No such file or directory", None),
        (json.dumps(SUITE), "data/*.parquet", "no data file matches data/*.parquet", None),
        (json.dumps(SUITE), "data", "no data file matches data", None),
    ],
)
def test_what_keeps_a_suite_from_being_run_is_an_error_with_the_next_step(
    root: Path, suite: str | None, data: str, said: str, line: int | None
) -> None:
    (root / "s.json").unlink()
    if suite is not None:
        (root / "s.json").write_text(suite)
    runner = CannedRunner(answer())
    verdict = run(root, runner, check(data=data))
    leaf = verdict.children[0]
    assert (verdict.outcome, leaf.name, leaf.outcome) == (Outcome.ERROR, "orders", Outcome.ERROR)
    assert leaf.message.startswith(said)
    assert leaf.fix
    assert leaf.location == Location(path="s.json", line=line)
    assert not runner.asked


def test_one_broken_suite_does_not_hide_the_others(root: Path) -> None:
    (root / "broken.json").write_text("no")
    runner = CannedRunner(answer("good"))
    verdict = run(root, runner, check("bad", suite="broken.json"), check("good"))
    assert [(child.name, child.outcome) for child in verdict.children] == [
        ("bad", Outcome.ERROR),
        ("good", Outcome.PASS),
    ]
    assert verdict.outcome is Outcome.ERROR


def test_an_empty_suite_is_inconclusive_and_never_run(root: Path) -> None:
    (root / "s.json").write_text('{"name": "s", "expectations": []}')
    runner = CannedRunner()
    assert run(root, runner, check()).outcome is Outcome.INCONCLUSIVE
    assert not runner.asked


def test_an_engine_that_says_nothing_is_an_error(root: Path) -> None:
    assert run(root, CannedRunner(), check()).outcome is Outcome.ERROR


def test_no_checks_at_all_is_inconclusive(root: Path) -> None:
    assert run(root, CannedRunner()).outcome is Outcome.INCONCLUSIVE


BUILD = ("python", "-c", "open('built.txt', 'a').write('x'); open('data/b.csv', 'w').write('id\\n2\\n')")


def test_a_build_is_run_once_for_all_checks_that_name_it(root: Path) -> None:
    runner = CannedRunner(answer("one"), answer("two"))
    assert run(root, runner, check("one", build=BUILD), check("two", build=BUILD)).children[0].name == "one"
    assert (root / "built.txt").read_text() == "x"
    assert [file.name for file in runner.asked[0].files] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (("python", "-c", "import sys; sys.exit('no input')"), "failed with status 1"),
        (("no-such-program",), "cannot run 'no-such-program'"),
        (("python", "-c", "import threading; threading.Event().wait(60)"), "did not end within 1 s"),
    ],
)
def test_a_build_that_does_not_work_is_an_error_for_its_checks_only(
    root: Path, build: tuple[str, ...], said: str
) -> None:
    runner = CannedRunner(answer("good"), answer("bad"))
    verdict = run(root, runner, check("bad", build=build, timeout_s=1.0), check("good"))
    bad, good = verdict.children
    assert (bad.name, bad.outcome, good.outcome) == ("bad", Outcome.ERROR, Outcome.PASS)
    assert said in bad.message
    assert [job.name for job in runner.asked] == ["good"]


# -- what a change concerns --------------------------------------------------------------------------------------------


def test_a_check_that_the_change_does_not_concern_is_skipped_and_says_so(root: Path) -> None:
    runner = CannedRunner(answer("one"), answer("two"))
    checks = (check("one", paths=("pipelines/one.py",), build=("no-such-program",)), check("two", paths=("lib",)))
    verdict = run_quality(checks, root=root, runner=runner, clock=SystemClock(), changed={"lib/x.py", "README.md"})
    assert [(child.name, child.outcome) for child in verdict.children] == [
        ("one", Outcome.SKIPPED),
        ("two", Outcome.PASS),
        ("changed files", Outcome.PASS),
    ]
    assert verdict.outcome is Outcome.PASS
    assert verdict.message == "2 checks on 1 tables passed; 1 tables unchanged, not checked"
    assert verdict.children[0].message.startswith("unchanged, not checked: none of the 2 changed files")
    assert [job.name for job in runner.asked] == ["two"]


def test_a_change_that_concerns_no_check_passes_as_such(root: Path) -> None:
    verdict = run_quality(
        [check(paths=("lib",))], root=root, runner=CannedRunner(), clock=SystemClock(), changed={"README.md"}
    )
    assert (verdict.outcome, verdict.children[-1].message) == (Outcome.PASS, "1 changed files concern 0 of 1 checks")
    assert verdict.message == "nothing to check: the change concerns none of 1 tables"


@pytest.mark.parametrize("changed", [None, {"s.json"}, {"data/a.csv"}, {"lib/x.py"}])
def test_its_suite_its_data_its_paths_and_not_knowing_concern_a_check(root: Path, changed: set[str] | None) -> None:
    runner = CannedRunner(answer())
    verdict = run_quality([check(paths=("lib",))], root=root, runner=runner, clock=SystemClock(), changed=changed)
    assert (verdict.outcome, len(runner.asked)) == (Outcome.PASS, 1)


def test_a_failure_beside_unchanged_tables_still_fails(root: Path) -> None:
    broken = SuiteResult(name="two", row_count=1, results=(ExpectationResult(index=0, success=False),))
    checks = [check("one", paths=("a",)), check("two")]
    verdict = run_quality(checks, root=root, runner=CannedRunner(broken), clock=SystemClock(), changed={"README.md"})
    assert verdict.outcome is Outcome.FAIL


def test_a_database_is_not_looked_for_on_disk(root: Path) -> None:
    runner = CannedRunner(answer())
    settings: dict[str, Any] = {
        "data": "postgresql://db/shop",
        "table": "sales.orders",
        "max_bytes": 10,
        "memory_limit_mb": 512,
    }
    assert run(root, runner, check(**settings)).outcome is Outcome.PASS
    (job,) = runner.asked
    assert (job.files, job.data, job.table, job.max_bytes, job.memory_limit_mb) == (
        (),
        "postgresql://db/shop",
        "sales.orders",
        10,
        512,
    )
