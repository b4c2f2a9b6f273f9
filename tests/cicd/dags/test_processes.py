"""Real processes: killed with SIGKILL at every request, and racing each other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from cicd.dags.alive import describe_process
from cicd.dags.delivery import deliver
from cicd.dags.gcs import GcsStore
from cicd.dags.inspect import inspect
from cicd.dags.local import LocalStore
from cicd.dags.store import DagStore
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_faults import Fault, FaultKind, Request
from headgate.clock import SystemClock
from headgate.errors import LockHeldError
from tests.testing.dag_processes import Run
from tests.testing.dag_stores import bundle, commit_of, contents, loader, quiet
from tests.testing.stepped_clock import SteppedClock

DAG = b"from airflow.sdk import DAG\n"
OLD = {"dag.py": DAG + b"import helper_1\n", "helper_1.py": b"H = 1\n", "same.py": b"S = 1\n", "gone.sql": b"select 1"}
NEW = {"dag.py": DAG + b"import helper_2\n", "helper_2.py": b"H = 2\n", "same.py": b"S = 1\n", "lib/a.sql": b"select 2"}
FOREIGN = {"airflow_monitoring.py": b"# Composer's own"}
ROUNDS = int(os.environ.get("HEADGATE_RACE_ROUNDS", "2"))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsSandbox]:
    with GcsSandbox() as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


def push(store: DagStore, files: Mapping[str, bytes], *, process: str | None = None) -> None:
    """Deliver from this process; only one that is named may take the lock of a dead one over."""
    deliver(bundle(store, run="follow-up", process=process), loader(files), clock=SteppedClock(), progress=quiet)


def assert_whole(store: DagStore, files: Mapping[str, bytes]) -> None:
    """The bucket holds exactly one commit, the manifest says so, and nothing is unfinished or lost.

    Only the lock of a run that was killed when all was done may be left: nobody has needed it since.
    """
    assert contents(store) == {**files, **FOREIGN}
    seen = inspect(bundle(store), SystemClock().now())
    assert seen.books.manifest is not None
    assert seen.books.manifest.commit == commit_of(files)
    assert {file.path for file in seen.books.manifest.files} == set(files)
    assert (seen.drift, seen.books.claims, seen.foreign) == ((), None, tuple(FOREIGN))
    assert seen.lock is None or seen.lock.holder == "victim"


def settled(sandbox: GcsSandbox) -> None:
    """Requests that a dead process had sent are answered all the same: wait until they are."""
    seen, quiet_for = -1, 0
    for _ in range(1000):
        now = len(sandbox.faults.requests)
        quiet_for = quiet_for + 1 if now == seen else 0
        if quiet_for == 5:
            return
        seen = now
        time.sleep(0.005)
    raise AssertionError("the sandbox is still busy")


def kill_at(sandbox: GcsSandbox, run: Run, point: int, *, after: bool) -> str:
    """Let `run` go and kill it when its request number `point` arrives, before or after it has its effect."""

    def decide(number: int, request: Request) -> Fault | None:
        if number == point:
            os.kill(run.pid, signal.SIGKILL)
            return Fault(kind=FaultKind.RESET, when="after" if after else "before")
        return None

    sandbox.faults.forget()
    sandbox.faults.decide = decide
    run.go()
    ended = run.ended()
    sandbox.faults.decide = None
    settled(sandbox)
    return ended


@pytest.mark.parametrize(("follow_up", "after"), [("same", False), ("same", True), ("back", True)])
def test_sigkill_at_every_request(
    sandbox: GcsSandbox, capsys: pytest.CaptureFixture[str], follow_up: str, *, after: bool
) -> None:
    """The lock of the dead is taken over at once, because it is seen to be dead; then all is whole."""
    wanted = NEW if follow_up == "same" else OLD
    for point in count():
        sandbox.create_bucket(f"b-{point}")
        store = GcsStore(f"b-{point}")
        for path, data in FOREIGN.items():
            store.write(f"dags/{path}", data, if_generation=0)
        push(store, OLD)
        environ = {"STORAGE_EMULATOR_HOST": sandbox.url}
        ended = kill_at(sandbox, Run(f"gs://b-{point}/dags", NEW, name="victim", environ=environ), point, after=after)
        if ended == "done":
            assert_whole(store, NEW)
            store.close()
            break
        assert ended == "killed"
        books = bundle(store).ledger.read()
        assert books.manifest is not None
        assert books.manifest.commit in {commit_of(OLD), commit_of(NEW)}
        for path, data in FOREIGN.items():
            assert contents(store)[path] == data
        push(store, wanted, process=describe_process())
        assert_whole(store, wanted)
        store.close()
    with capsys.disabled():
        print(f"\nSIGKILL {'after' if after else 'before'} each of {point} requests, then {follow_up}: whole")
    assert point > 15


def test_the_lock_of_the_dead_blocks_those_who_cannot_see_that(sandbox: GcsSandbox) -> None:
    sandbox.create_bucket("bucket")
    store = GcsStore("bucket")
    run = Run("gs://bucket/dags", NEW, name="victim", environ={"STORAGE_EMULATOR_HOST": sandbox.url})
    assert kill_at(sandbox, run, 8, after=True) == "killed"
    lock = store.read(bundle(store).ledger.layout.lock)
    assert lock is not None
    with pytest.raises(LockHeldError, match="locked by victim"):
        push(store, NEW)
    elsewhere = lock[0].replace(b'"process":"', b'"process":"another-machine-')
    store.write(bundle(store).ledger.layout.lock, elsewhere, if_generation=lock[1])
    with pytest.raises(LockHeldError, match="locked by victim"):
        push(store, NEW, process=describe_process())
    store.close()


@pytest.mark.parametrize("pipelines", [2, 20])
@pytest.mark.parametrize("kind", ["file", "gcs"])
def test_pipelines_at_once(
    sandbox: GcsSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, pipelines: int
) -> None:
    """Different commits pushed at once: the bucket is one of them, and the others say clearly that they lost."""
    sandbox.create_bucket("bucket")
    store: DagStore = LocalStore(tmp_path) if kind == "file" else GcsStore("bucket")
    url = f"file://{tmp_path}/dags" if kind == "file" else "gs://bucket/dags"
    for path, data in FOREIGN.items():
        store.write(f"dags/{path}", data, if_generation=0)
    endings: dict[str, int] = {}
    for turn in range(ROUNDS):
        trees = [{**NEW, "n.py": b"%d.%d" % (turn, n), "lib/t.py": b"T = %d.%d" % (turn, n)} for n in range(pipelines)]
        environ = {"STORAGE_EMULATOR_HOST": sandbox.url}
        runs = [Run(url, tree, name=f"run {n}", environ=environ, workers=4) for n, tree in enumerate(trees)]
        for run in runs:
            run.go()
        ended = [run.ended() for run in runs]
        assert "done" in ended
        assert set(ended) <= {"done", "LockHeldError 4", "ConflictError 4"}
        for text in ended:
            endings[text] = endings.get(text, 0) + 1
        manifest = bundle(store).ledger.read().manifest
        assert manifest is not None
        winner = next(n for n, tree in enumerate(trees) if commit_of(tree) == manifest.commit)
        assert ended[winner] == "done"
        assert_whole(store, trees[winner])
    with capsys.disabled():
        print(f"\n{ROUNDS} rounds of {pipelines} processes on {kind}: {endings}")
    if isinstance(store, GcsStore):
        store.close()
