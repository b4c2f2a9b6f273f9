"""Running checks: order, independence, what an error means, and the deadline."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicd.doctor.checks import Connection, Step, Unknown, examine, run_checks
from cicd.doctor.servers import access_level
from gates.verdict import Outcome
from headgate.clock import SystemClock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import Secret

CLOCK = SystemClock()


def connection(**asks: Callable[[], str | Unknown]) -> Connection:
    return Connection(name="server", open=lambda: [Step(name=name, ask=ask) for name, ask in asks.items()])


def failing(error: Exception) -> Callable[[], str]:
    def ask() -> str:
        raise error

    return ask


def test_all_steps_pass() -> None:
    verdict = examine(connection(one=lambda: "found a", two=lambda: "found b"), CLOCK)
    assert verdict.outcome is Outcome.PASS
    assert [(leaf.name, leaf.message) for leaf in verdict.leaves()] == [
        ("server: one", "found a"),
        ("server: two", "found b"),
    ]


def test_after_a_failure_the_rest_is_not_asked() -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("three")
        return "never"

    verdict = examine(
        connection(one=lambda: "ok", two=failing(NotFoundError("gone", next_step="Look.")), three=ask), CLOCK
    )
    assert [leaf.outcome for leaf in verdict.leaves()] == [Outcome.PASS, Outcome.FAIL, Outcome.SKIPPED]
    assert verdict.leaves()[1].fix == "Look."
    assert asked == []
    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AuthenticationError("no"), Outcome.FAIL),
        (ConfigError("no"), Outcome.FAIL),
        (NotFoundError("no"), Outcome.FAIL),
        (RemoteTimeoutError("?"), Outcome.ERROR),
        (UnreachableError("?"), Outcome.ERROR),
        (RateLimitedError("?"), Outcome.ERROR),
        (ServerFaultError("?"), Outcome.ERROR),
        (ConflictError("?"), Outcome.ERROR),
        (HeadgateError("?"), Outcome.ERROR),
        (ZeroDivisionError("?"), Outcome.ERROR),
    ],
)
def test_a_clear_no_fails_and_anything_else_is_undecided(error: Exception, outcome: Outcome) -> None:
    (leaf,) = examine(connection(one=failing(error)), CLOCK).leaves()
    assert leaf.outcome is outcome


def test_what_a_server_does_not_tell_is_not_a_pass() -> None:
    (leaf,) = examine(connection(one=lambda: Unknown(why="does not say")), CLOCK).leaves()
    assert (leaf.outcome, leaf.message) == (Outcome.SKIPPED, "does not say")


def test_a_connection_that_cannot_be_opened_is_a_leaf() -> None:
    def opened() -> list[Step]:
        raise AuthenticationError("no token", where="https://x", next_step="Set it.")

    verdict = examine(Connection(name="server", open=opened), CLOCK)
    assert (verdict.leaves()[0].name, verdict.outcome) == ("server: access", Outcome.FAIL)


def test_a_connection_without_steps_does_not_pass() -> None:
    assert examine(connection(), CLOCK).outcome is Outcome.INCONCLUSIVE


def test_steps_are_taken_to_the_end_so_that_they_are_closed() -> None:
    closed: list[bool] = []

    def opened() -> Iterator[Step]:
        try:
            yield Step(name="one", ask=failing(NotFoundError("gone")))
            yield Step(name="two", ask=lambda: "ok")
        finally:
            closed.append(True)

    examine(Connection(name="server", open=opened), CLOCK)
    assert closed == [True]


def test_absent_connections_are_skipped_and_do_not_spoil_the_pass() -> None:
    absent = Connection(name="jenkins", absent="not configured", advice="Set it.")
    verdict = run_checks([connection(one=lambda: "ok"), absent], clock=CLOCK, deadline_s=10)
    assert [node.outcome for node in verdict.children] == [Outcome.PASS, Outcome.SKIPPED]
    assert verdict.outcome is Outcome.PASS


def test_connections_run_side_by_side_and_are_listed_in_order() -> None:
    meeting = threading.Barrier(2, timeout=60)  # passed only when both are asked at the same time

    def meet(name: str) -> Connection:
        return Connection(name=name, open=lambda: [Step(name="meet", ask=lambda: str(meeting.wait() >= 0))])

    verdict = run_checks([meet("b"), meet("a")], clock=CLOCK, deadline_s=30)
    assert [(node.name, node.outcome) for node in verdict.children] == [("b", Outcome.PASS), ("a", Outcome.PASS)]


def test_clients_are_loaded_before_anything_is_asked_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads that load modules that need each other would see one of them half made."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "doctors_client.py").write_text("import threading\nLOADED_BY = threading.current_thread()\n")

    def opened() -> list[Step]:
        return [Step(name="loaded by", ask=lambda: str(sys.modules["doctors_client"].LOADED_BY.name))]

    needy = Connection(name="server", open=opened, clients=("doctors_client", "no_such_module"))
    (leaf,) = run_checks([needy], clock=CLOCK, deadline_s=60).leaves()
    assert (leaf.outcome, leaf.message) == (Outcome.PASS, threading.current_thread().name)


def test_what_has_not_answered_by_the_deadline_is_an_error() -> None:
    release = threading.Event()
    slow = connection(one=lambda: str(release.wait(30)))
    verdict = run_checks([slow], clock=CLOCK, deadline_s=0.05)
    release.set()
    (leaf,) = verdict.leaves()
    assert (leaf.outcome, leaf.message) == (Outcome.ERROR, "no answer within 0.05 s")


def test_secrets_are_masked_in_every_leaf() -> None:
    Secret("hunter2hunter2")
    verdict = examine(
        connection(one=failing(NotFoundError("no hunter2hunter2", next_step="Use hunter2hunter2."))), CLOCK
    )
    assert "hunter2" not in repr(verdict)


@pytest.mark.parametrize(
    ("project", "level"),
    [
        ({"permissions": {"project_access": {"access_level": 20}, "group_access": {"access_level": 40}}}, 40),
        ({"permissions": {"project_access": None, "group_access": {"access_level": 30}}}, 30),
        ({"permissions": {"project_access": None, "group_access": None}}, 0),
        ({"permissions": "nonsense"}, 0),
        ({"permissions": {"project_access": {"access_level": "50"}}}, 0),
        ({}, 0),
    ],
)
def test_access_level(project: dict[str, object], level: int) -> None:
    assert access_level(project) == level
