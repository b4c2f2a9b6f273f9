"""Connections are tested side by side, the steps of one connection in order; each step is a leaf of the verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module

from gates.verdict import Outcome, Verdict, group
from headgate.clock import Clock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    UnsafeActionError,
)
from headgate.secrets import mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What a step returns when the server does not tell; the step is SKIPPED, which is not a pass."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question. `ask` returns what was found, for a person, or raises a `HeadgateError`."""

    name: str
    ask: Callable[[], str | Unknown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Something that Headgate talks to. `open` gives its steps and may raise as they do; when one step fails those
    after it are skipped. `absent` says why there is nothing to test: then it is SKIPPED as a whole. `clients` are the
    modules that its steps will load.
    """

    name: str
    open: Callable[[], Iterable[Step]] = tuple
    clients: tuple[str, ...] = ()
    absent: str = ""
    advice: str = ""


# The answer is clear, and it is no. Any other error leaves open what the answer would have been.
_REFUSALS = (AuthenticationError, ConfigError, NotFoundError, UnsafeActionError)


def run_checks(connections: Iterable[Connection], *, clock: Clock, deadline_s: float) -> Verdict:
    """The verdict `doctor`, its children in the order given, one for each connection.

    After `deadline_s` whatever has not answered is an ERROR. Threads that still wait then are abandoned, not joined.
    """
    listed = tuple(connections)
    _load(name for item in listed for name in item.clients)
    found: dict[str, Verdict] = {}
    threads = [
        threading.Thread(target=lambda c=item: found.__setitem__(c.name, examine(c, clock)), daemon=True)
        for item in listed
    ]
    started = clock.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, started + deadline_s - clock.monotonic()))
    nodes = [found.get(item.name) or _late(item, deadline_s) for item in listed]
    return group("doctor", nodes, required=[item.name for item in listed])


def _load(names: Iterable[str]) -> None:
    """Load clients one after the other. Loaded by several threads at once, modules that need each other may be seen
    half made, and would be called missing. Who needs one that is not there says so.
    """
    for name in dict.fromkeys(names):
        with suppress(ImportError):
            import_module(name)


def examine(connection: Connection, clock: Clock) -> Verdict:
    """The verdict of one connection. Nothing is raised: what goes wrong is a leaf."""
    if connection.absent:
        return Verdict(name=connection.name, outcome=Outcome.SKIPPED, message=connection.absent, fix=connection.advice)
    return group(connection.name, tuple(_leaves(connection, clock)))


def _leaves(connection: Connection, clock: Clock) -> Iterator[Verdict]:
    broken = ""
    try:
        # Always to the end, also after a failure: generators of steps close what they opened there.
        for step in connection.open():
            name = f"{connection.name}: {step.name}"
            if broken:
                yield Verdict(name=name, outcome=Outcome.SKIPPED, message=f"not asked, because of {broken!r}")
                continue
            leaf = _ask(name, step, clock)
            broken = step.name if leaf.outcome in (Outcome.FAIL, Outcome.ERROR) else ""
            yield leaf
    except Exception as error:  # noqa: BLE001 - a defect in one check must not hide the others
        yield _failed(f"{connection.name}: access", error, None)


def _ask(name: str, step: Step, clock: Clock) -> Verdict:
    started = clock.monotonic()
    try:
        answer = step.ask()
    except Exception as error:  # noqa: BLE001 - as above
        return _failed(name, error, clock.monotonic() - started)
    return Verdict(
        name=name,
        outcome=Outcome.SKIPPED if isinstance(answer, Unknown) else Outcome.PASS,
        message=mask(answer.why if isinstance(answer, Unknown) else answer),
        duration_s=clock.monotonic() - started,
    )


def _failed(name: str, error: Exception, duration_s: float | None) -> Verdict:
    if not isinstance(error, HeadgateError):
        return Verdict(
            name=name,
            outcome=Outcome.ERROR,
            message=mask(f"unexpected: {type(error).__name__}: {error}"),
            fix="This is a defect in Headgate; please report it.",
            duration_s=duration_s,
        )
    return Verdict(
        name=name,
        outcome=Outcome.FAIL if isinstance(error, _REFUSALS) else Outcome.ERROR,
        message=mask(f"{error.where}: {error.what}" if error.where else error.what),
        fix=mask(error.next_step or ""),
        duration_s=duration_s,
    )


def _late(connection: Connection, deadline_s: float) -> Verdict:
    leaf = Verdict(
        name=f"{connection.name}: access",
        outcome=Outcome.ERROR,
        message=f"no answer within {deadline_s:g} s",
        fix="Check the address and the network, or give it longer with --deadline-s.",
    )
    return group(connection.name, (leaf,))
