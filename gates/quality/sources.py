"""Around a batch: an end to what takes too long, and who judges what the engine does not."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.metrics import Finding, Metric, Schema, Values
from gates.quality.session import Fallback, Job
from gates.quality.suite import Expectation
from headgate.errors import RemoteTimeoutError

GRACE_S = 5.0
"""How long an engine that was told to stop may take to do so."""

WAKE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Time for everything on one batch, counted from when this was made."""

    timeout_s: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds left, not negative."""
        return max(0.0, self.started + self.timeout_s - time.monotonic())

    def check(self) -> None:
        """Raises `RemoteTimeoutError` when the time has passed."""
        if not self.left_s:
            raise self.passed()

    def passed(self) -> RemoteTimeoutError:
        return RemoteTimeoutError(
            f"the suites were not done within {self.timeout_s:g} s",
            next_step="Allow more time, or give them less data.",
        )


@dataclass(slots=True)
class _Call:
    """One call to the batch: what it returned or raised, once `done`."""

    function: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self.function()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        self.done.set()


class AttendedBatch(Batch):
    """The batch that `opened` gives, worked by one thread of its own, so that waiting for it can end.

    Engines do not notice Ctrl-C or a deadline while they work in C. Here the caller waits instead: when the deadline
    passes, or a signal raises, the engine is interrupted and the caller goes on with `RemoteTimeoutError`, or with what
    the signal raised. Raises what opening raises.
    """

    def __init__(self, opened: Callable[[], Batch], deadline: Deadline) -> None:
        self._deadline = deadline
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._inner: Batch | None = None
        threading.Thread(target=self._work, daemon=True, name="headgate-quality").start()

        def keep() -> Batch:
            self._inner = opened()
            return self._inner

        try:
            inner = self._do(keep)
        except BaseException:
            self.close()  # what is opened when nobody waits for it any more
            raise
        self.name = inner.name
        self.ordered = inner.ordered

    @property
    def queries(self) -> list[str]:  # type: ignore[override]  # read only here
        return [] if self._inner is None else self._inner.queries

    def schema(self) -> Schema:
        schema: Schema = self._do(lambda: self._opened().schema())
        return schema

    def compute(self, metrics: Sequence[Metric]) -> Values:
        values: Values = self._do(lambda: self._opened().compute(metrics))
        return values

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        queries: tuple[str, ...] = self._do(lambda: self._opened().explain(metrics))
        return queries

    def close(self) -> None:
        """Close the batch, unless its thread does not answer any more: then it ends with the process."""
        call = _Call(function=lambda: None if self._inner is None else self._inner.close())
        self._calls.put(call)
        self._calls.put(None)
        if call.done.wait(GRACE_S) and call.error is not None:
            raise call.error

    def _opened(self) -> Batch:
        if self._inner is None:
            raise ValueError("the batch is not open")
        return self._inner

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()

    def _do(self, function: Callable[[], Any]) -> Any:
        call = _Call(function=function)
        self._calls.put(call)
        try:
            # In short waits: a signal that reaches another thread does not wake this one.
            while not call.done.wait(min(WAKE_S, self._deadline.left_s)) and self._deadline.left_s:
                pass
        except BaseException:  # Ctrl-C
            self._interrupt(call)
            raise
        if not call.done.is_set():
            self._interrupt(call)
            raise self._deadline.passed()
        if call.error is not None:
            raise call.error
        return call.value

    def _interrupt(self, call: _Call) -> None:
        interrupt = getattr(self._inner, "interrupt", None)
        with contextlib.suppress(Exception):  # it ends anyway; what ends it must not hide why
            if interrupt is not None:
                interrupt()
        call.done.wait(GRACE_S)


def fallback_on(data: str, table: str | None, deadline: Deadline) -> Fallback:
    """A fallback that gives what is not planned to Great Expectations, one process for all suites that agree.

    `data` and `table` as in `open_batch`. Raises `RemoteTimeoutError` when the deadline has passed.
    """

    def judge(asked: Sequence[tuple[Job, tuple[Expectation, ...]]]) -> Sequence[Mapping[int, Finding]]:
        answers: list[dict[int, Finding]] = [{} for _ in asked]
        for members in _alike(asked):
            entries = [(at, entry) for at in members for entry in asked[at][1]]
            results = _run(asked[members[0]][0], entries, data, table, deadline)
            for (at, entry), found in zip(entries, results, strict=True):
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

    deadline.check()
    found = run_fallback(
        [entry.raw for _, entry in entries],
        Source(data=data, table=table),
        result_format=job.result_format,
        suite_parameters=job.known,
        timeout_s=deadline.left_s,
    )
    deadline.check()
    return found


def _finding(found: Mapping[str, Any]) -> Finding:
    info = found["exception_info"]
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in entries if isinstance(entry, dict) and entry.get("raised_exception")]
    text = str(raised[0].get("exception_message") or "an exception without a message") if raised else ""
    return Finding(success=found["success"] is True and not raised, result=found["result"], raised=text)
