"""Values of waiting: what is watched, what Airflow shows, and what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Want(StrEnum):
    """What must be seen of a file."""

    SOURCE = "source"
    """Its content changed: Airflow must show the new one."""
    REPARSE = "reparse"
    """What it imports or reads changed: Airflow must have parsed it again."""
    GONE = "gone"
    """It was deleted: Airflow must not schedule a DAG of it any more."""
    CLEAN = "clean"
    """No DAG was found in it without running it; nothing is waited for, but an import error counts."""


class FileState(StrEnum):
    """What was seen of a file."""

    PARSED = "parsed"
    IMPORT_ERROR = "import error"
    KNOWN_ERROR = "known error"
    """An import error, which the file had before the release that did not change it."""
    GONE = "gone"
    NO_DAG = "no dag"
    """There is neither a DAG nor an import error, and none was expected."""
    PENDING = "pending"


class Outcome(StrEnum):
    """What became of the release in Airflow."""

    PARSED = "parsed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One file to look at: `path` relative to the delivered folder, `at` as Airflow calls it.

    `source` is the text that Airflow must show (`comparable`), empty unless that is wanted. `dag_ids` are those found
    without running the file.
    """

    path: str
    at: str
    want: Want
    source: str = ""
    dag_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedDag:
    """A DAG as Airflow lists it. `parsed_at` is the end of its last good parse by Airflow's clock, None: never.

    `at` is its file relative to the DAG folder, `token` names the file in requests.
    """

    dag_id: str
    at: str
    stale: bool
    parsed_at: datetime | None
    has_import_errors: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProblem:
    """An import error as Airflow lists it; `seen_at` is the end of the last parse that ran into it."""

    at: str
    seen_at: datetime
    stack_trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at Airflow. `sources` holds the source (`comparable`) by DAG id, where it was asked for."""

    dags: tuple[ObservedDag, ...]
    problems: tuple[ImportProblem, ...]
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What is said of one file.

    `dag_ids` are the DAGs it has, `lost` those that it had and has no more (renamed or removed ids). `line` and
    `cause` are those of the import error; `cause` of a pending file is what is missing.
    """

    path: str
    state: FileState
    want: Want
    dag_ids: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    line: int | None = None
    cause: str = ""
    stack_trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitResult:
    """How waiting ended. `reason` says why nothing can be said, empty when something can.

    `others` counts import errors of files that are not watched, `known` tells whether Airflow was looked at before
    the release, so that old errors can be told from new ones.
    """

    outcome: Outcome
    files: tuple[FileResult, ...]
    reason: str = ""
    waited_s: float = 0.0
    others: int = 0
    remarks: tuple[str, ...] = ()


def comparable(text: str) -> str:
    """Source text as it compares: Airflow reads files as text, with every line end turned into one line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
