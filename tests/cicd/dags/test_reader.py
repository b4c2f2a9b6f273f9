"""What somebody sees who reads the DAG folder while releases are delivered: never a DAG without its helper."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from cicd.dags.delivery import deliver
from cicd.dags.planning import Rules
from cicd.dags.stores.gcs import GcsStore
from cicd.dags.stores.local import LocalStore
from cicd.dags.stores.port import DagStore
from cicd.dags.stores.s3 import S3Store
from tests.testing.dag_buckets import KINDS, buckets_of
from tests.testing.dag_stores import WatchedStore, bundle, contents, loader, quiet
from tests.testing.stepped_clock import SteppedClock

RELEASES = int(os.environ.get("HEADGATE_READER_RELEASES", "60"))


def tree(number: int) -> dict[str, bytes]:
    """Release `number`: a helper under a new name, a DAG edited in place that uses it, and a DAG that moves with it.

    Every third time the helper alone changes before, and it always looks like a DAG file itself.
    """
    helper = number // 3
    uses = b"from airflow.sdk import DAG\nfrom lib.h%d import H  # needs lib/h%d.py\n" % (helper, helper)
    return {
        "dag.py": uses,
        f"moved_{helper}.py": uses,
        f"lib/h{helper}.py": b"# helper of airflow dags, %d\nH = 1\n" % number,
    }


def needs(data: bytes) -> set[str]:
    return {name.decode() for name in re.findall(rb"needs (\S+)", data)}


def missing(seen: Mapping[str, bytes]) -> set[tuple[str, str]]:
    return {(path, helper) for path, data in seen.items() for helper in needs(data) if helper not in seen}


class Reader(threading.Thread):
    """Lists and reads without pause. A DAG whose helper cannot be read, though the DAG is still the same, is a fault."""

    def __init__(self, store: DagStore) -> None:
        super().__init__(daemon=True)
        self._store = store
        self.stop = threading.Event()
        self.rounds = 0
        self.faults: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            for item in self._store.list("dags/"):
                self._check(item.path)
            self.rounds += 1

    def _check(self, path: str) -> None:
        there = self._store.read(path)
        for helper in needs(there[0]) if there else ():
            if self._store.read(f"dags/{helper}") is None and self._store.read(path) == there:
                self.faults.append(f"{path} without {helper}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_never_sees_a_dag_whose_helper_is_missing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with buckets_of(kind, tmp_path, monkeypatch) as buckets:
        _, store = buckets.new("bucket")
        again = buckets.open("bucket")
        reader = Reader(again)
        reader.start()
        clock = SteppedClock()
        for number in range(RELEASES):
            mine = bundle(store, workers=8, keep_releases=2)
            deliver(mine, loader(tree(number)), clock=clock, progress=quiet)
            clock.advance(1)
        reader.stop.set()
        reader.join(60)
        assert not reader.faults
        assert reader.rounds > 5
        assert contents(store) == tree(RELEASES - 1)
        if isinstance(again, GcsStore | S3Store):
            again.close()
    with capsys.disabled():
        print(f"\n{RELEASES} releases on {kind}, {reader.rounds} readings: no DAG without its helper")


def test_at_every_moment_each_dag_has_its_helper(tmp_path: Path) -> None:
    """The same without chance: the whole folder is looked at before every write and delete."""
    store = LocalStore(tmp_path)
    faults: list[set[tuple[str, str]]] = []
    looks = 0

    def look(path: str, data: bytes | None) -> None:
        nonlocal looks
        looks += 1
        faults.append(missing(contents(store)))

    watched = WatchedStore(store, look)
    for number in range(12):
        deliver(bundle(watched), loader(tree(number)), clock=SteppedClock(), progress=quiet)
    assert set().union(*faults) == set()
    assert looks > 60


def test_what_leaves_together_leaves_in_reverse_order_of_imports(tmp_path: Path) -> None:
    """Helpers that were delivered alone, and look like DAG files, go after the DAGs that use them, users first."""
    store, clock = LocalStore(tmp_path), SteppedClock()
    kept = {"kept.py": b"from airflow.sdk import DAG\n", "a.sql": b"1"}
    dag = {"dag.py": b"from airflow.sdk import DAG\nimport upper\n"}
    upper = {"upper.py": b"# airflow dag\nimport lower\n"}
    lower = {"lower.py": b"# airflow dag\n", "lib/data.sql": b"1", "z.py": b"# airflow dag, imports nothing\n"}
    for files in (kept | lower, kept | lower | upper, kept | lower | upper | dag):
        deliver(bundle(store), loader(files), clock=clock, progress=quiet)
    gone: list[str] = []
    watched = WatchedStore(store, lambda path, data: gone.append(path) if data is None else None)
    mine = bundle(watched, rules=Rules(allow_mass_delete=True))
    done = deliver(mine, loader(kept | {"new.py": b""}), clock=clock, progress=quiet)
    deleted = [path.removeprefix("dags/") for path in gone if path.startswith("dags/")]
    assert deleted == ["dag.py", "z.py", "upper.py", "lower.py", "lib/data.sql"]
    waves = {change.path: change.wave for change in done.changes}
    assert waves["dag.py"] == waves["z.py"] < waves["upper.py"] < waves["lower.py"] < waves["lib/data.sql"]


def test_readers_that_copy_in_turns_are_given_time(tmp_path: Path) -> None:
    """With a settle pause: after new helpers, and before helpers go; nothing else is slowed down."""
    store, clock = LocalStore(tmp_path), SteppedClock()
    moments: list[tuple[str, float]] = []
    watched = WatchedStore(store, lambda path, data: moments.append((path.rpartition("/")[2], clock.monotonic())))

    def push(files: Mapping[str, bytes]) -> dict[str, float]:
        moments.clear()
        start = clock.monotonic()
        deliver(bundle(watched, settle_s=65), loader(files), clock=clock, progress=quiet)
        return {name: moment - start for name, moment in moments}

    assert push(tree(0))["dag.py"] == 65
    moved = push(tree(3))
    assert (moved["h1.py"], moved["dag.py"], moved["moved_0.py"], moved["h0.py"]) == (0, 65, 65, 130)
    assert max(push(tree(4)).values()) == 0
