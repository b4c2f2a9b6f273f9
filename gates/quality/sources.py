"""Around a batch: who judges what the engine does not, and an end to what takes too long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.metrics import Finding
from gates.quality.session import Fallback, Job
from gates.quality.suite import Expectation
from headgate.errors import RemoteTimeoutError


@dataclass(slots=True)
class Deadline:
    """Time for everything on one batch. `passed` says that it was cut short."""

    timeout_s: float
    started: float = field(default_factory=time.monotonic)
    passed: bool = False

    @property
    def left_s(self) -> float:
        """Seconds left, never less than one: what is started gets a chance to say what is wrong."""
        return max(1.0, self.started + self.timeout_s - time.monotonic())

    def check(self) -> None:
        """Raises `RemoteTimeoutError` when the time has passed."""
        if self.passed or time.monotonic() - self.started > self.timeout_s:
            raise RemoteTimeoutError(
                f"the suites were not done within {self.timeout_s:g} s",
                next_step="Allow more time, or give them less data.",
            )


@contextlib.contextmanager
def within(deadline: Deadline, batch: Batch) -> Iterator[None]:
    """Interrupt `batch` when the deadline passes, and raise `RemoteTimeoutError` then, whatever the engine made of it."""

    def cut() -> None:
        deadline.passed = True
        interrupt = getattr(batch, "interrupt", None)
        if interrupt is not None:
            interrupt()

    timer = threading.Timer(deadline.left_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        deadline.check()
        raise
    finally:
        timer.cancel()
    deadline.check()


def fallback_on(data: str, table: str | None, deadline: Deadline) -> Fallback:
    """A fallback that gives what is not planned to Great Expectations, one process for all suites that agree.

    `data` and `table` as in `open_batch`.
    """

    def judge(asked: Sequence[tuple[Job, tuple[Expectation, ...]]]) -> Sequence[Mapping[int, Finding]]:
        answers: list[dict[int, Finding]] = [{} for _ in asked]
        for members in _alike(asked):
            entries = [(at, entry) for at in members for entry in asked[at][1]]
            for (at, entry), found in zip(entries, _run(asked[members[0]][0], entries, data, table, deadline), strict=True):
                answers[at][entry.index] = _finding(found)
        return answers

    return judge


def _alike(asked: Sequence[tuple[Job, tuple[Expectation, ...]]]) -> list[list[int]]:
    """Positions of jobs that can share a process: the same parameters and the same form of result."""
    groups: dict[str, list[int]] = {}
    for at, (job, left) in enumerate(asked):
        if left:
            groups.setdefault(repr((job.result_format, sorted(job.known.items(), key=str))), []).append(at)
    return list(groups.values())


def _run(
    job: Job, entries: Sequence[tuple[int, Expectation]], data: str, table: str | None, deadline: Deadline
) -> Sequence[Mapping[str, Any]]:
    # Only here: it brings pydantic, and most suites are planned whole.
    from gates.quality.fallback import Source, run_fallback

    return run_fallback(
        [entry.raw for _, entry in entries],
        Source(data=data, table=table),
        result_format=job.result_format,
        suite_parameters=job.known,
        timeout_s=deadline.left_s,
    )


def _finding(found: Mapping[str, Any]) -> Finding:
    info = found["exception_info"]
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in entries if isinstance(entry, dict) and entry.get("raised_exception")]
    text = str(raised[0].get("exception_message") or "an exception without a message") if raised else ""
    return Finding(success=found["success"] is True and not raised, result=found["result"], raised=text)
