"""What the looks at Airflow say about a release. Pure.

What a real Airflow does, and the rules that follow:

- A file that was replaced while it was being parsed can show its new source though the old one was parsed: the source
  is read when the result is stored. Only a parse that began after the release was in force says anything. A parse
  whose end is after that, and that is followed by another, has such a successor; so has one that ended so long after
  it that it cannot have begun before.
- After an import error the DAG is stale and keeps its old source; a new file has an error and no DAG. The error's time
  moves with every parse that runs into it. A DAG file that is read before its helper has an error that the next parse
  mends.
- A DAG whose id was changed inside its file stays there, not stale, for about 100 s, with the source that the file had
  when its last parse was stored: what the last parse of the file did not bring is named, and not waited for.
- `dagVersions` says nothing: it stays as it is while the DAG has no runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cicd.dags.airflow.values import (
    FileResult,
    FileState,
    ImportProblem,
    Observation,
    ObservedDag,
    Outcome,
    Want,
    Watched,
)

LONGEST_PARSE = timedelta(seconds=120)
"""No parse lasts longer: Airflow ends one after 50 s (`dag_file_processor_timeout`), and stores results at once."""

_ONE_PARSE = timedelta(seconds=10)

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision needs beside the looks.

    `since`: parses that ended before it, by Airflow's clock, say nothing. `known_errors` are files that had an import
    error before the release; None when nobody looked.
    """

    watched: tuple[Watched, ...]
    since: datetime
    known_errors: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """End of the first parse seen that counts, by file."""

    first: Mapping[str, datetime] = field(default_factory=dict)


def remember(memory: Memory, facts: Facts, seen: Observation) -> Memory:
    """The memory after one more look. Looking twice at the same changes nothing."""
    view = _View(seen)
    fresh = {
        item.at: end
        for item in facts.watched
        if item.at not in memory.first and (end := view.last_end(item.at)) is not None and end >= facts.since
    }
    return Memory(first={**memory.first, **fresh})


def needed_sources(memory: Memory, facts: Facts, dags: Iterable[ObservedDag]) -> tuple[ObservedDag, ...]:
    """The DAGs whose source decides: those of changed files whose last parse certainly began after the release."""
    wanted = {item.at: item for item in facts.watched if item.source}
    return tuple(
        dag
        for dag in dags
        if dag.at in wanted and not dag.stale and _settled(wanted[dag.at], dag.parsed_at, memory, facts)
    )


def evaluate_files(memory: Memory, facts: Facts, seen: Observation) -> tuple[FileResult, ...]:
    """What is to be said of every watched file after a look that `remember` has been told of."""
    view = _View(seen)
    return tuple(_evaluate(item, memory, facts, view) for item in facts.watched)


def evaluate_outcome(files: Collection[FileResult]) -> Outcome:
    """PARSED needs at least one file that shows it and none that is open. An import error outweighs what is open."""
    states = Counter(result.state for result in files)
    if states[FileState.IMPORT_ERROR]:
        return Outcome.FAILED
    if states[FileState.PENDING] or not states[FileState.PARSED] + states[FileState.GONE]:
        return Outcome.UNDECIDED
    return Outcome.PARSED


def is_open(files: Collection[FileResult]) -> bool:
    """Whether another look can still change what is said."""
    return not files or any(result.state is FileState.PENDING for result in files) or not _shows_anything(files)


def count_others(facts: Facts, seen: Observation) -> int:
    """Import errors of files that are not watched and had none before (when somebody looked)."""
    watched = {item.at for item in facts.watched}
    known = facts.known_errors or frozenset()
    return sum(problem.at not in watched and problem.at not in known for problem in seen.problems)


def _shows_anything(files: Iterable[FileResult]) -> bool:
    return any(result.state not in (FileState.NO_DAG, FileState.KNOWN_ERROR) for result in files)


class _View:
    """One look, by file and by id."""

    def __init__(self, seen: Observation) -> None:
        self.sources = seen.sources
        self.by_id = {dag.dag_id: dag for dag in seen.dags}
        self._dags: dict[str, list[ObservedDag]] = {}
        self._problems: dict[str, ImportProblem] = {}
        for dag in seen.dags:
            self._dags.setdefault(dag.at, []).append(dag)
        for problem in seen.problems:
            before = self._problems.get(problem.at)
            if before is None or before.seen_at < problem.seen_at:
                self._problems[problem.at] = problem

    def dags(self, at: str) -> Sequence[ObservedDag]:
        return self._dags.get(at, ())

    def problem(self, at: str) -> ImportProblem | None:
        return self._problems.get(at)

    def last_end(self, at: str) -> datetime | None:
        """When the last parse of a file ended, good or bad."""
        ends = [dag.parsed_at for dag in self.dags(at) if dag.parsed_at is not None]
        problem = self.problem(at)
        return max([*ends, *([problem.seen_at] if problem else [])], default=None)


def _evaluate(item: Watched, memory: Memory, facts: Facts, view: _View) -> FileResult:
    if item.want is Want.GONE:
        return _gone(item, view)
    problem = view.problem(item.at)
    if problem is not None:
        return _failing(item, problem, memory, facts)
    dags = view.dags(item.at)
    if not dags:
        return _absent(item, view)
    if not _settled(item, view.last_end(item.at), memory, facts):
        return _pending(item, "not parsed since the release")
    live = [dag for dag in dags if not dag.stale]
    if not live:
        hidden = any(dag.has_import_errors for dag in dags)
        return _pending(item, "an import error that this account may not read" if hidden else "its DAGs are stale")
    return _parsed(item, live, _brought(item, live, memory), view)


def _settled(item: Watched, last: datetime | None, memory: Memory, facts: Facts) -> bool:
    """Whether the last parse began after the release was in force; see the top of this module."""
    first = memory.first.get(item.at)
    if last is None:
        return False
    return (first is not None and last > first) or last >= facts.since + LONGEST_PARSE


def _brought(item: Watched, live: Sequence[ObservedDag], memory: Memory) -> list[ObservedDag]:
    """The DAGs that the last parse of a file brought. Results of one parse are stored one after the other."""
    first = memory.first[item.at]
    last = max((dag.parsed_at for dag in live if dag.parsed_at is not None), default=first)
    after = first if last > first else last - _ONE_PARSE
    return [dag for dag in live if dag.parsed_at is not None and dag.parsed_at > after]


def _parsed(item: Watched, live: Sequence[ObservedDag], brought: Sequence[ObservedDag], view: _View) -> FileResult:
    if not brought:
        return _pending(item, "not parsed since the release")
    has = brought
    if item.source:
        has = [dag for dag in brought if view.sources.get(dag.dag_id) == item.source]
        if not has:
            return _pending(item, "Airflow still shows another source")
    names = {dag.dag_id for dag in has}
    lost = sorted(dag.dag_id for dag in live if dag.dag_id not in names)
    return FileResult(
        path=item.path, state=FileState.PARSED, want=item.want, dag_ids=tuple(sorted(names)), lost=tuple(lost)
    )


def _absent(item: Watched, view: _View) -> FileResult:
    if item.want is Want.CLEAN:
        return FileResult(path=item.path, state=FileState.NO_DAG, want=item.want)
    taken = [f"{dag_id} is in {view.by_id[dag_id].at}" for dag_id in item.dag_ids if dag_id in view.by_id]
    if taken:  # two files with one id: no error, no warning, and the last one parsed has it
        return _pending(item, f"Airflow has its DAG in another file: {', '.join(taken)}")
    return _pending(item, "Airflow does not know the file")


def _gone(item: Watched, view: _View) -> FileResult:
    left = tuple(dag.dag_id for dag in view.dags(item.at) if not dag.stale)
    if left or view.problem(item.at) is not None:
        what = f"Airflow still has {', '.join(left)}" if left else "Airflow still has its import error"
        return _pending(item, what)
    return FileResult(path=item.path, state=FileState.GONE, want=item.want)


def _failing(item: Watched, problem: ImportProblem, memory: Memory, facts: Facts) -> FileResult:
    line, cause = read_stack_trace(problem.stack_trace, item.at)
    if not _settled(item, problem.seen_at, memory, facts):
        return _pending(item, f"an import error, perhaps of before: {cause}")
    before = facts.known_errors is not None and item.at in facts.known_errors
    state = FileState.KNOWN_ERROR if before and not item.source else FileState.IMPORT_ERROR
    return FileResult(
        path=item.path, state=state, want=item.want, line=line, cause=cause, stack_trace=problem.stack_trace
    )


def _pending(item: Watched, cause: str) -> FileResult:
    return FileResult(path=item.path, state=FileState.PENDING, want=item.want, cause=cause)


def read_stack_trace(text: str, at: str) -> tuple[int | None, str]:
    """The line in the file itself where the import broke (None: not told), and the exception in one line."""
    frames = [(found["file"].replace("\\", "/"), int(found["line"])) for found in _FRAME.finditer(text)]
    own = [line for file, line in frames if file == at or file.endswith(f"/{at}")]
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return (own[-1] if own else None), (lines[-1].strip()[:500] if lines else "no stack trace")
