"""`events import` and `dora report` with a store alone, as a user who has read the documentation runs them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from observability.report_schema import report_schema
from tests.observability.dora_cases.case import FIRST, SECOND, chg, dep, inc

ROOT = Path(__file__).resolve().parents[2]
STORE = ("--store", "sqlite:///events.db")
MARCH = ("--from", "2026-03-02", "--to", "2026-03-16")
RECORDS = [
    FIRST,
    SECOND,
    dep("s1", "03T09", "c3@03T08", environment="staging", status="failed"),
    {**dep("x1", "02T10", "y1"), "service": "cart", "team": "red"},
    {**dep("x2", "04T10", "y2@04T06"), "service": "cart", "team": "red"},
    chg("!2", "03T09", "c2@03T08"),
    inc("i1", "03T11", "03T12"),
    inc("i2", "09T11", "09T12", service=None),
    dep("d3", "05T10", "c4@05T08", status="running"),
]
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")

    def call(*args: str, code: int = ExitCode.PASS) -> str:
        capsys.readouterr()
        found = main(list(args))
        captured = capsys.readouterr()
        assert found == code, captured.err
        assert "Traceback" not in captured.err
        return captured.out + ("" if code == ExitCode.PASS else captured.err)

    call("events", "import", "records.jsonl", *STORE)
    return call


def _json(text: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(text)
    Draft202012Validator(report_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(data)
    return data


def test_import_tells_what_it_did(run: Run) -> None:
    again = json.loads(run("events", "import", "records.jsonl", *STORE, "-o", "json"))
    assert again == {"lines": 9, "read": 10, "new": 0, "known": 10, "skipped": 1}


def test_report_of_one_service(run: Run) -> None:
    data = _json(run("dora", "report", *MARCH, "--service", "shop", *STORE, "-o", "json"))
    (shop,) = data["services"]
    metrics = shop["metrics"]
    assert (shop["service"], shop["environment"]) == ("shop", "production")
    assert metrics["change_lead_time"]["median"] == 7200
    assert metrics["change_lead_time"]["quick_check"] == 8
    assert metrics["deployment_frequency"]["value"] == 2 / 14
    assert metrics["change_fail_rate"]["value"] == 0.5
    assert metrics["change_fail_rate"]["items"] == ["d2"]
    assert metrics["failed_deployment_recovery_time"]["median"] == 7200
    assert shop["incidents"][0]["linked_by"] == "time"
    assert shop["incidents"][0]["confidence"] == "low"
    assert data["left_out_environments"] == ["staging"]
    assert [
        incident["id"]
        for incident in _json(run("dora", "report", *MARCH, *STORE, "-o", "json"))["unattributed_incidents"]
    ] == ["i2"]


def test_environments(run: Run) -> None:
    def targets(*args: str) -> list[tuple[str, str]]:
        data = _json(run("dora", "report", *MARCH, *STORE, "-o", "json", *args))
        return [(found["service"], found["environment"]) for found in data["services"]]

    assert targets() == [("cart", "production"), ("shop", "production")]
    assert targets("--environment", "staging") == [("shop", "staging")]
    assert ("shop", "staging") in targets("--all-environments")
    assert targets("--service", "sh*") == [("shop", "production")]
    assert "not production and left out: staging" in run("dora", "report", *MARCH, *STORE)


def test_teams_and_blends(run: Run, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "teams: {blue: [shop], both: ['*']}\npaths: {shop: ['shop/*']}\n", encoding="utf-8"
    )
    data = _json(run("dora", "report", *MARCH, *STORE, "-o", "json", "--by", "team", "--by", "environment"))
    assert [(blend["by"], blend["name"]) for blend in data["blends"]] == [
        ("team", "red"),
        ("environment", "production"),
    ]
    mapped = _json(run("dora", "report", *MARCH, *STORE, "-o", "json", "--mapping", "map.yaml", "--team", "blue"))
    assert [found["service"] for found in mapped["services"]] == ["shop"]
    assert [blend["name"] for blend in mapped["blends"]] == ["blue"]
    by_record = _json(run("dora", "report", *MARCH, *STORE, "-o", "json", "--team", "red"))
    assert [found["service"] for found in by_record["services"]] == ["cart"]
    assert "team both: a blend of 2 services" in run("dora", "report", *MARCH, *STORE, "--mapping", "map.yaml")


def test_series_and_comparison(run: Run) -> None:
    args = ("--every", "week", "--week-start", "sunday", "--compare", "previous", "--seed", "3")
    data = _json(run("dora", "report", *MARCH, "--service", "shop", *STORE, "-o", "json", *args))
    assert [(part["days"], part["complete"]) for part in data["services"][0]["series"]] == [
        (6, False),
        (7, True),
        (1, False),
    ]
    assert data["comparison"]["before"]["from"] == "2026-02-16T00:00:00Z"
    text = run(
        "dora", "report", "--from", "2026-03-03", "--to", "2026-03-04", "--compare", "2026-03-02..2026-03-03", *STORE
    )
    assert "change fail rate      0.0 % (n=1) -> 100.0 % (n=1)  not told apart" in text


def test_explain(run: Run) -> None:
    text = run("dora", "report", *MARCH, *STORE, "--explain")
    assert "2026-03-03T10:00:00Z  d2  live; failed (incident); incidents i1; recovered 2026-03-03T12:00:00Z" in text
    assert "c2            in d2  2 h  (listed, certain)" in text
    assert "i1  2026-03-03T11:00:00Z to 2026-03-03T12:00:00Z  blamed on d2 by time" in text


def test_rebuild_reports_the_same_to_the_byte(run: Run) -> None:
    before = run("dora", "report", *MARCH, *STORE, "-o", "json")
    assert run("dora", "rebuild", *STORE) == "3 services in their environments\n"
    assert run("dora", "report", *MARCH, *STORE, "-o", "json") == before
    # A policy of one's own is computed from the whole log; the default one, spelled out, is the same report.
    assert run("dora", "report", *MARCH, *STORE, "-o", "json", "--incident-window", "1440min") == before
    assert "there is no event store here" in run("dora", "rebuild", "--store", "sqlite:///no.db", code=ExitCode.USAGE)


def test_json_of_a_large_log_is_written_in_parts_and_is_the_same(run: Run) -> None:
    for more in ((), ("--every", "month"), ("--service", "nope"), ("--service", "shop", "--all-environments")):
        args = ("dora", "report", *MARCH, *STORE, "-o", "json", *more)
        assert run(*args) == run(*args, "--explain")  # which needs everything in memory


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--service", "shpo"), "warning: no service 'shpo'"),
        (("--environment", "Production"), "warning: no environment 'Production'"),
        (("--team", "nobody"), "warning: no team 'nobody'"),
        (("--team", "nobody", "--mapping", "map.yaml"), "warning: no team 'nobody' in the mapping"),
        (("--to", "2999-01-01"), "note: the period ends in the future"),
    ],
)
def test_names_that_nobody_has_are_told(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], words: str
) -> None:
    (tmp_path / "map.yaml").write_text("teams: {blue: [shop]}\n", encoding="utf-8")
    assert main(["dora", "report", *MARCH, *STORE, *args]) == ExitCode.PASS
    assert words in capsys.readouterr().err


def test_teams_paths_and_weeks_of_the_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(
        "version: 1\nproject: shop\nobservability:\n  store: sqlite:///events.db\n  week_start: sunday\n"
        "  teams: {blue: [sh*]}\n  paths: {shop: [shop/*]}\n",
        encoding="utf-8",
    )
    data = _json(run("dora", "report", *MARCH, "--every", "week", "-o", "json"))
    assert [blend["name"] for blend in data["blends"]] == ["blue"]
    assert data["services"][0]["series"][0]["days"] == 6
    assert [
        found["service"] for found in _json(run("dora", "report", *MARCH, "--team", "blue", "-o", "json"))["services"]
    ] == ["shop"]


def test_csv_and_markdown(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("dora", "report", *MARCH, *STORE, "-o", "csv"))))
    lead = next(row for row in rows if row["name"] == "shop" and row["metric"] == "change_lead_time")
    assert (lead["value"], lead["n"], lead["excluded"]) == ("7200.0", "1", "baseline=1")
    table = run("dora", "report", *MARCH, *STORE, "-o", "markdown").splitlines()
    assert "| shop | production | median 2 h, p90 2 h (n=1; left out: baseline 1) |" in table[5]


def test_rules(run: Run) -> None:
    def failed(*args: str) -> float:
        data = _json(run("dora", "report", *MARCH, "--service", "shop", *STORE, "-o", "json", *args))
        return float(data["services"][0]["metrics"]["change_fail_rate"]["numerator"])

    assert (failed(), failed("--without-signal", "incident"), failed("--incident-window", "30min")) == (1, 0, 0)


def test_export(run: Run, tmp_path: Path) -> None:
    run("dora", "export", "out", *MARCH, *STORE)
    tables = {path.stem: pq.read_table(path) for path in (tmp_path / "out").iterdir()}
    assert {name: table.num_rows for name, table in tables.items()} == {
        "deployments": 4, "changes": 4, "incidents": 2, "metrics": 10,
    }  # fmt: skip
    failed = [row["id"] for row in tables["deployments"].to_pylist() if row["failed"]]
    assert failed == ["d2"]
    (tmp_path / "file").write_text("x")
    assert "cannot be written" in run("dora", "export", "file/x", *MARCH, *STORE, code=ExitCode.USAGE)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--compare", "yesterday"), "--compare"),
        (("--compare", "2026-03-02..2026-03-01"), "--compare"),
        (("--compare", "previous", "-o", "csv"), "--compare has no form"),
        (("--incident-window", "soon"), "is not a span"),
        (("--incident-window", "99999999999w"), "too long"),
        (("--mapping", "no.yaml"), "the mapping cannot be read"),
        (("--mapping", "records.jsonl"), "the mapping"),
        (("--week-start", "someday"), "someday"),
        (("--from", "2026-13-01"), "--from: '2026-13-01' is no date"),
        (("--from", "2026-03-01T10:00"), "no time with an offset"),
        (("--from", "2026-04-01"), "is not before"),
        (("--to", "0001-01-02", "--from", ""), "--from and --to"),
        (("--from", "0001-01-01", "--every", "week", "-o", "json"), "--every week: more than"),
    ],
)
def test_wrong_options(run: Run, args: tuple[str, ...], words: str) -> None:
    assert words in run("dora", "report", *MARCH, *STORE, *args, code=ExitCode.USAGE)


def test_import_names_the_line(run: Run, tmp_path: Path) -> None:
    bad = {key: value for key, value in FIRST.items() if key != "environment"}
    (tmp_path / "bad.jsonl").write_text(f"{json.dumps(SECOND)}\n\n{json.dumps(bad)}\n", encoding="utf-8")
    text = run("events", "import", "bad.jsonl", "--store", "sqlite:///new.db", code=ExitCode.USAGE)
    assert "bad.jsonl:3" in text
    assert not (tmp_path / "new.db").exists()
    run("events", "import", "bad.jsonl", "--store", "sqlite:///new.db", "--environment", "prod")


@pytest.mark.parametrize("name", ["deployment", "rollback", "change", "incident", "line", "dora-report"])
def test_published_schemas_are_the_ones_in_force(run: Run, name: str) -> None:
    command = {"dora-report": ("dora", "schema"), "line": ("events", "schema")}.get(name, ("events", "schema", name))
    published = (ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert json.loads(run(*command)) == json.loads(published)


def test_the_example_of_the_documentation_is_read(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "dora.md").read_text(encoding="utf-8")
    example = page.split("```jsonl\n", 1)[1].split("```", 1)[0]
    (tmp_path / "example.jsonl").write_text(example, encoding="utf-8")
    store = ("--store", "sqlite:///example.db")
    run("events", "import", "example.jsonl", *store)
    data = _json(run("dora", "report", "--from", "2026-11-01", "--to", "2026-12-01", *store, "-o", "json"))
    (found,) = data["services"]
    assert found["metrics"]["change_lead_time"]["median"] == 5400
    assert found["metrics"]["failed_deployment_recovery_time"]["median"] == 4200
    assert found["metrics"]["deployment_rework_rate"]["numerator"] == 1
