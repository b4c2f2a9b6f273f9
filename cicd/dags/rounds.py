"""The loop behind `cicd.dags.swarm`: one use, one thread."""

from __future__ import annotations

import heapq
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from cicd.dags.http1 import Answer, LostError, TimedOutError, WireError
from cicd.dags.line import Address, Line, Phase
from cicd.dags.pace import Pace
from cicd.dags.talk import Ask, Pause, Talk
from cicd.dags.wire import Wire
from headgate.clock import Clock

_IN_FLIGHT = 64 << 20  # bytes of bodies under way, above which no more are taken
_STALL_S = 0.5


class Rounds:
    """Holds the talks; see `cicd.dags.swarm.Swarm.hold`. `failure` is the first one.

    Nothing that a talk or a callback raises ends the loop: what has begun ends first.
    """

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        pace: Pace,
        resolve: Callable[[], tuple[Address, ...]],
        talks: Iterable[Talk[Any]],
        done: Callable[[Any], None],
        permit: Callable[[], None],
    ) -> None:
        self._wire, self._clock, self._pace = wire, clock, pace
        self._resolve, self._talks, self._done, self._permit = resolve, iter(talks), done, permit
        self.failure: BaseException | None = None
        self._stopped = False
        self._more = True  # talks may be left
        self._ready: deque[tuple[Talk[Any], Ask]] = deque()  # requests that wait for a connection
        self._paused: list[tuple[float, int, Talk[Any]]] = []
        self._order = count()
        self._busy: set[Line] = set()
        self._idle: list[Line] = []
        self._bytes = 0
        self._now = time.monotonic()  # when the last wait ended
        self._look_at = self._now + wire.timeout_s  # no deadline is over before
        self._selector = selectors.DefaultSelector()
        self._mutex = threading.Lock()
        self._alarm, self._bell = os.pipe()

    def stop(self) -> None:
        """From another thread: send nothing more, wait only for answers to what was sent."""
        with self._mutex:
            self._stopped = True
            if self._bell >= 0:
                os.write(self._bell, b"!")

    def run(self) -> None:
        self._selector.register(self._alarm, selectors.EVENT_READ, None)
        try:
            while self._turn():
                continue
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._fail(error)
        finally:
            self._end()

    def _turn(self) -> bool:
        """One round; False when there is nothing left to do."""
        if self._stopped:
            self._abandon()
        self._wake()
        self._start()
        if not self._busy:
            if not self._paused:
                return bool(self._ready)
            due, _, talk = heapq.heappop(self._paused)
            self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            self._go_on(talk, None)
            return True
        events = self._selector.select(self._wait_s())
        self._now = time.monotonic()
        for key, _ in events:
            if key.data is None:
                os.read(self._alarm, 1)
            else:
                self._advance(key.data)
        self._expire()
        return True

    def _wait_s(self) -> float:
        """How long to wait for events; the time that was spent since the last wait is nobody's delay."""
        now = time.monotonic()
        if now - self._now > _STALL_S:
            for line in self._busy:
                line.deadline += now - self._now
        until = self._look_at - now
        if self._paused:
            until = min(until, self._paused[0][0] - self._clock.monotonic())
        return max(0.001, until)

    def _abandon(self) -> None:
        """Of what has begun only requests that were sent are left."""
        self._more = False
        self._ready.clear()
        self._paused.clear()
        for line in [line for line in self._busy if line.phase is not Phase.READ]:
            self._free(line)
            self._drop(line)

    def _end(self) -> None:
        for line in self._busy:
            self._drop(line)
        for line in self._idle:
            self._selector.unregister(line.fd)
            self._wire.pool.give(line.release())
        with self._mutex:
            bell, self._bell = self._bell, -1
            os.close(bell)
        self._selector.close()
        os.close(self._alarm)

    # Talks

    def _wake(self) -> None:
        """Take up the talks whose pause is over."""
        while self._paused and self._paused[0][0] <= self._clock.monotonic():
            self._go_on(heapq.heappop(self._paused)[2], None)

    def _start(self) -> None:
        """Send while there is room: requests of talks that have begun, then those of new ones."""
        while len(self._busy) < self._pace.limit and not self._stopped:
            if self._ready:
                self._send(*self._ready.popleft())
            elif self._more and self.failure is None and (self._bytes < _IN_FLIGHT or not self._busy):
                self._take()
            else:
                return

    def _take(self) -> None:
        try:
            talk = next(self._talks)
        except StopIteration:
            self._more = False
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)
        else:
            self._go_on(talk, None)

    def _go_on(self, talk: Talk[Any], said: Answer | WireError | None) -> None:
        """Tell a talk what came of its request, and take its next step."""
        try:
            step = talk.send(said)
        except StopIteration as end:
            self._finish(end.value)
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)
        else:
            if isinstance(step, Pause):
                due = self._clock.monotonic() + step.seconds
                heapq.heappush(self._paused, (due, next(self._order), talk))
            else:
                self._ready.append((talk, step))

    def _finish(self, result: Any) -> None:
        try:
            self._done(result)
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error

    # Connections

    def _send(self, talk: Talk[Any], ask: Ask) -> None:
        try:
            self._permit()
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)
            return
        try:
            line = self._line(ask)
        except (OSError, WireError) as error:
            self._go_on(talk, _wire_error(error))
            return
        line.ticket = talk
        line.asked_at = time.monotonic()
        self._bytes += len(ask.body or b"")
        self._busy.add(line)
        self._touch(line)
        if line.phase is Phase.CONNECT:
            self._watch(line)
        else:
            self._advance(line)

    def _line(self, ask: Ask) -> Line:
        """A connection with the request on it: one of ours, one of the pool, or a new one."""
        if self._idle:
            line = self._idle.pop()
            line.load(ask)
            return line
        idle = self._wire.pool.take()
        return Line(self._wire.route, ask, idle=idle, addresses=() if idle else self._resolve())

    def _advance(self, line: Line) -> None:
        """Something happened on a connection."""
        if line.ticket is None:
            if line in self._idle:  # nobody asked for anything: it was closed, or is of no use
                self._idle.remove(line)
                self._drop(line)
            return
        try:
            answer = line.advance()
        except (OSError, WireError) as error:
            self._lost(line, error)
            return
        if answer is None:
            self._touch(line)
            self._watch(line)
            return
        self._pace.measured(time.monotonic() - line.asked_at)
        self._pace.answered(answer.status, self._now)
        talk = self._free(line)
        if line.keep:
            self._watch(line)
            self._idle.append(line)
        else:
            self._drop(line)
        self._go_on(talk, answer)

    def _lost(self, line: Line, error: Exception) -> None:
        if line.can_connect_elsewhere:
            self._drop(line)
            try:
                line.connect()
            except (OSError, WireError) as other:
                error = other
            else:
                self._touch(line)
                self._watch(line)
                return
        talk = self._free(line)
        self._drop(line)
        self._go_on(talk, _wire_error(error))

    def _free(self, line: Line) -> Talk[Any]:
        """Take the talk off a connection."""
        talk: Talk[Any] = line.ticket
        line.ticket = None
        self._busy.discard(line)
        self._bytes -= len(line.ask.body or b"")
        return talk

    def _touch(self, line: Line) -> None:
        """Something went on: it has the whole time again."""
        line.deadline = self._now + self._wire.timeout_s

    def _watch(self, line: Line) -> None:
        wanted = line.awaits
        if not line.watched:
            self._selector.register(line.fd, wanted, line)
        elif wanted != line.watched:
            self._selector.modify(line.fd, wanted, line)
        line.watched = wanted

    def _drop(self, line: Line) -> None:
        if line.watched:
            self._selector.unregister(line.fd)
            line.watched = 0
        line.close()

    def _expire(self) -> None:
        """Give up connections on which nothing went on for the whole time."""
        if self._now < self._look_at:
            return
        for line in [line for line in self._busy if line.deadline <= self._now]:
            self._lost(line, TimedOutError("timed out"))
        self._look_at = min([line.deadline for line in self._busy], default=self._now + self._wire.timeout_s)


def _wire_error(error: Exception) -> WireError:
    if isinstance(error, WireError):
        return error
    kind = TimedOutError if isinstance(error, TimeoutError) else LostError
    made = kind("timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__)
    made.__cause__ = error
    return made
