"""Into the log: what arrives at the same time is committed together, and nobody is answered before that.

One thread writes. While it waits for the disk, the next requests gather and become the next transaction: so each
request costs a share of one commit, and none waits for more than two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from headgate.errors import ConfigError, LockHeldError
from observability.events import DeliveryEvent

MOST_TOGETHER = 500
MOST_WAITING = 2000

Batch = tuple[DeliveryEvent, ...]
_Waiting = tuple[Batch, "asyncio.Future[int]"]


class Log(Protocol):
    """What is needed of an event store."""

    def append_each(self, batches: Sequence[Batch]) -> list[int]:
        """Store several batches durably, all or none, and return how many events of each were new."""
        ...

    def last_sequence(self) -> int:
        """Anything but an error says that the log can be read."""
        ...


class Intake:
    """The way into a log, for many requests of one event loop. `committed` is told the size of each transaction."""

    def __init__(self, log: Log, committed: Callable[[int], None] = lambda _: None) -> None:
        self._log = log
        self._committed = committed
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-intake")

    @property
    def waiting(self) -> int:
        """How many requests wait for the next transaction."""
        return len(self._waiting)

    async def record(self, events: Batch) -> int:
        """How many of `events` were new; they are durable then.

        Raises `LockHeldError` when too many wait already, and what the store raises: nothing of these events is
        stored then.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise LockHeldError("too many webhooks wait for the event store", next_step="Send it again later.")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, answer))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def readable(self) -> None:
        """Raises what the store raises when it cannot be read."""
        await asyncio.get_running_loop().run_in_executor(None, self._log.last_sequence)

    async def _write(self) -> None:
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
            await self._commit(together)

    async def _commit(self, together: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            counts = await loop.run_in_executor(self._thread, self._log.append_each, [events for events, _ in together])
        except ConfigError as error:
            if len(together) == 1:
                _fail(together, error)
                return
            for one in together:  # one that cannot be stored must not take the others with it
                await self._commit([one])
        except BaseException as error:
            _fail(together, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._committed(len(together))
            for (_, answer), count in zip(together, counts, strict=True):
                if not answer.done():  # the request may have been given up
                    answer.set_result(count)


def _fail(together: Sequence[_Waiting], error: BaseException) -> None:
    for _, answer in together:
        if not answer.done():
            answer.set_exception(error)
