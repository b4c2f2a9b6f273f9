"""Carrying a plan out: wave by wave, each complete before the next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from cicd.dags.archive import Content
from cicd.dags.lock import Lease
from cicd.dags.model import Action, Change, DesiredFile, Kind, StoredObject
from cicd.dags.stores.port import DagStore, ManyStore, Step
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
    store = work.target.store
    carry_out = store.carry_out if isinstance(store, ManyStore) else partial(_by_threads, store, work.target.workers)
    prefix = work.target.prefix
    before: list[Change] = []
    for wave in (list(group) for _, group in groupby(steps, key=lambda change: change.wave)):
        if _must_settle(before, wave):
            _settle(work)
        before += wave
        carry_out(
            (_step(prefix, change, desired, work.content) for change in wave),
            permit=work.lease.ensure,
            done=partial(tally.add, len(prefix)),
        )
    return tally.written


class _Tally:
    """What has been done; not by two threads at once."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self.written: dict[str, StoredObject] = {}

    def add(self, prefix: int, name: str, stored: StoredObject | None) -> None:
        path = name[prefix:]
        if stored is not None:
            self.written[path] = stored
        self._done += 1
        self._progress(self._done, self._total, path)


def _step(prefix: str, change: Change, desired: Mapping[str, DesiredFile], content: Content) -> Step:
    name, file = prefix + change.path, desired.get(change.path)
    if file is None:
        return Step(name, change.if_generation)
    return Step(name, change.if_generation, file.md5, partial(content.read, file))


def _by_threads(
    store: DagStore,
    workers: int,
    steps: Iterable[Step],
    *,
    permit: Callable[[], None],
    done: Callable[[str, StoredObject | None], None],
) -> None:
    """What `ManyStore.carry_out` does, for stores that do one thing at a time."""
    from concurrent.futures import ThreadPoolExecutor, wait

    waiting, failures, mutex = deque(steps), list[BaseException](), threading.Lock()

    def run() -> None:
        while not failures:
            try:
                step = waiting.popleft()
            except IndexError:
                return
            try:
                stored = _carry_out(store, step, permit)
                with mutex:
                    done(step.path, stored)
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
                failures.append(error)

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="dags") as pool:
        runs = [pool.submit(run) for _ in range(min(len(waiting), workers))]
        try:
            wait(runs)
        except BaseException:  # Ctrl-C
            waiting.clear()
            raise
    if failures:
        raise failures[0]


def _carry_out(store: DagStore, step: Step, permit: Callable[[], None]) -> StoredObject | None:
    if step.md5 is None:
        permit()
        store.delete(step.path, if_generation=step.if_generation)
        return None
    data = step.read()
    permit()
    return store.write(step.path, data, if_generation=step.if_generation)


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
