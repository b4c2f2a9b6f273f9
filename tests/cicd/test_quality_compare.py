"""`headgate quality compare`, and the gate's `compare: base` from headgate.yaml."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.main import main
from cicd.config.model import Config, QualityGateConfig
from tests.testing.repositories import commit_files, new_repository
from tests.testing.tables import write_query, write_rows

COLUMNS = {"id": "INTEGER", "email": "VARCHAR", "amount": "DOUBLE"}
ROWS = [[n, f"ada{n}@example.com", round(n * 1.37, 2)] for n in range(20)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without any configuration."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "base.parquet", COLUMNS, ROWS)
    write_rows(tmp_path / "same.csv", COLUMNS, ROWS[::-1])
    write_rows(tmp_path / "rounded.parquet", COLUMNS, [[row[0], row[1], round(float(str(row[2])), 1)] for row in ROWS])
    write_rows(tmp_path / "empty.parquet", COLUMNS, [])
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["quality", "compare", *arguments, "-o", "json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_equal_data_in_another_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(capsys, "base.parquet", "same.csv", "--key", "id")
    assert code == 0
    assert (data["outcome"], data["identical"], data["causes"]) == ("PASS", True, [])


def test_two_tables_of_a_database(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE base (id INTEGER, total REAL)")
        connection.executemany("INSERT INTO base VALUES (?, ?)", [(n, round(n * 1.37, 2)) for n in range(50)])
        connection.execute("CREATE TABLE head AS SELECT id, round(total, 1) AS total FROM base")
        connection.execute("CREATE TABLE same AS SELECT * FROM base ORDER BY id DESC")
    url = "sqlite:///shop.db"
    both = (url, url, "--base-table", "base", "--key", "id")
    assert (
        run(capsys, *both, "--head-table", "same")[0] == 1
    )  # SQLite keeps no declared type of a copy: a change of types
    code, data = run(capsys, *both, "--head-table", "same", "--schema-changes", "any")
    assert (code, data["keys"]["matched"]) == (0, 50)
    code, data = run(capsys, *both, "--head-table", "head", "--schema-changes", "any")
    assert (code, [cause["cause"] for cause in data["causes"]]) == (1, ["changed rounding"])
    assert (data["base"]["data"], data["head"]["data"]) == ("base", "head")
    assert main(["quality", "compare", *both, "--head-table", "head"]) == 1
    for more in (["--head-table", "base"], ["--head-table", "head", "--max-shift", "1"], ["--head-table", "none"], []):
        assert main(["quality", "compare", *both, *more]) == 2, more


def test_a_difference_is_told_with_its_cause(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(capsys, "base.parquet", "rounded.parquet", "--key", "id")
    assert code == 1
    assert [cause["cause"] for cause in data["causes"]] == ["changed rounding"]
    assert data["columns"][0]["name"] == "amount"
    assert data["columns"][0]["changed_ratio"] == pytest.approx(0.9)
    assert data["keys"]["changed"] == 18
    assert data["verdict"]["outcome"] == "FAIL"
    example = data["causes"][0]["examples"][0]
    assert set(example["key"]) == {"id"}
    assert "*" in example["values"]["amount"]["base"]
    code, data = run(capsys, "base.parquet", "rounded.parquet", "--key", "id", "--reveal", "amount")
    assert "*" not in data["causes"][0]["examples"][0]["values"]["amount"]["base"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["base.parquet", "rounded.parquet", "--max-changed-ratio", "0.9"], 0),
        (["base.parquet", "rounded.parquet", "--ignore", "amount"], 0),
        (["base.parquet", "rounded.parquet", "--tolerance", "0.5"], 0),
        (["base.parquet", "rounded.parquet", "--max-changed-ratio", "0.8"], 1),
        (["base.parquet", "empty.parquet"], 1),
        (["empty.parquet", "base.parquet", "--max-added-ratio", "9"], 4),
        (["empty.parquet", "empty.parquet"], 4),
        (["empty.parquet", "empty.parquet", "--allow-empty"], 0),
        (["base.parquet", "missing.parquet"], 2),
        (["base.parquet", "base.parquet", "--key", "nr"], 2),
        (["base.parquet"], 2),
        (["base.parquet", "base.parquet", "--max-changed-ratio", "-1"], 2),
        (["base.parquet", "broken.parquet"], 4),
        (["base.parquet", "same.csv", "--memory-limit", "512MB", "--threads", "1"], 0),
    ],
)
def test_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    (folder / "broken.parquet").write_bytes((folder / "base.parquet").read_bytes()[:90])
    assert main(["quality", "compare", *arguments]) == code
    told = capsys.readouterr()
    assert (told.out if code in (0, 1) else told.out + told.err).strip()
    assert "Traceback" not in told.err


def test_the_table_says_what_happened_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "compare", "base.parquet", "rounded.parquet", "--segment", "id"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "changed rounding: amount: head is base rounded to 1 decimals"
    assert any(line.startswith("id = ") for line in lines)
    assert lines[-1].startswith("FAIL compare: different: 20 rows in base, 20 in head")


def test_names_with_commas_and_yaml(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_query(folder / f"{name}.parquet", 'SELECT i AS "a,b", i AS "c" FROM range(3) t(i)')
    arguments = ["quality", "compare", "a.parquet", "b.parquet", "--key", "a\\,b,c", "-o", "yaml"]
    assert main(arguments) == 0
    assert yaml.safe_load(capsys.readouterr().out)["keys"]["columns"] == ["a,b", "c"]


PIPELINE = "import duckdb\nduckdb.sql(\"COPY (SELECT i AS id, {} AS v FROM range(30) t(i)) TO 'out.parquet'\")\n"
CONFIG = """
version: 1
project: shop/orders
gates:
  quality:
    - name: orders
      data: out.parquet
      build: [python, build.py]
      compare: base
      key: [id]
      max_changed_ratio: 0.5
"""


@pytest.mark.parametrize(("head", "code"), [("i", 0), ("i + (i < 15)::INT", 0), ("i + (i < 16)::INT", 1)])
def test_the_gate_compares_with_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], head: str, code: int
) -> None:
    for name in ("CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    git = new_repository(tmp_path / "repo")
    monkeypatch.chdir(git.path)
    base = commit_files(git, {"build.py": PIPELINE.format("i"), "headgate.yaml": CONFIG}, "base")
    commit_files(git, {"build.py": PIPELINE.format(head), "x": "x"}, "head")
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)
    assert main(["gate", "run", "quality", "--no-note", "--full"]) == code
    assert ("16 of 30 keys changed" in capsys.readouterr().out) == (code == 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "name a suite, or set compare: base"),
        ({"compare": "base"}, "compare: base needs a build"),
        ({"compare": "base", "build": ["x"], "data": "postgresql://h/d"}, "compares files"),
        (
            {"suite": "s.json", "max_changed_ratio": 0.1, "segment": "x"},
            "max_changed_ratio, segment: only with compare",
        ),
        ({"compare": "head", "build": ["x"]}, "'base'"),
        ({"compare": "base", "build": ["x"], "max_lost_ratio": 1.5}, "less than or equal to 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        QualityGateConfig.model_validate({"name": "orders", "data": "out.parquet", **settings})


def test_the_settings_of_the_design_are_accepted() -> None:
    config = Config.model_validate(yaml.safe_load(CONFIG))
    (check,) = config.gates.quality
    assert (check.suite, check.compare, check.max_changed_ratio, check.max_lost_ratio) == (None, "base", 0.5, 0.0)
