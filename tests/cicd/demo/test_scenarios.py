"""The demo's bad changes are stopped; and each scenario fails when the gate or the analysis behind it is blind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from headgate.exit_codes import ExitCode

SHOP = Path(__file__).resolve().parents[3] / "examples" / "shop"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def play(scenario: str, shop: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, bool]]:
    """Exit code of the command, and each claim with whether it held."""
    code = main(["demo", "--scenario", scenario, "--shop", str(shop), "--dir", str(folder), "-o", "json"])
    out = capsys.readouterr().out
    chapters: list[dict[str, Any]] = json.loads(out)["scenarios"]
    assert [chapter["scenario"] for chapter in chapters] == [scenario]
    return code, {proof["claim"]: proof["holds"] for proof in chapters[0]["proofs"]}


def blinded(tmp_path: Path, old: str, new: str) -> Path:
    """The example platform with one line of its headgate.yaml changed."""
    shop = tmp_path / "shop"
    shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns("__pycache__", "raw", "curated", "staging"))
    config = shop / "platform" / "headgate.yaml"
    text = config.read_text(encoding="utf-8")
    assert text.count(old) == 1
    config.write_text(text.replace(old, new), encoding="utf-8")
    return shop


def test_bad_data_is_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, claims = play("bad-data", SHOP, tmp_path / "demo", capsys)
    assert all(claims.values()), claims
    assert code == ExitCode.PASS
    assert (tmp_path / "demo" / "dashboard.html").stat().st_size > 0


def test_bad_data_fails_when_the_quality_gate_looks_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = blinded(
        tmp_path,
        "suite: gx/expectations/fact_sales.json\n      data: data/curated/fact_sales.parquet",
        ("suite: gx/expectations/dim_product.json\n      data: data/curated/dim_product.parquet"),
    )
    code, claims = play("bad-data", shop, tmp_path / "demo", capsys)
    assert code == ExitCode.FAIL
    assert claims["the gates blocked it"] is False
    assert claims["the merge is blocked"] is False


def test_bad_canary_is_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, claims = play("bad-canary", SHOP, tmp_path / "demo", capsys)
    assert all(claims.values()), claims
    assert code == ExitCode.PASS
    # The metrics were not told by the demo: they follow from what the commands recorded.
    store = f"sqlite:///{tmp_path / 'demo' / 'events.db'}"
    assert main(["dora", "report", "--store", store, "--service", "recommender", "-o", "json"]) == ExitCode.PASS
    (service,) = json.loads(capsys.readouterr().out)["services"]
    failures, recovery = (service["metrics"][name] for name in ("change_fail_rate", "failed_deployment_recovery_time"))
    assert (failures["numerator"], failures["denominator"]) == (1, 2)
    assert recovery["n"] == 1
    assert recovery["median"] > 0


def test_bad_canary_fails_when_the_analysis_tolerates_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = blinded(tmp_path, "max_ratio: 0.02", "max_ratio: 1.0")
    code, claims = play("bad-canary", shop, tmp_path / "demo", capsys)
    assert code == ExitCode.FAIL
    assert claims["the Jenkins build failed with a verdict"] is False
    assert claims["users are back on stable"] is False


def test_a_folder_with_content_is_not_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "of-somebody-else").touch()
    assert main(["demo", "--dir", str(tmp_path)]) == ExitCode.USAGE
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["of-somebody-else"]


def test_a_missing_example_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--dir", str(tmp_path / "demo"), "--shop", str(tmp_path / "nosuch")])
    assert code == ExitCode.USAGE
    assert "--shop" in capsys.readouterr().err


def test_the_sandbox_alone_prints_what_clients_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "up", "--once", "--dir", str(tmp_path / "sandbox")]) == ExitCode.PASS
    shown = capsys.readouterr()
    exported = dict(line.removeprefix("export ").split("=", 1) for line in shown.out.splitlines())
    assert {"HEADGATE_GITLAB_TOKEN", "HEADGATE_ARGOCD_TOKEN", "KUBECONFIG", "STORAGE_EMULATOR_HOST"} <= set(exported)
    assert "argocd:" in shown.err
