"""The unit gate on real repositories: pytest in a subprocess."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates.unit.gate import UnitGate, run_unit
from gates.verdict import Outcome
from headgate.clock import SystemClock

GOOD = "def test_ok():\n    assert 1 + 1 == 2\n"
BAD = "def test_total():\n    total = 3\n    assert total == 4\n"


def repository(root: Path, **files: str) -> Path:
    (root / "tests").mkdir()
    for name, text in files.items():
        (root / "tests" / f"{name}.py").write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "outcome", "said"),
    [
        ({"test_a": GOOD}, Outcome.PASS, "1 passed"),
        ({"test_a": GOOD, "test_b": BAD}, Outcome.FAIL, "assert 3 == 4"),
        ({"test_a": "import nope\n"}, Outcome.ERROR, "No module named 'nope'"),
        ({}, Outcome.INCONCLUSIVE, "no test was collected"),
        ({"test_a": f"import pytest\n@pytest.mark.skip\n{GOOD}"}, Outcome.INCONCLUSIVE, "all 1 tests were skipped"),
        ({"test_a": GOOD, "conftest": "def pytest_sessionfinish(session):\n    session.exitstatus = 7\n"},
         Outcome.ERROR, "status 7"),
        ({"test_a": "import os\ndef test_gone():\n    os._exit(0)\n"}, Outcome.ERROR, "no JUnit report was written"),
    ],
    ids=["good", "failing", "import error", "no tests", "all skipped", "bad status", "exit 0 in the middle"],
)  # fmt: skip
def test_repositories(tmp_path: Path, files: dict[str, str], outcome: Outcome, said: str) -> None:
    verdict = run_unit(UnitGate(timeout_s=60), root=repository(tmp_path, **files), clock=SystemClock())
    assert verdict.outcome is outcome
    assert any(said in leaf.message for leaf in (verdict, *verdict.leaves()))
    assert verdict.duration_s is not None
    assert not (tmp_path / ".pytest_cache").exists()


def test_the_failing_line_is_named(tmp_path: Path) -> None:
    verdict = run_unit(UnitGate(timeout_s=60), root=repository(tmp_path, test_b=BAD), clock=SystemClock())
    location = verdict.leaves()[0].location
    assert location is not None
    assert (location.path, location.line) == ("tests/test_b.py", 3)


def test_a_hanging_test_is_ended(tmp_path: Path) -> None:
    root = repository(tmp_path, test_a="import threading\ndef test_hang():\n    threading.Event().wait(60)\n")
    verdict = run_unit(UnitGate(timeout_s=2.0), root=root, clock=SystemClock())
    assert verdict.outcome is Outcome.ERROR
    assert verdict.message == "the tests did not end within 2 s"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (UnitGate(command=("no-such-program",)), "cannot run 'no-such-program'"),
        (UnitGate(command=()), "the command is empty"),
        (UnitGate(command=("true",)), "no JUnit report was written"),
        (UnitGate(paths=("nowhere",)), "a test path does not exist"),
    ],
)
def test_a_command_that_does_not_work_is_an_error(tmp_path: Path, gate: UnitGate, said: str) -> None:
    verdict = run_unit(gate, root=tmp_path, clock=SystemClock())
    assert verdict.outcome is Outcome.ERROR
    assert said in verdict.message
    assert verdict.fix


def test_tests_cannot_read_the_credentials_of_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", "a-token-of-the-gate")
    monkeypatch.setenv("SHOP_SETTING", "kept")
    text = (
        "import os\ndef test_env():\n"
        "    assert 'HEADGATE_GITLAB_TOKEN' not in os.environ\n    assert os.environ['SHOP_SETTING'] == 'kept'\n"
    )
    verdict = run_unit(UnitGate(timeout_s=60), root=repository(tmp_path, test_env=text), clock=SystemClock())
    assert verdict.outcome is Outcome.PASS
