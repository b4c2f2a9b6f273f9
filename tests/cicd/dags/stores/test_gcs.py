"""The Cloud Storage client against scripted failures."""

from __future__ import annotations

import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import pytest

from cicd.dags.http.answers import Answer, LostError, TimedOutError, WireError
from cicd.dags.model import StoredObject
from cicd.dags.stores.gcs import GcsStore
from cicd.dags.stores.gcs_auth import BearerToken
from cicd.dags.stores.gcs_errors import mapped_response, mapped_transport
from cicd.dags.stores.port import Step
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_faults import Fault, FaultKind, Request
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
from tests.testing.dag_stores import md5
from tests.testing.raw_server import Reply, Said, ok, raw_server
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


def test_ranges_of_a_listing(sandbox: GcsSandbox, store: GcsStore) -> None:
    """Foreign objects before, between and after the names that are expected; some of those are not there."""
    bucket, names = sandbox.create_bucket("bucket"), [f"dags/{number:05}é🚀" for number in range(2345)]
    foreign = ["dags/!", "dags/00999a", "dags/~", "dags/ü", "dags2/a", "a"]
    for name in (*names[::2], *foreign):
        bucket.put(name, b"1", "text/plain", {})
    sandbox.faults.forget()
    found = store.list("dags/", expected=names)
    assert len(sandbox.faults.requests) == 3
    assert found == store.list("dags/")
    assert [item.path for item in found] == sorted([*names[::2], *foreign[:4]])


def test_ranges_with_more_than_a_page_each(sandbox: GcsSandbox, store: GcsStore) -> None:
    bucket = sandbox.create_bucket("bucket")
    for number in range(4000):
        bucket.put(f"dags/{number:05}", b"1", "text/plain", {})
    found = store.list("dags/", expected=[f"dags/{number:05}" for number in range(1000)])
    assert [item.path for item in found] == [f"dags/{number:05}" for number in range(4000)]


def test_a_server_that_knows_no_ranges(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    """It answers everything to everybody; of an object that changes meanwhile the newest counts."""
    asked = itertools.count(7)

    def script(said: Said) -> Reply:
        items = [{"name": f"dags/{n:04}", "size": "1", "generation": str(n + 1)} for n in range(1500)]
        items[0]["generation"] = str(next(asked))
        start = 1000 if b"pageToken=" in said.head else 0
        page = {"items": items[start : start + 1000], **({} if start else {"nextPageToken": "more"})}
        return ok(json.dumps(page).encode())

    with raw_server(script) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{server.port}")
        store = GcsStore("bucket", clock=clock)
        found = store.list("dags/", expected=[f"dags/{n:04}" for n in range(1200)])
        store.close()
    assert [item.path for item in found] == [f"dags/{n:04}" for n in range(1500)]
    assert found[0].generation >= 8


def steps_of(files: dict[str, bytes]) -> Iterator[Step]:
    return (Step(path, 0, md5(data), partial(bytes, data)) for path, data in files.items())


def carried_out(store: GcsStore, steps: Iterable[Step]) -> dict[str, StoredObject | None]:
    """What was done, by name; each step once."""
    done: list[tuple[str, StoredObject | None]] = []
    store.carry_out(steps, permit=lambda: None, done=lambda path, stored: done.append((path, stored)))
    assert len(dict(done)) == len(done)
    return dict(done)


FILES = {f"dags/f{number}.py": b"%d" % number * number for number in range(60)}


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("when", ["before", "after"])
def test_many_at_once_with_a_fault_at_every_third_request(
    sandbox: GcsSandbox, store: GcsStore, kind: FaultKind, when: Literal["before", "after"]
) -> None:
    """Writes and deletes: all done, each once, with what the bucket says of them."""
    failed: Counter[str] = Counter()

    def decide(number: int, request: Request) -> Fault | None:
        if number % 3 or failed[request.name] == 4:
            return None
        failed[request.name] += 1
        return Fault(kind=kind, when=when)

    sandbox.faults.decide = decide
    written = carried_out(store, steps_of(FILES))
    sandbox.faults.decide = None
    assert {item.path: item for item in store.list("")} == written
    assert {path: md5(data) for path, data in FILES.items()} == {path: s.md5 for path, s in written.items() if s}
    failed.clear()
    sandbox.faults.decide = decide
    gone = carried_out(store, [Step(path, stored.generation) for path, stored in written.items() if stored])
    sandbox.faults.decide = None
    assert gone == dict.fromkeys(FILES)
    assert failed.total() >= 20
    assert store.list("") == ()


def test_many_at_once_with_a_token_that_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused once with the old token, and the token is renewed."""
    renewed: list[str] = []

    class Renewable:
        def headers(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {'new' if renewed else 'old'}-token"}

        def renew(self, refused: Mapping[str, str]) -> None:
            renewed.append(refused["Authorization"])

    with GcsSandbox(buckets=["bucket"], token="new-token") as sandbox:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", sandbox.url)
        store = GcsStore("bucket", credentials=Renewable())
        assert carried_out(store, steps_of(FILES)).keys() == FILES.keys()
        assert set(renewed) == {"Bearer old-token"}
        store.close()
        other = GcsStore("bucket", credentials=BearerToken(Secret("other-token")))
        with pytest.raises(AuthenticationError, match="does not accept the credentials"):
            carried_out(other, steps_of(FILES))
        other.close()


def test_a_token_that_expires_while_a_request_is_repeated(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> None:
    class Renewable:
        renewed = 0

        def headers(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {'new' if self.renewed else 'old'}-token"}

        def renew(self, refused: Mapping[str, str]) -> None:
            self.renewed += 1

    proof = Renewable()
    with GcsSandbox(buckets=["bucket"], token="new-token") as sandbox:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", sandbox.url)
        store = GcsStore("bucket", clock=clock, credentials=proof)
        sandbox.faults.inject(Fault(kind=FaultKind.UNAVAILABLE))
        assert store.write("dags/a.py", b"1", if_generation=0).generation > 0
        store.close()
    assert proof.renewed == 1


def test_many_at_once_somebody_elses_object_is_a_conflict(sandbox: GcsSandbox, store: GcsStore) -> None:
    theirs = store.write("dags/f7.py", b"theirs", if_generation=0)
    sandbox.faults.inject(Fault(kind=FaultKind.RESET, match="f7.py"))
    with pytest.raises(ConflictError, match=r"f7\.py"):
        carried_out(store, steps_of(FILES))
    assert store.read("dags/f7.py") == (b"theirs", theirs.generation)


def test_many_at_once_an_equal_object_of_somebody_else_is_a_conflict_too(store: GcsStore) -> None:
    store.write("dags/f7.py", FILES["dags/f7.py"], if_generation=0)
    with pytest.raises(ConflictError, match=r"f7\.py"):
        carried_out(store, steps_of(FILES))


def test_many_at_once_what_cannot_be_read_stops_it(store: GcsStore) -> None:
    def unreadable() -> bytes:
        raise RemoteStateError("gone", next_step="Look.")

    steps = [*steps_of(FILES), Step("dags/x", 0, md5(b""), unreadable), *steps_of({"dags/never": b""})]
    with pytest.raises(RemoteStateError, match="gone"):
        carried_out(store, steps)
    assert {item.path for item in store.list("")} <= FILES.keys()


def test_many_at_once_another_content_than_was_meant_is_noticed(store: GcsStore) -> None:
    with pytest.raises(ServerFaultError, match="does not match what was sent"):
        carried_out(store, [Step("dags/a", 0, md5(b"meant"), lambda: b"sent")])


def test_many_at_once_what_does_not_go_away(sandbox: GcsSandbox, store: GcsStore, clock: SteppedClock) -> None:
    sandbox.faults.decide = lambda _, request: (
        Fault(kind=FaultKind.UNAVAILABLE) if request.name == "dags/f5.py" else None
    )
    with pytest.raises(ServerFaultError, match="fails after several attempts"):
        carried_out(store, steps_of(FILES))
    assert len([request for request in sandbox.faults.requests if request.name == "dags/f5.py"]) == 5
    assert clock.monotonic() == pytest.approx(0.2 + 0.4 + 0.8 + 1.6)


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
