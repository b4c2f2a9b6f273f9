"""`headgate config check` and `headgate config schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cicd.cli.main import main
from cicd.config.schema import json_schema
from headgate.exit_codes import ExitCode

EXAMPLE = Path(__file__).parents[3] / "examples" / "shop" / "platform" / "headgate.yaml"


def test_check_of_a_valid_file_says_what_it_sets_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(EXAMPLE), "config", "check"]) == ExitCode.PASS
    out = capsys.readouterr().out
    assert "valid: shop/data-platform" in out
    assert "prod/recommender, prod/catalogue" in out


def test_check_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(EXAMPLE), "config", "check", "-o", "json"]) == ExitCode.PASS
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["gates"]) == (True, ["unit", "quality", "dags"])


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_check_of_a_misspelt_file_lists_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text("version: 1\nprojct: shop\ngats: {}\n")
    assert main(["--config", str(file), "config", "check", "-o", output]) == ExitCode.USAGE
    captured = capsys.readouterr()
    if output == "table":
        assert captured.out == ""
        assert ":2:1: projct: unknown key; the nearest is 'project'" in captured.err
        assert ":3:1: gats: unknown key; the nearest is 'gates'" in captured.err
    else:
        found = yaml.safe_load(captured.out)  # JSON is YAML
        assert [problem["key"] for problem in found["problems"]] == ["project", "projct", "gats"]
        assert found["problems"][1]["line"] == 2


@pytest.mark.parametrize("content", [b"", b"\xff", b"- a", b"a: [", b"nonsense"])
def test_check_of_something_else_is_one_paragraph_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_bytes(content)
    assert main(["--config", str(file), "config", "check"]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert err.startswith("headgate: error: ")
    assert err.count("\n") == 1


def test_check_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["config", "check"]) == ExitCode.USAGE
    assert "headgate init" in capsys.readouterr().err


def test_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == ExitCode.PASS
    assert json.loads(capsys.readouterr().out) == json_schema()


def _sections() -> dict[str, dict[str, Any]]:
    schema = json_schema()
    return {"": schema, **schema["$defs"]}


@pytest.mark.parametrize("name", sorted(_sections()))
def test_every_section_refuses_unknown_keys(name: str) -> None:
    assert _sections()[name]["additionalProperties"] is False


def test_the_schema_accepts_the_example_and_refuses_what_the_model_refuses() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = yaml.safe_load(EXAMPLE.read_text())
    assert list(validator.iter_errors(good)) == []
    assert [error.validator for error in validator.iter_errors(good | {"gats": {}})] == ["additionalProperties"]
    assert list(validator.iter_errors(good | {"forge": {"url": "ftp://x", "project": "p"}}))


def test_the_schema_explains_its_settings() -> None:
    explained = _sections()["CanaryConfig"]["properties"]["max_step_s"]["description"]
    assert "INCONCLUSIVE" in explained
