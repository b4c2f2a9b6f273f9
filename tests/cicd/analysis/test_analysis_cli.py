"""`headgate analysis` and `headgate release analyse` as they are run."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from tests.deployments.analysis.test_recorded import GOOD, Row, stream


def _write(path: Path, rows: list[Row]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["analysis", "run", *arguments, "-o", "json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


@pytest.mark.parametrize(
    ("rows", "code", "verdict"),
    [
        (stream(0.1), ExitCode.FAIL, "FAIL"),
        (GOOD, ExitCode.PASS, "PASS"),
        (GOOD[:30], ExitCode.UNDECIDED, "INCONCLUSIVE"),
        ([*GOOD, GOOD[-1]], ExitCode.UNDECIDED, "ERROR"),
        ([], ExitCode.UNDECIDED, "INCONCLUSIVE"),
    ],
)
def test_run_prints_the_verdict_and_exits_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[Row], code: ExitCode, verdict: str
) -> None:
    found = _run(capsys, "--counts", _write(tmp_path / "counts.jsonl", rows))
    assert found[0] == code
    assert found[1]["verdict"] == verdict
    assert (found[1]["decided_at_s"] is None) is (code is ExitCode.UNDECIDED)
    assert set(found[1]["metrics"]) == ({"errors"} if rows else set())


def test_run_reads_stdin_and_says_the_same_in_every_form(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(json.dumps(row) + "\n" for row in stream(0.1)).encode()
    documents = []
    for form in ("json", "yaml", "table"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert main(["analysis", "run", "--counts", "-", "-o", form]) == ExitCode.FAIL
        documents.append(capsys.readouterr().out)
    assert json.loads(documents[0]) == yaml.safe_load(documents[1])
    assert documents[2].startswith("FAIL at ")


@pytest.mark.parametrize(
    "line", ["not json", '{"t": 1}', '{"t":1,"metric":"e","arm":"both","n":1}', "\x00", "[" * 9000]
)
def test_a_line_that_is_none_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "counts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in GOOD) + line + "\n", encoding="utf-8")
    code = main(["analysis", "run", "--counts", str(path), "-o", "json"])
    out, err = capsys.readouterr()
    assert code == ExitCode.UNDECIDED
    assert json.loads(out)["verdict"] == "ERROR"
    assert f"line {len(GOOD) + 1}:" in json.loads(out)["message"]
    assert f"line {len(GOOD) + 1}:" in err
    assert "Traceback" not in err


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "counts").write_bytes(b"\xff\xfe\x00\x01\n" * 3)
    assert _run(capsys, "--counts", str(tmp_path / "counts"))[0] == ExitCode.UNDECIDED


def test_packed_counts_are_read_from_a_file_and_from_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in stream(0.1)).encode())
    (tmp_path / "counts.gz").write_bytes(packed)
    first = _run(capsys, "--counts", str(tmp_path / "counts.gz"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert first == _run(capsys, "--counts", "-")
    assert first[0] == ExitCode.FAIL
    (tmp_path / "counts.gz").write_bytes(packed[:-20])
    code, found = _run(capsys, "--counts", str(tmp_path / "counts.gz"))
    assert (code, found["verdict"]) == (ExitCode.UNDECIDED, "ERROR")
    assert "packed with gzip, but damaged" in found["message"]


@pytest.mark.parametrize(
    "policy", ["alpha: 7", "metrics: {errors: {margin_ratio: 0, margin_absolute: 0}}", "x: [", "alpha: 0.1\nalpha: 0.2"]
)
def test_a_wrong_command_line_or_policy_is_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    counts = _write(tmp_path / "counts.jsonl", GOOD)
    (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
    assert main(["analysis", "run", "--counts", counts, "--policy", str(tmp_path / "policy.yaml")]) == ExitCode.USAGE
    assert main(["analysis", "run", "--counts", str(tmp_path / "missing")]) == ExitCode.USAGE
    assert main(["analysis", "run", "--counts", str(tmp_path)]) == ExitCode.USAGE
    assert main(["analysis", "run"]) == ExitCode.USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_evidence_is_written_drawn_and_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, evidence, drawn = _write(tmp_path / "c", stream(0.1)), str(tmp_path / "e.json"), tmp_path / "e.svg"
    code, found = _run(capsys, "--counts", counts, "--evidence", evidence, "--picture", str(drawn))
    assert code == ExitCode.FAIL
    first = drawn.read_text("utf-8")
    assert main(["release", "analyse", "--replay", evidence, "--picture", str(drawn), "-o", "json"]) == ExitCode.FAIL
    again = json.loads(capsys.readouterr().out)
    assert again.pop("same") is True
    assert (again, drawn.read_text("utf-8")) == (found, first)
    (tmp_path / "e.json").write_text("{", encoding="utf-8")
    assert main(["release", "analyse", "--replay", evidence]) == ExitCode.USAGE
    assert main(["analysis", "run", "--counts", counts, "--evidence", str(tmp_path / "no" / "e")]) == ExitCode.USAGE


def test_several_verdicts_are_judged_again_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rows in (("a", GOOD), ("b", stream(0.1))):
        counts = _write(tmp_path / "counts", rows)
        _run(capsys, "--counts", counts, "--evidence", str(tmp_path / f"{name}.json"))
    replay = ["release", "analyse", "--replay"]
    assert main([*replay, str(tmp_path), "--picture", str(tmp_path / "all.svg"), "-o", "json"]) == ExitCode.FAIL
    out, err = capsys.readouterr()
    assert [one["verdict"] for one in json.loads(out)["verdicts"].values()] == ["PASS", "FAIL"]
    assert err.count("bit for bit") == 2
    assert "2 verdicts" in (tmp_path / "all.svg").read_text("utf-8")
    passed, failed = tmp_path / "a.json", tmp_path / "b.json"
    assert main([*replay, str(passed)]) == ExitCode.PASS
    document = json.loads(failed.read_text("utf-8"))
    failed.write_text(json.dumps(document | {"judge": 99}), encoding="utf-8")
    capsys.readouterr()
    assert main([*replay, str(passed), "--replay", str(failed)]) == ExitCode.UNDECIDED
    out, err = capsys.readouterr()
    assert out.startswith("PASS at ")
    assert "made by another version of Headgate (headgate-evidence/1, judge 99;" in err
    failed.write_text(json.dumps(document | {"assumed": ["errors"]}), encoding="utf-8")
    assert main([*replay, str(failed)]) == ExitCode.UNDECIDED
    assert "the file was changed after it was written" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([*replay, str(tmp_path / "empty")]) == ExitCode.USAGE


def test_power_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--rate", "200", "--weight", "50", "--base", "0.02", "--within", "120", "--interval", "10"]
    assert main(["analysis", "power", *arguments, "--runs", "40", "-o", "json"]) == ExitCode.PASS
    first = json.loads(capsys.readouterr().out)
    by_name = {one["canary"]: one for one in first["canaries"]}
    assert by_name["equal"]["failed"] <= 0.1
    assert by_name["x 5"]["failed"] == 1
    assert by_name["x 5"]["fail_median_s"] <= 20
    assert first["smallest"][0]["bad"] < first["smallest"][2]["bad"] < 0.06
    assert main(["analysis", "power", *arguments, "--runs", "40", "-o", "json"]) == ExitCode.PASS
    assert json.loads(capsys.readouterr().out) == first
    assert main(["analysis", "power", *arguments, "--runs", "20"]) == ExitCode.PASS
    assert "seen in 95 % of the rollouts" in capsys.readouterr().out
    assert main(["analysis", "power", *arguments, "--interval", "0.001"]) == ExitCode.USAGE
    for odd in ("nan", "inf", "-inf", "1e400"):
        assert main(["analysis", "power", *arguments, "--rate", odd]) == ExitCode.USAGE
        assert main(["analysis", "power", *arguments, "--history", odd]) == ExitCode.USAGE
    assert main(["analysis", "power", "--rate", "1", "--weight", "100", "--base", "0"]) == ExitCode.USAGE


TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success-rate}
spec:
  args: [{name: service-name}, {name: port, value: "9090"}]
  metrics:
    - name: Success Rate
      interval: 1m30s
      count: 3
      successCondition: result[0] >= 0.95
      failureLimit: 3
      provider:
        prometheus: {address: "http://prometheus:{{args.port}}", query: 'rate(x{app="{{ args.service-name }}"}[5m])'}
    - name: web
      failureCondition: result.ok != true
      provider: {web: {url: "http://shop/{{args.service-name}}", jsonPath: "{$.data}"}}
"""


def test_argo_templates_become_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    path = str(tmp_path / "template.yaml")
    assert main(["analysis", "import", path, "--arg", "service-name=shop"]) == ExitCode.PASS
    out, err = capsys.readouterr()
    found = yaml.safe_load(out)["analysis"]
    assert found["success-rate"] == {
        "source": "prometheus",
        "url": "http://prometheus:9090",
        "query": 'rate(x{app="shop"}[5m])',
        "success_condition": "result[0] >= 0.95",
        "interval_s": 90.0,
        "count": 3,
        "failure_limit": 3,
        "inconclusive_limit": 0,
        "consecutive_error_limit": 4,
    }
    assert (found["web"]["url"], found["web"]["query"], found["web"]["count"]) == ("http://shop/shop", "$.data", 1)
    assert "3 successes besides up to 3 failures" in err
    (tmp_path / "headgate.yaml").write_text(f"version: 1\nproject: shop\n{out}", encoding="utf-8")
    assert main(["--config", str(tmp_path / "headgate.yaml"), "config", "check"]) == ExitCode.PASS

    assert main(["analysis", "import", path]) == ExitCode.USAGE
    assert "give --arg service-name=VALUE" in capsys.readouterr().err
    assert main(["analysis", "import", path, "--arg", "service-name"]) == ExitCode.USAGE
    (tmp_path / "template.yaml").write_text("kind: Rollout", encoding="utf-8")
    assert main(["analysis", "import", path]) == ExitCode.USAGE


def test_watch_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = "{source: openmetrics, errors: e, total: t, max_ratio_increase: 0}"
    config = tmp_path / "headgate.yaml"
    config.write_text(f"version: 1\nproject: shop\nanalysis:\n  errors: {entry}\n", encoding="utf-8")
    command = ["--config", str(config), "analysis", "watch"]
    arms = ["--canary", "a", "--baseline", "b"]
    assert main([*command, "latency", *arms]) == ExitCode.USAGE
    assert "there is no metric 'latency'; there are: errors" in capsys.readouterr().err
    assert main([*command, "errors", "--canary", "a", "--baseline", "a"]) == ExitCode.USAGE
    assert main([*command, "errors", *arms]) == ExitCode.USAGE
    assert "Give --service and --env" in capsys.readouterr().err


def test_a_gauge_that_is_the_same_for_both_arms_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = "{source: prometheus, url: 'http://127.0.0.1:9', query: 'avg(queue)', max_ratio_increase: 0}"
    config = tmp_path / "headgate.yaml"
    config.write_text(f"version: 1\nproject: shop\nanalysis:\n  queue: {entry}\n", encoding="utf-8")
    command = ["--config", str(config), "analysis", "watch", "queue", "--canary", "a", "--baseline", "b"]
    assert main(command) == ExitCode.USAGE
    assert "analysis.queue.query: the query is the same for the canary and its baseline" in capsys.readouterr().err
