"""Ranges from real Git repositories: checkouts, mirrors, shallow and partial clones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.ranges.log_text import parse_log, unquote
from cicd.ranges.repository import open_checkout, open_mirror
from headgate.errors import ConfigError, NotFoundError, RemoteStateError
from headgate.git import Git
from tests.testing.repositories import IDENTITY, commit_files, new_repository


@pytest.fixture
def origin(tmp_path: Path) -> Git:
    git = new_repository(tmp_path / "origin")
    git.run("config", "uploadpack.allowFilter", "true")
    git.run("config", "uploadpack.allowAnySHA1InWant", "true")
    return git


def test_a_range_is_what_the_later_commit_has_more(origin: Git) -> None:
    first = commit_files(origin, {"a": "1"}, "one")
    second = commit_files(origin, {"b/c.py": "2"}, "two")
    third = commit_files(origin, {"a": "3", 'odd "name"\n': "x", "naïve": "y"}, "three\n\nwith\na body\n")
    found = open_checkout(origin.path).between(first, third)
    assert {commit.sha for commit in found} == {second, third}
    by_sha = {commit.sha: commit for commit in found}
    assert by_sha[second].paths == ("b/c.py",)
    assert set(by_sha[third].paths) == {"a", 'odd "name"\n', "naïve"}
    assert by_sha[third].at is not None
    assert open_checkout(origin.path).between(third, first) == ()


def test_merges_are_left_out_and_their_branches_are_not(origin: Git) -> None:
    first = commit_files(origin, {"a": "1"}, "one")
    origin.run("checkout", "--quiet", "-b", "feature")
    own = commit_files(origin, {"b": "1"}, "feature")
    origin.run("checkout", "--quiet", "main")
    other = commit_files(origin, {"c": "1"}, "meanwhile")
    origin.run("merge", "--quiet", "--no-ff", "--no-edit", "feature")
    found = open_checkout(origin.path).between(first, origin.rev_parse("HEAD"))
    assert {commit.sha for commit in found} == {own, other}


def test_cherry_picks_and_reverts_are_read_and_a_patch_that_is_there_already_is_left_out(origin: Git) -> None:
    base = commit_files(origin, {"a": "1"}, "one")
    fix = commit_files(origin, {"fix": "1"}, "fix")
    more = commit_files(origin, {"more": "1"}, "more")
    origin.run("checkout", "--quiet", "-b", "release", base)
    origin.run("cherry-pick", "-x", fix)
    picked = origin.rev_parse("HEAD")
    origin.run("revert", "--no-edit", "HEAD")
    reverted = origin.rev_parse("HEAD")
    repository = open_checkout(origin.path)
    by_sha = {commit.sha: commit for commit in repository.between(base, reverted)}
    assert by_sha[picked].original == fix
    assert by_sha[reverted].reverts == picked
    # From the release branch to main: `fix` is known by its patch, under whatever id.
    assert [commit.sha for commit in repository.between(picked, more)] == [more]


def test_a_mirror_is_kept_and_brought_up_to_date_and_holds_no_contents(origin: Git, tmp_path: Path) -> None:
    first = commit_files(origin, {"a": "x" * 5000}, "one")
    second = commit_files(origin, {"a": "y" * 5000}, "two")
    url = origin.path.as_uri()
    mirror = open_mirror(url, tmp_path / "mirrors")
    assert [commit.sha for commit in mirror.between(first, second)] == [second]
    third = commit_files(origin, {"b": "3"}, "three")
    again = open_mirror(url, tmp_path / "mirrors")
    assert again.git.path == mirror.git.path
    assert {commit.sha for commit in again.between(first, third)} == {second, third}
    missing = again.git.run("rev-list", "--objects", "--all", "--missing=print").splitlines()
    assert sum(line.startswith("?") for line in missing) == 3
    assert [path.name for path in (tmp_path / "mirrors").iterdir()] == [mirror.git.path.name]


def test_a_mirror_beside_the_log_is_kept_out_of_git(origin: Git, tmp_path: Path) -> None:
    open_mirror(origin.path.as_uri(), tmp_path / ".headgate/mirrors")
    assert (tmp_path / ".headgate/.gitignore").read_text() == "*\n"


def test_a_mirror_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/mirrors"):
        with pytest.raises(ConfigError, match="no mirror can be made here"):
            open_mirror("https://git.example.com/x.git", folder)


def test_a_mirror_still_has_what_was_deployed_from_a_branch_that_is_gone(origin: Git, tmp_path: Path) -> None:
    first = commit_files(origin, {"a": "1"}, "one")
    origin.run("checkout", "--quiet", "-b", "short-lived")
    deployed = commit_files(origin, {"b": "1"}, "two")
    open_mirror(origin.path.as_uri(), tmp_path / "mirrors")
    origin.run("checkout", "--quiet", "main")
    origin.run("branch", "-D", "short-lived")
    mirror = open_mirror(origin.path.as_uri(), tmp_path / "mirrors")
    assert [commit.sha for commit in mirror.between(first, deployed)] == [deployed]


def test_a_mirror_fetches_a_commit_that_no_branch_has(origin: Git, tmp_path: Path) -> None:
    first = commit_files(origin, {"a": "1"}, "one")
    second = commit_files(origin, {"a": "2"}, "two")
    origin.run("reset", "--hard", "--quiet", first)
    mirror = open_mirror(origin.path.as_uri(), tmp_path / "mirrors")
    assert [commit.sha for commit in mirror.between(first, second)] == [second]


@pytest.mark.parametrize("sha", ["--output=x", "HEAD", "main", "0" * 40, "abc", "", "0" * 39 + "g"])
def test_a_commit_that_is_not_there_is_not_found(origin: Git, sha: str) -> None:
    known = commit_files(origin, {"a": "1"}, "one")
    repository = open_checkout(origin.path)
    with pytest.raises(NotFoundError):
        repository.between(known, sha)
    with pytest.raises(NotFoundError):
        repository.between(sha, known)


def test_a_shallow_clone_says_so(origin: Git, tmp_path: Path) -> None:
    first = commit_files(origin, {"a": "1"}, "one")
    second = commit_files(origin, {"a": "2"}, "two")
    Git(path=tmp_path, extra_env=IDENTITY).run(
        "clone", "--quiet", "--depth=1", "--", origin.path.as_uri(), str(tmp_path / "shallow")
    )
    with pytest.raises(NotFoundError, match="shallow") as caught:
        open_checkout(tmp_path / "shallow").between(first, second)
    assert "--unshallow" in str(caught.value)


def test_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(ConfigError, match="no Git repository"):
        open_checkout(tmp_path / "plain")
    for url in ("--upload-pack=touch x", "a\nb"):
        with pytest.raises(ConfigError, match="not the URL"):
            open_mirror(url, tmp_path / "mirrors")
    for url in ((tmp_path / "nothing").as_uri(), "ext::sh -c touch% pwned"):
        with pytest.raises(RemoteStateError, match="cannot be cloned"):
            open_mirror(url, tmp_path / "mirrors")
    assert not (tmp_path / "pwned").exists()
    assert list((tmp_path / "mirrors").iterdir()) == []


def test_an_address_with_credentials_is_masked(tmp_path: Path) -> None:
    with pytest.raises(RemoteStateError) as caught:
        open_mirror("http://someone:hunter2secret@127.0.0.1:9/x.git", tmp_path / "mirrors")
    assert "hunter2secret" not in str(caught.value)


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_any_message_and_path_come_back(name: str) -> None:
    text = f"\0{'a' * 40}\x002026-03-02T10:00:00+01:00\0{name}\0\n\nplain.py\n"
    (commit,) = parse_log(text)
    assert (commit.sha, commit.paths) == ("a" * 40, ("plain.py",))


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [('"a\\tb"', "a\tb"), ('"a\\"b"', 'a"b'), ('"\\303\\251"', "é"), ('"a\\\\b"', "a\\b"), ('"\\001"', "\x01")],
)
def test_quoted_names(quoted: str, plain: str) -> None:
    assert unquote(quoted) == plain


@pytest.mark.parametrize("text", ["x", "\0a\0b", "\0a\0b\0c"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="form"):
        parse_log(text)
