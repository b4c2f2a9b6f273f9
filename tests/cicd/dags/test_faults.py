"""Every fault at every call of a cold push, a delta and a rollback, on gs and s3: whole, or the old one in force.

A fault that passes is survived: the release is whole at once. One that stays ends the command with a clear error; then
the release before is the one in force (or the new one is, whole), and the next run mends everything.
HEADGATE_FAULTS=all does every combination; the default leaves some out that differ in the time of the fault only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from operator import eq, le
from typing import Any, Literal

import pytest

from cicd.dags import documents
from cicd.dags.delivery import deliver
from cicd.dags.sources import from_release
from cicd.dags.stores.gcs import GcsStore
from cicd.dags.stores.port import DagStore
from cicd.dags.stores.s3 import S3Store, generation_of
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.gcs_objects import GcsObject
from cicd.sandbox.object_faults import Fault, FaultKind, Request
from cicd.sandbox.s3 import S3Sandbox
from headgate.errors import HeadgateError
from tests.testing.dag_stores import bundle, commit_of, loader, loopback_aws, md5, quiet
from tests.testing.stepped_clock import SteppedClock

ALL = os.environ.get("HEADGATE_FAULTS") == "all"
FAULTS = (FaultKind.UNAVAILABLE, FaultKind.RATE_LIMITED, FaultKind.RESET, FaultKind.TRUNCATE)
MOMENTS: tuple[Literal["before", "after"], ...] = ("before", "after")
DAG = b"from airflow.sdk import DAG\nimport lib\n"
ONE = {"dag.py": DAG, "lib.py": b"L = 1\n", "old.py": b"1", "q.sql": b"select 1"}
TWO = {"dag.py": DAG + b"# 2\n", "lib.py": b"L = 2\n", "new.py": DAG, "q.sql": b"select 1"}
FOREIGN = {"airflow_monitoring.py": b"# Composer's own", "team_b/dag.py": b"# theirs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A bucket in its server, and a client of it."""

    kind: str
    server: GcsSandbox | S3Sandbox
    bucket: Any
    store: DagStore
    clock: SteppedClock

    def push(self, files: dict[str, bytes]) -> None:
        deliver(bundle(self.store), loader(files), clock=self.clock, progress=quiet)

    def back(self, release: str | None = None) -> None:
        mine = bundle(self.store)
        deliver(mine, from_release(mine.ledger, release), clock=self.clock, progress=quiet)

    def objects(self) -> dict[str, tuple[bytes, int]]:
        """Content and generation by name, from the server itself."""
        return {
            item.name if isinstance(item, GcsObject) else item.key: (
                item.data,
                item.generation if isinstance(item, GcsObject) else generation_of(item.etag),
            )
            for item in self.bucket.list()
        }


@pytest.fixture(params=["gcs", "s3"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    clock = SteppedClock()
    with GcsSandbox() if request.param == "gcs" else S3Sandbox() as server:
        bucket = server.create_bucket("bucket")
        store: GcsStore | S3Store
        if isinstance(server, GcsSandbox):
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
            store = GcsStore("bucket", clock=clock)
        else:
            loopback_aws(monkeypatch, server.url)
            store = S3Store("bucket", clock=clock)
        for path, data in FOREIGN.items():
            store.write(f"dags/{path}", data, if_generation=0)
        yield World(kind=request.param, server=server, bucket=bucket, store=store, clock=clock)
        store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`before` is in force, `act` puts `after` in force, and so does `again` wherever `act` stopped."""

    before: dict[str, bytes]
    after: dict[str, bytes]
    act: Callable[[], None]
    again: Callable[[], None]


def cold(world: World) -> Scenario:
    return Scenario(before={}, after=ONE, act=lambda: world.push(ONE), again=lambda: world.push(ONE))


def delta(world: World) -> Scenario:
    world.push(ONE)
    return Scenario(before=ONE, after=TWO, act=lambda: world.push(TWO), again=lambda: world.push(TWO))


def rollback(world: World) -> Scenario:
    world.push(ONE)
    world.push(TWO)
    first = f"r1-{commit_of(ONE)[:8]}"
    return Scenario(before=TWO, after=ONE, act=world.back, again=lambda: world.back(first))


SCENARIOS = [cold, delta, rollback]


def in_force(world: World) -> dict[str, tuple[str, int]]:
    """Hash and generation by path as the manifest in force says; empty before the first release."""
    found = world.objects().get(".headgate/manifests/dags/dags.json")
    files = documents.parse_manifest(found[0], "").files if found else ()
    return {file.path: (file.md5, file.generation) for file in files}


def assert_whole(world: World, files: dict[str, bytes]) -> None:
    """The folder holds the release and what others own; manifest and listing agree; nothing is unfinished."""
    objects = world.objects()
    folder = {name.removeprefix("dags/"): there for name, there in objects.items() if name.startswith("dags/")}
    assert {path: data for path, (data, _) in folder.items()} == {**files, **FOREIGN}
    assert in_force(world) == {path: (md5(files[path]), folder[path][1]) for path in files}
    assert not [name for name in objects if name.endswith("claims.json")]


def spoil(
    world: World, kind: FaultKind, when: Literal["before", "after"], chosen: Callable[[int], bool]
) -> list[Request]:
    """Spoil the requests whose numbers are chosen; the list holds those that were."""
    hit: list[Request] = []

    def decide(number: int, request: Request) -> Fault | None:
        if not chosen(number):
            return None
        hit.append(request)
        return Fault(kind=kind, when=when)

    world.server.faults.forget()
    world.server.faults.decide = decide
    return hit


def failure_of(act: Callable[[], None]) -> HeadgateError | None:
    try:
        act()
    except HeadgateError as error:
        return error
    return None


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fault_that_passes(
    world: World, scenario: Callable[[World], Scenario], capsys: pytest.CaptureFixture[str]
) -> None:
    """One answer of one call is lost: as if nothing had happened."""
    found, injected = scenario(world), 0
    start = world.bucket.snapshot()
    for number, kind in enumerate(FAULTS):
        for point in count():
            hit: list[Request] = []
            for when in MOMENTS if ALL else (MOMENTS[(point + number) % 2],):
                world.bucket.restore(start)
                hit = spoil(world, kind, when, partial(eq, point))
                found.act()
                assert_whole(world, found.after)
                assert not [name for name in world.objects() if name.endswith("lock.json")]
                injected += len(hit)
            if not hit:
                break
        assert point > 12
    with capsys.disabled():
        print(f"\n{world.kind} {scenario.__name__}: {injected} faults, each at one call: whole")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fault_that_stays(
    world: World, scenario: Callable[[World], Scenario], capsys: pytest.CaptureFixture[str]
) -> None:
    """From a call on nothing works: an error; the old release is in force or the new one, and the next run mends all."""
    found, failed = scenario(world), 0
    start = world.bucket.snapshot()
    for number, kind in enumerate(FAULTS):
        for point in count(0 if ALL else number, 1 if ALL else len(FAULTS)):
            world.bucket.restore(start)
            when = MOMENTS[point % 2]
            hit = spoil(world, kind, when, partial(le, point))
            error = failure_of(found.act)
            assert error is None or (error.exit_code == 4 and error.next_step)
            failed += error is not None
            world.server.faults.decide = None
            objects = world.objects()
            assert {path: objects[f"dags/{path}"][0] for path in FOREIGN} == FOREIGN
            there = {path: digest for path, (digest, _) in in_force(world).items()}
            assert there in [{path: md5(data) for path, data in files.items()} for files in (found.before, found.after)]
            world.clock.advance(121)
            found.again()
            assert_whole(world, found.after)
            if not hit:
                break
    with capsys.disabled():
        print(f"\n{world.kind} {scenario.__name__}: {failed} runs failed from a call on, then again: whole")
    assert failed > 10
