"""`headgate dora ranges` from the command line: real repositories, a real store, and the report afterwards."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from headgate.git import Git
from tests.testing.repositories import commit_files, new_repository

START = datetime.fromisoformat("2026-03-02T08:00:00+00:00")


class World:
    """A repository with one commit an hour, and deployments of it in a store of its own."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.git = new_repository(root / "repository")
        self.store = f"sqlite:///{root / 'events.db'}"
        self.records = root / "records.jsonl"
        self.capsys = capsys
        self.hours = 0

    def commit(self, path: str) -> str:
        self.hours += 1
        when = (START + timedelta(hours=self.hours)).isoformat()
        git = Git(
            path=self.git.path,
            extra_env={**self.git.extra_env, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when},
        )
        return commit_files(git, {path: str(self.hours)}, f"commit {self.hours}")

    def deploy(self, name: str, hour: int, commit: str, **more: Any) -> None:
        when = (START + timedelta(hours=hour)).isoformat()
        record = {"type": "deployment", "id": name, "service": "shop", "environment": "prod", "deployed_at": when}
        self.add({**record, "commit": commit, **more})

    def add(self, record: dict[str, Any]) -> None:
        self.records.write_text(json.dumps(record) + "\n")
        assert self.run("events", "import", str(self.records))[0] == 0

    def run(self, *args: str) -> tuple[int, str, str]:
        code = main([*args, "--store", self.store])
        said = self.capsys.readouterr()
        return int(code), said.out, said.err

    def ranges(self, *args: str) -> tuple[int, Any, str]:
        code, out, err = self.run("dora", "ranges", *(args or ("--repository", str(self.git.path))), "-o", "json")
        return code, json.loads(out), err

    def lead_times(self, *args: str) -> list[float | None]:
        """Hours of lead time of every commit, in the order of the report; None for those left out."""
        _, out, _ = self.run("dora", "report", "--from", "2026-03-01", "--to", "2026-04-01", "-o", "json", *args)
        return [
            None if change["excluded"] else change["lead_time_s"] / 3600
            for service in json.loads(out)["services"]
            for change in service["changes"]
        ]


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, capsys)


def test_every_commit_since_the_deployment_before_counts(world: World) -> None:
    commits = [world.commit("a") for _ in range(4)]  # at hours 1, 2, 3, 4
    world.deploy("d1", 1, commits[0])
    world.deploy("d2", 10, commits[3])
    assert world.lead_times() == [None, None]  # a baseline, and a commit whose time nobody said
    code, data, _ = world.ranges()
    assert (code, data["compared"], data["open"]) == (0, 1, 0)
    assert data["ranges"][0]["commits"] == 3
    assert world.lead_times() == [None, 8, 7, 6]
    assert world.ranges()[1] == {"compared": 0, "open": 0, "ranges": []}


def test_a_deployment_that_arrives_late_parts_the_range(world: World) -> None:
    commits = [world.commit("a") for _ in range(4)]
    world.deploy("d1", 1, commits[0])
    world.deploy("d3", 10, commits[3])
    world.ranges()
    world.deploy("d2", 5, commits[2])
    assert world.ranges()[1]["compared"] == 2
    assert world.lead_times() == [None, 3, 2, 6]


def test_the_commits_of_a_squashed_merge_request_stand_for_the_squash(world: World) -> None:
    """With a merge commit on top, as GitLab makes both."""
    first, squash = world.commit("a"), world.commit("b")
    merged = {"type": "change", "id": "!7", "merged_at": "2026-03-02T10:00:00Z"}
    own = [{"sha": "e" * 40, "time": "2026-03-02T06:00:00Z"}, {"sha": "f" * 40, "time": "2026-03-02T07:00:00Z"}]
    world.add({**merged, "merge_commit_sha": "d" * 40, "squash_commit_sha": squash, "commits": own})
    world.deploy("d1", 1, first)
    world.deploy("d2", 10, squash)
    world.ranges()
    assert world.lead_times() == [None, 12, 11]


def test_paths_keep_out_what_is_another_services(world: World, tmp_path: Path) -> None:
    commits = [world.commit(path) for path in ("shop/a", "other/a", "shop/b")]
    world.deploy("d1", 1, commits[0])
    world.deploy("d2", 10, commits[2])
    world.ranges()
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("paths: {shop: [shop/*]}\n")
    assert world.lead_times("--mapping", str(mapping)) == [None, None, 7]
    assert world.lead_times() == [None, 8, 7]


def test_a_rollback_and_the_way_forward_again_deliver_nothing_twice(world: World) -> None:
    commits = [world.commit("a") for _ in range(3)]
    for number, commit in enumerate([commits[0], commits[1], commits[0], commits[2]]):
        world.deploy(f"d{number}", 10 + number, commit)
    world.ranges()
    # d2 goes back and brings nothing; d3 has both commits again, and the first of them was live in d1.
    assert [hours for hours in world.lead_times() if hours is not None] == [9, 10]


def test_what_cannot_be_compared_is_said_and_stays_open(world: World, tmp_path: Path) -> None:
    first = world.commit("a")
    world.deploy("d1", 1, first)
    world.deploy("d2", 10, "c" * 40)
    world.deploy("d3", 11, first)
    world.deploy("d4", 12, "v1.2.3")
    code, data, err = world.ranges()
    assert (code, data["compared"], data["open"]) == (4, 0, 3)
    assert "no commit " + "c" * 40 in err
    assert "not a full commit id" in err
    assert world.ranges("--repository", "other=" + str(world.git.path))[2].count("no repository is named") == 3
    assert world.ranges("--repository", str(tmp_path / "nowhere"))[0] == 4


def test_a_mirror_is_kept_where_it_was_asked_for(world: World, tmp_path: Path) -> None:
    commits = [world.commit("a") for _ in range(2)]
    world.deploy("d1", 1, commits[0])
    world.deploy("d2", 10, commits[1])
    code, data, _ = world.ranges(
        "--repository", f"sh*={world.git.path.as_uri()}", "--mirrors", str(tmp_path / "mirrors")
    )
    assert (code, data["compared"]) == (0, 1)
    assert len(list((tmp_path / "mirrors").iterdir())) == 1


def test_wrong_options(world: World) -> None:
    world.deploy("d1", 1, "a" * 40)
    world.deploy("d2", 2, "b" * 40)
    for args, message in (
        ((), "give --repository or --gitlab"),
        (("--repository", "shop="), "names no repository"),
        (("--gitlab", "not an address"), "not the address of a GitLab project"),
        (("--gitlab", "https://me:secret@gitlab.example.com/a/b"), "credentials"),
        (("--gitlab", "https://gitlab.example.com/a/b", "--repository", "."), "not both"),
    ):
        code, _, err = world.run("dora", "ranges", *args)
        assert (code, message in err, "secret" in err) == (2, True, False), err
