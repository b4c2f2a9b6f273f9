"""The `headgate dags` commands, run as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.dags_targets import worst
from cicd.cli.main import main
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_faults import Fault, FaultKind
from headgate.exit_codes import ExitCode
from headgate.git import Git
from observability.store import open_store
from tests.testing.repositories import commit_files, new_repository

Run = Callable[..., tuple[int, str, str]]
DAG = "from airflow.sdk import DAG\nfrom lib.tables import T\n"


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with a configuration for two environments, `staging` at `file://` and `prod` at `gs://`."""
    git = new_repository(tmp_path / "repo")
    (tmp_path / "composer").mkdir()
    config = {
        "version": 1,
        "project": "shop/data-platform",
        "gates": {},
        "dags": {
            "project": "shop",
            "targets": {
                "staging": {"bucket": f"file://{tmp_path}/composer/dags"},
                "prod": {"bucket": "gs://composer-prod/dags"},
            },
        },
    }
    files = {
        "headgate.yaml": yaml.safe_dump(config, sort_keys=False),
        "dags/ingest.py": DAG,
        "dags/lib/tables.py": "T = 1\n",
    }
    commit_files(git, files, "one")
    return git


@pytest.fixture(autouse=True)
def prod(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsSandbox]:
    with GcsSandbox(buckets=["composer-prod"]) as sandbox:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", sandbox.url)
        yield sandbox


@pytest.fixture
def run(git: Git, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `headgate dags …` in the repository; gives exit code, stdout and stderr."""
    monkeypatch.chdir(git.path)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(["dags", *args])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return run


def target(result: tuple[int, str, str]) -> dict[str, Any]:
    """The only target of a JSON result."""
    assert result[0] in {0, 5}, result[2]
    (part,) = json.loads(result[1])["targets"]
    assert isinstance(part, dict)
    return part


def test_plan_push_and_again(run: Run, git: Git, tmp_path: Path) -> None:
    code, out, _ = run("plan", "--env", "staging", "--detailed-exitcode")
    assert code == 5
    assert "0  + lib/tables.py" in out
    assert "1  + ingest.py" in out
    assert not (tmp_path / "composer/dags").exists()

    pushed = target(run("push", "--env", "staging", "-o", "json"))
    sha = git.rev_parse("HEAD")
    assert (pushed["release"], pushed["commit"], pushed["changed"]) == (f"r1-{sha[:8]}", sha, True)
    assert [step["path"] for step in pushed["changes"]] == ["lib/tables.py", "ingest.py"]
    assert (tmp_path / "composer/dags/lib/tables.py").read_text() == "T = 1\n"

    assert run("plan", "--env", "staging", "--detailed-exitcode")[0] == 0
    code, out, _ = run("push", "--env", "staging")
    assert code == 0
    assert f"nothing to do; r1-{sha[:8]} (commit {sha[:12]}) already holds exactly the files" in out


def test_dry_run_prints_the_plan_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    assert run("push", "--env", "staging", "--dry-run")[1] == run("plan", "--env", "staging")[1]
    assert run("push", "--env", "staging", "--dry-run", "--detailed-exitcode")[0] == 5
    assert list((tmp_path / "composer").iterdir()) == []


def test_a_large_delivery_is_told_in_few_lines_and_planned_in_all(run: Run, git: Git) -> None:
    commit_files(git, {f"dags/data/{number}.csv": f"{number}" for number in range(60)}, "many")
    assert run("plan", "--env", "staging")[1].count("  + ") == 62
    lines = run("push", "--env", "staging")[1].splitlines()
    assert len([line for line in lines if "  + " in line]) == 40
    assert lines[-1].strip() == "and 22 more; -o json names them all"


def test_several_environments_in_one_run(run: Run, prod: GcsSandbox) -> None:
    code, out, _ = run("push", "--env", "staging", "--env", "prod", "-o", "yaml")
    assert code == 0
    assert [part["environment"] for part in yaml.safe_load(out)["targets"]] == ["staging", "prod"]
    names = [item.name for item in prod.create_bucket("composer-prod").list()]
    assert "dags/ingest.py" in names
    assert ".headgate/manifests/dags/shop.json" in names


def test_an_environment_that_fails_neither_stops_nor_hides_the_others(
    run: Run, prod: GcsSandbox, tmp_path: Path
) -> None:
    prod.faults.inject(Fault(kind=FaultKind.FORBIDDEN, operation="upload"))
    code, out, err = run("push", "--env", "prod", "--env", "staging", "-o", "json")
    assert code == 2
    failed, done = json.loads(out)["targets"]
    assert (failed["environment"], failed["exit_code"]) == ("prod", 2)
    assert "the credentials lack storage.objects.create" in failed["error"]
    assert "headgate: error: prod: gs://composer-prod" in err
    assert (done["environment"], done["exit_code"], done["changed"]) == ("staging", 0, True)
    assert (tmp_path / "composer/dags/ingest.py").exists()
    table = run("push", "--all")
    assert table[0] == 0
    assert [line.split()[0] for line in table[1].splitlines() if "://" in line] == ["staging", "prod"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((0, 5), 5), ((5, 4), 4), ((4, 1, 0), 1), ((1, 2), 2), ((2, 3, 1), 3), ((0, 0), 0), ((), 0)],
)
def test_the_worst_exit_code_is_the_one_of_the_run(codes: tuple[int, ...], expected: int) -> None:
    for order in permutations(codes):
        assert worst([ExitCode(code) for code in order]) == expected


def test_all_targets_and_one_target_exclude_each_other(run: Run) -> None:
    code, _, err = run("push", "--all", "--env", "prod")
    assert code == 2
    assert "--all means every target" in err


def test_flags_alone(run: Run, git: Git, tmp_path: Path) -> None:
    first = git.rev_parse("HEAD")
    commit_files(git, {"dags/lib/tables.py": "T = 2\n"}, "two")
    where = ("--target", f"file://{tmp_path}/composer/dags")
    pushed = target(run("push", "--source", "dags", "--ref", first, *where, "-o", "json"))
    assert (pushed["environment"], pushed["project"], pushed["commit"]) == (None, "dags", first)
    assert target(run("push", *where, "-o", "json"))["counts"] == {"update": 1}
    assert target(run("rollback", *where, "--yes", "-o", "json"))["commit"] == first
    assert (tmp_path / "composer/dags/lib/tables.py").read_text() == "T = 1\n"


def test_status_history_rollback_drift(run: Run, git: Git, tmp_path: Path) -> None:
    assert "nothing was delivered here yet" in run("status", "--env", "staging")[1]
    first = git.rev_parse("HEAD")
    run("push", "--env", "staging")
    second = commit_files(git, {"dags/ingest.py": DAG + "# two\n", "dags/new.sql": "select 1"}, "two")
    run("push", "--env", "staging")

    status = target(run("status", "--env", "staging", "-o", "json"))
    assert (status["commit"], status["files"], status["drift"], status["unfinished"]) == (second, 3, 0, None)
    releases = target(run("history", "--env", "staging", "-o", "json"))["releases"]
    assert [(row["commit"], row["in_force"]) for row in releases] == [(second, True), (first, False)]

    plan = target(run("rollback", "--env", "staging", "--dry-run", "-o", "json"))
    assert plan["counts"] == {"update": 1, "delete": 1}
    done = target(run("rollback", "--env", "staging", "--to", releases[1]["release"], "-o", "json"))
    assert (done["release"], done["commit"]) == (f"r3-{first[:8]}", first)
    assert not (tmp_path / "composer/dags/new.sql").exists()
    assert "brought back from r1-" in run("status", "--env", "staging")[1]

    assert run("drift", "--env", "staging", "--detailed-exitcode")[:2] == (
        0,
        f"staging file://{tmp_path}/composer/dags [shop]: no drift\n",
    )
    (tmp_path / "composer/dags/ingest.py").write_text("by hand")
    code, out, _ = run("drift", "--env", "staging", "--detailed-exitcode")
    assert code == 5
    assert "changed    ingest.py  generation 1" in out
    assert run("drift", "--env", "staging")[0] == 0
    code, _, err = run("push", "--env", "staging")
    assert code == 2
    assert "'ingest.py' is changed by hand" in err
    assert run("push", "--env", "staging", "--repair")[0] == 0
    assert target(run("drift", "--env", "staging", "-o", "json"))["drift"] == []


def test_looking_without_a_name_shows_all_targets(run: Run) -> None:
    run("push", "--env", "prod")
    code, out, _ = run("status")
    assert code == 0
    assert "staging file://" in out
    assert "prod gs://composer-prod/dags [shop]" in out
    assert run("history")[1].splitlines()[0].split() == [
        "ENV",
        "RELEASE",
        "COMMIT",
        "RELEASED_AT",
        "RESTORES",
        "IN_FORCE",
    ]


def test_every_release_is_one_event(run: Run, git: Git) -> None:
    first = git.rev_parse("HEAD")
    for _ in range(2):
        run("push", "--env", "staging")
    second = commit_files(git, {"dags/lib/tables.py": "T = 2\n"}, "two")
    run("push", "--env", "staging")
    run("rollback", "--env", "staging")
    run("push", "--env", "staging", "--dry-run")
    events = list(open_store("sqlite:///.headgate/events.db", root=git.path).read())
    assert [(e.kind.value, e.service, e.environment, e.commit) for e in events] == [
        ("service.deployed", "dags/shop", "staging", first),
        ("service.deployed", "dags/shop", "staging", second),
        ("service.rolledback", "dags/shop", "staging", first),
    ]
    assert all(event.committed_at and event.committed_at <= event.occurred_at for event in events)
    assert events[1].data["previous_commit"] == first


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["push"], 2, "2 targets: staging, prod"),
        (["push", "--env", "stagin"], 2, "Did you mean 'staging'"),
        (["push", "--env", "staging", "--ref", "nope"], 2, "no commit 'nope'"),
        (["push", "--env", "staging", "--ref=--help"], 2, "not a Git ref name"),
        (["push", "--env", "staging", "--source", "dgas"], 2, "no folder 'dgas' at commit"),
        (["push", "--target", "file:///nonexistent/deep/dags"], 2, "does not exist"),
        (["push", "--target", "gs://missing-bucket/dags"], 2, "no such bucket"),
        (["push", "--target", "gs://composer-prod"], 2, "--allow-root"),
        (["push", "--target", "ftp://x"], 2, "--target"),
        (["push", "--target", "gs://x/dags", "--env", "a", "--env", "b"], 2, "several --env"),
        (["push", "--project", "x"], 2, "--project needs --target"),
        (["rollback", "--env", "staging"], 2, "never delivered"),
        (["push", "--no-such-flag"], 2, "No such option"),
        (["push", "--settle", "nan"], 2, "not a number"),
        (["push", "--sync", "nan"], 2, "not a number"),
    ],
)
def test_what_is_wrong_is_one_paragraph_and_an_exit_code(run: Run, args: list[str], code: int, text: str) -> None:
    got, out, err = run(*args)
    assert (got, out) == (code, "")
    assert text in err
    assert "Traceback" not in err


def test_no_dags_section(run: Run, git: Git) -> None:
    (git.path / "headgate.yaml").write_text("version: 1\nproject: shop\ngates: {unit: {}}\n")
    code, _, err = run("push")
    assert code == 2
    assert "no `dags` section" in err


def test_a_bucket_that_cannot_be_reached_is_undecided(
    run: Run, git: Git, prod: GcsSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load((git.path / "headgate.yaml").read_text())
    config["dags"]["targets"]["prod"]["timeout_s"] = 0.2
    (git.path / "headgate.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    prod.stop()
    code, out, err = run("push", "--env", "prod")
    assert (code, out) == (4, "")
    assert "no connection to http://127.0.0.1" in err
