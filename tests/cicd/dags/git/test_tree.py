"""The desired tree from real Git repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicd.dags.git.blobs import GitBlobs
from cicd.dags.git.tree import Selection, fetch_commit, fetch_tree
from cicd.dags.model import DesiredFile
from cicd.dags.ranges import fetch_range
from headgate.errors import ConfigError, NotFoundError, RemoteStateError, UnsafeActionError
from headgate.git import Git
from tests.testing.dag_stores import md5
from tests.testing.repositories import commit_files, new_repository


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return new_repository(tmp_path / "repo")


def tree(git: Git, source: str = "dags", ref: str = "HEAD", **more: tuple[str, ...]) -> dict[str, str]:
    """Hashes by path."""
    with GitBlobs(git) as blobs:
        selection = Selection(source=source, ref=ref, **more)
        return {f.path: f.md5 for f in fetch_tree(git, blobs, fetch_commit(git, ref), selection, known={})}


def test_the_commit_counts_not_the_work_tree(git: Git) -> None:
    first = commit_files(git, {"dags/a.py": "1", "dags/lib/b.py": b"\xff\x00binary\r\n", "other/c.py": "3"}, "one")
    commit_files(git, {"dags/a.py": "2"}, "two")
    (git.path / "dags/a.py").write_text("dirty")
    (git.path / "dags/untracked.py").write_text("new")
    assert tree(git) == {"a.py": md5(b"2"), "lib/b.py": md5(b"\xff\x00binary\r\n")}
    assert tree(git, ref=first)["a.py"] == md5(b"1")


def test_a_commit_from_beyond_the_calendar_has_no_time(git: Git) -> None:
    """Neither it nor one after it stops a delivery."""
    first = commit_files(git, {"dags/a.py": "1"}, "one")
    odd = Git(path=git.path, extra_env={**git.extra_env, "GIT_COMMITTER_DATE": "@253402300800 +0000"})
    second = commit_files(odd, {"dags/a.py": "2"}, "two")
    third = commit_files(git, {"dags/a.py": "3"}, "three")
    assert fetch_commit(git, second).committed_at is None
    assert tree(git, ref=second) == {"a.py": md5(b"2")}
    assert [commit.sha for commit in fetch_range(git, first, third, "dags")] == [third]


def test_a_replacement_of_an_object_is_not_what_the_commit_has(git: Git) -> None:
    """With it the content would depend on the checkout, and what is kept for a rollback would be another one."""
    commit_files(git, {"dags/a.py": "1"}, "one")
    other = git.run("hash-object", "-w", "--stdin", stdin="replaced").strip()
    git.run("replace", git.run("rev-parse", "HEAD:dags/a.py").strip(), other)
    (git.path / "dags/a.py").unlink()
    assert tree(git) == {"a.py": md5(b"1")}


def test_include_and_exclude(git: Git) -> None:
    commit_files(
        git, {"dags/a.py": "1", "dags/__pycache__/a.pyc": "x", "dags/x.sql": "1", "dags/t/test_a.py": "1"}, "one"
    )
    assert set(tree(git)) == {"a.py", "x.sql", "t/test_a.py"}
    assert set(tree(git, include=("**/*.py",), exclude=("t/**",))) == {"a.py"}


def test_from_a_folder_inside_the_repository(git: Git) -> None:
    commit_files(git, {"platform/dags/a.py": "1", "dags/b.py": "2"}, "one")
    inside = Git(path=git.path / "platform", extra_env=git.extra_env)
    assert set(tree(inside)) == {"a.py"}
    assert set(tree(inside, "../dags")) == {"b.py"}
    assert set(tree(git, ".")) == {"platform/dags/a.py", "dags/b.py"}


def test_from_a_bare_repository(git: Git, tmp_path: Path) -> None:
    commit_files(git, {"dags/a.py": "1"}, "one")
    git.run("clone", "--quiet", "--bare", str(git.path), str(tmp_path / "bare.git"))
    assert set(tree(Git(path=tmp_path / "bare.git"), ref="main")) == {"a.py"}


@pytest.mark.parametrize("source", ["/etc", "..", "../outside", "a/../../b"])
def test_a_source_outside(git: Git, source: str) -> None:
    commit_files(git, {"dags/a.py": "1"}, "one")
    with pytest.raises(ConfigError, match="leads out of the repository"):
        tree(git, source)


def test_what_does_not_exist(git: Git, tmp_path: Path) -> None:
    commit_files(git, {"dags/a.py": "1"}, "one")
    with pytest.raises(NotFoundError, match="no folder 'dgas' at commit"):
        tree(git, "dgas")
    with pytest.raises(NotFoundError, match=r"no folder 'dags/a\.py'"):
        tree(git, "dags/a.py")
    with pytest.raises(NotFoundError, match="no commit 'nope'"):
        tree(git, ref="nope")
    (tmp_path / "plain").mkdir()
    plain = Git(path=tmp_path / "plain", extra_env={"GIT_CEILING_DIRECTORIES": str(tmp_path)})
    with pytest.raises(ConfigError, match="not a Git repository"):
        fetch_commit(plain, "HEAD")


def test_names_that_git_would_quote(git: Git) -> None:
    odd = ["dags/a b.py", "dags/é🚀.py", "dags/100%#?.sql", 'dags/"quoted".txt', "dags/tab\tbed"]
    commit_files(git, dict.fromkeys(odd, "1"), "one")
    with pytest.raises(UnsafeActionError, match=r"'tab\\tbed' is refused: .*control character"):
        tree(git)
    assert set(tree(git, exclude=("tab*",))) == {name.removeprefix("dags/") for name in odd[:-1]}


def test_a_newline_or_broken_utf8_in_a_name(git: Git) -> None:
    commit_files(git, {"dags/a\nb.py": "1"}, "one")
    with pytest.raises(UnsafeActionError, match="newline"):
        tree(git)
    (git.path / "dags").joinpath("a\nb.py").unlink()
    commit_files(git, {"dags/b\udcff.py": "1"}, "two")
    with pytest.raises(UnsafeActionError, match="UTF-8"):
        tree(git)


def link(git: Git, name: str, to: str) -> None:
    path = git.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def test_a_link_inside_the_tree_is_delivered_as_the_file_it_leads_to(git: Git) -> None:
    link(git, "dags/a.py", "lib/b.py")
    link(git, "dags/lib/b.py", "../c.py")
    commit_files(git, {"dags/c.py": "content"}, "one")
    assert set(tree(git).values()) == {md5(b"content")}


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("/etc/passwd", "out of the delivered folder"),
        ("../secrets.py", "out of the delivered folder"),
        ("missing.py", "no file of the delivered folder"),
        ("lib", "no file of the delivered folder"),
        ("a.py", "circle"),
    ],
)
def test_other_links_are_refused(git: Git, to: str, why: str) -> None:
    link(git, "dags/a.py", to)
    commit_files(git, {"dags/lib/x.py": "1", "secrets.py": "1"}, "one")
    with pytest.raises(UnsafeActionError, match=f"'a.py' is refused: .*{why}"):
        tree(git)


def test_a_submodule_is_refused(git: Git) -> None:
    first = commit_files(git, {"dags/a.py": "1"}, "one")
    git.run("update-index", "--add", "--cacheinfo", f"160000,{first},dags/sub")
    git.run("commit", "--quiet", "--message", "two")
    with pytest.raises(UnsafeActionError, match="'sub' is refused: it is a Git submodule"):
        tree(git)


def test_a_git_lfs_pointer_is_refused(git: Git) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    commit_files(git, {"dags/model.bin": pointer}, "one")
    with pytest.raises(UnsafeActionError, match="Git LFS pointer"):
        tree(git)


def test_known_blobs_are_not_read_again(git: Git) -> None:
    commit_files(git, {"dags/a.py": "1", "dags/b.py": "2"}, "one")
    oid = git.run("rev-parse", "HEAD:dags/a.py").strip()
    with GitBlobs(git) as blobs:
        found = fetch_tree(
            git, blobs, fetch_commit(git, "HEAD"), Selection(source="dags", ref="HEAD"), known={oid: ("known", 5)}
        )
    assert [(file.md5, file.size) for file in found] == [("known", 5), (md5(b"2"), 1)]


def test_a_large_file_and_many_small_ones_come_through(git: Git) -> None:
    files = {f"dags/{n}.txt": b"%d" % n for n in range(300)} | {
        "dags/big": bytes(range(256)) * 20_000,
        "dags/empty": b"",
    }
    commit_files(git, files, "one")
    assert tree(git) == {name.removeprefix("dags/"): md5(data) for name, data in files.items()}


def test_a_blob_that_is_missing_or_not_what_it_should_be(git: Git) -> None:
    commit_files(git, {"dags/a.py": "1"}, "one")
    oid = git.run("rev-parse", "HEAD:dags/a.py").strip()
    with GitBlobs(git) as blobs:
        with pytest.raises(RemoteStateError, match="does not have this blob"):
            blobs.blob("0" * 40)
        with pytest.raises(RemoteStateError, match="not what the manifest recorded"):
            blobs.read(DesiredFile(path="a.py", size=1, md5=md5(b"other"), blob=oid))
        assert blobs.blob(oid) == b"1"


def test_git_that_dies_is_an_error_not_a_hang(tmp_path: Path) -> None:
    blobs = GitBlobs(Git(path=tmp_path, extra_env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}))
    with blobs, pytest.raises(RemoteStateError, match="git ended early"):
        blobs.blob("0" * 40)
    blobs.close()
