"""Zip mode: one object per bundle."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cicd.cli.main import main
from cicd.dags.delivery import Outcome, deliver
from cicd.dags.model import Kind
from cicd.dags.planning import Rules
from cicd.dags.sources import from_release
from cicd.dags.stores.local import LocalStore
from cicd.dags.zipped import make_zip, zipped
from headgate.errors import ConfigError, UnsafeActionError
from tests.testing.dag_stores import PlainContent, bundle, contents, desired, loader, md5, quiet
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

RELEASES = int(os.environ.get("HEADGATE_READER_RELEASES", "40"))
DAG = b"from airflow.sdk import DAG\nfrom lib import h\n"


def tree(number: int) -> dict[str, bytes]:
    return {"dag.py": DAG + b"# %d\n" % number, "lib/__init__.py": b"", f"lib/h{number}.py": b"%d" % number}


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def push(store: LocalStore, files: Mapping[str, bytes], rules: Rules | None = None) -> Outcome:
    return deliver(bundle(store, rules=rules), zipped(loader(files), "dags.zip"), clock=SteppedClock(), progress=quiet)


def test_the_same_files_give_the_same_bytes_everywhere() -> None:
    files = {"ü.py": b"1", "a/b.sql": b"2" * 1000, "empty.py": b""}
    data = make_zip(reversed(desired(files)), PlainContent(files))
    assert data == make_zip(desired(files), PlainContent(files))
    assert md5(data) == "244acb747f739f60c3075ea8957d574b"
    assert unzipped(data) == files
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {(e.compress_type, e.date_time, e.create_system, e.external_attr >> 16) for e in archive.infolist()} == {
            (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 3, 0o100644)
        }


def test_push_nothing_to_do_and_rollback(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, again, second = push(store, tree(1)), push(store, tree(1)), push(store, tree(2))
    assert [len(done.changes) for done in (first, again, second)] == [1, 0, 1]
    assert second.changes[0].kind is Kind.DAG
    assert list(contents(store)) == ["dags.zip"]
    assert unzipped(contents(store)["dags.zip"]) == tree(2)
    mine = bundle(store)
    deliver(mine, from_release(mine.ledger, None), clock=SteppedClock(), progress=quiet)
    assert unzipped(contents(store)["dags.zip"]) == tree(1)


def test_changing_the_mode_needs_permission_to_delete(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    deliver(bundle(store), loader(tree(1)), clock=SteppedClock(), progress=quiet)
    with pytest.raises(UnsafeActionError, match="--allow-mass-delete"):
        push(store, tree(1))
    push(store, tree(1), Rules(allow_mass_delete=True))
    assert list(contents(store)) == ["dags.zip"]


@pytest.mark.parametrize("path", ["team/dag.py", ".airflowignore", "lib/.airflowignore", "inner.zip"])
def test_what_airflow_would_not_see_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnsafeActionError, match=f"Airflow would not see '{path}' in 'dags.zip'"):
        push(LocalStore(tmp_path), {**tree(1), path: DAG})


def test_an_empty_tree_is_refused_as_ever(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file is left"):
        push(LocalStore(tmp_path), {})


def test_a_reader_never_sees_a_mix(tmp_path: Path) -> None:
    stop, seen, faults = threading.Event(), set[str](), list[str]()
    known = {repr(sorted(tree(number).items())) for number in range(RELEASES)}

    def read() -> None:
        store = LocalStore(tmp_path)
        while not stop.is_set():
            there = store.read("dags/dags.zip")
            found = repr(sorted(unzipped(there[0]).items())) if there else ""
            seen.add(found)
            faults.extend([found] if there and found not in known else [])

    reader = threading.Thread(target=read)
    reader.start()
    store = LocalStore(tmp_path)
    for number in range(RELEASES):
        push(store, tree(number))
    stop.set()
    reader.join(30)
    assert not faults
    assert len(seen) > 3


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    git = new_repository(tmp_path / "repo")
    commit_files(git, {f"dags/{path}": data.decode() for path, data in tree(1).items()}, "one")
    monkeypatch.chdir(git.path)
    where = ["--target", f"file://{tmp_path}/bucket/dags", "--project", "shop", "--zip"]
    (tmp_path / "bucket").mkdir()
    assert main(["dags", "plan", *where]) == 0
    assert "+ shop.zip" in capsys.readouterr().out
    assert main(["dags", "push", *where]) == 0
    assert unzipped((tmp_path / "bucket/dags/shop.zip").read_bytes()) == tree(1)
    assert main(["dags", "push", *where]) == 0
    assert "nothing to do" in capsys.readouterr().out
