"""The Cloud Storage client against scripted failures."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cicd.dags.gcs import GcsStore
from cicd.dags.gcs_auth import BearerToken
from cicd.dags.gcs_errors import mapped_response, mapped_transport
from cicd.dags.http1 import Answer, LostError, TimedOutError, WireError
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_faults import Fault, FaultKind
from cicd.sandbox.server import AppServer
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import Secret
from tests.testing.stepped_clock import SteppedClock

LOST = [FaultKind.UNAVAILABLE, FaultKind.RATE_LIMITED, FaultKind.RESET, FaultKind.TRUNCATE]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsSandbox]:
    with GcsSandbox(buckets=["bucket"]) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def store(sandbox: GcsSandbox, clock: SteppedClock) -> Iterator[GcsStore]:
    client = GcsStore("bucket", clock=clock, jitter=lambda: 1.0)
    yield client
    client.close()


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("when", ["before", "after"])
class TestOneLostAnswer:
    """Every operation succeeds as if nothing had happened, and happens once."""

    def test_write(self, sandbox: GcsSandbox, store: GcsStore, kind: FaultKind, when: str) -> None:
        sandbox.faults.inject(Fault(kind=kind, when="before" if when == "before" else "after"))
        first = store.write("a", b"1", if_generation=0)
        sandbox.faults.inject(Fault(kind=kind, when="before" if when == "before" else "after"))
        second = store.write("a", b"2", if_generation=first.generation)
        assert store.read("a") == (b"2", second.generation)

    def test_delete(self, sandbox: GcsSandbox, store: GcsStore, kind: FaultKind, when: str) -> None:
        written = store.write("a", b"1", if_generation=0)
        sandbox.faults.inject(Fault(kind=kind, when="before" if when == "before" else "after"))
        store.delete("a", if_generation=written.generation)
        assert store.read("a") is None

    def test_list_and_read(self, sandbox: GcsSandbox, store: GcsStore, kind: FaultKind, when: str) -> None:
        written = store.write("a", b"1234", if_generation=0)
        fault = Fault(kind=kind, when="before" if when == "before" else "after")
        sandbox.faults.inject(fault, fault)
        assert store.list("") == (written,)
        sandbox.faults.inject(fault, fault)
        assert store.read("a") == (b"1234", written.generation)


def test_after_a_lost_answer_somebody_elses_object_is_still_a_conflict(sandbox: GcsSandbox, store: GcsStore) -> None:
    store.write("a", b"theirs", if_generation=0)
    sandbox.faults.inject(Fault(kind=FaultKind.RESET))
    with pytest.raises(ConflictError):
        store.write("a", b"ours", if_generation=0)
    with pytest.raises(ConflictError):
        store.write("a", b"theirs", if_generation=0)  # equal, but nothing was lost: it cannot be our own write


def test_pauses_grow_and_end(sandbox: GcsSandbox, store: GcsStore, clock: SteppedClock) -> None:
    sandbox.faults.decide = lambda number, request: Fault(kind=FaultKind.UNAVAILABLE)
    with pytest.raises(ServerFaultError, match="503: We encountered an internal error"):
        store.list("")
    assert len(sandbox.faults.requests) == 5
    assert clock.monotonic() == pytest.approx(0.2 + 0.4 + 0.8 + 1.6)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        (FaultKind.RATE_LIMITED, RateLimitedError, "429"),
        (FaultKind.RESET, UnreachableError, "no connection"),
        (FaultKind.UNAUTHORIZED, AuthenticationError, "storage.objects.list"),
        (FaultKind.FORBIDDEN, AuthenticationError, "lack storage.objects.list"),
    ],
)
def test_what_does_not_go_away(
    sandbox: GcsSandbox, store: GcsStore, kind: FaultKind, error: type[HeadgateError], text: str
) -> None:
    sandbox.faults.decide = lambda number, request: Fault(kind=kind)
    with pytest.raises(error, match=text):
        store.list("")


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        (lambda store: store.write("a", b"1", if_generation=0), "lack storage.objects.create"),
        (
            lambda store: store.write("a", b"1", if_generation=1),
            "lack storage.objects.create and storage.objects.delete",
        ),
        (lambda store: store.delete("a", if_generation=1), "lack storage.objects.delete"),
        (lambda store: store.read("a"), "lack storage.objects.get"),
    ],
    ids=["create", "overwrite", "delete", "read"],
)
def test_the_missing_permission_is_named(
    sandbox: GcsSandbox, store: GcsStore, call: Callable[[GcsStore], object], permission: str
) -> None:
    sandbox.faults.inject(Fault(kind=FaultKind.FORBIDDEN))
    with pytest.raises(AuthenticationError, match=permission):
        call(store)


def test_a_wrong_token_and_a_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with GcsSandbox(buckets=["bucket"], token="right-token") as sandbox:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", sandbox.url)
        wrong = GcsStore("bucket", credentials=BearerToken(Secret("wrong-token")))
        with pytest.raises(AuthenticationError, match="does not accept the credentials") as caught:
            wrong.list("")
        assert "wrong-token" not in str(caught.value)
        right = GcsStore("bucket", credentials=BearerToken(Secret("right-token")))
        assert right.list("") == ()
        for store in (wrong, right):
            store.close()


def test_pages(sandbox: GcsSandbox, store: GcsStore) -> None:
    bucket = sandbox.create_bucket("bucket")
    for number in range(2345):
        bucket.put(f"dags/{number:05}", b"1", "text/plain", {})
    sandbox.faults.forget()
    assert [item.path for item in store.list("dags/")] == [f"dags/{number:05}" for number in range(2345)]
    assert len(sandbox.faults.requests) == 3


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{taken.getsockname()[1]}")
        store = GcsStore("bucket", clock=clock)
        with pytest.raises(UnreachableError, match="STORAGE_EMULATOR_HOST"):
            store.list("")
        store.close()


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        store = GcsStore("bucket", clock=clock, timeout_s=0.05)
        with pytest.raises(RemoteTimeoutError, match="did not answer in time"):
            store.read("a")
        store.close()


def test_every_status_has_an_error() -> None:
    expected: dict[int, type[HeadgateError]] = {
        401: AuthenticationError,
        403: AuthenticationError,
        404: NotFoundError,
        429: RateLimitedError,
        408: ServerFaultError,
    }
    for status in range(400, 600):
        answer = Answer(method="GET", status=status, headers={}, content=b"x")
        error = mapped_response(answer, "storage.objects.get", "gs://b")
        fallback = ServerFaultError if status >= 500 else RemoteStateError
        assert type(error) is expected.get(status, fallback)
        assert error.next_step


def test_every_transport_error_is_mapped() -> None:
    assert set(WireError.__subclasses__()) == {LostError, TimedOutError}
    for kind in WireError.__subclasses__():
        error = mapped_transport(kind("x"), "gs://b", "https://storage.example.com")
        assert isinstance(error, RemoteTimeoutError) == (kind is TimedOutError)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"items": [{"name": "a"}]}'])
def test_an_answer_that_is_no_listing(body: bytes, monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with AppServer(app, name="nonsense") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        store = GcsStore("bucket", clock=clock)
        with pytest.raises(ServerFaultError, match="cannot be read"):
            store.list("")
        with pytest.raises(ServerFaultError, match="cannot be read"):
            store.read("a")
        store.close()
