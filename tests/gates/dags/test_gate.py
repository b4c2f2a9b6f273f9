"""The DAG gate on real folders, and the verdict it makes of the facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates.dags.gate import MAX_FILE_BYTES, DagGate, run_dags
from gates.verdict import Location, Outcome, Severity, Verdict
from headgate.clock import SystemClock

GOOD = """from datetime import datetime
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("{id}", start_date=datetime(2026, 1, 1), default_args={{"owner": "shop"}}):
    a = BashOperator(task_id="a", bash_command="true")
    b = BashOperator(task_id="b", bash_command="true")
    a >> b
"""


def run(root: Path, files: dict[str, str], **settings: object) -> Verdict:
    for name, text in files.items():
        path = root / "dags" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return run_dags(DagGate(**settings), root=root, clock=SystemClock())  # type: ignore[arg-type]  # a table of settings


def leaves(verdict: Verdict) -> dict[str, Outcome]:
    return {leaf.name: leaf.outcome for leaf in verdict.leaves()}


def test_good_dags_pass(tmp_path: Path) -> None:
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a"), "b.py": GOOD.format(id="b"), "lib/x.py": "x = 1"})
    assert verdict.outcome is Outcome.PASS
    assert leaves(verdict) == {"DAG a": Outcome.PASS, "DAG b": Outcome.PASS}
    assert verdict.message == "2 DAGs in 3 files: 0 findings"
    assert verdict.leaves()[0].location == Location(path="dags/a.py", line=5)


@pytest.mark.parametrize(
    ("files", "rule", "line"),
    [
        ({"b.py": "def f(:"}, "syntax-error", 1),
        ({"b.py": "x = 1\0"}, "syntax-error", 1),
        ({"b.py": GOOD.format(id="a")}, "duplicate-dag-id", 5),
        ({"b.py": GOOD.format(id="b") + "    b >> a\n"}, "cycle", 9),
        ({"b.py": "from airflow import DAG\nDAG('b', start_date=1)\n"}, "missing-owner", 2),
        ({"b.py": "from airflow import DAG\nDAG('b', default_args={'owner': 'x'})\n"}, "missing-start-date", 2),
        ({"b.py": "from airflow.sdk import dag\n\n@dag(start_date=1, default_args={'owner': 'x'})\ndef b(): ...\n"},
         "dag-not-called", 4),
        ({"b.py": "import lib.gone\n" + GOOD.format(id="b"), "lib/__init__.py": ""}, "unresolved-import", 1),
    ],
)  # fmt: skip
def test_what_breaks_blocks_with_place_reason_and_fix(
    tmp_path: Path, files: dict[str, str], rule: str, line: int
) -> None:
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a"), **files})
    assert verdict.outcome is Outcome.FAIL
    (leaf,) = (leaf for leaf in verdict.leaves() if leaf.outcome is Outcome.FAIL)
    assert (leaf.name, leaf.rule, leaf.location) == (rule, rule, Location(path="dags/b.py", line=line))
    assert leaf.message
    assert leaf.fix
    assert leaves(verdict)["DAG a"] is Outcome.PASS


def test_the_policy_says_what_must_be_set(tmp_path: Path) -> None:
    require = ("owner", "start_date", "tags", "retries", "schedule")
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a")}, require=require)
    assert sorted(leaves(verdict)) == ["missing-retries", "missing-schedule", "missing-tags"]


UNDECIDED = "from airflow import DAG\nfor n in load():\n    DAG(n, default_args=load())\n"


def test_what_is_undecided_is_shown_and_does_not_block(tmp_path: Path) -> None:
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a"), "b.py": UNDECIDED})
    assert verdict.outcome is Outcome.PASS
    assert verdict.message == "1 DAGs in 2 files: 0 findings, 3 undecided".replace("1 DAGs", "2 DAGs")
    shown = [leaf for leaf in verdict.leaves() if leaf.outcome is Outcome.INCONCLUSIVE]
    assert [leaf.name for leaf in shown] == ["dag-id-undecided", "owner-undecided", "start_date-undecided"]
    assert {leaf.severity for leaf in shown} == {Severity.INFO}


def test_when_nothing_else_could_be_decided_the_gate_is_inconclusive(tmp_path: Path) -> None:
    assert run(tmp_path, {"b.py": UNDECIDED}).outcome is Outcome.INCONCLUSIVE


def test_a_duplicate_in_a_branch_is_undecided(tmp_path: Path) -> None:
    text = "if unknown():\n" + "\n".join(f"    {line}" for line in GOOD.format(id="a").splitlines())
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a"), "b.py": text})
    assert verdict.outcome is Outcome.PASS
    assert leaves(verdict)["duplicate-undecided"] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("files", [{}, {"lib.py": "x = 1"}, {"notes.txt": "from airflow import DAG"}])
def test_a_folder_without_dags_is_inconclusive(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "dags").mkdir()
    verdict = run(tmp_path, files)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.fix


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    verdict = run(tmp_path, {}, path="nowhere")
    assert (verdict.outcome, verdict.message) == (Outcome.ERROR, "there is no folder nowhere")


@pytest.mark.parametrize(("airflow", "ignore"), [("3", "old/\n"), ("2", "^old/.*\n")])
def test_airflowignore_is_honoured_in_the_syntax_of_its_version(tmp_path: Path, airflow: str, ignore: str) -> None:
    files = {"a.py": GOOD.format(id="a"), "old/a.py": GOOD.format(id="a"), ".airflowignore": ignore}
    assert run(tmp_path, files, airflow=airflow).outcome is Outcome.PASS


def test_odd_files_are_findings_or_undecided(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "dags" / "packed.zip").write_bytes(b"PK")
    (tmp_path / "dags" / "huge.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    verdict = run(tmp_path, {"a.py": GOOD.format(id="a")})
    assert {child.name: child.outcome for child in verdict.children} == {
        "dags/a.py": Outcome.PASS,
        "dags/huge.py": Outcome.FAIL,
        "dags/packed.zip": Outcome.INCONCLUSIVE,
    }


def test_one_cycle_is_found_among_five_hundred_files(tmp_path: Path) -> None:
    files = {
        f"team_{at % 20}/dag_{at}.py": GOOD.format(id=f"dag_{at}") + "    b >> b\n" * (at == 7) for at in range(500)
    }
    verdict = run(tmp_path, files)
    assert sum(leaf.outcome is Outcome.FAIL for leaf in verdict.leaves()) == 1
