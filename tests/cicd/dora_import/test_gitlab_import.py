"""`headgate dora import https://...` against the sandbox's GitLab: real pages, real commits, interruptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from cicd.gitlab.compare import GitLabCompare
from cicd.ranges.repository import open_checkout
from cicd.sandbox.routing import Fault
from headgate.errors import NotFoundError
from tests.testing.gitlab import World, running_gitlab

PROJECT = "/projects/shop%2Fdata-platform"


@dataclass
class Run:
    """The command line with a store of its own, on a project of the sandbox."""

    world: World
    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def url(self) -> str:
        return f"{self.world.sandbox.url}/{self.world.project.path}"

    def __call__(self, *args: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*args, "--store", f"sqlite:///{self.folder / 'events.db'}"])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return int(code), said.out, said.err

    def imported(self, *args: str) -> dict[str, Any]:
        code, out, err = self("dora", "import", self.url, "--progress", str(self.folder / "p"), "-o", "json", *args)
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def report(self) -> dict[str, Any]:
        _, out, _ = self("dora", "report", "--from", "2020-01-01", "--to", "2100-01-01", "-o", "json")
        (service,) = json.loads(out)["services"]
        assert isinstance(service, dict)
        return service

    def deploy(self, sha: str, status: str = "success", environment: str = "production") -> int:
        asked = {"environment": environment, "sha": sha, "ref": "main", "tag": False, "status": status}
        answer = self.world.client().http_post(f"{PROJECT}/deployments", post_data=asked)
        assert isinstance(answer, dict)
        return int(answer["id"])

    def merge(self, branch: str, files: dict[str, str]) -> tuple[str, str]:
        """A merged request of one commit: that commit, and the merge commit."""
        commit = self.world.push(files, f"change {branch}", branch=branch)
        client = self.world.client()
        asked = {"source_branch": branch, "target_branch": "main", "title": branch}
        made = client.http_post(f"{PROJECT}/merge_requests", post_data=asked)
        assert isinstance(made, dict)
        merged = client.http_put(f"{PROJECT}/merge_requests/{made['iid']}/merge")
        assert isinstance(merged, dict)
        self.world.work.run("fetch", "--quiet", "origin")
        self.world.work.run("checkout", "--quiet", "-B", "main", "origin/main")
        return commit, str(merged["merge_commit_sha"])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with running_gitlab(tmp_path / "world", {"README": "x"}, workers=1) as world:
        world.sandbox._instance.projects[0].only_allow_merge_if_pipeline_succeeds = False
        monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", world.token)
        yield Run(world=world, folder=tmp_path, capsys=capsys)


def test_a_project_s_past_gives_the_five_numbers(run: Run) -> None:
    first = run.world.work.rev_parse("HEAD")
    run.deploy(first)
    _, merged = run.merge("one", {"a": "1"})
    run.deploy(merged, "failed")
    run.deploy(merged, "success")
    run.deploy(merged, "canceled")
    run.deploy(merged, "running")
    run.deploy(merged, "success", "staging")
    incident = run.world.project.open_incident("the shop is down")
    run.world.project.close_incident(incident)
    data = run.imported()
    assert data["service"] == "shop/data-platform"
    assert data["merge_requests"] == {"seen": 1, "events": 1, "new": 1}
    assert data["deployments"] == {"seen": 6, "events": 5, "new": 5}
    assert data["incidents"] == {"seen": 1, "events": 2, "new": 2}
    service = run.report()
    assert service["environment"] == "production"
    assert service["metrics"]["deployment_frequency"]["numerator"] == 2  # the failed try and its success are one
    assert service["metrics"]["change_lead_time"]["n"] == 1
    assert service["metrics"]["change_fail_rate"]["numerator"] == 1
    assert service["metrics"]["failed_deployment_recovery_time"]["n"] == 1


def test_importing_again_adds_nothing_and_later_only_what_changed(run: Run) -> None:
    run.deploy(run.world.work.rev_parse("HEAD"))
    assert run.imported()["deployments"]["new"] == 1
    assert run.imported("--since", "2000-01-01")["deployments"] == {"seen": 1, "events": 1, "new": 0}
    for _ in range(120):
        run.deploy(run.world.work.rev_parse("HEAD"), "failed")
    again = run.imported()["deployments"]
    assert again["new"] == 120
    (run.folder / "events.db").unlink()
    assert run.imported()["deployments"]["new"] == 121  # a new log has everything again


def test_an_import_that_breaks_off_goes_on_where_it_was(run: Run) -> None:
    for _ in range(130):
        run.deploy(run.world.work.rev_parse("HEAD"), "failed")
    run.world.project.open_incident("down")
    fault = Fault(path="/issues", times=20, status=500)
    run.world.sandbox.inject(fault)
    code, out, err = run("dora", "import", run.url, "--progress", str(run.folder / "p"))
    assert (code, out) == (4, "")
    assert "500" in err
    assert len(json.loads(run("events", "list", "-o", "json")[1])) == 130
    fault.times = 0
    data = run.imported()
    assert (data["deployments"]["new"], data["incidents"]["new"]) == (0, 1)


def test_names_can_be_replaced(run: Run) -> None:
    run.deploy(run.world.work.rev_parse("HEAD"), environment="blue")
    assert run.imported("--service", "recommender", "--environment", "prod")["service"] == "recommender"
    service = run.report()
    assert (service["service"], service["environment"]) == ("recommender", "prod")


def test_ranges_come_from_the_compare_api_as_from_git(run: Run) -> None:
    first = run.world.work.rev_parse("HEAD")
    run.deploy(first)
    one, _ = run.merge("one", {"a": "1"})
    two, merged = run.merge("two", {"b": "1"})
    run.deploy(merged)
    run.imported()
    code, out, err = run("dora", "ranges", "--gitlab", run.url, "-o", "json")
    assert (code, json.loads(out)["ranges"][0]["commits"]) == (0, 2), err
    with run.world.forge() as forge:
        asked = GitLabCompare(forge.api, "shop/data-platform")
        local = open_checkout(run.world.work.path)
        known = {(c.sha, c.at) for c in local.between(first, merged)}
        assert {(c.sha, c.at) for c in asked.between(first, merged)} == known
        assert {sha for sha, _ in known} == {one, two}
        with pytest.raises(NotFoundError):
            asked.between(first, "f" * 40)
        with pytest.raises(NotFoundError):
            asked.between("main", merged)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("http://127.0.0.1:9/shop/data-platform",), 4, "no connection to GitLab"),
        (("https://gitlab.example.com",), 2, "not the address of a GitLab project"),
        (("ftp://gitlab.example.com/a/b",), 2, "cannot be read"),
        (("https://gitlab.example.com/a/b", "--type", "deployment"), 2, "--type"),
        (("records.jsonl", "--since", "2026-01-01"), 2, "from GitLab"),
        (("nowhere.jsonl",), 2, "cannot be read"),
    ],
)
def test_wrong_sources(run: Run, args: tuple[str, ...], code: int, message: str) -> None:
    found, _, err = run("dora", "import", *args)
    assert (found, message in err) == (code, True), err
    assert not (run.folder / "events.db").exists()


def test_a_token_that_is_missing_or_wrong_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for token, message in (("", "no GitLab token"), ("glpat-wrong", "does not accept the token")):
        monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", token)
        code, _, err = run("dora", "import", run.url)
        assert (code, message in err, "glpat-wrong" in err) == (2, True, False), err
    monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", run.world.token)
    code, _, err = run("dora", "import", f"{run.world.sandbox.url}/shop/other")
    assert (code, "does not have it" in err) == (2, True)
