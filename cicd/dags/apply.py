"""Carrying a plan out: wave by wave, each complete before the next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby

from cicd.dags.archive import Content
from cicd.dags.lock import Lease
from cicd.dags.model import Action, Change, DesiredFile, Kind, StoredObject
from cicd.dags.target import Target
from headgate.clock import Clock

_HELPERS = frozenset({Kind.MODULE, Kind.DATA})
_NAP_S = 10.0  # a fraction of any lease

Progress = Callable[[int, int, str], None]
"""Called after each object with the number done, the number in all, and its path; never by two threads at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the steps need: where to, the contents, and the lease that permits each write.

    `settle_s` is how long to wait after new helpers arrived and before helpers are deleted, so that a reader which
    copies the folder in turns has copied the helpers, or let go of the DAGs.
    """

    target: Target
    content: Content
    lease: Lease
    progress: Progress
    clock: Clock
    settle_s: float = 0.0


def apply_changes(changes: Sequence[Change], desired: Mapping[str, DesiredFile], work: Work) -> dict[str, StoredObject]:
    """Write and delete as planned; returns the written objects by path.

    The first failure stops the wave: what has begun ends, nothing else starts, and the failure is raised.
    """
    steps = [change for change in changes if change.action in {Action.ADD, Action.UPDATE, Action.DELETE}]
    tally = _Tally(len(steps), work.progress)
    with ThreadPoolExecutor(max_workers=work.target.workers, thread_name_prefix="dags") as pool:
        before: list[Change] = []
        for wave in (list(group) for _, group in groupby(steps, key=lambda change: change.wave)):
            if _must_settle(before, wave):
                _settle(work)
            before += wave
            _carry_out(pool, wave, desired, work, tally)
    return tally.written


class _Tally:
    """What the workers have done between them."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._mutex = threading.Lock()
        self._done = 0
        self.written: dict[str, StoredObject] = {}
        self.failures: list[BaseException] = []

    def add(self, path: str, stored: StoredObject | None) -> None:
        with self._mutex:
            if stored is not None:
                self.written[path] = stored
            self._done += 1
            self._progress(self._done, self._total, path)


def _carry_out(
    pool: ThreadPoolExecutor, wave: Sequence[Change], desired: Mapping[str, DesiredFile], work: Work, tally: _Tally
) -> None:
    """One wave. Each worker takes the next step when it is done with one, which costs less than a future for each."""
    waiting = deque(wave)

    def run() -> None:
        while not tally.failures:
            try:
                change = waiting.popleft()
            except IndexError:
                return
            try:
                tally.add(change.path, _step(change, desired.get(change.path), work))
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
                tally.failures.append(error)

    runs = [pool.submit(run) for _ in range(min(len(wave), work.target.workers))]
    try:
        wait(runs)
    except BaseException:  # Ctrl-C
        waiting.clear()
        raise
    if tally.failures:
        raise tally.failures[0]


def _must_settle(before: Sequence[Change], wave: Sequence[Change]) -> bool:
    """Whether `wave` uses what has just arrived, or takes away what has just been used. Waves are of one kind."""
    first = wave[0]
    if first.action is Action.DELETE:
        return first.kind in _HELPERS and any(step.kind is Kind.DAG for step in before)
    return first.kind is Kind.DAG and any(step.kind in _HELPERS and step.action is Action.ADD for step in before)


def _settle(work: Work) -> None:
    """Wait, and keep the lock meanwhile."""
    left = work.settle_s
    while left > 0:
        work.clock.sleep(min(left, _NAP_S))
        left -= _NAP_S
        work.lease.ensure()


def _step(change: Change, file: DesiredFile | None, work: Work) -> StoredObject | None:
    name = work.target.prefix + change.path
    if file is None:
        work.lease.ensure()
        work.target.store.delete(name, if_generation=change.if_generation)
        return None
    data = work.content.read(file)
    work.lease.ensure()
    return work.target.store.write(name, data, if_generation=change.if_generation)
