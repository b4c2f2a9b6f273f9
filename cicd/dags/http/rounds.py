"""The loop behind `cicd.dags.http.swarm`: one use, one thread."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from cicd.dags.http.answers import Answer, TimedOutError, WireError
from cicd.dags.http.line import Address, Line, Phase
from cicd.dags.http.lines import Lines, wire_error
from cicd.dags.http.pace import Pace
from cicd.dags.http.talk import Ask, Pause, Talk
from cicd.dags.http.wire import Wire
from headgate.clock import Clock

_IN_FLIGHT = 64 << 20  # bytes of bodies under way or to be sent again, above which no more are taken
_FOREVER = 1e6


class Rounds:
    """Holds the talks; see `cicd.dags.http.swarm.Swarm.hold`. `failure` is the first one.

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
        self._clock, self._pace = clock, pace
        self._talks, self._done, self._permit = iter(talks), done, permit
        self.failure: BaseException | None = None
        self._stopped = False
        self._more = True  # talks may be left
        self._ready: deque[tuple[Talk[Any], Ask]] = deque()  # requests that wait for a connection
        self._paused: list[tuple[float, int, Talk[Any], int]] = []  # with the size of the body to be sent again
        self._held = 0  # the sum of these
        self._order = count()
        self._lines = Lines(wire, resolve)

    def stop(self) -> None:
        """From another thread: send nothing more, wait only for answers to what was sent."""
        self._stopped = True
        self._lines.ring()

    def run(self) -> None:
        try:
            while self._turn():
                continue
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._fail(error)
        finally:
            self._lines.close()

    def _turn(self) -> bool:
        """One round; False when there is nothing left to do."""
        if self._stopped:
            self._abandon()
        self._wake()
        self._start()
        if not self._lines.busy:
            if not self._paused:
                return bool(self._ready)
            self._clock.sleep(max(0.0, self._paused[0][0] - self._clock.monotonic()))
            self._resume()
            return True
        for line in self._lines.wait(self._paused[0][0] - self._clock.monotonic() if self._paused else _FOREVER):
            self._advance(line)
        for line in self._lines.overdue():
            self._came(line, self._lines.lose(line, TimedOutError("timed out")))
        return True

    def _abandon(self) -> None:
        """Of what has begun only requests that were sent are left."""
        self._more = False
        self._ready.clear()
        self._paused.clear()
        for line in [line for line in self._lines.busy if line.phase is not Phase.READ]:
            self._lines.drop(line)

    def _wake(self) -> None:
        """Take up the talks whose pause is over."""
        while self._paused and self._paused[0][0] <= self._clock.monotonic():
            self._resume()

    def _resume(self) -> None:
        _, _, talk, size = heapq.heappop(self._paused)
        self._held -= size
        self._go_on(talk, None)

    def _start(self) -> None:
        """Send while there is room: requests of talks that have begun, then those of new ones."""
        while len(self._lines.busy) < self._pace.limit and not self._stopped:
            if self._ready:
                self._send(*self._ready.popleft())
            elif self._more and self.failure is None and self._lines.bytes + self._held < _IN_FLIGHT:
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

    def _go_on(self, talk: Talk[Any], said: Answer | WireError | None, size: int = 0) -> None:
        """Tell a talk what came of its request, which had a body of that size, and take its next step."""
        try:
            step = talk.send(said)
        except StopIteration as end:
            self._finish(end.value)
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)
        else:
            if isinstance(step, Pause):
                due = self._clock.monotonic() + step.seconds
                heapq.heappush(self._paused, (due, next(self._order), talk, size))
                self._held += size
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

    def _send(self, talk: Talk[Any], ask: Ask) -> None:
        try:
            self._permit()
        except BaseException as error:  # noqa: BLE001 - see the class
            self._fail(error)
            return
        try:
            line = self._lines.put(ask)
        except (OSError, WireError) as error:
            self._go_on(talk, wire_error(error), len(ask.body or b""))
            return
        line.ticket = talk
        if line.phase is not Phase.CONNECT:
            self._advance(line)

    def _advance(self, line: Line) -> None:
        """Something may go on on a connection."""
        answer = self._lines.advance(line)
        if isinstance(answer, Answer):
            self._pace.measured(time.monotonic() - line.asked_at)
            self._pace.answered(answer.status, self._lines.now)
        self._came(line, answer)

    def _came(self, line: Line, what: Answer | WireError | None) -> None:
        """Tell the talk on a connection what came of its request, when that is known."""
        if what is not None:
            talk, line.ticket = line.ticket, None
            self._go_on(talk, what, len(line.ask.body or b""))
