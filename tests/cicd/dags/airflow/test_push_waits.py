"""`headgate dags push --wait` against the stand-in, which imports the delivered files for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.main import main
from cicd.sandbox.airflow import AirflowSandbox
from cicd.sandbox.routing import Fault
from headgate.git import Git
from observability.dora import Period, evaluate_dora
from observability.events import DeliveryEvent
from observability.failures import Recovery, Signal
from observability.store import open_store
from tests.testing.closed_port import closed_port
from tests.testing.repositories import commit_files, new_repository

Run = Callable[..., tuple[int, str, str]]
TOKEN = "a-token-of-the-stand-in"


def dag(dag_id: str, *lines: str) -> str:
    return "\n".join(["from airflow.sdk import DAG", *lines, f"with DAG({dag_id!r}, schedule=None):", "    pass", ""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The DAG folder that is delivered to and that Airflow reads."""
    (tmp_path / "airflow/dags").mkdir(parents=True)
    return tmp_path / "airflow/dags"


@pytest.fixture
def airflow(folder: Path) -> Iterator[AirflowSandbox]:
    with AirflowSandbox(folder, token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def git(tmp_path: Path, folder: Path, airflow: AirflowSandbox) -> Git:
    git = new_repository(tmp_path / "repo")
    target = {"bucket": f"file://{folder}", "airflow": {"url": airflow.url, "poll_s": 0.02, "wait_s": 20}}
    config = {
        "version": 1,
        "project": "shop/data-platform",
        "gates": {},
        "dags": {"project": "shop", "targets": {"prod": target}},
    }
    files = {
        "headgate.yaml": yaml.safe_dump(config, sort_keys=False),
        "dags/ingest.py": dag("ingest", "from lib.tables import T"),
        "dags/report.py": dag("report"),
        "dags/lib/tables.py": "T = 1\n",
    }
    commit_files(git, files, "one")
    return git


@pytest.fixture
def run(git: Git, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(git.path)
    monkeypatch.setenv("HEADGATE_AIRFLOW_TOKEN", TOKEN)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(["dags", *args])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return run


def part(result: tuple[int, str, str]) -> dict[str, Any]:
    (found,) = json.loads(result[1])["targets"]
    assert isinstance(found, dict)
    return found


def states(data: dict[str, Any]) -> dict[str, str]:
    return {item["path"]: item["state"] for item in data["airflow"]["files"]}


def configure(git: Git, **airflow: object) -> None:
    path = git.path / "headgate.yaml"
    config = yaml.safe_load(path.read_text())
    config["dags"]["targets"]["prod"]["airflow"] |= airflow
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def events(git: Git) -> list[DeliveryEvent]:
    return list(open_store("sqlite:///.headgate/events.db", root=git.path).read())


def test_parsed(run: Run, git: Git) -> None:
    done = run("push", "-o", "json")
    assert done[0] == 0
    assert part(done)["airflow"]["outcome"] == "parsed"
    assert states(part(done)) == {"ingest.py": "parsed", "report.py": "parsed"}
    commit_files(git, {"dags/report.py": dag("report", "X = 2")}, "two")
    code, out, err = run("push")
    assert code == 0
    assert "  Airflow has parsed it: 1 file(s), after " in out
    assert "waiting until Airflow has parsed r2-" in err


def test_a_changed_helper_has_its_dags_parsed_again(run: Run, git: Git) -> None:
    run("push")
    commit_files(git, {"dags/lib/tables.py": "T = 2\n"}, "two")
    assert states(part(run("push", "-o", "json"))) == {"ingest.py": "parsed"}
    commit_files(git, {"dags/lib/tables.py": "U = 2\n"}, "three")
    code, out, _ = run("push")
    assert code == 1
    assert "ingest.py:2: ImportError: cannot import name 'T' from 'lib.tables'" in out
    assert "deliver the module that has it in the same release" in out


def test_an_import_error_fails_and_names_file_line_cause_and_next_step(run: Run, git: Git, folder: Path) -> None:
    run("push")
    broken = dag("report", "", "import no_such_module")
    commit_files(git, {"dags/report.py": broken}, "two")
    code, out, _ = run("push")
    assert code == 1
    assert "  Airflow cannot import 1 of 1 file(s)" in out
    assert "report.py:3: ModuleNotFoundError: No module named 'no_such_module'. Deliver no_such_module in the" in out
    assert "stays in force; `headgate dags rollback`" in out
    assert (folder / "report.py").read_text() == broken
    assert part(run("wait", "-o", "json"))["exit_code"] == 1


def test_rollback_on_failure_restores_the_bytes_and_waits_for_them(run: Run, git: Git, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.py")} if run("push")[0] == 0 else {}
    assert len(before) == 3
    files = {"dags/report.py": dag("report", "import gone"), "dags/new.py": dag("new"), "dags/lib/tables.py": "T = 9\n"}
    commit_files(git, files, "two")
    code, out, _ = run("push", "--rollback-on-failure")
    assert code == 1
    assert "rolled back: r3-" in out
    assert "with the files of r1-" in out
    assert out.rstrip().endswith("s")
    assert {path: path.read_bytes() for path in folder.rglob("*.py")} == before
    assert "Airflow has parsed it" in out.partition("rolled back")[2]


def test_what_failed_before_is_told_from_what_fails_now(run: Run, git: Git, folder: Path) -> None:
    (folder / "foreign.py").write_text("# airflow dag\nimport theirs\n")
    run("push")
    commit_files(git, {"dags/report.py": dag("report", "Y = 1")}, "two")
    done = run("push", "-o", "json")
    assert done[0] == 0
    assert part(done)["airflow"]["other_import_errors"] == 0
    code, out, _ = run("wait", "--every-file")
    assert code == 0
    assert "1 import error(s) in files that this release neither changed nor touches" in out


def test_all_imports_failing_is_one_cause(run: Run, git: Git) -> None:
    files = {f"dags/d{i}.py": dag(f"d{i}", "import pandas_of_a_broken_image") for i in range(12)}
    files |= {"dags/ingest.py": dag("ingest", "import pandas_of_a_broken_image")}
    files |= {"dags/report.py": dag("report", "import pandas_of_a_broken_image")}
    commit_files(git, files, "two")
    code, out, _ = run("push")
    assert code == 1
    assert "cannot import 14 of 14 file(s)" in out
    assert out.count("ModuleNotFoundError") == 1
    assert "Every file fails alike: look at Airflow's environment" in out


def test_a_renamed_id_is_parsed_and_named(run: Run, git: Git) -> None:
    run("push")
    commit_files(git, {"dags/report.py": dag("report_v2")}, "two")
    code, out, _ = run("push")
    assert code == 0
    assert "report.py: report is no longer in it" in out


def test_a_deleted_file_is_gone(run: Run, git: Git) -> None:
    run("push")
    (git.path / "dags/report.py").unlink()
    git.run("commit", "-aqm", "two")
    done = run("push", "-o", "json")
    assert (done[0], states(part(done))) == (0, {"report.py": "gone"})


def test_two_files_with_one_id_are_undecided_and_named(run: Run, git: Git) -> None:
    run("push")
    configure(git, wait_s=1)
    commit_files(git, {"dags/a_copy.py": dag("report")}, "two")
    code, out, _ = run("push")
    assert code == 4
    assert "a_copy.py: Airflow has its DAG in another file: report is in report.py" in out


def test_a_release_without_dags_is_undecided(run: Run, git: Git) -> None:
    for name in ("ingest", "report"):
        (git.path / f"dags/{name}.py").unlink()
    git.run("commit", "-aqm", "no dags")
    code, out, _ = run("push", "--wait-timeout", "1s")
    assert code == 4
    assert "no file of the release has a DAG" in out


def test_a_server_that_is_down_before_stops_the_push(run: Run, airflow: AirflowSandbox, folder: Path) -> None:
    airflow.stop()
    with closed_port(int(airflow.url.rpartition(":")[2])):
        code, out, err = run("push")
        assert (code, out) == (4, "")
        assert "Nothing was delivered; --no-wait delivers without asking." in err
        assert list(folder.iterdir()) == []
        assert run("push", "--no-wait")[0] == 0
        code, out, _ = run("wait", "--wait-timeout", "1")
    assert code == 4
    assert "undecided: Airflow could not be asked: " in out


def test_a_server_that_goes_down_is_undecided_and_nothing_is_rolled_back(
    run: Run, git: Git, airflow: AirflowSandbox, folder: Path
) -> None:
    run("push")
    wanted = commit_files(git, {"dags/report.py": dag("report", "X = 3")}, "two")
    configure(git, wait_s=1)
    airflow.router.inject(Fault(path="/(version|dags|importErrors)$", times=3))  # the look before is answered
    airflow.router.inject(Fault(path="/api", times=1000, status=503))
    code, out, _ = run("push", "--rollback-on-failure")
    assert code == 4
    assert "undecided: Airflow could not be asked: " in out
    assert "status 503" in out
    assert "X = 3" in (folder / "report.py").read_text()
    assert wanted in run("status", "-o", "json")[1]
    assert [event.outcome for event in events(git)] == ["success", "success"], "what nobody knows is no failure"


def test_an_undecided_release_is_rolled_back_when_that_is_asked_for(
    run: Run, git: Git, airflow: AirflowSandbox, folder: Path
) -> None:
    run("push")
    configure(git, wait_s=0.5, rollback_on=["undecided"])
    commit_files(git, {"dags/other.py": dag("report")}, "two")
    code, out, _ = run("push")
    assert code == 4
    assert "rolled back: r3-" in out
    assert not (folder / "other.py").exists()


def test_the_first_release_has_nothing_to_go_back_to(run: Run, git: Git) -> None:
    commit_files(git, {"dags/report.py": dag("report", "import gone")}, "broken from the start")
    code, out, _ = run("push", "--rollback-on-failure")
    assert code == 1
    assert "not rolled back: " in out
    assert "is the first release of shop" in out


def test_airflow_2(run: Run, git: Git, folder: Path) -> None:
    with AirflowSandbox(folder, token=TOKEN, version="v1") as older:
        configure(git, url=older.url)
        assert states(part(run("push", "-o", "json"))) == {"ingest.py": "parsed", "report.py": "parsed"}
        commit_files(git, {"dags/report.py": dag("report", "import gone")}, "two")
        code, out, _ = run("push", "--rollback-on-failure")
    assert code == 1
    assert "report.py:2: ModuleNotFoundError: No module named 'gone'" in out
    assert "Airflow has parsed it" in out.partition("rolled back")[2]


def test_a_zip_file_is_looked_into(run: Run, git: Git, folder: Path) -> None:
    (git.path / "dags/lib/tables.py").unlink()
    commit_files(git, {"dags/ingest.py": dag("ingest", "from tables import T"), "dags/tables.py": "T = 1\n"}, "flat")
    done = run("push", "--zip", "-o", "json")
    assert (done[0], states(part(done))) == (0, {"shop.zip/ingest.py": "parsed", "shop.zip/report.py": "parsed"})
    commit_files(git, {"dags/report.py": dag("report", "X = 1")}, "two")
    done = run("push", "--zip", "-o", "json")
    assert (done[0], states(part(done))) == (0, {"shop.zip/ingest.py": "parsed", "shop.zip/report.py": "parsed"})
    assert [item.name for item in folder.iterdir()] == ["shop.zip"]


def test_a_target_below_the_dag_folder(run: Run, git: Git, airflow: AirflowSandbox, folder: Path) -> None:
    commit_files(git, {"dags/ingest.py": dag("ingest", "from team_a.lib.tables import T")}, "by its full name")
    (folder / "ingest.py").write_text("# airflow dag\nimport of_another_team\n")
    where = ("--target", f"file://{folder}/team_a", "--airflow-url", airflow.url)
    done = run("push", *where, "-o", "json")
    assert (done[0], states(part(done))) == (0, {"ingest.py": "parsed", "report.py": "parsed"})


def test_an_older_commit_by_its_distance(run: Run, git: Git) -> None:
    first = git.rev_parse("HEAD")
    commit_files(git, {"dags/report.py": dag("report", "X = 1")}, "two")
    assert part(run("push", "--ref", "HEAD~1", "-o", "json"))["commit"] == first


def test_one_target_whose_airflow_cannot_import_and_one_without_airflow(run: Run, git: Git, tmp_path: Path) -> None:
    path = git.path / "headgate.yaml"
    config = yaml.safe_load(path.read_text())
    config["dags"]["targets"]["staging"] = {"bucket": f"file://{tmp_path}/staging"}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    commit_files(git, {"dags/report.py": dag("report", "import gone")}, "broken")
    code, out, _ = run("push", "--all", "-o", "json")
    assert code == 1
    assert {item["environment"]: item["exit_code"] for item in json.loads(out)["targets"]} == {"prod": 1, "staging": 0}
    assert (tmp_path / "staging/report.py").exists()


def test_flags_alone(run: Run, git: Git, airflow: AirflowSandbox, tmp_path: Path) -> None:
    where = ("--target", f"file://{tmp_path}/airflow/dags", "--project", "shop", "--airflow-url", airflow.url)
    assert part(run("push", *where, "-o", "json"))["airflow"]["outcome"] == "parsed"
    assert part(run("wait", *where, "-o", "json"))["airflow"]["outcome"] == "parsed"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["push", "--wait", "--airflow-url", "airflow.example.com"], "is not an address"),
        (["push", "--no-wait", "--rollback-on-failure"], "needs waiting"),
        (["push", "--wait-timeout", "soon"], "is not a span of time"),
        (["push", "--wait-timeout", "30s", "--sync", "30"], "waiting 30 s can never be enough"),
        (["push", "--wait-timeout", "0s"], "is not a span of time"),
        (["wait", "--env", "prof"], "Did you mean 'prod'"),
        (["wait"], "never delivered here, so there is nothing to wait for"),
    ],
)
def test_wrong_options(run: Run, args: list[str], text: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert text in err


def test_wrong_credentials_stop_the_push(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HEADGATE_AIRFLOW_TOKEN", "a-wrong-token-of-somebody")
    code, out, err = run("push")
    assert (code, out) == (2, "")
    assert "HEADGATE_AIRFLOW_TOKEN is wrong or has expired" in err
    assert "a-wrong-token" not in err
    assert list(folder.iterdir()) == []


def test_a_user_with_a_password_gets_a_token_and_a_new_one_when_it_expires(
    run: Run, git: Git, airflow: AirflowSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADGATE_AIRFLOW_TOKEN")
    monkeypatch.setenv("HEADGATE_AIRFLOW_USER", "headgate")
    monkeypatch.setenv("HEADGATE_AIRFLOW_PASSWORD", "sandbox-password")
    airflow.router.inject(Fault(path="/importErrors", times=1, status=401, body='{"detail": "expired"}'))
    assert run("push")[0] == 0
    assert airflow.router.requests.count(("POST", "/auth/token")) == 2
    monkeypatch.setenv("HEADGATE_AIRFLOW_PASSWORD", "another-password")
    code, _, err = run("push")
    assert code == 2
    assert "Check HEADGATE_AIRFLOW_USER and HEADGATE_AIRFLOW_PASSWORD" in err


def test_dora_counts_a_release_that_airflow_cannot_import_as_failed_and_the_way_back_as_recovery(
    run: Run, git: Git
) -> None:
    run("push")
    second = commit_files(git, {"dags/report.py": dag("report", "import gone")}, "two")
    third = commit_files(git, {"dags/ingest.py": dag("ingest", "Z = 1")}, "three")
    assert run("push", "--rollback-on-failure")[0] == 1
    found = events(git)
    assert [(e.kind.value, e.outcome, e.release and e.release[:2]) for e in found] == [
        ("service.deployed", "success", "r1"),
        ("service.deployed", "success", "r2"),
        ("service.deployed", "failure", "r2"),
        ("service.rolledback", "success", "r3"),
    ]
    assert {commit["sha"] for commit in json.loads(str(found[1].data["commits"]))} == {second, third}
    now = datetime.now(UTC)
    period = Period(start=now - timedelta(days=1), end=now + timedelta(days=1))
    (service,) = evaluate_dora(found, period).services
    assert (service.service, service.environment) == ("dags/shop", "prod")
    first, failed, *_ = service.deployments
    assert (first.failures, failed.failures) == ((), (Signal.ABORTED, Signal.ROLLBACK))
    assert failed.recovery is Recovery.ROLLBACK
    assert failed.recovered_at == found[3].occurred_at
    assert {change.commit for change in service.changes if change.linked_by == "listed"} == {second, third}
