"""Many requests at once on one thread, against servers that do anything."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cicd.dags.http.answers import Answer, LostError, TimedOutError, WireError
from cicd.dags.http.line import Line, Phase
from cicd.dags.http.swarm import Swarm
from cicd.dags.http.talk import Ask, Pause, Talk
from cicd.dags.http.wire import Wire
from headgate.clock import SystemClock
from tests.testing.certificates import make_certificate, server_context
from tests.testing.raw_server import RawServer, Reply, Said, ok, raw_server
from tests.testing.stepped_clock import SteppedClock


def say(number: int, body: bytes = b"data", attempts: int = 1) -> Talk[tuple[int, Answer]]:
    """Puts `body` under the number, again after a lost answer; returns the answer."""
    for attempt in range(attempts):
        said = yield Ask("POST", f"/{number}", "X-Name: v\r\n", body)
        if isinstance(said, Answer):
            return number, said
        if attempt + 1 < attempts:
            yield Pause(0.01)
    assert isinstance(said, WireError)
    raise said


@contextmanager
def wire(server: RawServer, *, timeout_s: float = 60.0, scheme: str = "http") -> Iterator[Wire]:
    found = Wire(f"{scheme}://127.0.0.1:{server.port}", timeout_s=timeout_s)
    with closing(found):
        yield found


def hold(
    http: Wire, talks: Iterable[Talk[tuple[int, Answer]]], *, permit: Callable[[], None] = lambda: None, most: int = 128
) -> dict[int, Answer]:
    """Results by number."""
    found: list[tuple[int, Answer]] = []
    Swarm(http, SystemClock(), most=most).hold(talks, found.append, permit)
    assert len(dict(found)) == len(found)
    return dict(found)


def echo(said: Said) -> Reply:
    return ok(said.head.split(b" ")[1] + said.body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        ok(),
        Reply(pieces=(b"HTTP/1.1 100 Continue\r\n\r\n", *ok().pieces)),
        Reply(pieces=(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 2", b"00 OK\r\nContent-Length: 5\r\n\r\nhello")),
        Reply(pieces=(CHUNKED[:50], CHUNKED[50:60], CHUNKED[60:])),
        ok(b"hello", "Connection: close"),
        ok(close=True),
        Reply(pieces=(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"), close=True),
        Reply(pieces=(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"h", b"ello")),
    ],
    ids=["plain", "100", "103", "chunked", "close said", "close unsaid", "until close", "1.0"],
)  # fmt: skip
def test_every_form_of_answer(reply: Reply) -> None:
    with raw_server(lambda _: reply) as server, wire(server) as http:
        found = hold(http, (say(number, attempts=50) for number in range(40)))
        assert {number: (a.status, a.content) for number, a in found.items()} == dict.fromkeys(
            range(40), (200, b"hello")
        )


def test_requests_are_whole_and_connections_are_used_again() -> None:
    with raw_server(echo) as server, wire(server) as http:
        swarm, found = Swarm(http, SystemClock()), dict[int, Answer]()
        for start in (0, 100):
            swarm.hold(map(say, range(start, start + 100)), lambda result: found.update([result]), lambda: None)
        assert http.request("GET", "/x", headers={}).content == b"/x"
        assert {n: a.content for n, a in found.items()} == {n: b"/%ddata" % n for n in range(200)}
        assert server.connections < 200
        assert server.seen is not None
        assert b"\r\nX-Name: v\r\nContent-Length: 4" in server.seen[0].head


def test_bodies_larger_than_any_buffer() -> None:
    bodies = {number: os.urandom(3_000_000) for number in range(6)}
    with raw_server(lambda said: ok(said.body)) as server, wire(server) as http:
        found = hold(http, (say(number, body) for number, body in bodies.items()))
        assert {number: answer.content for number, answer in found.items()} == bodies


@pytest.mark.parametrize(
    "spoilt",
    [
        Reply(pieces=(), close=True),
        Reply(pieces=(), reset=True),
        Reply(pieces=(b"HTTP/1.1 200 OK\r\nContent-Le",), close=True),
        Reply(pieces=(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",), close=True),
        Reply(pieces=(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",), reset=True),
        Reply(pieces=(CHUNKED[:52],), close=True),
        Reply(pieces=(b"SSH-2.0-OpenSSH\r\n\r\n",)),
    ],
    ids=["closed", "reset", "head", "body", "reset in body", "chunk", "nonsense"],
)
def test_a_lost_answer_reaches_its_talk_and_no_other(spoilt: Reply) -> None:
    def script(said: Said) -> Reply:
        return spoilt if said.number % 7 == 3 else echo(said)

    with raw_server(script) as server, wire(server) as http:
        found = hold(http, (say(number, attempts=30) for number in range(60)))
        assert {number: answer.content for number, answer in found.items()} == {n: b"/%ddata" % n for n in range(60)}


def test_what_is_lost_for_good_is_raised_after_what_has_begun_has_ended() -> None:
    began: list[int] = []
    both = threading.Barrier(2)

    def talks() -> Iterator[Talk[tuple[int, Answer]]]:
        for number in range(1000):
            began.append(number)
            yield say(number)

    def script(said: Said) -> Reply:
        if said.head.startswith(b"POST /0 "):
            both.wait(60)  # others are under way
            return Reply(pieces=(), close=True)
        if said.head.startswith(b"POST /5 "):
            both.wait(60)
        return echo(said)

    found: list[tuple[int, Answer]] = []
    with raw_server(script) as server, wire(server) as http, pytest.raises(LostError):
        Swarm(http, SystemClock(), most=8).hold(talks(), found.append, lambda: None)
    assert len(began) < 1000
    assert sorted(number for number, _ in found) == began[1:]


def test_silence_times_out_and_a_slow_server_does_not() -> None:
    quiet = threading.Event()

    def script(said: Said) -> Reply | None:
        if said.head.startswith(b"POST /3 "):
            return None
        quiet.wait(0.15)
        return Reply(pieces=tuple(bytes([byte]) for byte in ok().pieces[0]))

    with raw_server(script) as server, wire(server, timeout_s=3.0) as http:
        found: list[tuple[int, Answer]] = []
        with pytest.raises(TimedOutError):
            Swarm(http, SystemClock()).hold(map(say, range(12)), found.append, lambda: None)
        assert sorted(number for number, _ in found) == [number for number in range(12) if number != 3]


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        http = Wire(f"http://127.0.0.1:{taken.getsockname()[1]}", timeout_s=60)
        with pytest.raises(LostError, match="refused"):
            hold(http, [say(1)])


@pytest.mark.parametrize("host", ["storage.invalid", "a..b", "x" * 70])
def test_a_name_that_is_none(host: str) -> None:
    http = Wire(f"http://{host}", timeout_s=60)
    with pytest.raises(LostError):
        hold(http, [say(1)])
    with pytest.raises(LostError):
        http.request("GET", "/", headers={})


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` is often two addresses, of which the server has one."""
    monkeypatch.setenv("no_proxy", "localhost")
    with raw_server(echo) as server:
        http = Wire(f"http://localhost:{server.port}", timeout_s=60)
        assert hold(http, [say(1)])[1].content == b"/1data"
        http.close()


@pytest.mark.parametrize("gone", [1, 2])
def test_addresses_that_cannot_even_be_tried(gone: int) -> None:
    """As those of IPv6 where the network has none; connecting to them fails at once."""
    with raw_server(echo) as server, closing(Wire(f"http://127.0.0.1:{server.port}", timeout_s=60)) as http:
        ask = Ask("GET", "/x")
        nowhere, here = (socket.AF_INET, ("255.255.255.255", 1)), (socket.AF_INET, ("127.0.0.1", server.port))
        with closing(Line(http.route, ask, idle=None, addresses=[nowhere] * gone + [here])) as line:
            assert line.phase is Phase.CONNECT
            assert not line.can_connect_elsewhere
            assert select.select([], [line.fd], [], 60)[1]
            line.advance()
            while select.select([line.fd], [], [], 60)[0]:
                if (answer := line.advance()) is not None:
                    break
        assert answer is not None
        assert answer.content == b"/x"
        with pytest.raises(OSError, match=r"."):
            Line(http.route, ask, idle=None, addresses=[nowhere] * gone)
        with pytest.raises(LostError, match="no address"):
            Line(http.route, ask, idle=None, addresses=[])


def test_a_server_that_answers_before_it_has_heard_everything() -> None:
    """It refuses and closes; the rest of the body has nowhere to go."""
    listening = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        stream, _ = listening.accept()
        with stream:
            stream.recv(1000)
            stream.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            stream.recv(1)  # the client does not go on, it closes: the rest is reset
            done.wait(60)

    done = threading.Event()
    thread = threading.Thread(target=refuse)
    thread.start()
    with listening:
        http = Wire(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=60)
        assert hold(http, [say(1, bytes(30_000_000))])[1].status == 413
        assert http.pool.take() is None
    done.set()
    thread.join(60)


def test_permission_is_asked_before_every_request_and_its_refusal_stops() -> None:
    asked: list[int] = []

    def permit() -> None:
        asked.append(1)
        if len(asked) > 10:
            raise ValueError("no more")

    with raw_server(echo) as server, wire(server) as http:
        with pytest.raises(ValueError, match="no more"):
            hold(http, map(say, range(1000)), permit=permit)
        assert server.seen is not None
        assert len(server.seen) == 10


def test_what_a_callback_or_the_iterator_raises_is_raised() -> None:
    def talks() -> Iterator[Talk[tuple[int, Answer]]]:
        yield say(1)
        raise KeyError("iterator")

    def done(_: object) -> None:
        raise KeyError("callback")

    with raw_server(echo) as server, wire(server) as http:
        with pytest.raises(KeyError, match="iterator"):
            hold(http, talks())
        with pytest.raises(KeyError, match="callback"):
            Swarm(http, SystemClock()).hold(map(say, range(5)), done, lambda: None)


def test_pauses_do_not_stop_others_and_move_a_clock_that_stands() -> None:
    clock, found = SteppedClock(), list[str]()

    def pausing(name: str, seconds: float) -> Talk[str]:
        yield Pause(seconds)
        yield Ask("GET", f"/{name}")
        return name

    with raw_server(echo) as server, wire(server) as http:
        talks = [pausing("late", 50), pausing("early", 2), pausing("at once", 0)]
        Swarm(http, clock).hold(talks, found.append, lambda: None)
    assert found == ["at once", "early", "late"]
    assert clock.monotonic() == pytest.approx(50)


def test_bodies_that_wait_to_be_sent_again_are_few() -> None:
    """A server that refuses everything does not fill the memory with what it refused."""
    body, under_way, most = bytes(33 << 20), set[int](), list[int]()

    def refused(number: int) -> Talk[int]:
        under_way.add(number)
        most.append(len(under_way))
        for _ in range(3):
            said = yield Ask("POST", f"/{number}", "", body)
            assert isinstance(said, LostError)
            yield Pause(1)
        under_way.discard(number)
        return number

    found = list[int]()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        http = Wire(f"http://127.0.0.1:{taken.getsockname()[1]}", timeout_s=60)
        Swarm(http, SteppedClock()).hold(map(refused, range(9)), found.append, lambda: None)
    assert sorted(found) == list(range(9))
    assert max(most) == 2


def test_no_talks_at_all() -> None:
    with raw_server(echo) as server, wire(server) as http:
        assert hold(http, []) == {}
        assert server.connections == 0


def test_connections_that_the_server_closes_while_they_are_idle() -> None:
    """Told or untold, between two uses: each request is answered, by a new connection."""
    with raw_server(lambda said: ok(close=said.nth == 1)) as server, wire(server) as http:
        swarm, found = Swarm(http, SystemClock(), most=4), list[int]()
        for start in range(0, 40, 4):
            talks = (say(number, attempts=5) for number in range(start, start + 4))
            swarm.hold(talks, lambda result: found.append(result[0]), lambda: None)
        assert sorted(found) == list(range(40))


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_cannot_keep_up_is_asked_less_at_once(status: int) -> None:
    under_way, mutex, most = [0, 0], threading.Lock(), list[int]()

    def script(said: Said) -> Reply:
        with mutex:
            under_way[0] += 1
            most.append(under_way[0])
            refused = len(most) <= 20
        try:
            return Reply(pieces=(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status,)) if refused else ok()
        finally:
            with mutex:
                under_way[0] -= 1

    with raw_server(script) as server, wire(server) as http:
        found = hold(http, map(say, range(60)))
        assert sorted({answer.status for answer in found.values()}) == [200, status]


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    bodies = {number: os.urandom(400_000) for number in range(30)}

    def script(said: Said) -> Reply:
        return Reply(pieces=(), close=True) if said.number == 4 else ok(said.body, close=said.number == 9)

    with raw_server(script, tls=server_context(certificate)) as server, wire(server, scheme="https") as http:
        assert http.request("POST", "/", headers={}, body=b"first").content == b"first"  # its connection is used again
        found = hold(http, (say(number, body, attempts=9) for number, body in bodies.items()))
        assert {number: answer.content for number, answer in found.items()} == bodies
        assert http.request("POST", "/", headers={}, body=b"last").content == b"last"


def test_a_certificate_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with (
        raw_server(echo, tls=server_context(make_certificate(tmp_path))) as server,
        wire(server, scheme="https") as http,
        pytest.raises(LostError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        hold(http, [say(1)])


def test_a_tunnel_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "")
    opened = b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n"
    with raw_server(echo, tls=server_context(certificate), preface=opened) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
        http = Wire("https://127.0.0.1:9", timeout_s=60)  # where nobody listens
        assert {n: a.content for n, a in hold(http, map(say, range(9))).items()} == {
            n: b"/%ddata" % n for n in range(9)
        }
        http.close()
        assert proxy.seen is not None
        assert proxy.seen[0].head.startswith(b"CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n")
        assert b"Proxy-Authorization: Basic YWRhOnBAc3M=" in proxy.seen[0].head


@pytest.mark.parametrize("preface", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"])
def test_a_proxy_that_refuses_a_tunnel(preface: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    with raw_server(echo, preface=preface) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        http = Wire("https://storage.invalid", timeout_s=60)
        with pytest.raises(LostError, match=r"answered CONNECT with 403|no HTTP answer"):
            hold(http, [say(1)])
        http.close()


def test_a_proxy_for_plain_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    with raw_server(echo) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        http = Wire("http://storage.invalid:8080", timeout_s=60)
        assert hold(http, [say(1)])[1].content == b"http://storage.invalid:8080/1data"
        http.close()


def test_ctrl_c_waits_for_answers_to_what_was_sent_and_sends_nothing_more() -> None:
    reached, released = threading.Event(), threading.Event()

    def script(said: Said) -> Reply:
        reached.set()
        released.wait(60)
        return ok()

    def interrupt() -> None:
        reached.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    found, interrupted = list[int](), list[BaseException]()
    with raw_server(script) as server, wire(server) as http:
        helper = threading.Thread(target=interrupt)
        helper.start()
        releaser = threading.Timer(0.5, released.set)
        releaser.start()
        try:
            Swarm(http, SystemClock(), most=4).hold(
                map(say, range(500)), lambda result: found.append(result[0]), lambda: None
            )
        except KeyboardInterrupt as error:
            interrupted.append(error)
        helper.join(60)
        releaser.join(60)
        assert interrupted
        assert server.seen is not None
        assert 1 <= len(found) <= len(server.seen) <= 4
