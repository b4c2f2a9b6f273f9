"""The loop: look, decide, and look again, until every file is decided or time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cicd.dags.airflow.decide import (
    Facts,
    Memory,
    count_others,
    evaluate_files,
    evaluate_outcome,
    is_open,
    needed_sources,
    remember,
)
from cicd.dags.airflow.values import (
    FileResult,
    FileState,
    ImportProblem,
    Observation,
    ObservedDag,
    Outcome,
    WaitResult,
    Watched,
)
from headgate.clock import Clock, format_timestamp
from headgate.errors import AuthenticationError, HeadgateError, RemoteStateError, TransportError

_GATHER_S = 10.0  # after the first import error: so long the others may take to show that they have the same cause
_AT_ONCE = 8  # sources asked for at once
_MOST_REQUESTS = 200  # parses asked for in one wait; the rest comes when it comes


class Airflow(Protocol):
    """What waiting asks of Airflow. All methods raise `TransportError` and `RemoteStateError`.

    `ahead` is how far Airflow's clock is ahead of ours; it is known after the first answer.
    """

    ahead: timedelta

    def look(self) -> tuple[tuple[ObservedDag, ...], tuple[ImportProblem, ...]]:
        """All DAGs, stale ones too, and all import errors."""
        ...

    def source(self, dag: ObservedDag) -> str | None:
        """The source that Airflow shows of a DAG, as it compares; None when it has none (any more)."""
        ...

    def request_parse(self, token: str) -> bool:
        """Ask for a parse of a file as soon as possible; False when this account may not."""
        ...

    def processor(self) -> tuple[str | None, datetime | None]:
        """Status and last sign of life of the DAG processor; None where Airflow does not say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTerms:
    """How long to wait and how often to look. `sync_s` is how long the bucket takes to reach the DAG processor."""

    timeout_s: float = 300.0
    poll_s: float = 2.0
    sync_s: float = 0.0


Progress = Callable[[Sequence[FileResult]], None]
"""Called after each look at which something changed."""


def wait_until_parsed(
    airflow: Airflow,
    watched: tuple[Watched, ...],
    *,
    in_force_at: datetime,
    known: frozenset[str] | None,
    terms: WaitTerms,
    clock: Clock,
    progress: Progress = lambda _: None,
) -> WaitResult:
    """Wait until Airflow has parsed the watched files of the release that was put in force at that time.

    A server that cannot be asked is asked again until time is up; then nothing is known, and the outcome is UNDECIDED,
    as it is when files are still open or nothing is watched. Never raises for what the server does.
    """
    if not watched:
        return WaitResult(
            outcome=Outcome.UNDECIDED,
            files=(),
            reason="no file of the release has a DAG, so that Airflow shows nothing",
        )
    return _Waiting(airflow, watched, in_force_at, known, terms, clock, progress).run()


class _Waiting:
    def __init__(
        self,
        airflow: Airflow,
        watched: tuple[Watched, ...],
        in_force_at: datetime,
        known: frozenset[str] | None,
        terms: WaitTerms,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._airflow, self._terms, self._clock, self._progress = airflow, terms, clock, progress
        self._watched, self._known = watched, known
        self._in_force_at = in_force_at
        self._facts: Facts | None = None
        self._memory = Memory()
        self._sources: dict[tuple[str, datetime | None], str] = {}
        self._asked: set[tuple[str, bool]] = set()
        self._may_ask = True
        self._files: tuple[FileResult, ...] = ()
        self._others = 0
        self._trouble = ""

    def run(self) -> WaitResult:
        began, failed_at, over = self._clock.monotonic(), None, False
        while True:
            over = not self._look()
            waited = self._clock.monotonic() - began
            if any(result.state is FileState.IMPORT_ERROR for result in self._files):
                failed_at = waited if failed_at is None else failed_at
            decided = not self._trouble and not is_open(self._files)
            gathered = failed_at is not None and waited - failed_at >= _GATHER_S
            if over or decided or gathered or waited >= self._terms.timeout_s:
                return self._result(waited)
            self._clock.sleep(min(self._terms.poll_s, self._terms.timeout_s - waited))

    def _look(self) -> bool:
        """One look; False when another makes no sense."""
        try:
            facts, seen = self._observe()
            self._trouble = ""
        except AuthenticationError as error:
            self._trouble = str(error)
            return False
        except (TransportError, RemoteStateError) as error:
            self._trouble = str(error)
            return True
        self._memory = remember(self._memory, facts, seen)
        files = evaluate_files(self._memory, facts, seen)
        if files != self._files:
            self._progress(files)
        self._files, self._others = files, count_others(facts, seen)
        self._request_parses(seen)
        return True

    def _observe(self) -> tuple[Facts, Observation]:
        dags, problems = self._airflow.look()
        if self._facts is None:  # the clocks are compared once, so that all looks are judged alike
            since = self._in_force_at + timedelta(seconds=self._terms.sync_s) + self._airflow.ahead
            self._facts = Facts(watched=self._watched, since=since, known_errors=self._known)
        facts = self._facts
        needed = {(dag.dag_id, dag.parsed_at): dag for dag in needed_sources(self._memory, facts, dags)}
        fresh = {key: dag for key, dag in needed.items() if key not in self._sources}
        if fresh:
            with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="airflow") as pool:
                texts = pool.map(self._airflow.source, fresh.values())
            self._sources |= {key: text for key, text in zip(fresh, texts, strict=True) if text is not None}
        sources = {key[0]: self._sources[key] for key in needed if key in self._sources}
        return facts, Observation(dags=dags, problems=problems, sources=sources)

    def _request_parses(self, seen: Observation) -> None:
        """Ask for the parses that are missing, once before and once after the first that counts. Trouble is no matter."""
        tokens = {dag.at: dag.token for dag in seen.dags if dag.token}
        open_paths = {result.path for result in self._files if result.state is FileState.PENDING}
        for item in self._watched:
            key = (item.at, item.at in self._memory.first)
            if item.path not in open_paths or item.at not in tokens or key in self._asked:
                continue
            if not self._may_ask or len(self._asked) >= _MOST_REQUESTS:
                return
            self._asked.add(key)
            try:
                self._may_ask = self._airflow.request_parse(tokens[item.at])
            except HeadgateError:
                return

    def _result(self, waited: float) -> WaitResult:
        outcome = evaluate_outcome(self._files)
        reason = ""
        if self._trouble and outcome is not Outcome.FAILED:
            outcome, reason = Outcome.UNDECIDED, f"Airflow could not be asked: {self._trouble}"
        elif outcome is Outcome.UNDECIDED:
            left = sum(result.state is FileState.PENDING for result in self._files)
            reason = f"after {waited:.0f} s Airflow has not shown {left or 'any'} of {len(self._files)} file(s)"
        remarks = self._processor() if outcome is Outcome.UNDECIDED and not self._trouble else ()
        return WaitResult(
            outcome=outcome, files=self._files, reason=reason, waited_s=waited, others=self._others, remarks=remarks
        )

    def _processor(self) -> tuple[str, ...]:
        try:
            status, beat = self._airflow.processor()
        except HeadgateError:
            return ()
        if status in (None, "healthy"):
            return ()
        since = f", last sign of life {format_timestamp(beat)}" if beat else ""
        return (f"Airflow's DAG processor is {status}{since}",)
