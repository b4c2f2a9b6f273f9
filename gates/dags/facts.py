"""What was read from DAG files, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Presence(StrEnum):
    """Whether a DAG sets something: UNDECIDED when the constants could not be followed far enough."""

    SET = "set"
    MISSING = "missing"
    UNDECIDED = "undecided"


SETTINGS = ("owner", "start_date", "tags", "retries", "schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class DagFacts:
    """One DAG that a file makes.

    `dag_id` is None when it is not a constant. `conditional` says that it stands in a branch that may not be taken,
    `repeated` that it is made in a loop whose length is not known. `called` is False for an `@dag` function that is
    never called: Airflow then sees no DAG.
    """

    dag_id: str | None
    line: int
    settings: Mapping[str, Presence]
    tasks: int = 0
    conditional: bool = False
    repeated: bool = False
    called: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong, or (`undecided`) something that could not be told.

    `line` counts from 1; `why` says what breaks. `dag_id` is set where it is about one DAG.
    """

    rule: str
    path: str
    line: int
    message: str
    why: str
    fix: str
    undecided: bool = False
    dag_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """All that one file gave."""

    path: str
    dags: tuple[DagFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
