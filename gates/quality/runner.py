"""The port: something that runs suites on data files and says, expectation by expectation, what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gates.quality.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteJob:
    """One suite on one batch: `files` together are the batch, in this order; `key` columns name a row in reports.

    `data` is the same in other words: a path, a glob, or the URL of a database with its `table`, then without `files`.
    Limits in mebibytes and bytes; None: the engine's own. `sample`: the share of the rows to look at, None: all.
    `engine` is who should judge, for runners that choose. Failing rows are set aside in the folder `quarantine`, the
    columns in `reveal` as they are and the others masked.
    """

    name: str
    suite: Suite
    files: tuple[Path, ...]
    key: tuple[str, ...] = ()
    data: str = ""
    table: str | None = None
    engine: str = ""
    memory_limit_mb: int | None = None
    max_bytes: int | None = None
    sample: float | None = None
    quarantine: Path | None = None
    reveal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One unexpected value: its row counted from 0 over the whole batch (None: not known), its key where asked for."""

    value: Any
    row: int | None = None
    key: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationResult:
    """What one expectation found. None means that the engine did not say.

    `index` is that of the expectation in its suite. `raised` is the text of an exception: then nothing was judged.
    `unexpected_percent` is of the values that are not missing, 0 to 100.
    """

    index: int
    success: bool | None
    raised: str = ""
    observed: Any = None
    element_count: int | None = None
    missing_count: int | None = None
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    examples: tuple[Example, ...] = ()
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """What one job found. `error` says why nothing could be run (unreadable data, no answer); "" otherwise.

    `row_count` is the size of the batch, `file_rows` the rows of each file in the order of the job. `engine` is who
    found it, shown as the source of measurements; "" leaves that to the runner's name. `remark` is what else there is to
    say, such as where failing rows were set aside.
    """

    name: str
    engine: str = ""
    error: str = ""
    fix: str = ""
    row_count: int | None = None
    file_rows: tuple[int, ...] = ()
    results: tuple[ExpectationResult, ...] = ()
    duration_s: float | None = None
    remark: str = ""


class SuiteRunner(Protocol):
    """An engine for suites. It never raises for what is in the data or the suites: it reports it."""

    name: str
    """Shown as the source of measurements."""

    def run(self, jobs: Sequence[SuiteJob], *, timeout_s: float) -> Mapping[str, SuiteResult]:
        """Results by job name, one for every job; all of them must be done within `timeout_s` seconds."""
        ...
