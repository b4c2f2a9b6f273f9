"""What breaks or slows the sync of a DAG folder: by rule, and where the commands say it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.cli.main import main
from cicd.dags.breakers import LARGE_FILE, LARGE_TREE, MANY_FILES, Rule, find_in_bucket, find_in_tree, tell
from cicd.dags.model import StoredObject
from cicd.sandbox.gcs import GcsSandbox
from tests.testing.repositories import commit_files, new_repository


def stored(*paths: str, encoding: str | None = None) -> tuple[StoredObject, ...]:
    return tuple(StoredObject(path=path, size=1, md5=None, generation=1, encoding=encoding) for path in paths)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.py", "lib/b.py", "data/x.json"], set()),
        (["old.py/notes.txt"], {(Rule.FOLDER, "old.py")}),
        (["x/pack.zip/a/b.txt"], {(Rule.FOLDER, "x/pack.zip")}),
        (["tests/test_a.py", "lib/test_b.py", "lib/b_test.py", "conftest.py", "contest.py", "latest.py", "testing.py"],
         {(Rule.TESTS, "tests/test_a.py"), (Rule.TESTS, "lib/test_b.py"), (Rule.TESTS, "lib/b_test.py"), (Rule.TESTS, "conftest.py")}),
    ],
)  # fmt: skip
def test_a_tree(paths: list[str], expected: set[tuple[Rule, str]]) -> None:
    assert {(item.rule, item.path) for item in find_in_tree((path, 1) for path in paths)} == expected


def test_sizes_of_a_tree() -> None:
    assert find_in_tree([("a", LARGE_FILE)]) == ()
    assert [item.rule for item in find_in_tree([("a", LARGE_FILE + 1)])] == [Rule.LARGE_FILE]
    many = [(f"f{number}", 1) for number in range(MANY_FILES)]
    assert find_in_tree(many) == ()
    assert [item.rule for item in find_in_tree([*many, ("one more", 1)])] == [Rule.LARGE_TREE]
    heavy = [(f"f{number}", LARGE_FILE) for number in range(LARGE_TREE // LARGE_FILE)]
    assert find_in_tree(heavy) == ()
    assert [item.rule for item in find_in_tree([*heavy, ("one more", 1)])] == [Rule.LARGE_TREE]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.py", "lib/b.py"], set()),
        (["lib/"], {(Rule.SLASH, "lib/")}),
        (["./"], {(Rule.SLASH, "./"), (Rule.DOT, "./")}),
        ([".", "lib/../x"], {(Rule.DOT, "."), (Rule.DOT, "lib/../x")}),
        (["a.py", "a.py/x.txt"], {(Rule.BOTH, "a.py")}),
        (["a.py", "a.py/"], {(Rule.BOTH, "a.py"), (Rule.SLASH, "a.py/")}),
        (["b.py/"], {(Rule.FOLDER, "b.py"), (Rule.SLASH, "b.py/")}),
    ],
)
def test_a_bucket(paths: list[str], expected: set[tuple[Rule, str]]) -> None:
    assert {(item.rule, item.path) for item in find_in_bucket(stored(*paths))} == expected


def test_gzip() -> None:
    found = find_in_bucket((*stored("a.py", encoding="gzip"), *stored("b.py", encoding="identity"), *stored("c.py")))
    assert [(item.rule, item.path, item.breaks) for item in found] == [(Rule.GZIP, "a.py", True)]


names = st.lists(st.text(st.sampled_from("ab./"), min_size=1, max_size=6), max_size=8, unique=True)


@given(names, st.randoms())
def test_the_order_of_a_listing_does_not_matter_and_what_breaks_comes_first(paths: list[str], random: object) -> None:
    found = find_in_bucket(stored(*paths))
    assert find_in_bucket(stored(*paths[::-1])) == found
    assert [item.breaks for item in found] == sorted((item.breaks for item in found), reverse=True)


def test_long_lists_are_counted() -> None:
    (line,) = tell(find_in_tree((f"tests/t{number:03}.py", 1) for number in range(50)))
    assert " and 30 more: " in line


def test_where_the_commands_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git = new_repository(tmp_path / "repo")
    commit_files(git, {"dags/a.py": "# airflow dag\n", "dags/tests/test_a.py": "", "dags/odd.py/x.sql": ""}, "one")
    monkeypatch.chdir(git.path)
    with GcsSandbox(buckets=["prod"]) as bucket:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.url)
        for name, more in (("dags/.", ""), ("dags/lib/", ""), ("dags/theirs.py", "&contentEncoding=gzip")):
            url = f"{bucket.url}/upload/storage/v1/b/prod/o?uploadType=media&name={name}{more}"
            assert httpx.post(url, content=b"x", timeout=60).status_code == 200
        for command in ("plan", "push"):
            assert main(["dags", command, "--target", "gs://prod/dags", "-o", "json"]) == 0
            said = capsys.readouterr()
            (part,) = json.loads(said.out)["targets"]
            assert {item["rule"] for item in part["sync_breakers"]} == {"tests", "folder-like-dag"}
            assert "warning: slows or confuses the sync: 'tests/test_a.py': tests are copied" in said.err
        assert main(["dags", "status", "--target", "gs://prod/dags"]) == 0
    out = capsys.readouterr().out
    assert "  breaks the sync: 'theirs.py': stored with Content-Encoding gzip" in out
    assert "  breaks the sync: '.': a file system cannot hold" in out
    assert "  slows or confuses the sync: 'lib/': a placeholder" in out
