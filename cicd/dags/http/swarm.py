"""Many talks with one server at once, on one thread: connections that never wait, driven by their events.

Threads that wait for an answer each spend more processor time on taking turns than on the requests.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from cicd.dags.http.line import Address
from cicd.dags.http.pace import Pace
from cicd.dags.http.rounds import Rounds
from cicd.dags.http.talk import Talk
from cicd.dags.http.wire import Wire, no_name
from headgate.clock import Clock

_Result = TypeVar("_Result")

_LOOK_S = 0.2
MOST = 128
"""Connections at once."""


class Swarm:
    """Talks over the connections of `wire`, `most` at once if the server's answers take so long that it pays."""

    def __init__(self, wire: Wire, clock: Clock, *, most: int = MOST) -> None:
        self._wire = wire
        self._clock = clock
        self._pace = Pace(most)
        self._addresses: tuple[Address, ...] = ()

    def hold(self, talks: Iterable[Talk[_Result]], done: Callable[[_Result], None], permit: Callable[[], None]) -> None:
        """Hold all talks; `done` is called with the result of each, never at the same time as another.

        `talks` are taken one by one as there is room for them. `permit` is called before every request and may raise.
        After the first failure no more talks are taken; those that have begun end, and the failure is raised.
        On Ctrl-C only answers to requests that were sent are waited for; nothing is sent again.
        """
        if self._wire.fastest_s is not None:
            self._pace.measured(self._wire.fastest_s)
        rounds = Rounds(self._wire, self._clock, self._pace, self._resolve, talks, done, permit)
        finished = threading.Event()

        def drive() -> None:
            try:
                rounds.run()
            finally:
                finished.set()

        # A thread of its own, because Ctrl-C interrupts the main thread at any place, also between sending a piece and
        # taking note of it.
        thread = threading.Thread(target=drive, name="dags-swarm", daemon=True)
        thread.start()
        try:
            while not finished.wait(_LOOK_S):  # a signal that another thread took does not end the wait
                continue
        except BaseException:
            rounds.stop()
            finished.wait()
            raise
        finally:
            if finished.is_set():
                thread.join()
        if rounds.failure is not None:
            raise rounds.failure

    def _resolve(self) -> tuple[Address, ...]:
        """The addresses of the server, or of its proxy."""
        if not self._addresses:
            route = self._wire.route
            try:
                found = socket.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
            except UnicodeError as error:
                raise no_name(route.host) from error
            self._addresses = tuple((family, address) for family, _, _, _, address in found)
        return self._addresses
