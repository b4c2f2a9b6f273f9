"""`headgate events` and `headgate dora`, run as a user does."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from observability.cdevents import to_cdevent, to_cloudevent
from observability.records import to_record
from tests.testing.delivery import deployed, incident, rolled_back

STORE = ("--store", "sqlite:///events.db")
STORY = [
    deployed("1 09:00", "c1", release="r1"),
    deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
    rolled_back("2 09:05", release="r2"),
    incident("3 09:00", "INC-1", service="other"),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Run:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.err = ""

    def __call__(self, *args: str, code: int = ExitCode.PASS) -> str:
        self._capsys.readouterr()
        found = main(list(args))
        captured = self._capsys.readouterr()
        self.err = captured.err
        assert found == code, captured.err
        assert "Traceback" not in captured.err
        return captured.out

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "-o", "json"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def _import(run: Run, lines: list[Any]) -> str:
    Path("events.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return run("events", "import", "events.jsonl", *STORE)


def test_emit_and_list(run: Run) -> None:
    name = run(
        "events", "emit", "service.deployed", "--subject", "r1", "--service", "shop", "--environment", "prod",
        "--commit", "c1", "--committed-at", "2026-11-02T10:00:00+02:00", "--occurred-at", "2026-11-02T10:00:00Z",
        "--outcome", "success", "--release", "r1", "--change", "!12", "--url", "https://ci.example.com/1",
        "--data", "version=1.2.0", "--data", "weight=50", "--data", "unplanned=true", *STORE,
    ).strip()  # fmt: skip
    (found,) = run.json("events", "list", *STORE)
    assert found.pop("received_at").endswith("Z")
    assert found == {
        "kind": "service.deployed",
        "source": "/headgate/cli",
        "id": name,
        "occurred_at": "2026-11-02T10:00:00Z",
        "subject": "r1",
        "service": "shop",
        "environment": "prod",
        "commit": "c1",
        "committed_at": "2026-11-02T08:00:00Z",
        "outcome": "success",
        "change": "!12",
        "release": "r1",
        "url": "https://ci.example.com/1",
        "data": {"unplanned": True, "version": "1.2.0", "weight": 50},
    }


def test_a_repeated_emit_adds_nothing(run: Run) -> None:
    args = ("events", "emit", "incident.detected", "--subject", "INC-1", "--service", "shop", *STORE)
    first = run(*args)
    assert run(*args) == first
    assert "recorded before" in run.err
    assert len(run.json("events", "list", *STORE)) == 1
    run(*args, "--id", "another")
    assert len(run.json("events", "list", *STORE)) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("moon.landed", "--subject", "x"), "'moon.landed' is not known"),
        (("service.deployed", "--subject", "x", "--occurred-at", "2026-11-02T10:00:00"), "no UTC offset"),
        (("service.deployed", "--subject", "x", "--occurred-at", "today"), "occurred_at"),
        (("service.deployed", "--subject", "x", "--committed-at", "2026-11-02T10:00:00"), "committed_at"),
        (("service.deployed", "--subject", ""), "subject"),
        (("service.deployed",), "--subject"),
        (("service.deployed", "--subject", "x", "--outcome", "fine"), "fine"),
        (("service.deployed", "--subject", "x", "--data", "novalue"), "KEY=VALUE"),
    ],
)
def test_bad_emits(run: Run, args: tuple[str, ...], words: str) -> None:
    assert run("events", "emit", *args, *STORE, code=ExitCode.USAGE) == ""
    assert words in run.err
    assert not Path("events.db").exists()


def test_import_takes_all_three_forms_and_is_idempotent(run: Run) -> None:
    lines = [to_record(STORY[0]), to_cdevent(STORY[1]), to_cloudevent(STORY[2]), to_record(STORY[3])]
    assert _import(run, lines) == "4 events read, 4 new, 0 known\n"
    assert _import(run, lines) == "4 events read, 0 new, 4 known\n"
    assert [found["subject"] for found in run.json("events", "list", *STORE)] == ["r1", "r2", "r2", "INC-1"]


def test_what_list_prints_can_be_imported(run: Run) -> None:
    _import(run, [to_record(event) for event in STORY])
    listed = run.json("events", "list", *STORE)
    Path("copy.jsonl").write_text("\n".join(json.dumps(line) for line in listed))
    run("events", "import", "copy.jsonl", "--store", "sqlite:///copy.db")
    copied = run.json("events", "list", "--store", "sqlite:///copy.db")
    assert [{**found, "received_at": ""} for found in copied] == [{**found, "received_at": ""} for found in listed]


def test_import_of_a_byte_order_mark_empty_lines_and_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(to_record(STORY[0])).encode() + b"\r\n\r\n  \n"
    Path("bom.jsonl").write_bytes(body)
    assert run("events", "import", "bom.jsonl", *STORE).startswith("1 events read, 1 new")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert run("events", "import", "-", *STORE).startswith("1 events read, 0 new")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{broken", "not JSON"),
        (b'"text"', "JSON object"),
        (b"\xff\xff", "not UTF-8"),
        (b'{"kind": "moon.landed", "source": "s", "id": "1", "occurred_at": "2026-01-01T00:00:00Z", "subject": "x"}',
         "moon.landed"),
        (b'{"kind": "change.merged", "source": "s", "id": "1", "occurred_at": "2026-01-01T00:00:00", "subject": "x"}',
         "no UTC offset"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_and_nothing_is_imported(run: Run, line: bytes, words: str) -> None:
    Path("bad.jsonl").write_bytes(json.dumps(to_record(STORY[0])).encode() + b"\n\n" + line + b"\n")
    run("events", "import", "bad.jsonl", *STORE, code=ExitCode.USAGE)
    assert "bad.jsonl:3: " in run.err
    assert words in run.err
    assert not Path("events.db").exists()


def test_import_of_a_missing_file(run: Run) -> None:
    run("events", "import", "no.jsonl", *STORE, code=ExitCode.USAGE)
    assert "no.jsonl" in run.err


def test_list_filters(run: Run) -> None:
    _import(run, [to_record(event) for event in STORY])

    def subjects(*args: str) -> list[str]:
        return [found["subject"] for found in run.json("events", "list", *args, *STORE)]

    assert subjects("--kind", "incident.detected") == ["INC-1"]
    assert subjects("--since", "2026-11-04", "--until", "2026-11-05") == ["r2", "r2"]
    assert subjects("--service", "other") == ["INC-1"]
    assert subjects("--environment", "staging") == []
    assert subjects("--limit", "2") == ["r2", "INC-1"]
    table = run("events", "list", *STORE).splitlines()
    assert table[0].split() == ["OCCURRED_AT", "KIND", "SUBJECT", "SERVICE", "ENVIRONMENT", "OUTCOME"]
    assert len(table) == 5
    run("events", "list", "--kind", "moon.landed", *STORE, code=ExitCode.USAGE)
    assert "moon.landed" in run.err


def test_report(run: Run) -> None:
    _import(run, [to_record(event) for event in STORY])
    window = ("--from", "2026-11-02", "--to", "2026-11-09")
    report = run.json("dora", "report", *window, *STORE)
    assert report["period"] == {
        "from": "2026-11-02T00:00:00Z",
        "to": "2026-11-09T00:00:00Z",
        "days": 7.0,
        "time_zone": "UTC",
    }
    (service,) = report["services"]
    metrics = service["metrics"]
    assert (service["service"], service["environment"]) == ("shop", "prod")
    assert metrics["change_lead_time"]["median"] == 3600
    assert metrics["change_lead_time"]["excluded"] == {"baseline": 1}
    assert (metrics["change_fail_rate"]["numerator"], metrics["change_fail_rate"]["denominator"]) == (1, 2)
    assert metrics["failed_deployment_recovery_time"]["median"] == 300
    assert metrics["deployment_rework_rate"]["value"] == 0
    assert metrics["deployment_frequency"]["items"] == ["r1", "r2"]
    assert [found["failures"] for found in service["deployments"]] == [[], ["rollback"]]
    assert [found["id"] for found in report["unattributed_incidents"]] == ["INC-1"]
    assert yaml.safe_load(run("dora", "report", *window, *STORE, "-o", "yaml")) == report
    table = run("dora", "report", *window, *STORE)
    for words in ("shop in prod", "median 1 h", "1 of 2 deployments", "median 5 min", "left out: baseline 1", "INC-1"):
        assert words in table


def test_report_filters_and_zones(run: Run) -> None:
    _import(run, [to_record(event) for event in STORY])
    assert run.json("dora", "report", "--to", "2026-11-09", "--service", "x", *STORE)["services"] == []
    assert "no deployments are known" in run("dora", "report", "--to", "2020-01-01", *STORE)
    berlin = run.json("dora", "report", "--to", "2026-11-09", "--time-zone", "Europe/Berlin", *STORE)["period"]
    assert (berlin["from"], berlin["to"]) == ("2026-10-09T23:00:00Z", "2026-11-08T23:00:00Z")
    moment = run.json("dora", "report", "--to", "2026-11-09T02:00:00+02:00", *STORE)["period"]["to"]
    assert moment == "2026-11-09T00:00:00Z"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--from", "soon"), "--from"),
        (("--to", "2026-13-01"), "--to"),
        (("--to", "2026-11-09T00:00:00"), "no time with an offset"),
        (("--from", "2026-11-09", "--to", "2026-11-02"), "the period is empty"),
        (("--time-zone", "Mars/Base"), "not a time zone"),
        (("--time-zone", "../etc"), "not a time zone"),
        (("--from", "0001-01-01T00:00:00+14:00"), "--from"),
    ],
)
def test_bad_reports(run: Run, args: tuple[str, ...], words: str) -> None:
    _import(run, [to_record(event) for event in STORY])
    assert run("dora", "report", *args, *STORE, code=ExitCode.USAGE) == ""
    assert words in run.err


def test_a_report_on_a_missing_store_is_an_error_not_an_empty_report(run: Run) -> None:
    assert run("dora", "report", "--store", "sqlite:///typo.db", code=ExitCode.USAGE) == ""
    assert "no event store here" in run.err
    assert not Path("typo.db").exists()


def test_the_configured_store_is_used_without_the_option(run: Run, tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(
        "version: 1\nproject: shop\nobservability: {store: 'sqlite:///log/e.db', time_zone: Europe/Berlin}\n"
    )
    run("events", "emit", "change.merged", "--subject", "!1")
    assert (tmp_path / "log" / "e.db").is_file()
    assert len(run.json("events", "list")) == 1
    assert run.json("dora", "report", "--to", "2026-11-09")["period"]["to"] == "2026-11-08T23:00:00Z"


def test_what_list_prints_as_json_can_be_imported(run: Run) -> None:
    for record in STORY:
        Path("one.jsonl").write_text(json.dumps(to_record(record)), encoding="utf-8")
        run("events", "import", "one.jsonl", *STORE)
    Path("all.json").write_text(run("events", "list", *STORE, "-o", "json"), encoding="utf-8")
    imported = run("events", "import", "all.json", "--store", "sqlite:///copy.db", "-o", "json")
    assert json.loads(imported)["new"] == len(STORY)


@pytest.mark.parametrize(("text", "where"), [("[{", "bad.json: "), ('[{"kind": "moon.landed"}]', "bad.json[1]: ")])
def test_a_broken_array_is_named(run: Run, text: str, where: str) -> None:
    Path("bad.json").write_text(text, encoding="utf-8")
    run("events", "import", "bad.json", *STORE, code=ExitCode.USAGE)
    assert where in run.err


def test_credentials_do_not_reach_the_store(run: Run) -> None:
    token = "glpat-" + "x1y2z3" * 3
    arguments = ("--subject", "!1", "--url", "https://bob:hunter22@example.com/1", "--data", f"note={token}")
    run("events", "emit", "change.merged", *arguments, *STORE)
    content = b"".join(path.read_bytes() for path in Path().glob("*.db*"))
    assert content
    assert b"hunter22" not in content
    assert token.encode() not in content
