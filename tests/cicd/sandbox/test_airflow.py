"""The Airflow stand-in is held to what a real Airflow 3.3 was recorded to answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cicd.sandbox.airflow import AirflowSandbox
from tests.testing.airflow_story import answers, play, recorded_answers, recorded_facts, recording


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[AirflowSandbox]:
    with AirflowSandbox(tmp_path, token="of-the-test") as sandbox:
        yield sandbox


def test_it_tells_the_recorded_story(airflow: AirflowSandbox, tmp_path: Path) -> None:
    assert play(airflow.url, tmp_path, "headgate", "sandbox-password") == recorded_facts()


def test_it_answers_calls_about_nothing_as_recorded(airflow: AirflowSandbox) -> None:
    assert answers(airflow.url, "headgate", "sandbox-password") == recorded_answers()


def test_what_it_says_of_a_dag_and_of_an_error_the_real_one_says_too(airflow: AirflowSandbox, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from airflow.sdk import DAG\nDAG('a')\n")
    (tmp_path / "b.py").write_text("# airflow dag\nimport nothing_of_the_kind\n")
    headers = {"Authorization": "Bearer of-the-test"}
    for path, name, line in (("dags", "dags", 7), ("importErrors", "import_errors", 19)):
        shown = httpx.get(f"{airflow.url}/api/v2/{path}", headers=headers, timeout=60).json()
        recorded = recording()[line]["value"]
        assert shown.keys() == recorded.keys()
        ours, theirs = shown[name][0], recorded[name][0]
        assert ours.keys() <= theirs.keys()
        assert {key: type(ours[key]) for key in ours} == {key: type(theirs[key]) for key in ours}


def test_pages_are_at_most_a_hundred_long(airflow: AirflowSandbox, tmp_path: Path) -> None:
    lines = "\n".join(f"DAG('d{number:03}')" for number in range(130))
    (tmp_path / "many.py").write_text(f"from airflow.sdk import DAG\n{lines}\n")
    headers = {"Authorization": "Bearer of-the-test"}
    first = httpx.get(f"{airflow.url}/api/v2/dags?limit=1000", headers=headers, timeout=60).json()
    second = httpx.get(f"{airflow.url}/api/v2/dags?limit=1000&offset=100", headers=headers, timeout=60).json()
    assert (len(first["dags"]), len(second["dags"]), second["total_entries"]) == (100, 30, 130)


def test_nobody_gets_in_without_the_token(airflow: AirflowSandbox) -> None:
    assert httpx.get(f"{airflow.url}/api/v2/dags", timeout=60).status_code == 401
    wrong = {"username": "headgate", "password": "guess"}
    assert httpx.post(f"{airflow.url}/auth/token", json=wrong, timeout=60).status_code == 401
