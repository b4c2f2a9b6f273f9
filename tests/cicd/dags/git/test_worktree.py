"""The checkout spares Git's objects, but never takes their place: whatever lies there, the commit's bytes are read."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cicd.dags.git.blobs import GitBlobs
from cicd.dags.git.tree import Selection, fetch_commit, fetch_tree
from cicd.dags.git.worktree import WorkTree
from cicd.dags.imports import Sketch
from headgate.git import Git
from tests.testing.dag_stores import md5
from tests.testing.repositories import commit_files, new_repository

FILES = {"dags/a.py": b"import x\n", "dags/lib/b.sql": b"select 1\n", "dags/lib/deep/c.txt": b"line\r\n", "dags/e": b""}


@pytest.fixture
def git(tmp_path: Path) -> Git:
    made = new_repository(tmp_path / "repo")
    commit_files(made, FILES, "one")
    return made


def read(git: Git, source: str = "dags") -> dict[str, bytes]:
    """The content of each file, read twice: for its hash and for delivery."""
    with GitBlobs(git) as blobs:
        files = fetch_tree(git, blobs, fetch_commit(git, "HEAD"), Selection(source=source, ref="HEAD"), known={})
        found = {file.path: blobs.read(file) for file in files}
        assert {file.path: (file.md5, file.size) for file in files} == {
            path: (md5(data), len(data)) for path, data in found.items()
        }
        return found


WANTED = {path.removeprefix("dags/"): data for path, data in FILES.items()}


def without_objects(git: Git) -> Git:
    """The repository without its blobs: only the checkout has the contents."""
    for line in git.run("ls-tree", "-r", "HEAD").splitlines():
        oid = line.split()[2]
        (git.path / ".git/objects" / oid[:2] / oid[2:]).unlink(missing_ok=True)
    return git


def test_a_clean_checkout_is_enough(git: Git) -> None:
    assert read(without_objects(git)) == WANTED


def test_from_a_folder_of_the_repository_and_through_parents(git: Git) -> None:
    inside = Git(path=git.path / "dags/lib", extra_env=git.extra_env)
    assert read(inside, ".") == {"b.sql": b"select 1\n", "deep/c.txt": b"line\r\n"}
    assert read(Git(path=inside.path, extra_env=without_objects(git).extra_env), "..") == WANTED


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # its address may not be long
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def link(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


def link_to_equal(path: Path) -> None:
    """Even to the same bytes: what the link leads to is no part of the tree."""
    other = path.parents[3] / "other"
    other.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(other)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def linked_parent(path: Path) -> None:
    away = path.parents[3] / "away"
    path.parent.rename(away)
    path.parent.symlink_to(away)


SPOILT: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(b"select 2\n"),  # of the same size
    lambda path: path.write_bytes(b"select 1\r\n"),
    lambda path: path.write_bytes(b""),
    lambda path: path.unlink(),
    lambda path: link(path, "nowhere"),
    lambda path: link(path, "b.sql"),
    link_to_equal,
    linked_parent,
    fifo,
    unix_socket,
    folder,
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_whatever_lies_in_its_place_the_commit_counts(git: Git, spoil: Callable[[Path], object]) -> None:
    spoil(git.path / "dags/lib/b.sql")
    assert read(git) == WANTED


def test_a_huge_file_in_its_place_is_not_read_to_find_that_out(git: Git) -> None:
    path, tree = git.path / "dags/lib/b.sql", WorkTree(git.path / "dags")
    os.truncate(path, 16 << 20)
    assert len(tree.read("lib/b.sql") or b"") == 16 << 20
    os.truncate(path, (16 << 20) + 1)
    assert tree.read("lib/b.sql") is None
    assert tree.read("lib/b.sql", (16 << 20) + 1) is not None
    tree.close()
    assert read(git) == WANTED


def test_links_are_not_followed_though_their_content_would_do(git: Git) -> None:
    path = git.path / "dags/lib/b.sql"
    tree = WorkTree(git.path / "dags")
    assert tree.read("lib/b.sql") == b"select 1\n"
    link_to_equal(path)
    assert tree.read("lib/b.sql") is None
    assert tree.read("lib/deep/c.txt", 6) == b"line\r\n"
    assert tree.read("lib/deep/c.txt", 5) is None
    tree.close()
    linked_parent(path)
    assert tree.read("lib/deep/c.txt") is None
    assert tree.read("a.py") == b"import x\n"
    for path_out in ("../dags/a.py", "./a.py", "/dags/a.py", str(git.path / "dags/a.py"), "..", "", "a\0b", "lib/\0"):
        assert tree.read(path_out) is None
    tree.close()


def test_a_file_that_changes_between_hashing_and_delivery(git: Git) -> None:
    with GitBlobs(git) as blobs:
        files = fetch_tree(git, blobs, fetch_commit(git, "HEAD"), Selection(source="dags", ref="HEAD"), known={})
        for path in FILES:
            (git.path / path).write_bytes(b"edited meanwhile")
        assert {file.path: blobs.read(file) for file in files} == WANTED


@pytest.mark.parametrize("setting", [("core.autocrlf", "true"), ("core.eol", "crlf")])
def test_line_ends_of_the_checkout(git: Git, tmp_path: Path, setting: tuple[str, str]) -> None:
    (git.path / ".gitattributes").write_text("*.sql text\n")
    git.run("add", ".gitattributes")
    git.run("commit", "-q", "-m", "two")
    git.run("clone", "-q", "-c", "=".join(setting), str(git.path), str(tmp_path / "clone"))
    assert (tmp_path / "clone/dags/lib/b.sql").read_bytes() == b"select 1\r\n"
    assert read(Git(path=tmp_path / "clone", extra_env=git.extra_env)) == WANTED


def test_a_filter_of_the_checkout(git: Git, tmp_path: Path) -> None:
    """As Git LFS does: another content in the checkout than in the commit."""
    (git.path / ".gitattributes").write_text("*.sql filter=shout\n")
    git.run("add", ".gitattributes")
    git.run("commit", "-q", "-m", "two")
    clone = tmp_path / "clone"
    git.run("clone", "-q", "-c", "filter.shout.smudge=tr a-z A-Z", str(git.path), str(clone))
    assert (clone / "dags/lib/b.sql").read_bytes() == b"SELECT 1\n"
    assert read(Git(path=clone, extra_env=git.extra_env)) == WANTED


def test_a_repository_of_sha_256(tmp_path: Path) -> None:
    git = Git(path=tmp_path, extra_env=new_repository(tmp_path / "x").extra_env)
    if git.call("init", "-q", "--object-format=sha256", "r").returncode != 0:
        pytest.skip("this Git has no SHA-256")
    git = Git(path=tmp_path / "r", extra_env={**git.extra_env})
    commit_files(git, FILES, "one")
    assert read(git) == WANTED
    assert read(without_objects(git)) == WANTED


def test_many_folders(tmp_path: Path) -> None:
    git = new_repository(tmp_path / "repo")
    files: dict[str, bytes] = {f"dags/f{number}/g/x.py": b"%d" % number for number in range(400)}
    commit_files(git, files, "one")
    assert read(without_objects(git)) == {path.removeprefix("dags/"): data for path, data in files.items()}


def test_what_was_seen_of_python_files_is_kept(git: Git) -> None:
    with GitBlobs(git) as blobs:
        files = fetch_tree(git, blobs, fetch_commit(git, "HEAD"), Selection(source="dags", ref="HEAD"), known={})
        seen = {file.path: blobs.sketch(file) for file in files}
        assert seen.pop("a.py") == Sketch(b"import x", looks_like_dag=False)
        assert set(seen.values()) == {None}
