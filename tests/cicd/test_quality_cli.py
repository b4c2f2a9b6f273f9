"""`headgate quality run|explain|suggest`: exit codes, what is on stdout, several suites, parameters, start-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cicd.cli.main import main
from headgate.exit_codes import ExitCode

NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
AT_MOST = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "id", "max_value": {"$PARAMETER": "top"}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and no headgate.yaml: 100 orders, one with a negative amount."""
    query = "SELECT range AS id, CASE WHEN range = 17 THEN -3.25 ELSE range END AS amount FROM range(100)"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{tmp_path}/orders.parquet'")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def suite(name: str, *expectations: Any, **more: Any) -> str:
    Path(f"{name}.json").write_text(json.dumps({"name": name, "expectations": list(expectations), **more}))
    return f"{name}.json"


def run(*arguments: str) -> int:
    return main(["quality", "run", *arguments, "--data", "orders.parquet"])


def stdout(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("folder")
def test_a_suite_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(suite("s", NOT_NULL, UNIQUE), "-o", "json") == ExitCode.PASS
    document = stdout(capsys)
    assert (document["success"], document["suite_name"]) == (True, "s")
    assert document["statistics"] == {
        "evaluated_expectations": 2,
        "successful_expectations": 2,
        "unsuccessful_expectations": 0,
        "success_percent": 100.0,
    }
    for result, expected in zip(document["results"], (NOT_NULL, UNIQUE), strict=True):
        assert result["success"] is True
        assert result["expectation_config"]["type"] == expected["type"]
        assert result["expectation_config"]["kwargs"] == expected["kwargs"]
        assert result["result"]["element_count"] == 100
        assert result["exception_info"] == {
            "raised_exception": False,
            "exception_traceback": None,
            "exception_message": None,
        }


@pytest.mark.usefixtures("folder")
def test_a_suite_that_does_not_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(suite("s", NOT_NULL, POSITIVE), "-o", "json") == ExitCode.FAIL
    seen = capsys.readouterr()
    held, failed = json.loads(seen.out)["results"]
    assert (held["success"], failed["success"]) == (True, False)
    assert failed["result"]["unexpected_count"] == 1
    assert failed["result"]["partial_unexpected_list"] == [-3.25]
    assert failed["result"]["partial_unexpected_index_list"] == [17]
    assert "s: FAIL 1 of 3 checks did not pass" in seen.err


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("BOOLEAN_ONLY", set()),
        ("BASIC", {"element_count", "unexpected_count", "partial_unexpected_list"}),
        ("SUMMARY", {"partial_unexpected_counts", "partial_unexpected_index_list"}),
        ("COMPLETE", {"unexpected_list", "unexpected_index_list"}),
    ],
)
@pytest.mark.usefixtures("folder")
def test_the_result_format_says_how_much_is_told(
    level: str, keys: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite("s", POSITIVE), "--result-format", level, "-o", "json") == ExitCode.FAIL
    (result,) = stdout(capsys)["results"]
    assert set(result["result"]) >= keys
    assert bool(result["result"]) == bool(keys)


@pytest.mark.usefixtures("folder")
def test_several_suites_are_a_list_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(suite("b", UNIQUE), suite("a", POSITIVE), "-o", "json") == ExitCode.FAIL
    assert [(document["suite_name"], document["success"]) for document in stdout(capsys)] == [("b", True), ("a", False)]


@pytest.mark.usefixtures("folder")
def test_yaml_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    name = suite("s", POSITIVE)
    run(name, "-o", "json")
    expected = stdout(capsys)
    run(name, "-o", "yaml")
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["results"] == expected["results"]


@pytest.mark.usefixtures("folder")
def test_the_table_masks_values_that_are_not_revealed(capsys: pytest.CaptureFixture[str]) -> None:
    name = suite("s", POSITIVE, UNIQUE)
    assert run(name) == ExitCode.FAIL
    table = capsys.readouterr().out
    assert "FAIL expect_column_values_to_be_between(amount)" in table
    assert "row 17: amount = -*.**" in table
    assert "be_unique" not in table
    assert "[s.json:1]" in table
    run(name, "--reveal", "amount", "--full")
    table = capsys.readouterr().out
    assert "row 17: amount = -3.25" in table
    assert "PASS expect_column_values_to_be_unique(id)" in table


@pytest.mark.parametrize(
    ("severity", "options", "code"),
    [
        ("critical", (), ExitCode.FAIL),
        ("warning", (), ExitCode.PASS),
        ("info", (), ExitCode.PASS),
        ("warning", ("--fail-on", "warning"), ExitCode.FAIL),
        ("info", ("--fail-on", "warning"), ExitCode.PASS),
        ("info", ("--fail-on", "info"), ExitCode.FAIL),
    ],
)
@pytest.mark.usefixtures("folder")
def test_severity_decides_what_blocks_and_not_what_is_reported(
    severity: str, options: tuple[str, ...], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    name = suite("s", NOT_NULL, POSITIVE | {"severity": severity})
    assert run(name, *options, "-o", "json") == code
    seen = capsys.readouterr()
    document = json.loads(seen.out)
    assert document["success"] is False
    assert f"s: {code.name} 1 of 3 checks did not pass" in seen.err
    assert ("none of them critical" in seen.err) is (code is ExitCode.PASS)
    assert document["results"][1]["expectation_config"]["severity"] == severity


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--parameter", "top=99"), ExitCode.PASS),
        (("--parameter", "top=98"), ExitCode.FAIL),
        ((), ExitCode.FAIL),  # that of the suite
    ],
)
@pytest.mark.usefixtures("folder")
def test_parameters_come_from_the_command_line_and_else_from_the_suite(
    options: tuple[str, ...], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite("s", AT_MOST, suite_parameters={"top": 50}), *options, "-o", "json") == code
    (result,) = stdout(capsys)["results"]
    assert result["expectation_config"]["kwargs"]["max_value"] in (50, 98, 99)


@pytest.mark.usefixtures("folder")
def test_a_parameter_without_a_value_is_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(suite("s", AT_MOST), "-o", "json") == ExitCode.UNDECIDED
    assert "top" in stdout(capsys)["results"][0]["exception_info"]["exception_message"]


@pytest.mark.usefixtures("folder")
def test_a_failure_beside_an_error_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    gone = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "gone"}}
    assert run(suite("s", POSITIVE, gone), "-o", "json") == ExitCode.FAIL
    assert run(suite("t", NOT_NULL, gone), "-o", "json") == ExitCode.UNDECIDED
    assert run(suite("u", POSITIVE), suite("t", NOT_NULL, gone), "-o", "json") == ExitCode.FAIL
    capsys.readouterr()


@pytest.mark.usefixtures("folder")
def test_a_condition_that_leaves_no_row_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    condition = {"row_condition": "id > 1000", "condition_parser": "pandas"}
    nobody = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"} | condition}
    name = suite("s", NOT_NULL, nobody)
    assert run(name, "-o", "json") == ExitCode.UNDECIDED
    assert stdout(capsys)["success"] is False
    assert run(name, "--allow-empty", "-o", "json") == ExitCode.PASS
    assert stdout(capsys)["success"] is True


@pytest.mark.usefixtures("folder")
def test_junit(capsys: pytest.CaptureFixture[str]) -> None:
    run(suite("s", POSITIVE, UNIQUE), "--junit", "out.xml")
    root = ET.parse("out.xml").getroot()
    assert len(root.findall(".//testcase/failure")) == 1
    assert len(root.findall(".//testcase")) == 3
    assert run(suite("s", UNIQUE), "--junit", "no/such/folder.xml") == ExitCode.USAGE
    assert "the report cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_failing_rows_are_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "max_value": 1}}
    assert run(suite("s", POSITIVE, UNIQUE, mean), "--quarantine", "aside", "--reveal", "id") == ExitCode.FAIL
    said = capsys.readouterr().err
    assert f"s: 1 failing rows set aside in {Path('aside', 's.parquet')}" in said
    assert "rows of expect_column_mean_to_be_between(amount) are not set aside: it is about the table" in said
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT id, amount, headgate_row, headgate_failed FROM 'aside/s.parquet'").fetchall()
    assert rows == [(17, "-*.**", 17, ["expect_column_values_to_be_between(amount)"])]


# -- explain -----------------------------------------------------------------------------------------------------------


def explain(*arguments: str) -> int:
    return main(["quality", "explain", *arguments, "--data", "orders.parquet"])


@pytest.mark.usefixtures("folder")
def test_explain_shows_the_queries_and_what_goes_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    name = suite("s", NOT_NULL, POSITIVE, {"type": "expect_my_own_thing", "kwargs": {}})
    assert explain(name) == ExitCode.PASS
    text = capsys.readouterr().out
    assert "-- query 1" in text
    assert '"amount"' in text
    assert "s / expect_my_own_thing: Great Expectations itself" in text
    assert explain(name, "-o", "json") == ExitCode.PASS
    document = stdout(capsys)
    assert document["scans"] == len(document["queries"])
    assert document["columns"][0] == {"name": "id", "type": "BIGINT"}
    assert [entry["expectation"] for entry in document["aside"]] == ["expect_my_own_thing"]


@pytest.mark.usefixtures("folder")
def test_another_suite_on_the_same_table_costs_no_other_scan(capsys: pytest.CaptureFixture[str]) -> None:
    scans = []
    for suites in ([suite("a", NOT_NULL)], [suite("a", NOT_NULL), suite("b", POSITIVE, NOT_NULL)]):
        explain(*suites, "-o", "json")
        scans.append(stdout(capsys)["scans"])
    assert scans[0] == scans[1]


@pytest.mark.usefixtures("folder")
def test_explain_can_show_what_was_really_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure costs one more query than the plan; nothing else does."""
    counts = []
    for name in (suite("a", NOT_NULL), suite("b", NOT_NULL, POSITIVE)):
        explain(name, "-o", "json")
        planned = stdout(capsys)["scans"]
        explain(name, "--run", "-o", "json")
        counts.append(stdout(capsys)["scans"] - planned)
    assert counts[0] <= 0
    assert counts[1] == counts[0] + 1


# -- suggest -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_suggested_suite_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "suggest", "--data", "orders.parquet", "--write", "new.json"]) == ExitCode.PASS
    assert json.loads(Path("new.json").read_text())["name"] == "orders"
    capsys.readouterr()
    assert run("new.json", "-o", "json") == ExitCode.PASS
    document = stdout(capsys)
    assert document["success"] is True
    assert document["statistics"]["evaluated_expectations"] >= 6


@pytest.mark.usefixtures("folder")
def test_a_suite_that_exists_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    name = suite("mine", NOT_NULL)
    before = Path(name).read_text()
    assert main(["quality", "suggest", "--data", "orders.parquet", "--write", name]) == ExitCode.USAGE
    assert "exists already" in capsys.readouterr().err
    assert Path(name).read_text() == before


@pytest.mark.usefixtures("folder")
def test_a_suggestion_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "suggest", "--data", "orders.parquet", "--name", "drafts"]) == ExitCode.PASS
    assert stdout(capsys)["name"] == "drafts"


@pytest.mark.usefixtures("folder")
def test_nothing_is_suggested_for_data_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(Path("orders.parquet").read_bytes())
    content[20:120] = bytes(100)
    Path("orders.parquet").write_bytes(content)
    assert main(["quality", "suggest", "--data", "orders.parquet", "--write", "new.json"]) == ExitCode.UNDECIDED
    said = capsys.readouterr().err
    assert "orders.parquet: the data cannot be read" in said
    assert not Path("new.json").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--memory-limit", "99999999999999T"), "is not a size"),
        (("--memory-limit", "9" * 400), "is not a size"),
        (("--threads", "100000"), "1<=x<=1024"),
        (("--timeout", "inf"), "0<x<=10000000"),
    ],
)
def test_limits_that_nothing_can_keep_are_refused(
    option: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quality", "suggest", "--data", "orders.parquet", *option]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_files_are_one_table_by_whatever_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "suggest", "--data", "orders.parquet"]) == ExitCode.PASS
    plain = capsys.readouterr().out
    assert main(["quality", "suggest", "--data", "orders.parquet", "--table", "orders"]) == ExitCode.PASS
    assert capsys.readouterr().out == plain


# -- start-up ----------------------------------------------------------------------------------------------------------

HEAVY = {"pydantic", "httpx", "great_expectations", "pandas", "pyarrow", "sqlalchemy", "numpy", "yaml", "psycopg"}


@pytest.mark.usefixtures("folder")
def test_a_planned_suite_loads_nothing_heavy() -> None:
    code = (
        "import sys; from cicd.cli.main import main; code = main(sys.argv[1:]);"
        f"print(sorted({HEAVY!r} & set(sys.modules)), code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "quality", "run", suite("s", NOT_NULL, POSITIVE), "--data", "orders.parquet"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr.strip().splitlines()[-1] == "[] 1"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("expectation", "code"), [(NOT_NULL, 0), (POSITIVE, 1)])
def test_the_end_of_the_process_is_silent(expectation: Any, code: int) -> None:
    """DuckDB's binding lists what is left of it on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "cicd", "quality", "run", suite("s", expectation), "--data", "orders.parquet"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.usefixtures("folder")
def test_a_sample_is_no_pass_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    name = suite("s", NOT_NULL, UNIQUE)
    assert run(name, "--sample", "50%", "-o", "json") == ExitCode.UNDECIDED
    document = stdout(capsys)
    assert (document["success"], document["meta"]["sample"]) == (False, 0.5)
    assert 20 < document["results"][0]["result"]["element_count"] < 80
    assert run(name, "--sample", "0.5", "--sample-passes") == ExitCode.PASS
    assert "on a sample of 50 % of the rows" in capsys.readouterr().out
    lost = {**NOT_NULL, "kwargs": {"column": "id", "row_condition": "id < 0", "condition_parser": "duckdb"}}
    assert run(suite("t", lost), "--sample", "0.5", "--sample-passes") != ExitCode.PASS
    for wrong in ("0", "1", "100%", "-1%", "many", "nan"):
        assert run(name, "--sample", wrong) == ExitCode.USAGE
    assert run(name, "--sample-passes") == ExitCode.USAGE


@pytest.mark.usefixtures("folder")
def test_a_quarantine_that_cannot_be_written_leaves_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert run(suite("s", POSITIVE), "--quarantine", "file/bad", "-o", "json") == ExitCode.USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.out)["results"][0]["result"]["unexpected_count"] == 1
    assert "the failing rows cannot be written" in printed.err
    assert run(suite("s", POSITIVE), "--quarantine", "bad") == ExitCode.FAIL
    assert "1 failing rows set aside in bad/s.parquet" in capsys.readouterr().err
