"""The connections of `cicd.dags.http.rounds`, and the wait for what happens on any of them. For one thread."""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable, Iterator

from cicd.dags.http.answers import Answer, LostError, TimedOutError, WireError
from cicd.dags.http.line import Address, Line, Phase
from cicd.dags.http.talk import Ask
from cicd.dags.http.wire import Wire

_STALL_S = 0.5


class Lines:
    """Connections with a request on them (`busy`) and without, which go to the pool of `wire` at the end.

    `now` is when the last wait ended, `bytes` the size of the bodies under way.
    """

    def __init__(self, wire: Wire, resolve: Callable[[], tuple[Address, ...]]) -> None:
        self._wire = wire
        self._resolve = resolve
        self.busy: set[Line] = set()
        self._idle: list[Line] = []
        self.bytes = 0
        self.now = time.monotonic()
        self._look_at = self.now + wire.timeout_s  # no deadline is over before
        self._selector = selectors.DefaultSelector()
        self._mutex = threading.Lock()
        self._alarm, self._bell = os.pipe()
        self._selector.register(self._alarm, selectors.EVENT_READ, None)

    def ring(self) -> None:
        """From another thread: end the wait."""
        with self._mutex:
            if self._bell >= 0:
                os.write(self._bell, b"!")

    def put(self, ask: Ask) -> Line:
        """A connection with the request on it: one without, one of the pool, or a new one.

        Raises `OSError` and `WireError`.
        """
        if self._idle:
            line = self._idle.pop()
            line.load(ask)
        else:
            idle = self._wire.pool.take()
            line = Line(self._wire.route, ask, idle=idle, addresses=() if idle else self._resolve())
        line.asked_at = time.monotonic()
        self.bytes += len(ask.body or b"")
        self.busy.add(line)
        if line.phase is Phase.CONNECT:
            self._watch(line)
        return line

    def advance(self, line: Line) -> Answer | WireError | None:
        """Do what can be done on a connection; what came of its request, when that is known."""
        try:
            answer = line.advance()
        except (OSError, WireError) as error:
            return self.lose(line, error)
        if answer is None:
            self._watch(line)
            return None
        self._free(line)
        if line.keep:
            self._watch(line)
            self._idle.append(line)
        else:
            self._close(line)
        return answer

    def lose(self, line: Line, error: Exception) -> WireError | None:
        """The connection is of no use any more; None when another address of the server is tried."""
        self._close(line)
        if line.can_connect_elsewhere:
            try:
                line.connect()
            except (OSError, WireError) as other:
                error = other
            else:
                self._watch(line)
                return None
        self._free(line)
        return wire_error(error)

    def drop(self, line: Line) -> None:
        """Give a request up."""
        self._close(line)
        self._free(line)

    def wait(self, longest_s: float) -> Iterator[Line]:
        """Connections on which something has happened, and that have a request."""
        events = self._selector.select(max(0.001, min(self._until_look(), longest_s)))
        self.now = time.monotonic()
        for key, _ in events:
            line: Line | None = key.data
            if line is None:
                os.read(self._alarm, 1)
            elif line in self.busy:
                yield line
            elif line in self._idle:  # nobody asked for anything: it was closed, or is of no use
                self._idle.remove(line)
                self._close(line)

    def overdue(self) -> tuple[Line, ...]:
        """Connections on which nothing went on for the whole time."""
        if self.now < self._look_at:
            return ()
        self._look_at = min([line.deadline for line in self.busy], default=self.now + self._wire.timeout_s)
        return tuple(line for line in self.busy if line.deadline <= self.now)

    def close(self) -> None:
        for line in self.busy:
            self._close(line)
        for line in self._idle:
            self._selector.unregister(line.fd)
            self._wire.pool.give(line.release())
        with self._mutex:
            bell, self._bell = self._bell, -1
            os.close(bell)
        self._selector.close()
        os.close(self._alarm)

    def _until_look(self) -> float:
        """The time that was spent since the last wait is nobody's delay."""
        now = time.monotonic()
        if now - self.now > _STALL_S:
            for line in self.busy:
                line.deadline += now - self.now
        return self._look_at - now

    def _watch(self, line: Line) -> None:
        """Wait for what the connection waits for; something went on, so that it has the whole time again."""
        line.deadline = self.now + self._wire.timeout_s
        wanted = line.awaits
        if not line.watched:
            self._selector.register(line.fd, wanted, line)
        elif wanted != line.watched:
            self._selector.modify(line.fd, wanted, line)
        line.watched = wanted

    def _free(self, line: Line) -> None:
        self.busy.discard(line)
        self.bytes -= len(line.ask.body or b"")

    def _close(self, line: Line) -> None:
        if line.watched:
            self._selector.unregister(line.fd)
            line.watched = 0
        line.close()


def wire_error(error: Exception) -> WireError:
    if isinstance(error, WireError):
        return error
    if isinstance(error, TimeoutError):
        made: WireError = TimedOutError("timed out")
    else:
        made = LostError(str(error) or type(error).__name__)
    made.__cause__ = error
    return made
