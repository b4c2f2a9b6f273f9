"""What is said to a server to get one thing done, apart from how it is sent: one request, or several with pauses."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from cicd.dags.http.answers import Answer, WireError
from cicd.dags.http.wire import Wire
from headgate.clock import Clock

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to be sent once. `target` is the encoded path and query; each header field ends with CR LF."""

    method: str
    target: str
    fields: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait before the next request."""

    seconds: float


Talk = Generator[Ask | Pause, Answer | WireError | None, _Result]
"""Yields requests, each of which is answered by what came of it, and pauses; returns the result or raises."""


def hold(talk: Talk[_Result], wire: Wire, clock: Clock) -> _Result:
    """Hold one talk to its end."""
    said: Answer | WireError | None = None
    while True:
        try:
            step = talk.send(said)
        except StopIteration as end:
            result: _Result = end.value
            return result
        said = None
        if isinstance(step, Pause):
            clock.sleep(step.seconds)
            continue
        try:
            said = wire.ask(step.method, step.target, step.fields, step.body)
        except WireError as error:
            said = error
