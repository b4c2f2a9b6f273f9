"""The S3 client against scripted failures, other encryptions, and objects uploaded in parts."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.delivery import deliver
from cicd.dags.inspect import inspect
from cicd.dags.planning import Rules
from cicd.dags.sources import from_release
from cicd.dags.stores.s3 import S3Store, etag_of, generation_of
from cicd.sandbox.object_faults import Fault, FaultKind, Request
from cicd.sandbox.s3 import S3Sandbox
from headgate.clock import SystemClock
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    HeadgateError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
    UnsafeActionError,
)
from tests.testing.dag_stores import (
    Killed,
    MortalStore,
    bundle,
    commit_of,
    contents,
    loader,
    loopback_aws,
    md5,
    quiet,
)
from tests.testing.stepped_clock import SteppedClock

LOST = [FaultKind.UNAVAILABLE, FaultKind.RATE_LIMITED, FaultKind.RESET, FaultKind.CONFLICT]
DAG = b"from airflow.sdk import DAG\nimport lib\n"
ONE = {"dag.py": DAG, "lib.py": b"L = 1\n", "old.py": b"1", "q.sql": b"select 1"}
TWO = {"dag.py": DAG + b"# 2\n", "lib.py": b"L = 2\n", "new.py": DAG, "q.sql": b"select 1"}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Sandbox]:
    with S3Sandbox(buckets=["bucket"]) as running:
        loopback_aws(monkeypatch, running.url)
        yield running


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def store(sandbox: S3Sandbox, clock: SteppedClock) -> Iterator[S3Store]:
    client = S3Store("bucket", clock=clock, jitter=lambda: 1.0)
    yield client
    client.close()


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters='"'), max_size=60))
def test_an_etag_is_a_number_and_back(etag: str) -> None:
    assert etag_of(generation_of(etag)) == etag
    assert generation_of(f'"{etag}"') == generation_of(etag) > 0


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("when", ["before", "after"])
def test_after_one_lost_answer_everything_happened_once(
    sandbox: S3Sandbox, store: S3Store, kind: FaultKind, when: str
) -> None:
    fault = Fault(kind=kind, when="before" if when == "before" else "after")
    sandbox.faults.inject(fault)
    first = store.write("a", b"1", if_generation=0)
    sandbox.faults.inject(fault)
    second = store.write("a", b"2", if_generation=first.generation)
    sandbox.faults.inject(fault)
    assert store.read("a") == (b"2", second.generation)
    sandbox.faults.inject(fault)
    assert [item.md5 for item in store.list("")] == [md5(b"2")]
    sandbox.faults.inject(fault)
    store.delete("a", if_generation=second.generation)
    assert store.read("a") is None


def test_truncated_answers(sandbox: S3Sandbox, store: S3Store) -> None:
    written = store.write("a", b"1234" * 100, if_generation=0)
    for _ in range(2):
        sandbox.faults.inject(Fault(kind=FaultKind.TRUNCATE))
        assert store.read("a") == (b"1234" * 100, written.generation)
        sandbox.faults.inject(Fault(kind=FaultKind.TRUNCATE))
        assert len(store.list("")) == 1


def test_after_a_lost_answer_somebody_elses_object_is_still_a_conflict(sandbox: S3Sandbox, store: S3Store) -> None:
    store.write("a", b"theirs", if_generation=0)
    sandbox.faults.inject(Fault(kind=FaultKind.RESET))
    with pytest.raises(ConflictError):
        store.write("a", b"ours", if_generation=0)
    with pytest.raises(ConflictError):
        store.write("a", b"theirs", if_generation=0)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        (FaultKind.UNAVAILABLE, ServerFaultError, "503"),
        (FaultKind.RATE_LIMITED, RateLimitedError, "SlowDown"),
        (FaultKind.RESET, UnreachableError, "no connection to http://127.0.0.1"),
        (FaultKind.UNAUTHORIZED, AuthenticationError, "InvalidAccessKeyId"),
        (FaultKind.FORBIDDEN, AuthenticationError, "lack s3:ListBucket"),
        (FaultKind.CONFLICT, ServerFaultError, "ConditionalRequestConflict"),
    ],
)
def test_what_does_not_go_away(
    sandbox: S3Sandbox, store: S3Store, kind: FaultKind, error: type[HeadgateError], text: str
) -> None:
    sandbox.faults.decide = lambda number, request: Fault(kind=kind)
    with pytest.raises(error, match=text):
        store.list("")
    assert len(sandbox.faults.requests) == (1 if error is AuthenticationError else 5)


def test_nobody_listens_or_answers(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        loopback_aws(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        store = S3Store("bucket", clock=clock)
        with pytest.raises(UnreachableError, match="AWS_ENDPOINT_URL"):
            store.list("")
        store.close()
        taken.listen(8)
        store = S3Store("bucket", clock=clock, timeout_s=0.05)
        with pytest.raises(RemoteTimeoutError, match="did not answer in time"):
            store.read("a")
        store.close()


def test_no_credentials(sandbox: S3Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server is then used without; AWS itself is not even asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store("bucket")
    assert store.list("") == ()
    store.close()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    store = S3Store("bucket")
    with pytest.raises(AuthenticationError, match="no usable AWS credentials"):
        store.list("")
    store.close()


def test_pages(sandbox: S3Sandbox, store: S3Store) -> None:
    bucket = sandbox.create_bucket("bucket")
    for number in range(2345):
        bucket.put(f"dags/{number:05}%#", b"1", {})
    sandbox.faults.forget()
    assert [item.path for item in store.list("dags/")] == [f"dags/{number:05}%#" for number in range(2345)]
    assert len(sandbox.faults.requests) == 3


def test_what_was_uploaded_in_parts_is_not_taken_for_known(
    sandbox: S3Sandbox, store: S3Store, clock: SteppedClock
) -> None:
    sandbox.create_bucket("bucket").put("dags/lib.py", b"L = 1\n", {}, etag="d41d8cd98f00b204e9800998ecf8427e-2")
    assert [item.md5 for item in store.list("dags/")] == [None]
    with pytest.raises(UnsafeActionError, match=r"'lib\.py' is in the bucket with other content"):
        deliver(bundle(store), loader(ONE), clock=clock, progress=quiet)
    deliver(bundle(store, rules=Rules(adopt=True)), loader(ONE), clock=clock, progress=quiet)
    assert contents(store) == ONE


@pytest.mark.parametrize("kms", [False, True])
class TestDelivery:
    """Also where ETags are no hashes, as with KMS."""

    @pytest.fixture
    def store(self, sandbox: S3Sandbox, clock: SteppedClock, *, kms: bool) -> Iterator[S3Store]:
        sandbox.create_bucket("second", kms=kms)
        client = S3Store("second", clock=clock)
        client.write("dags/theirs.py", b"1", if_generation=0)
        yield client
        client.close()

    def test_push_nothing_to_do_drift_and_rollback(self, store: S3Store, clock: SteppedClock, *, kms: bool) -> None:
        push = [deliver(bundle(store), loader(files), clock=clock, progress=quiet) for files in (ONE, ONE, TWO, TWO)]
        assert [bool(outcome.changes) for outcome in push] == [True, False, True, False]
        seen = inspect(bundle(store), clock.now())
        assert (seen.drift, seen.foreign) == ((), ("theirs.py",))
        there = store.read("dags/lib.py")
        assert there is not None
        store.write("dags/lib.py", b"by hand", if_generation=there[1])
        (drift,) = inspect(bundle(store), clock.now()).drift
        assert (drift.kind.value, drift.path) == ("changed", "lib.py")
        with pytest.raises(UnsafeActionError, match="by hand"):
            deliver(bundle(store), loader(ONE), clock=clock, progress=quiet)
        mine = bundle(store, rules=Rules(repair=True))
        deliver(mine, from_release(mine.ledger, push[0].manifest.release), clock=clock, progress=quiet)
        assert contents(store) == {**ONE, "theirs.py": b"1"}

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_killed_at_every_call(self, store: S3Store, clock: SteppedClock, *, kms: bool, after: bool) -> None:
        for point in range(100):
            deliver(bundle(store), loader(ONE), clock=clock, progress=quiet)
            try:
                deliver(bundle(MortalStore(store, at=point, after=after)), loader(TWO), clock=clock, progress=quiet)
            except Killed:
                clock.advance(121)
                files = TWO if point % 2 else ONE
                deliver(bundle(store), loader(files), clock=clock, progress=quiet)
                assert contents(store) == {**files, "theirs.py": b"1"}
                seen = inspect(bundle(store), SystemClock().now())
                assert seen.books.manifest is not None
                assert seen.books.manifest.commit == commit_of(files)
                assert (seen.drift, seen.books.claims) == ((), None)
            else:
                break
        assert point > 15

    def test_every_call_fails_once(self, sandbox: S3Sandbox, store: S3Store, clock: SteppedClock, *, kms: bool) -> None:
        waiting: list[Request] = []
        spoiled: list[Request] = []

        def once(number: int, request: Request) -> Fault | None:
            """Every other one of equal requests; some are under way at once."""
            if request in waiting:
                waiting.remove(request)
                return None
            waiting.append(request)
            spoiled.append(request)
            kind = LOST[len(spoiled) // 2 % len(LOST)]
            return Fault(kind=kind, when="before" if len(spoiled) % 2 else "after")

        sandbox.faults.decide = once
        deliver(bundle(store), loader(ONE), clock=clock, progress=quiet)
        deliver(bundle(store), loader(TWO), clock=clock, progress=quiet)
        sandbox.faults.decide = None
        assert contents(store) == {**TWO, "theirs.py": b"1"}
        assert len(spoiled) > 25
