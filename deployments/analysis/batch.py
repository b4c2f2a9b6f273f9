"""Batch jobs as a source: a file or an address that gives their runs as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from deployments.analysis.arms import Baseline, baseline_arm
from deployments.analysis.counts import NoData
from deployments.analysis.feeds import Row, Rows
from deployments.analysis.judge import Kind, Observation, Side
from deployments.analysis.ports import Arm, Subject
from deployments.analysis.runs import BatchRun, find, parse_document, parse_runs, same_hour_and_weekday
from deployments.analysis.selector import render
from deployments.analysis.threshold import QueryError
from headgate.errors import RemoteStateError, TransportError, UnreachableError
from headgate.http import HttpClient

Fetch = Callable[[], str]
_MAX_BYTES = 16 * 1024 * 1024


def file_fetch(path: Path) -> Fetch:
    """The text of a file, read anew each time."""

    def fetch() -> str:
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise RemoteStateError(
                    f"more than {_MAX_BYTES} bytes", where=str(path), next_step="Keep recent runs only."
                )
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnreachableError(f"the runs cannot be read: {error}", where=str(path)) from error

    return fetch


def http_fetch(http: HttpClient) -> Fetch:
    """The body of an address."""
    return lambda: http.request("GET", "").text


class JsonValue:
    """The value at a path of the document, for conditions. Implements `ports.ValueSource`."""

    def __init__(self, *, path: str, fetch: Fetch, where: str) -> None:
        self._path, self._fetch, self._where = path, fetch, where

    def measure(self, arm: Arm) -> object:
        """The value now; a path that leads nowhere gives an empty list."""
        try:
            return find(parse_document(self._fetch(), where=self._where), render(self._path, arm.placeholders))
        except ValueError as error:
            raise RemoteStateError(str(error), where=self._where, next_step="Correct query.") from error


@dataclass(slots=True, kw_only=True)
class BatchFeed:
    """The runs of the new version beside those of the baseline, one pair a row. Implements `feeds.Feed`.

    Each run is used once, in the order of time. With `Baseline.HISTORY` a run is paired with the newest earlier run of
    another version, of the same hour and weekday, that no other run was paired with.
    """

    metric: str
    kind: Kind
    fetch: Fetch
    where: str
    fields: tuple[str, ...]
    baseline: Baseline = Baseline.STABLE
    _used: set[tuple[str, datetime]] = field(default_factory=set, init=False)
    _began: datetime | None = field(default=None, init=False)

    def rows(self, subject: Subject, since: datetime | None, now: datetime) -> Rows:
        """See `Feed`. No new run since the last look is no fault: batch jobs take their time."""
        if since is None:
            self._used.clear()
        try:
            runs = parse_runs(parse_document(self.fetch(), where=self.where), where=self.where)
        except (TransportError, RemoteStateError) as error:
            return QueryError(why=str(error))
        fresh = [run for run in runs if _of(run, subject.arm) and _key(run) not in self._used and run.at <= now]
        rows: list[Row] = []
        for run in fresh:
            other = self._beside(run, runs, subject)
            if other is None and self.baseline is not Baseline.HISTORY:
                continue  # the baseline's run may still be under way
            if other is None:
                return NoData(why="there is no earlier run of the same hour and weekday to compare with")
            self._used |= {_key(run), _key(other)}
            observed = (self._observation(Side.CANARY, run), self._observation(Side.BASELINE, other))
            rows.append(Row(t=run.at.timestamp(), observations=observed))
        return tuple(rows)

    def _beside(self, run: BatchRun, runs: tuple[BatchRun, ...], subject: Subject) -> BatchRun | None:
        if self.baseline is Baseline.HISTORY:
            others = same_hour_and_weekday((r for r in runs if not _of(r, subject.arm)), run.at)
            return next((other for other in others if _key(other) not in self._used), None)
        arm = baseline_arm(subject, self.baseline)
        if arm is None:
            return None
        return next((r for r in runs if _of(r, arm) and not _of(r, subject.arm) and _key(r) not in self._used), None)

    def _observation(self, side: Side, run: BatchRun) -> Observation:
        missing = [name for name in self.fields if name not in run.numbers]
        if missing:
            why = f"the run of {run.at:%Y-%m-%d %H:%M} has no {' and no '.join(missing)}"
            return Observation(metric=self.metric, side=side, fault=why)
        values = [run.numbers[name] for name in self.fields]
        match self.kind:
            case Kind.RATIO:
                return Observation(metric=self.metric, side=side, bad=values[0], total=values[1])
            case Kind.GAUGE:
                return Observation(metric=self.metric, side=side, value=values[0])
            case _:
                return Observation(metric=self.metric, side=side, n=values[0])


def _of(run: BatchRun, arm: Arm) -> bool:
    return run.version in {arm.hash, arm.role}


def _key(run: BatchRun) -> tuple[str, datetime]:
    return run.version, run.at
