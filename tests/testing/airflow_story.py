"""The recorded story of DAG files, played again on any server that says it is Airflow: the stand-in or a real one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from cicd.dags.airflow.access import Password
from cicd.dags.airflow.client import AirflowClient
from cicd.dags.airflow.decide import read_stack_trace
from cicd.dags.airflow.protocol import Folder, read_dags, read_problems
from cicd.dags.airflow.values import ImportProblem, ObservedDag
from headgate.clock import SystemClock
from headgate.secrets import Secret

RECORDING = Path(__file__).parents[1] / "samples" / "airflow" / "dag_parsing.jsonl"
_RECORDED_FOLDER = "/opt/airflow/dags"
_DEADLINE_S = 120.0
_PAUSE_S = 0.2  # a real server takes a tenth of a second for a look


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the server shows after a step: DAGs, import errors and the source of the DAG `a`."""

    step: str
    dags: tuple[tuple[str, bool, bool, str], ...]
    errors: tuple[tuple[str, int | None, str], ...]
    source_of_a: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Files to write (None: to delete), and the lines of the recording (from 0) that show what follows."""

    name: str
    files: Mapping[str, str | None]
    dags: int
    errors: int
    source: int


def _dag(dag_id: str, *lines: str) -> str:
    return "\n".join(["from airflow.sdk import DAG", *lines, f"with DAG({dag_id!r}, schedule=None):", "    pass", ""])


@cache
def recording() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in RECORDING.read_text("utf-8").splitlines())


def _source(line: int) -> str:
    return str(recording()[line]["response"]["body"]["content"])


def steps() -> tuple[Step, ...]:
    broken = _dag("a", *[""] * 5, "import nosuchmodule")
    helped = _dag("b").replace("from airflow", "from lib.helper import Y\nfrom airflow", 1)
    return (
        Step(name="a new file", files={"a.py": _source(11)}, dags=7, errors=5, source=11),
        Step(name="another source", files={"a.py": _source(15)}, dags=14, errors=5, source=15),
        Step(name="an import error", files={"a.py": broken}, dags=18, errors=19, source=23),
        Step(name="mended", files={"a.py": _source(15)}, dags=25, errors=26, source=15),
        Step(name="no helper", files={"lib/helper.py": "X = 1\n", "b.py": helped}, dags=25, errors=28, source=15),
        Step(name="its helper", files={"lib/helper.py": "X = 1\nY = 2\n"}, dags=31, errors=32, source=15),
        Step(name="another id", files={"a.py": _dag("a2")}, dags=35, errors=32, source=15),
        Step(name="deleted", files={"b.py": None}, dags=45, errors=32, source=15),
        Step(
            name="an ignore file",
            files={".airflowignore": "sub/skip*\n", "sub/kept.py": _dag("kept"), "sub/skipped.py": _dag("skipped")},
            dags=49,
            errors=32,
            source=15,
        ),
    )


def recorded_facts() -> tuple[Facts, ...]:
    """What the recorded server showed after each step."""
    found = []
    for step in steps():
        dags, _, _ = read_dags(recording()[step.dags]["value"], "recording", Folder())
        errors, _, _ = read_problems(recording()[step.errors]["value"], "recording", Folder())
        found.append(_facts(step, dags, errors, _source(step.source), _RECORDED_FOLDER))
    return tuple(found)


def recorded_answers() -> tuple[tuple[int, Any], ...]:
    """Answers to calls that concern nothing that is there: status and body."""
    return tuple((recording()[i]["response"]["status"], recording()[i]["response"]["body"]) for i in (2, 3, 47))


def answers(url: str, user: str, password: str) -> tuple[tuple[int, Any], ...]:
    """The same of a server."""
    token = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=60).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    paths = [recording()[i]["request"]["path"] for i in (2, 3, 47)]
    asked = [httpx.get(f"{url}{path}", headers=headers, timeout=60) for path in paths]
    return tuple((answer.status_code, answer.json()) for answer in asked)


def play(url: str, folder: Path, user: str, password: str) -> tuple[Facts, ...]:
    """Write the files of each step and look until the server shows what was recorded, or time is up.

    Gives what was seen last after each step, up to the first that differs. The folder is empty again at the end.
    """
    told = []
    with _client(url, user, password) as client:
        for step, wanted in zip(steps(), recorded_facts(), strict=True):
            _write(folder, step.files)
            told.append(_look_until(client, step, wanted, folder))
            if told[-1] != wanted:
                break
    _write(folder, {name: None for step in steps() for name in step.files})
    return tuple(told)


@contextmanager
def _client(url: str, user: str, password: str) -> Iterator[AirflowClient]:
    access = Password(user, Secret(password))
    client = AirflowClient(url, access, folder=Folder(), timeout_s=60, clock=SystemClock())
    try:
        yield client
    finally:
        client.close()


def _write(folder: Path, files: Mapping[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _look_until(client: AirflowClient, step: Step, wanted: Facts, folder: Path) -> Facts:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        dags, errors = client.look()
        known = next((dag for dag in dags if dag.dag_id == "a"), None)
        source = client.source(known) if known else None
        seen = _facts(step, dags, errors, source or "", str(folder))
        if seen == wanted or time.monotonic() > deadline:
            return seen
        time.sleep(_PAUSE_S)


def _facts(step: Step, dags: Sequence[ObservedDag], errors: Sequence[ImportProblem], source: str, folder: str) -> Facts:
    """Comparable: by id and by file, with the folder's name as in the recording.

    When the id `a` that is no longer in its file becomes stale depends on how long the steps take, and its source on
    whether the file was replaced while it was being parsed: Airflow reads the source when it stores the result.
    """
    renamed = any(dag.dag_id == "a2" for dag in dags)
    shown = [(dag.dag_id, dag.stale, dag.has_import_errors, dag.at) for dag in dags]
    read = [(item.at, *read_stack_trace(item.stack_trace, item.at)) for item in errors]
    return Facts(
        step=step.name,
        dags=tuple(sorted(entry for entry in shown if not (renamed and entry[0] == "a"))),
        errors=tuple(sorted((at, line, cause.replace(folder, _RECORDED_FOLDER)) for at, line, cause in read)),
        source_of_a="" if renamed else source,
    )
