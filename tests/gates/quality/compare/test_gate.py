"""The comparison in the gate: the base's pipeline is built from Git and its output compared with head's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gates.quality.compare.base_version import find_base
from gates.quality.compare.decide import Policy
from gates.quality.compare.gate import BaseComparison
from gates.quality.compare.model import Question
from gates.quality.gate import QualityCheck, run_quality
from gates.quality.runner import ExpectationResult, SuiteResult
from gates.verdict import Outcome, Verdict
from headgate.clock import SystemClock
from headgate.errors import NotFoundError
from headgate.git import Git
from tests.testing.repositories import commit_files, new_repository
from tests.testing.suites import CannedRunner
from tests.testing.tables import leaf

PIPELINE = """
import csv, pathlib
from price import price
rows = list(csv.DictReader(open("raw/orders.csv")))
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
with open(out / "orders.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "amount", "email"])
    for row in rows:
        writer.writerow([row["id"], price(row["amount"]), row["id"] + "@example.com"])
"""
PRICE = "def price(amount):\n    return round(float(amount) * 1.19, 2)\n"
ROUNDED = PRICE.replace(", 2)", ", 1)")
RAW = "id,amount\n" + "".join(f"{n},{n * 1.37:.2f}\n" for n in range(1, 41))
FILES = {"build.py": PIPELINE, "price.py": PRICE, ".gitignore": "out/\nraw/\n__pycache__/\n"}


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with one commit on main, and a branch on which nothing has changed yet; the input is not in Git."""
    git = new_repository(tmp_path / "repo")
    commit_files(git, FILES, "base")
    (git.path / "raw").mkdir()
    (git.path / "raw" / "orders.csv").write_text(RAW)
    git.run("switch", "--quiet", "--create", "change")
    return git


def check(**settings: Any) -> QualityCheck:
    comparison = {
        "inputs": ("raw",),
        "question": Question(key=("id",)),
        "policy": Policy(**settings.pop("policy", {})),
        "allow_new": settings.pop("allow_new", False),
    } | settings.pop("comparison", {})
    plain = {"name": "orders", "data": "out/*.csv", "build": ("python", "build.py"), "key": ("id",), "timeout_s": 60.0}
    return QualityCheck(**{**plain, "compare": BaseComparison(**comparison), **settings})


def run(git: Git, *checks: QualityCheck, runner: CannedRunner | None = None, base: str | None = "main") -> Verdict:
    return run_quality(checks, root=git.path, runner=runner or CannedRunner(), clock=SystemClock(), base=base)


def trees(git: Git) -> int:
    return len(git.run("worktree", "list").splitlines())


def test_the_same_pipeline_passes(git: Git) -> None:
    commit_files(git, {"README.md": "unrelated"}, "words")
    verdict = run(git, check())
    assert verdict.outcome is Outcome.PASS, verdict
    assert verdict.children[0].name == "orders"
    assert verdict.children[0].message == "identical: 40 rows in base, 40 in head"
    assert trees(git) == 1


def test_a_changed_rounding_is_found_with_its_cause(git: Git) -> None:
    commit_files(git, {"price.py": ROUNDED}, "one decimal is enough")
    verdict = run(git, check())
    assert verdict.outcome is Outcome.FAIL
    assert "changed rounding: amount: head is base rounded to 1 decimals" in verdict.children[0].message
    assert leaf(verdict, "changed").details
    assert "example.com" not in str(verdict)
    assert run(git, check(policy={"max_changed_ratio": 0.99})).outcome is Outcome.PASS


def test_what_is_not_committed_is_head_too(git: Git) -> None:
    (git.path / "price.py").write_text(ROUNDED)
    assert run(git, check()).outcome is Outcome.FAIL
    assert (git.path / "price.py").read_text() == ROUNDED


def test_base_reads_the_same_input_and_cannot_write_into_it(git: Git) -> None:
    """The base's pipeline spoils its input after reading: head's is a copy of its own."""
    git.run("switch", "--quiet", "main")
    spoiling = PIPELINE + "\npathlib.Path('raw/orders.csv').write_text('id,amount\\n')\n"
    commit_files(git, {"build.py": spoiling}, "spoils")
    git.run("switch", "--quiet", "--create", "repaired")
    commit_files(git, {"build.py": PIPELINE}, "repaired")
    assert run(git, check()).outcome is Outcome.PASS
    assert (git.path / "raw" / "orders.csv").read_text() == RAW


def test_modules_come_from_the_version_that_is_built(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(git.path))
    commit_files(
        git,
        {"price.py": ROUNDED, "build.py": PIPELINE.replace("from price", "import sys\nsys.path.pop(0)\nfrom price")},
        "x",
    )
    git.run("branch", "--force", "main")
    commit_files(git, {"price.py": PRICE}, "back")
    verdict = run(git, check())
    assert verdict.outcome is Outcome.FAIL
    assert leaf(verdict, "changed").outcome is Outcome.FAIL


def test_a_suite_and_a_comparison_are_one_check(git: Git) -> None:
    suite = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}
    commit_files(git, {"s.json": json.dumps(suite), "price.py": ROUNDED}, "suite")
    held = SuiteResult(
        name="orders", row_count=40, file_rows=(40,), results=(ExpectationResult(index=0, success=True),)
    )
    verdict = run(git, check(suite="s.json"), runner=CannedRunner(held))
    (node,) = verdict.children
    assert node.outcome is Outcome.FAIL
    assert [child.name for child in node.children] == ["rows", "expect_column_to_exist(id)", "compare"]
    assert node.message.startswith("2 checks passed; compare: different")
    missing = run(git, check(suite="missing.json"))
    assert [child.name for child in missing.children[0].children] == ["suite", "compare"]


def test_one_build_serves_all_checks_with_the_same_command(git: Git) -> None:
    log = git.path.parent / "builds.log"
    logging = f"open({str(log)!r}, 'a').write('built\\n')\n" + PIPELINE
    commit_files(git, {"build.py": logging}, "logs")
    git.run("branch", "--force", "main")
    commit_files(git, {"x": "x"}, "x")
    verdict = run(git, check(), check(name="again", comparison={"question": Question()}))
    assert verdict.outcome is Outcome.PASS
    assert log.read_text() == "built\n" * 2  # head's and the base's


@pytest.mark.parametrize(
    ("at_base", "settings", "outcome", "said"),
    [
        ({"build.py": "raise SystemExit('no table here')"}, {}, Outcome.ERROR, "failed with status 1"),
        ({"build.py": "import time\ntime.sleep(60)"}, {"timeout_s": 3.0}, Outcome.ERROR, "did not end within 3 s"),
        ({"build.py": "pass"}, {}, Outcome.INCONCLUSIVE, "nothing to compare with"),
        ({"build.py": "pass"}, {"allow_new": True}, Outcome.PASS, "new, which this check allows"),
        ({}, {"comparison": {"inputs": ("missing",)}}, Outcome.ERROR, "the input missing does not exist"),
        ({}, {"comparison": {"inputs": ("../other",)}}, Outcome.ERROR, "outside of the repository"),
        ({}, {"comparison": {"question": Question(key=("nr",))}}, Outcome.ERROR, "no column 'nr'"),
        (
            {"build.py": PIPELINE.replace("for row in rows:", "for row in []:")},
            {},
            Outcome.INCONCLUSIVE,
            "base has no rows",
        ),
    ],
)
def test_what_cannot_be_compared_is_no_pass(
    git: Git, at_base: dict[str, str], settings: dict[str, Any], outcome: Outcome, said: str
) -> None:
    commit_files(git, {"x": "x", **at_base}, "at base")
    git.run("branch", "--force", "main")
    commit_files(git, {"build.py": PIPELINE, "y": "y"}, "head")
    verdict = run(git, check(**settings))
    assert verdict.outcome is outcome, verdict
    assert said in str(verdict)
    assert trees(git) == 1


def test_a_head_that_does_not_build_is_not_compared(git: Git) -> None:
    commit_files(git, {"build.py": "raise SystemExit(3)"}, "broken")
    verdict = run(git, check())
    assert verdict.outcome is Outcome.ERROR
    assert "failed with status 3" in verdict.children[0].message


def test_hooks_of_the_repository_are_not_run(git: Git) -> None:
    hook = git.path / ".git" / "hooks" / "post-checkout"
    marker = git.path.parent / "hooked"
    hook.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    hook.chmod(0o755)
    commit_files(git, {"x": "x"}, "x")
    assert run(git, check()).outcome is Outcome.PASS
    assert not marker.exists()


def test_a_repository_inside_of_a_repository(tmp_path: Path) -> None:
    git = new_repository(tmp_path / "repo")
    commit_files(git, {f"platform/data/{name}": text for name, text in FILES.items()}, "base")
    root = git.path / "platform" / "data"
    (root / "raw").mkdir()
    (root / "raw" / "orders.csv").write_text(RAW)
    git.run("switch", "--quiet", "--create", "change")
    commit_files(git, {"platform/data/price.py": ROUNDED}, "rounded")
    inner = Git(path=root, extra_env=git.extra_env)
    assert run(inner, check()).outcome is Outcome.FAIL


def test_the_base_is_where_the_branch_left(git: Git) -> None:
    main = git.rev_parse("main")
    change = commit_files(git, {"price.py": ROUNDED}, "change")
    assert find_base(git.path, "main") == main
    assert find_base(git.path, None) == main
    assert find_base(git.path, main) == main
    git.run("switch", "--quiet", "main")
    later = commit_files(git, {"z": "z"}, "main goes on")
    git.run("switch", "--quiet", "change")
    assert find_base(git.path, "main") == main
    assert later != main
    # On the target branch itself it is what was there before.
    git.run("switch", "--quiet", "--detach", change)
    git.run("branch", "--force", "main", change)
    git.run("switch", "--quiet", "main")
    assert find_base(git.path, None) == main
    (git.path / "price.py").write_text(PRICE)
    assert find_base(git.path, None) == change


def test_no_base_is_an_error_with_the_next_step(git: Git, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="first commit"):
        find_base(git.path, None)
    with pytest.raises(NotFoundError, match="GIT_DEPTH"):
        find_base(git.path, "origin/main")
    verdict = run(git, check(), base="f" * 40)
    assert verdict.outcome is Outcome.ERROR
    assert "GIT_DEPTH: 0" in verdict.children[0].fix
    commit_files(git, {"x": "x"}, "x")
    shallow = tmp_path / "shallow"
    git.run("clone", "--quiet", "--depth", "1", "--no-single-branch", f"file://{git.path}", str(shallow))
    other = new_repository(tmp_path / "other")
    commit_files(other, {"a": "a"}, "unrelated")
    git.run("fetch", "--quiet", str(other.path), "main:unrelated")
    with pytest.raises(NotFoundError, match="no commit in common"):
        find_base(git.path, "unrelated")
