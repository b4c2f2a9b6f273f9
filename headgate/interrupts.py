"""Stop signals, as every long command takes them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[None]:
    """Take SIGTERM (a cancelled CI job) as Ctrl-C: what is under way is left as it is left then."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
