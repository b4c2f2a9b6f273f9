"""Git on real repositories; hostile names never reach the command line as options."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.errors import ConfigError, NotFoundError, RemoteStateError
from headgate.git import Git, check_ref, check_revision, clone, is_sha
from tests.testing.repositories import commit_files, new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Git:
    git = new_repository(tmp_path / "repo")
    commit_files(git, {"a.txt": "one\n"}, "first")
    return git


def test_rev_parse_gives_the_full_id(repository: Git) -> None:
    assert is_sha(repository.rev_parse("main"))
    assert repository.rev_parse("main") == repository.rev_parse("HEAD")


@pytest.mark.parametrize("revision", ["main", "HEAD", "v1", "second~1"])
def test_a_commit_with_its_time(repository: Git, revision: str) -> None:
    repository.run("tag", "--annotate", "--message=text\nof two lines", "v1")
    repository.run("branch", "second")
    first = repository.rev_parse("HEAD")
    repository.run("checkout", "--quiet", "second")
    commit_files(repository, {"a.txt": "two\n"}, "two")
    repository.run("checkout", "--quiet", first)
    at = repository.run("show", "--no-patch", "--format=%cI", first).strip()
    assert repository.committed_at(revision) == (first, at)


@pytest.mark.parametrize("revision", ["nosuch", "HEAD~9", "0" * 40])
def test_no_commit_has_no_time(repository: Git, revision: str) -> None:
    with pytest.raises(NotFoundError, match="no commit"):
        repository.committed_at(revision)


def test_ancestry(repository: Git) -> None:
    first = repository.rev_parse("HEAD")
    second = commit_files(repository, {"a.txt": "two\n"}, "second")
    assert repository.is_ancestor(first, second)
    assert repository.is_ancestor(first, first)
    assert not repository.is_ancestor(second, first)


def test_read_file_at_a_commit(repository: Git) -> None:
    first = repository.rev_parse("HEAD")
    commit_files(repository, {"a.txt": "two\n"}, "second")
    assert repository.read_file(first, "a.txt") == b"one\n"
    assert repository.read_file("HEAD", "a.txt") == b"two\n"


def test_missing_things_are_named(repository: Git) -> None:
    with pytest.raises(NotFoundError, match="nosuch"):
        repository.rev_parse("nosuch")
    with pytest.raises(NotFoundError, match=r"b\.txt"):
        repository.read_file("HEAD", "b.txt")


def test_a_failing_command_says_which_and_where(repository: Git) -> None:
    with pytest.raises(RemoteStateError, match=r"git push failed with status \d+"):
        repository.run("push", "/nonexistent/repository", "main")


@pytest.mark.parametrize(
    "name",
    [
        "--upload-pack=x",
        "-x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a\nb",
        "a\x00b",
        "",
        "x.lock",
        "x/",
        "a//b",
        "@{u}",
        "a\\b",
    ],
)
def test_hostile_ref_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_ref(name)


@pytest.mark.parametrize("name", ["main", "feature/x-1", "v1.2.3", "refs/headgate/locks/a/b", "0" * 40])
def test_plain_ref_names_are_accepted(name: str) -> None:
    assert check_ref(name) == name


@pytest.mark.parametrize("name", ["main", "HEAD~1", "HEAD~", "HEAD^", "v1.0~2^2~3", "0" * 40 + "^"])
def test_steps_back_from_a_ref_are_revisions(name: str) -> None:
    assert check_revision(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "~1", "^HEAD", "HEAD~1..HEAD", "HEAD...main", "--all", "-~1", "HEAD@{1}", "@{upstream}", "@{-1}", "HEAD~a",
        "HEAD~1 ", "HEAD~1\n", "HEAD^{tree}", "HEAD^{/fix}", ":/fix", "HEAD:a.txt", "HEAD~1:a.txt", "a b", "HEAD~9999999",
        "HEAD^!", "HEAD^@", "HEAD^-1", "main~1/../x",
    ],
)  # fmt: skip
def test_other_revision_expressions_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a Git ref name"):
        check_revision(name)


def test_steps_back_are_resolved(repository: Git) -> None:
    first = repository.rev_parse("HEAD")
    commit_files(repository, {"a.txt": "two\n"}, "second")
    assert repository.rev_parse("HEAD~1") == repository.rev_parse("main^") == first
    with pytest.raises(NotFoundError):
        repository.rev_parse("HEAD~2")


def test_clone_of_a_hostile_url_is_not_an_option(tmp_path: Path) -> None:
    with pytest.raises(RemoteStateError):
        clone("--upload-pack=touch /tmp/owned", tmp_path / "clone")


def test_an_outer_git_dir_does_not_leak_in(repository: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = new_repository(tmp_path / "other")
    commit_files(other, {"b": "b"}, "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    assert repository.read_file("HEAD", "a.txt") == b"one\n"
