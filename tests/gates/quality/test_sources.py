"""Waiting for an engine ends: with its answer, with the deadline, or with Ctrl-C; and it is closed in each case."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import pytest

from gates.quality.engines.port import Batch
from gates.quality.metrics import Count, Metric, Values
from gates.quality.sources import AttendedBatch, Deadline
from headgate.errors import RemoteTimeoutError, UnreachableError
from tests.testing.quality_batch import CannedBatch

LONG = 60.0


class Stuck(CannedBatch):
    """Works until it is interrupted, as an engine in C does."""

    def __init__(self) -> None:
        super().__init__()
        self.working, self.stopped = threading.Event(), threading.Event()

    def compute(self, metrics: Sequence[Metric]) -> Values:
        self.working.set()
        self.stopped.wait(LONG)
        raise UnreachableError("interrupted")

    def interrupt(self) -> None:
        self.stopped.set()


def attended(batch: Batch, timeout_s: float = LONG) -> AttendedBatch:
    return AttendedBatch(lambda: batch, Deadline(timeout_s=timeout_s))


def test_it_answers_as_the_batch_does_from_one_thread() -> None:
    threads = set()

    class Noting(CannedBatch):
        def compute(self, metrics: Sequence[Metric]) -> Values:
            threads.add(threading.get_ident())
            return super().compute(metrics)

    inner = Noting(rows=7)
    batch = attended(inner)
    assert (batch.name, batch.ordered, batch.schema()) == (inner.name, inner.ordered, inner.schema())
    assert batch.compute([Count()]) == batch.compute([Count()]) == {Count(): 7}
    assert batch.explain([Count()]) == ("SELECT 1",)
    assert batch.queries is inner.queries
    batch.close()
    assert inner.closed
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_what_the_batch_raises_is_raised() -> None:
    class Gone(CannedBatch):
        def compute(self, metrics: Sequence[Metric]) -> Values:
            raise UnreachableError("gone")

    batch = attended(Gone())
    with pytest.raises(UnreachableError, match="gone"):
        batch.compute([Count()])
    batch.close()


def test_what_opening_raises_is_raised() -> None:
    def opened() -> Batch:
        raise UnreachableError("refused")

    with pytest.raises(UnreachableError, match="refused"):
        AttendedBatch(opened, Deadline(timeout_s=LONG))


def test_the_deadline_interrupts_the_engine() -> None:
    inner = Stuck()
    batch = attended(inner, timeout_s=0.2)
    with pytest.raises(RemoteTimeoutError, match=r"within 0\.2 s"):
        batch.compute([Count()])
    assert inner.stopped.is_set()
    batch.close()
    assert inner.closed


def test_ctrl_c_interrupts_the_engine() -> None:
    """A signal raises in whoever waits: here one of our own, sent while the engine works."""

    def pressed(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    inner = Stuck()
    batch = attended(inner)

    def press() -> None:
        inner.working.wait(LONG)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, pressed)
    try:
        threading.Thread(target=press).start()
        with pytest.raises(KeyboardInterrupt):
            batch.compute([Count()])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert inner.stopped.is_set()
    batch.close()
    assert inner.closed


def test_what_is_opened_too_late_is_closed() -> None:
    opening, inner = threading.Event(), CannedBatch()
    closed = threading.Event()

    def close(original: Callable[[], None]) -> Callable[[], None]:
        def marked() -> None:
            original()
            closed.set()

        return marked

    inner.close = close(inner.close)  # type: ignore[method-assign]

    def opened() -> Batch:
        opening.wait(LONG)
        return inner

    threading.Timer(0.3, opening.set).start()
    with pytest.raises(RemoteTimeoutError):
        AttendedBatch(opened, Deadline(timeout_s=0.05))
    assert closed.wait(LONG)
    assert inner.closed
