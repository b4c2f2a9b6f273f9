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
from cicd.dags.inspect import inspect
from cicd.dags.stores.port import DagStore
from cicd.sandbox.object_faults import Fault, FaultKind, Request
from cicd.sandbox.object_server import ObjectSandbox
from headgate.clock import SystemClock
from headgate.errors import LockHeldError
from tests.testing.dag_buckets import Buckets, buckets_of
from tests.testing.dag_processes import Run
from tests.testing.dag_stores import bundle, commit_of, contents, loader, quiet
from tests.testing.stepped_clock import SteppedClock

DAG = b"from airflow.sdk import DAG\n"
OLD = {"dag.py": DAG + b"import helper_1\n", "helper_1.py": b"H = 1\n", "same.py": b"S = 1\n", "gone.sql": b"select 1"}
NEW = {"dag.py": DAG + b"import helper_2\n", "helper_2.py": b"H = 2\n", "same.py": b"S = 1\n", "lib/a.sql": b"select 2"}
FOREIGN = {"airflow_monitoring.py": b"# Composer's own"}
ROUNDS = int(os.environ.get("HEADGATE_RACE_ROUNDS", "2"))
MANY_ROUNDS = int(os.environ.get("HEADGATE_RACE_ROUNDS", "1"))
KILL_STEP = int(os.environ.get("HEADGATE_KILL_STEP", "5"))  # of S3, whose client starts slowly, and of files


@pytest.fixture
def buckets(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    with buckets_of(request.param, tmp_path, monkeypatch) as found:
        yield found


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


def settled(sandbox: ObjectSandbox) -> None:
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


def kill_at(sandbox: ObjectSandbox, run: Run, point: int, *, after: bool) -> str:
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


def started(buckets: Buckets, name: str) -> tuple[str, DagStore]:
    """A bucket with the files of others and the release of OLD."""
    url, store = buckets.new(name)
    for path, data in FOREIGN.items():
        store.write(f"dags/{path}", data, if_generation=0)
    push(store, OLD)
    return url, store


def follow_up_is_whole(store: DagStore, files: Mapping[str, bytes]) -> None:
    """After the death of a run that delivered NEW: one of both releases is in force, and the next run mends it all."""
    books = bundle(store).ledger.read()
    assert books.manifest is not None
    assert books.manifest.commit in {commit_of(OLD), commit_of(NEW)}
    there = contents(store)
    assert {path: there[path] for path in FOREIGN} == FOREIGN
    push(store, files, process=describe_process())
    assert_whole(store, files)


@pytest.mark.parametrize(
    ("buckets", "follow_up", "after"),
    [("gcs", "same", False), ("gcs", "same", True), ("gcs", "back", True), ("s3", "same", True), ("s3", "back", False)],
    indirect=["buckets"],
)
def test_sigkill_at_every_request(
    buckets: Buckets, capsys: pytest.CaptureFixture[str], follow_up: str, *, after: bool
) -> None:
    """The lock of the dead is taken over at once, because it is seen to be dead; then all is whole."""
    server = buckets.server
    assert server is not None
    step = KILL_STEP if buckets.kind == "s3" else 1
    for point in count(step=step):
        url, store = started(buckets, f"b-{point}")
        ended = kill_at(server, Run(url, NEW, name="victim", environ=buckets.environ), point, after=after)
        if ended == "done":
            assert_whole(store, NEW)
            break
        assert ended == "killed"
        follow_up_is_whole(store, NEW if follow_up == "same" else OLD)
    with capsys.disabled():
        when = "after" if after else "before"
        print(f"\n{buckets.kind}: SIGKILL {when} {-(-point // step)} of {point} requests, then {follow_up}: whole")
    assert point > 15


@pytest.mark.parametrize("buckets", ["file"], indirect=True)
def test_sigkill_at_every_operation_on_files(buckets: Buckets, capsys: pytest.CaptureFixture[str]) -> None:
    """Between any two of: opening, renaming, stamping, removing a file, making a folder, taking the file lock."""
    points = 0
    for point in count(step=KILL_STEP):
        url, store = started(buckets, f"b-{point}")
        run = Run(url, NEW, name="victim", environ={}, workers=1, die_at=point)
        run.go()
        ended = run.ended()
        if ended == "done":
            assert_whole(store, NEW)
            break
        assert ended == "killed"
        follow_up_is_whole(store, NEW if point % 2 else OLD)
        points += 1
    with capsys.disabled():
        print(f"\nfile: SIGKILL before {points} of {point} operations on files, then again or back: whole")
    assert point > 80


@pytest.mark.parametrize("buckets", ["gcs"], indirect=True)
def test_the_lock_of_the_dead_blocks_those_who_cannot_see_that(buckets: Buckets) -> None:
    url, store = buckets.new("bucket")
    run = Run(url, NEW, name="victim", environ=buckets.environ)
    assert buckets.server is not None
    assert kill_at(buckets.server, run, 8, after=True) == "killed"
    lock = store.read(bundle(store).ledger.layout.lock)
    assert lock is not None
    with pytest.raises(LockHeldError, match="locked by victim"):
        push(store, NEW)
    elsewhere = lock[0].replace(b'"process":"', b'"process":"another-machine-')
    store.write(bundle(store).ledger.layout.lock, elsewhere, if_generation=lock[1])
    with pytest.raises(LockHeldError, match="locked by victim"):
        push(store, NEW, process=describe_process())


@pytest.mark.parametrize(
    ("buckets", "pipelines"),
    [("file", 2), ("gcs", 2), ("s3", 2), ("file", 20), ("gcs", 20), ("s3", 20)],
    indirect=["buckets"],
)
def test_pipelines_at_once(buckets: Buckets, capsys: pytest.CaptureFixture[str], pipelines: int) -> None:
    """Different commits pushed at once: the bucket is one of them, and the others say clearly that they lost."""
    url, store = buckets.new("bucket")
    for path, data in FOREIGN.items():
        store.write(f"dags/{path}", data, if_generation=0)
    endings: dict[str, int] = {}
    rounds = ROUNDS if pipelines == 2 else MANY_ROUNDS
    for turn in range(rounds):
        trees = [{**NEW, "n.py": b"%d.%d" % (turn, n), "lib/t.py": b"T = %d.%d" % (turn, n)} for n in range(pipelines)]
        runs = [Run(url, tree, name=f"run {n}", environ=buckets.environ, workers=4) for n, tree in enumerate(trees)]
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
        print(f"\n{rounds} rounds of {pipelines} processes on {buckets.kind}: {endings}")
