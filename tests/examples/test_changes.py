"""The changes of the demo, laid over the platform: what they must pass, and what must stop them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cicd.cli.main import main
from cicd.config.load import parse_config
from gates.quality.engine_runner import EngineRunner
from gates.quality.gate import QualityCheck, run_quality
from gates.quality.reference import ReferenceRunner
from gates.quality.runner import SuiteRunner
from gates.verdict import Outcome, Verdict
from headgate.clock import SystemClock
from headgate.exit_codes import ExitCode
from tests.testing.shop import CHANGES, PLATFORM, copy_platform, run_python


def check_quality(root: Path, runner: SuiteRunner | None = None) -> Verdict:
    """The platform's own suites, on freshly built data; by Great Expectations itself unless told otherwise."""
    config = parse_config((root / "headgate.yaml").read_bytes())
    checks = [
        QualityCheck(name=check.name, suite=check.suite or "", data=check.data, build=check.build, key=check.key)
        for check in config.gates.quality
    ]
    return run_quality(checks, root=root, runner=runner or ReferenceRunner(), clock=SystemClock())


def outcomes(verdict: Verdict) -> dict[str, Outcome]:
    return {node.name: node.outcome for node in verdict.children}


def test_every_folder_is_described() -> None:
    described = re.findall(r"^\| `([\w-]+)` \|", (CHANGES / "README.md").read_text(), flags=re.MULTILINE)
    assert sorted(described) == sorted(path.name for path in CHANGES.iterdir() if path.is_dir())


@pytest.mark.parametrize("change", ["good-change", "bad-data", "bad-canary"])
def test_unit_tests_pass_with_every_change(tmp_path: Path, change: str) -> None:
    root = copy_platform(tmp_path / "platform", change)
    done = run_python(root, "-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("change", [None, "good-change", "bad-data", "bad-canary"])
def test_the_dag_gate_passes_with_every_change(
    tmp_path: Path, change: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI_MERGE_REQUEST_IID", raising=False)
    root = copy_platform(tmp_path / "platform", change)
    assert main(["--config", str(root / "headgate.yaml"), "gate", "run", "dags"]) == ExitCode.PASS
    assert "3 DAGs in 6 files: 0 findings" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["good-change", "bad-data", "bad-canary"])
def test_a_change_differs_from_the_platform_in_every_file(change: str) -> None:
    files = [path for path in (CHANGES / change).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files
    for file in files:
        original = PLATFORM / file.relative_to(CHANGES / change)
        assert not original.exists() or original.read_bytes() != file.read_bytes(), file


@pytest.mark.parametrize(("change", "version"), [("good-change", "1.1.0"), ("bad-canary", "1.2.0")])
def test_the_version_is_raised(change: str, version: str) -> None:
    assert (CHANGES / change / "services" / "recommender" / "VERSION").read_text() == f"{version}\n"


@pytest.mark.slow
@pytest.mark.parametrize("change", [None, "good-change"])
def test_the_suites_pass_on_good_data(tmp_path: Path, change: str | None) -> None:
    verdict = check_quality(copy_platform(tmp_path / "platform", change))
    assert outcomes(verdict) == dict.fromkeys(
        ("staging-carts", "dim-customer", "dim-product", "fact-sales"), Outcome.PASS
    )
    assert len(verdict.leaves()) >= 40


@pytest.mark.slow
def test_only_the_suite_of_the_facts_finds_the_duplicated_sales(tmp_path: Path) -> None:
    verdict = check_quality(copy_platform(tmp_path / "platform", "bad-data"))
    assert verdict.outcome is Outcome.FAIL
    assert outcomes(verdict) == {
        "staging-carts": Outcome.PASS,
        "dim-customer": Outcome.PASS,
        "dim-product": Outcome.PASS,
        "fact-sales": Outcome.FAIL,
    }
    failed = [leaf for leaf in verdict.leaves() if leaf.outcome is Outcome.FAIL]
    assert any("unique" in leaf.name or "unique" in leaf.rule for leaf in failed)


@pytest.mark.slow
@pytest.mark.parametrize("change", [None, "bad-data"])
def test_the_engine_says_what_great_expectations_says(tmp_path: Path, change: str | None) -> None:
    """Not only the same outcomes: the same counts, bounds, rows, keys and masked values, in the same words."""
    root = copy_platform(tmp_path / "platform", change)
    ours, theirs = check_quality(root, EngineRunner()), check_quality(root)
    assert [(leaf.name, leaf.outcome, leaf.message, leaf.details) for leaf in ours.leaves()] == [
        (leaf.name, leaf.outcome, leaf.message, leaf.details) for leaf in theirs.leaves()
    ]
