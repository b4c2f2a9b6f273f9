"""`headgate doctor` asks the Airflow of each target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cicd.cli.main import main
from cicd.sandbox.airflow import AirflowSandbox


@pytest.mark.parametrize(
    ("token", "outcome", "text"),
    [("right-token-of-airflow", "PASS", "0 DAGs, 0 import errors"), ("wrong-token-of-airflow", "FAIL", "has expired")],
)
def test_airflow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str,
    outcome: str,
    text: str,
) -> None:
    monkeypatch.setenv("HEADGATE_AIRFLOW_TOKEN", token)
    (tmp_path / "dags").mkdir()
    with AirflowSandbox(tmp_path / "dags", token="right-token-of-airflow") as airflow:
        target = {"bucket": f"file://{tmp_path}/dags", "airflow": {"url": airflow.url}}
        config = {"version": 1, "project": "shop", "gates": {}, "dags": {"targets": {"prod": target}}}
        (tmp_path / "headgate.yaml").write_text(yaml.safe_dump(config), "utf-8")
        main(["--config", str(tmp_path / "headgate.yaml"), "doctor", "-o", "json"])
    leaves = {leaf["check"]: leaf for leaf in json.loads(capsys.readouterr().out)["checks"]}
    assert leaves["airflow prod: read"]["outcome"] == outcome
    assert text in json.dumps(leaves["airflow prod: read"])
