"""Carrying a plan out: wave by wave, each complete before the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby

from cicd.dags.archive import Content
from cicd.dags.lock import Lease
from cicd.dags.model import Action, Change, DesiredFile, StoredObject
from cicd.dags.target import Target

Progress = Callable[[int, int, str], None]
"""Called after each object with the number done, the number in all, and its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the steps need: where to, the contents, and the lease that permits each write."""

    target: Target
    content: Content
    lease: Lease
    progress: Progress


def apply_changes(changes: Sequence[Change], desired: Mapping[str, DesiredFile], work: Work) -> dict[str, StoredObject]:
    """Write and delete as planned; returns the written objects by path.

    The first failure stops the wave: what has begun ends, nothing else starts, and the failure is raised.
    """
    steps = [change for change in changes if change.action in {Action.ADD, Action.UPDATE, Action.DELETE}]
    written: dict[str, StoredObject] = {}
    done = 0
    with ThreadPoolExecutor(max_workers=work.target.workers, thread_name_prefix="dags") as pool:
        for _, wave in groupby(steps, key=lambda change: change.wave):
            futures = {pool.submit(_step, change, desired.get(change.path), work): change for change in wave}
            try:
                for future in as_completed(futures):
                    stored = future.result()
                    if stored is not None:
                        written[futures[future].path] = stored
                    done += 1
                    work.progress(done, len(steps), futures[future].path)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    return written


def _step(change: Change, file: DesiredFile | None, work: Work) -> StoredObject | None:
    name = work.target.prefix + change.path
    if file is None:
        work.lease.ensure()
        work.target.store.delete(name, if_generation=change.if_generation)
        return None
    data = work.content.read(file)
    work.lease.ensure()
    return work.target.store.write(name, data, if_generation=change.if_generation)
