"""Waiting for a real Airflow: parsed, import error, missing helper, all imports failing, renamed id, down, out of time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from headgate.git import Git
from tests.live.airflow import API, LiveAirflow, running_airflow
from tests.live.airflow_build import airflow_version, find_airflow
from tests.live.conftest import say
from tests.testing.airflow_story import answers, play, recorded_answers, recorded_facts
from tests.testing.repositories import commit_files, new_repository

pytestmark = pytest.mark.timeout(600)  # on a machine that has other work as well


@pytest.fixture(scope="module")
def airflow() -> Iterator[LiveAirflow]:
    place = find_airflow()
    if not place.complete.exists():
        pytest.skip(f"Airflow {airflow_version()} is not installed: run `python -m tests.live --build`")
    with running_airflow(place, say) as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A repository whose DAGs are delivered to the folder that Airflow reads."""

    git: Git
    airflow: LiveAirflow

    def run(self, *args: str, user: str = "admin") -> tuple[int, str, str]:
        with self.start(*args, user=user) as child:
            out, err = child.communicate(timeout=300)
        return child.returncode, out, err

    def start(self, *args: str, user: str = "admin") -> subprocess.Popen[str]:
        secrets = {"HEADGATE_AIRFLOW_USER": user, "HEADGATE_AIRFLOW_PASSWORD": f"{user}-password"}
        return subprocess.Popen(
            [sys.executable, "-m", "cicd", "dags", *args],
            cwd=self.git.path,
            env={**os.environ, **secrets},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def push(self, files: Mapping[str, str], *args: str) -> tuple[int, dict[str, Any]]:
        commit_files(self.git, files, "next")
        code, out, err = self.run("push", "-o", "json", *args)
        assert out, err
        (part,) = json.loads(out)["targets"]
        return code, part


def dag(dag_id: str, *lines: str) -> str:
    return "\n".join(["from airflow.sdk import DAG", *lines, f"with DAG({dag_id!r}, schedule=None):", "    pass", ""])


@pytest.fixture(scope="module")
def team(airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """With a first release of two DAGs and a helper, parsed. The tests go on from one another, in this order."""
    made = Team(git=new_repository(tmp_path_factory.mktemp("team") / "repo"), airflow=airflow)
    target = {"bucket": f"file://{airflow.dags}", "airflow": {"url": airflow.url, "poll_s": 0.2}}
    config = {"version": 1, "project": "shop/data", "dags": {"project": "shop", "targets": {"prod": target}}}
    commit_files(made.git, {"headgate.yaml": json.dumps(config)}, "configuration")
    files = {"dags/ingest.py": dag("ingest", "from lib.tables import T"), "dags/lib/tables.py": "T = 1\n"}
    code, part = made.push({**files, "dags/report.py": dag("report")})
    assert (code, part["airflow"]["counts"]) == (0, {"parsed": 2}), part
    return made


def causes(part: dict[str, Any]) -> dict[str, tuple[int | None, str]]:
    found = [item for item in part["airflow"]["files"] if item["state"] == "import error"]
    return {item["path"]: (item["line"], item["cause"]) for item in found}


def test_the_recorded_story_is_what_a_real_server_tells(airflow: LiveAirflow) -> None:
    assert play(airflow.url, airflow.dags, "admin", "admin-password") == recorded_facts()


def test_answers_about_nothing_are_the_recorded_ones(airflow: LiveAirflow) -> None:
    assert answers(airflow.url, "admin", "admin-password") == recorded_answers()


def test_parsed_and_a_renamed_id(team: Team) -> None:
    code, part = team.push({"dags/report.py": dag("report_v2"), "dags/lib/tables.py": "T = 2\n"})
    assert (code, part["airflow"]["counts"]) == (0, {"parsed": 2})
    lost = {item["path"]: item["lost_dag_ids"] for item in part["airflow"]["files"]}
    assert lost == {"ingest.py": [], "report.py": ["report"]}


def test_import_error_and_missing_helper_are_rolled_back_on_request(team: Team) -> None:
    before = {path.name: path.read_bytes() for path in team.airflow.dags.rglob("*.py")}
    files = {"dags/report.py": dag("report_v2", "", "import no_such_module"), "dags/lib/tables.py": "U = 3\n"}
    code, part = team.push(files, "--rollback-on-failure")
    assert code == 1
    assert causes(part) == {
        "ingest.py": (2, f"ImportError: cannot import name 'T' from 'lib.tables' ({team.airflow.dags}/lib/tables.py)"),
        "report.py": (3, "ModuleNotFoundError: No module named 'no_such_module'"),
    }
    assert part["rollback"]["airflow"]["outcome"] == "parsed"
    assert {path.name: path.read_bytes() for path in team.airflow.dags.rglob("*.py")} == before


def test_all_imports_failing(team: Team) -> None:
    broken = "import of_a_broken_image"
    code, part = team.push({"dags/report.py": dag("report_v2", broken), "dags/ingest.py": dag("ingest", broken)})
    assert code == 1
    assert causes(part) == dict.fromkeys(
        ("ingest.py", "report.py"), (2, "ModuleNotFoundError: No module named 'of_a_broken_image'")
    )


def test_out_of_time_and_a_viewer_may_wait_on(team: Team) -> None:
    files = {"dags/ingest.py": dag("ingest", "X = 1"), "dags/report.py": dag("report_v2", "X = 1")}
    team.airflow.pause_processor()
    try:
        code, part = team.push(files, "--wait-timeout", "2s")
    finally:
        team.airflow.resume_processor()
    assert (code, part["airflow"]["outcome"]) == (4, "undecided")
    code, out, err = team.run("wait", user="viewer")
    assert (code, "Airflow has parsed it: 2 file(s)" in out) == (0, True), err


def test_airflow_down(team: Team) -> None:
    """The API server ends while it is being waited for; last, because it stays down."""
    commit_files(team.git, {"dags/report.py": dag("report_v2", "X = 2")}, "next")
    team.airflow.pause_processor()
    with team.start("push", "--wait-timeout", "2s", "--rollback-on-failure") as child:
        assert child.stderr is not None
        assert any("waiting until Airflow has parsed" in line for line in child.stderr)
        team.airflow.servers.kill(API)
        out, _ = child.communicate(timeout=300)
    team.airflow.resume_processor()
    assert child.returncode == 4
    assert "undecided: Airflow could not be asked" in out
    assert "X = 2" in (team.airflow.dags / "report.py").read_text()
    commit_files(team.git, {"dags/report.py": dag("report_v2", "X = 3")}, "next")
    code, out, err = team.run("push")
    assert (code, out) == (4, "")
    assert "Nothing was delivered" in err
