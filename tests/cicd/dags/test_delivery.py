"""Delivering, rolling back, dying at every point, and racing, on `file://` buckets."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from cicd.dags.delivery import Outcome, deliver
from cicd.dags.inspect import inspect
from cicd.dags.ledger import Books
from cicd.dags.lock import Lease
from cicd.dags.model import Manifest
from cicd.dags.planning import Rules
from cicd.dags.proposal import Tree, propose
from cicd.dags.sources import from_release
from cicd.dags.stores.local import LocalStore
from cicd.dags.stores.port import DagStore
from headgate.clock import SystemClock
from headgate.errors import (
    ConfigError,
    ConflictError,
    HeadgateError,
    LockHeldError,
    NotFoundError,
    RemoteStateError,
    UnsafeActionError,
)
from tests.testing.dag_stores import Killed, MortalStore, WatchedStore, bundle, commit_of, contents, loader, quiet
from tests.testing.stepped_clock import SteppedClock

DAG = b"from airflow.sdk import DAG\nfrom lib.tables import T\n"
ONE = {"dag.py": DAG, "lib/__init__.py": b"", "lib/tables.py": b"T = 1\n", "q.sql": b"select 1", "old.py": DAG + b"#"}
TWO = {
    "dag.py": DAG + b"# 2\n",
    "lib/__init__.py": b"",
    "lib/tables.py": b"T = 2\n",
    "q.sql": b"select 1",
    "new.py": DAG,
}
THREE = {"dag.py": DAG + b"# 3\n", "lib/__init__.py": b"", "lib/tables.py": b"T = 3\n", "lib/more.py": b"M = 1\n"}
FOREIGN = {"airflow_monitoring.py": b"# Composer's own", "other_team/dag.py": b"# theirs"}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A bucket in which other people have files."""
    found = LocalStore(tmp_path)
    for path, data in FOREIGN.items():
        found.write(f"dags/{path}", data, if_generation=0)
    return found


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


def push(
    store: DagStore, files: Mapping[str, bytes], clock: SteppedClock, *, run: str = "one", keep: int = 10
) -> Outcome:
    return deliver(bundle(store, run=run, keep_releases=keep), loader(files), clock=clock, progress=quiet)


def rollback(store: DagStore, clock: SteppedClock, release: str | None = None) -> Outcome:
    target = bundle(store)
    return deliver(target, from_release(target.ledger, release), clock=clock, progress=quiet)


def assert_whole(store: DagStore, files: Mapping[str, bytes]) -> None:
    """Bucket and manifest hold exactly `files`; what others own is untouched; nothing is locked or unfinished."""
    assert contents(store) == {**files, **FOREIGN}
    seen = inspect(bundle(store), SystemClock().now())
    assert seen.books.manifest is not None
    assert {file.path for file in seen.books.manifest.files} == set(files)
    assert seen.books.manifest.commit == commit_of(files)
    assert (seen.drift, seen.books.claims, seen.lock) == ((), None, None)
    assert set(seen.foreign) == set(FOREIGN)


class TestPush:
    def test_first_second_and_nothing_to_do(self, store: LocalStore, clock: SteppedClock) -> None:
        first = push(store, ONE, clock)
        assert first.manifest.release == f"r1-{commit_of(ONE)[:8]}"
        assert_whole(store, ONE)
        second = push(store, TWO, clock)
        assert (second.manifest.number, second.manifest.previous) == (2, first.manifest.release)
        assert second.manifest.previous_commit == commit_of(ONE)
        assert_whole(store, TWO)
        before = store.list("")
        again = push(store, TWO, clock)
        assert (again.changes, again.manifest) == ((), second.manifest)
        assert store.list("") == before

    def test_nothing_to_do_takes_three_requests(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        counted = MortalStore(store)
        push(counted, ONE, clock)
        assert counted.calls == 3

    def test_what_is_proposed_is_what_is_done(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        before = store.list("")
        proposal = propose(bundle(store), loader(TWO))
        assert store.list("") == before
        assert push(store, TWO, clock).changes == proposal.changes

    def test_an_empty_tree_is_refused(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        with pytest.raises(ConfigError, match="no file is left to deliver"):
            push(store, {}, clock)
        assert_whole(store, ONE)

    def test_foreign_and_drifted_objects_stop_it_before_anything_is_written(
        self, store: LocalStore, clock: SteppedClock
    ) -> None:
        push(store, ONE, clock)
        before = store.list("")
        with pytest.raises(UnsafeActionError, match="airflow_monitoring"):
            push(store, {**TWO, "airflow_monitoring.py": b"ours now"}, clock)
        assert store.list("") == before
        store.write(
            "dags/dag.py", b"by hand", if_generation=next(i.generation for i in before if i.path == "dags/dag.py")
        )
        with pytest.raises(UnsafeActionError, match="by hand"):
            push(store, TWO, clock)
        repaired = deliver(bundle(store, rules=Rules(repair=True)), loader(TWO), clock=clock, progress=quiet)
        assert repaired.manifest.number == 2
        assert_whole(store, TWO)

    def test_an_overlapping_bundle_is_refused(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        for prefix in ("dags/", "dags/sub/", ""):
            other = bundle(store, project="other", prefix=prefix)
            with pytest.raises(UnsafeActionError, match="overlaps with 'dags' at /dags/"):
                propose(other, loader({"mine.py": b"1"}))
        propose(bundle(store, project="other", prefix="dags2/"), loader({"mine.py": b"1"}))
        propose(bundle(store, project="other", allow_overlap=True), loader({"mine.py": b"1"}))

    def test_one_bundle_never_touches_what_another_owns(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        other = bundle(store, project="other", allow_overlap=True)
        with pytest.raises(UnsafeActionError, match=r"'dag.py' is in the bucket with other content"):
            deliver(other, loader({"dag.py": b"other"}), clock=clock, progress=quiet)

    def test_a_helper_is_never_missing_or_older_than_its_dag(self, store: LocalStore, clock: SteppedClock) -> None:
        """At every moment between two writes each DAG finds the helper that it needs."""
        push(store, ONE, clock)
        moments: list[dict[str, bytes]] = []
        watched = WatchedStore(store, lambda path, data: moments.append(contents(store)))
        push(watched, TWO, clock)
        push(watched, THREE, clock)
        for seen in moments:
            for path in ("dag.py", "new.py", "old.py"):
                number = seen.get(path, b"")[-2:-1]
                helper = seen["lib/tables.py"][-2:-1]
                assert not number.isdigit() or helper >= number
        assert len(moments) > 10

    def test_somebody_who_writes_in_between_is_not_overwritten(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)

        def meddle(path: str, data: bytes | None) -> None:
            if path == "dags/dag.py":
                there = store.read(path)
                assert there is not None
                store.write(path, b"urgent fix", if_generation=there[1])

        with pytest.raises(
            ConflictError, match=rf"r1-.* is still the release in force, r2-{commit_of(TWO)[:8]} is unfinished"
        ):
            push(WatchedStore(store, meddle), TWO, clock)
        assert contents(store)["dag.py"] == b"urgent fix"
        assert [drift.path for drift in inspect(bundle(store), clock.now()).drift if drift.kind == "changed"] == [
            "dag.py"
        ]


class TestLockAskedForEarly:
    """The lock is asked for while the bucket is listed; whatever comes of the plan, it is not kept."""

    def test_a_refused_plan_gives_it_back(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        with pytest.raises(UnsafeActionError, match="airflow_monitoring"):
            push(store, {**TWO, "airflow_monitoring.py": b"ours now"}, clock)
        assert inspect(bundle(store), SystemClock().now()).lock is None

    def test_another_commit_with_the_same_files_needs_none(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)

        def load(books: Books) -> Tree:
            return replace(loader(ONE)(books), commit="c" * 40)

        holder = Lease(store, bundle(store).ledger.layout.lock, clock, bundle(store, run="other").lock)
        holder.acquire()
        outcome = deliver(bundle(store), load, clock=clock, progress=quiet)
        assert (outcome.changes, outcome.commit, outcome.untidy) == ((), "c" * 40, None)
        assert inspect(bundle(store), clock.now()).lock is not None
        with pytest.raises(LockHeldError):
            push(store, TWO, clock)
        holder.release()
        assert deliver(bundle(store), load, clock=clock, progress=quiet).changes == ()
        assert_whole(store, ONE)


class TestInForce:
    """Whoever records releases is told of each, also where the process died before it could be."""

    def test_once_for_each_release_and_not_for_nothing(self, store: LocalStore, clock: SteppedClock) -> None:
        told: list[str] = []

        def push_telling(files: Mapping[str, bytes]) -> str:
            done = deliver(
                bundle(store),
                loader(files),
                clock=clock,
                progress=quiet,
                begin=lambda _: told.append("begin"),
                in_force=lambda manifest: told.append(manifest.release),
            )
            return done.manifest.release

        first, again, second = push_telling(ONE), push_telling(ONE), push_telling(TWO)
        assert first == again
        assert told == ["begin", first, "begin", second]

    def test_again_after_a_death_in_it(self, store: LocalStore, clock: SteppedClock) -> None:
        def die(manifest: Manifest) -> None:
            raise Killed

        with pytest.raises(Killed):
            deliver(bundle(store), loader(ONE), clock=clock, progress=quiet, in_force=die)
        clock.advance(121)
        told: list[str] = []
        done = deliver(
            bundle(store), loader(ONE), clock=clock, progress=quiet, in_force=lambda m: told.append(m.release)
        )
        assert told == [done.manifest.release] == [f"r1-{commit_of(ONE)[:8]}"]
        assert_whole(store, ONE)


class TestRollback:
    def test_to_each_of_the_last_ten_releases(self, store: LocalStore, clock: SteppedClock) -> None:
        trees = [
            {**ONE, "number.py": b"N = %d\n" % number, f"only_{number}.sql": b"%d" % number} for number in range(11)
        ]
        releases = [push(store, tree, clock).manifest.release for tree in trees]
        for tree, release in list(zip(trees, releases, strict=True))[1:-1]:
            done = rollback(store, clock, release)
            assert (done.manifest.restores, done.manifest.commit) == (release, commit_of(tree))
            assert_whole(store, tree)

    def test_without_a_name_it_goes_back_step_by_step(self, store: LocalStore, clock: SteppedClock) -> None:
        for tree in (ONE, TWO, THREE):
            push(store, tree, clock)
        rollback(store, clock)
        assert_whole(store, TWO)
        rollback(store, clock)
        assert_whole(store, ONE)
        with pytest.raises(NotFoundError, match="is the first release"):
            rollback(store, clock)

    def test_unknown_pruned_or_never_delivered(self, store: LocalStore, clock: SteppedClock) -> None:
        with pytest.raises(NotFoundError, match="never delivered"):
            rollback(store, clock)
        first = push(store, ONE, clock, keep=1).manifest.release
        second = push(store, TWO, clock, keep=1).manifest.release
        push(store, THREE, clock, keep=1)
        with pytest.raises(NotFoundError, match=f"Kept releases: {second}"):
            rollback(store, clock, first)
        with pytest.raises(NotFoundError, match="no kept release 'r9-x'"):
            rollback(store, clock, "r9-x")

    def test_what_no_kept_release_needs_is_pruned(self, store: LocalStore, clock: SteppedClock) -> None:
        for number in range(8):
            push(store, {"a.py": b"%d" % number, "same.py": b"1"}, clock, keep=2)
        state = [item.path for item in store.list(".headgate/state/")]
        assert len([path for path in state if "/releases/" in path]) == 2
        # The packs of the release in force and of two past ones, and the first, which holds same.py for all of them.
        assert len([path for path in state if "/packs/" in path]) == 4

    @pytest.mark.parametrize("path", ["../beside.sql", "a/../../beside.sql", "/beside.sql", "a\0b"])
    def test_names_in_a_kept_manifest_do_not_lead_elsewhere(
        self, store: LocalStore, clock: SteppedClock, path: str
    ) -> None:
        push(store, {"a.sql": b"1"}, clock)
        push(store, {"a.sql": b"2"}, clock)
        (kept,) = store.list(".headgate/state/dags/dags/releases/")
        changed = json.loads((store.read(kept.path) or (b"", 0))[0])
        changed["files"][0]["path"] = path
        store.write(kept.path, json.dumps(changed).encode(), if_generation=kept.generation)
        with pytest.raises(UnsafeActionError, match="is refused"):
            rollback(store, clock)
        assert contents(store)["a.sql"] == b"2"
        assert store.read("beside.sql") is None

    @pytest.mark.parametrize("release", ["../../../../../dags/a", "r1/../../x", "r1\n", "", ".", "r\0"])
    @pytest.mark.parametrize("field", ["release", "previous", "restores"])
    def test_names_of_releases_in_a_manifest_do_not_lead_elsewhere(
        self, store: LocalStore, clock: SteppedClock, field: str, release: str
    ) -> None:
        push(store, {"a.json": b"1"}, clock)
        (manifest,) = store.list(".headgate/manifests/")
        changed = json.loads((store.read(manifest.path) or (b"", 0))[0]) | {field: release}
        store.write(manifest.path, json.dumps(changed).encode(), if_generation=manifest.generation)
        with pytest.raises(RemoteStateError, match="a name that Headgate does not give"):
            push(store, {"a.json": b"2"}, clock)
        assert contents(store)["a.json"] == b"1"

    def test_a_damaged_pack_is_noticed_before_anything_is_written(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, {"a.sql": b"1", "b.sql": b"1"}, clock)
        push(store, {"a.sql": b"2", "b.sql": b"1"}, clock)
        for item in store.list(".headgate/state/dags/dags/packs/"):
            store.write(item.path, b"nonsense", if_generation=item.generation)
        with pytest.raises(HeadgateError, match="cannot be restored"):
            rollback(store, clock)
        assert contents(store)["a.sql"] == b"2"


def scenario_push(store: DagStore, clock: SteppedClock) -> Outcome:
    return push(store, TWO, clock, run="mortal", keep=1)


def scenario_rollback(store: DagStore, clock: SteppedClock) -> Outcome:
    return rollback(store, clock)


class TestKilled:
    """The process dies at every call, before or after its effect; the lock expires; another run follows."""

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("follow_up", ["same", "another", "back", "rollback"])
    def test_at_every_call_of_a_push(self, tmp_path: Path, clock: SteppedClock, follow_up: str, *, after: bool) -> None:
        for point in count():
            store = LocalStore(tmp_path / str(point))
            (tmp_path / str(point)).mkdir()
            for path, data in FOREIGN.items():
                store.write(f"dags/{path}", data, if_generation=0)
            push(store, THREE, clock, keep=1)
            first = push(store, ONE, clock, keep=1).manifest  # the push that dies would prune the release before this
            mortal = MortalStore(store, at=point, after=after)
            try:
                scenario_push(mortal, clock)
            except Killed:
                pass
            else:
                break
            clock.advance(121)
            if follow_up == "same":
                scenario_push(store, clock)
                assert_whole(store, TWO)
            elif follow_up == "another":
                push(store, THREE, clock, run="next")
                assert_whole(store, THREE)
            elif follow_up == "back":
                push(store, ONE, clock, run="next")
                assert_whole(store, ONE)
            else:
                rollback(store, clock, first.release)
                assert_whole(store, ONE)
            packs = [item.path for item in store.list(".headgate/state/dags/dags/packs/")]
            books = bundle(store).ledger.read()
            assert books.manifest is not None
            needed = set(books.manifest.packs).union(*(past.packs for past in books.manifest.history))
            assert set(packs) == needed
        assert point > 16

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_at_every_call_of_a_first_push_and_of_a_rollback(
        self, tmp_path: Path, clock: SteppedClock, *, after: bool
    ) -> None:
        for point in count():
            store = LocalStore(tmp_path / str(point))
            (tmp_path / str(point)).mkdir()
            for path, data in FOREIGN.items():
                store.write(f"dags/{path}", data, if_generation=0)
            ended = 0
            try:
                push(MortalStore(store, at=point, after=after), ONE, clock)
                ended += 1
            except Killed:
                clock.advance(121)
                push(store, TWO, clock)
                assert_whole(store, TWO)
                continue
            push(store, THREE, clock)
            try:
                rollback(MortalStore(store, at=point, after=after), clock)
                ended += 1
            except Killed:
                clock.advance(121)
                rollback(store, clock, f"r1-{commit_of(ONE)[:8]}")
                assert_whole(store, ONE)
            if ended == 2:
                break
        assert point > 14

    def test_until_the_lock_expires_others_wait(self, store: LocalStore, clock: SteppedClock) -> None:
        push(store, ONE, clock)
        with pytest.raises(Killed):
            push(MortalStore(store, at=8), TWO, clock, run="the dead one")
        with pytest.raises(LockHeldError, match=r"locked by the dead one since .* expires at"):
            push(store, THREE, clock)
        clock.advance(119)
        with pytest.raises(LockHeldError):
            push(store, THREE, clock)
        clock.advance(2)
        push(store, THREE, clock)
        assert_whole(store, THREE)

    def test_a_run_that_slept_through_its_lease_stops(self, store: LocalStore, clock: SteppedClock) -> None:
        """Another run takes the lock over and finishes while the first one stands still."""
        push(store, ONE, clock)
        slept: list[str] = []

        def sleep(path: str, data: bytes | None) -> None:
            if path == "dags/lib/tables.py" and not slept:
                slept.append(path)
                clock.advance(500)
                push(store, THREE, clock, run="quick")

        with pytest.raises(HeadgateError, match=r"changed it first|lock ran out"):
            push(WatchedStore(store, sleep), TWO, clock, run="slow")
        assert_whole(store, THREE)


def race(
    root: str, number: int, barrier: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue[str]
) -> None:
    """One pipeline in its own process."""
    tree = {**ONE, "number.py": b"N = %d\n" % number, "lib/tables.py": b"T = %d\n" % number}
    barrier.wait()
    try:
        deliver(bundle(LocalStore(Path(root)), run=f"run {number}"), loader(tree), clock=SystemClock(), progress=quiet)
    except HeadgateError as error:
        results.put(f"{type(error).__name__} {error.exit_code:d}")
    else:
        results.put("done")


class TestRaces:
    def test_pipelines_in_threads(self, store: LocalStore, clock: SteppedClock) -> None:
        trees = [{**ONE, "n.py": b"%d" % number, "lib/tables.py": b"T = %d\n" % number} for number in range(6)]
        for _ in range(5):
            ended: list[str] = []

            def run(number: int, ended: list[str] = ended) -> None:
                try:
                    push(store, trees[number], clock, run=f"run {number}")
                    ended.append("done")
                except HeadgateError as error:
                    ended.append(type(error).__name__)

            threads = [threading.Thread(target=run, args=(number,)) for number in range(len(trees))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert "done" in ended
            assert set(ended) <= {"done", "LockHeldError", "ConflictError"}
            manifest = bundle(store).ledger.read().manifest
            assert manifest is not None
            assert_whole(store, next(tree for tree in trees if commit_of(tree) == manifest.commit))

    def test_pipelines_in_processes(self, store: LocalStore, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(4), context.Queue()
        runs = [context.Process(target=race, args=(str(tmp_path), number, barrier, results)) for number in range(4)]
        for run in runs:
            run.start()
        ended = [results.get(timeout=60) for _ in runs]
        for run in runs:
            run.join(timeout=30)
        assert "done" in ended
        assert set(ended) <= {"done", "LockHeldError 4", "ConflictError 4"}
        number = int(contents(store)["number.py"].split()[-1])
        assert_whole(store, {**ONE, "number.py": b"N = %d\n" % number, "lib/tables.py": b"T = %d\n" % number})
