"""What is particular to `file://`: other people's files, links, traces on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cicd.dags.stores.local import LocalStore
from headgate.errors import ConfigError, ConflictError, ServerFaultError, UnsafeActionError


def test_a_file_edited_by_hand_has_another_generation(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    written = store.write("dags/a.py", b"one", if_generation=0)
    (tmp_path / "dags/a.py").write_bytes(b"two")
    assert store.list("dags/")[0].generation != written.generation
    with pytest.raises(ConflictError):
        store.write("dags/a.py", b"three", if_generation=written.generation)


def test_a_file_put_by_hand_has_a_generation(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    store = LocalStore(tmp_path)
    with pytest.raises(ConflictError):
        store.write("a", b"two", if_generation=0)
    store.write("a", b"two", if_generation=store.list("")[0].generation)
    assert (tmp_path / "a").read_bytes() == b"two"


def test_nothing_but_the_files_is_in_the_dag_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    written = store.write("dags/x/a.py", b"one", if_generation=0)
    assert [path.name for path in (tmp_path / "dags").rglob("*")] == ["x", "a.py"]
    assert list((tmp_path / ".headgate/local").glob("*.part")) == []
    store.delete("dags/x/a.py", if_generation=written.generation)
    assert list(tmp_path.glob("dags/*")) == []
    assert (tmp_path / "dags").is_dir()


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for act in (
        lambda: store.read("a\0b"),
        lambda: store.write("a\0b", b"1", if_generation=0),
        lambda: store.delete("a\0b", if_generation=1),
    ):
        with pytest.raises(UnsafeActionError, match="cannot be the name of a file"):
            act()


def test_files_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        LocalStore(tmp_path).write("a", b"1", if_generation=0)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_unfinished_files_of_dead_runs_are_removed(tmp_path: Path) -> None:
    own = tmp_path / ".headgate/local"
    own.mkdir(parents=True)
    old, young = own / "old.part", own / "young.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (1, 1))
    LocalStore(tmp_path).write("a", b"1", if_generation=0)
    assert not old.exists()
    assert young.exists()


def test_a_lost_counter_is_made_up_from_the_clock(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = store.write("a", b"1", if_generation=0).generation
    (tmp_path / ".headgate/local/generation").write_text("not a number")
    assert store.write("a", b"2", if_generation=first).generation > first


def test_a_linked_folder_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "bucket"
    (root / "dags").mkdir(parents=True)
    (root / "dags/out").symlink_to(tmp_path / "elsewhere")
    store = LocalStore(root)
    with pytest.raises(UnsafeActionError, match="symbolic link"):
        store.write("dags/out/a.py", b"1", if_generation=0)
    with pytest.raises(UnsafeActionError, match="symbolic link"):
        store.read("dags/../../elsewhere/a")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [(item.path, item.md5) for item in store.list("dags/")] == [("dags/out", None)]


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "dags").write_bytes(b"1")
    with pytest.raises(ServerFaultError, match="file system refused"):
        LocalStore(tmp_path).write("dags/a.py", b"1", if_generation=0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ConfigError, match="permission denied"):
            LocalStore(tmp_path).write("a", b"1", if_generation=0)
    finally:
        tmp_path.chmod(0o755)
