"""Read the DAG folder and judge it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gates.dags.evaluate import DagPolicy, evaluate_dags
from gates.dags.facts import FileFacts, Finding
from gates.dags.ignore import ignored
from gates.dags.project import read_project
from gates.verdict import Location, Outcome, Verdict
from headgate.clock import Clock

MAX_FILE_BYTES = 2 * 1024 * 1024
_NOT_SOURCE = {"__pycache__", ".git", ".venv", "node_modules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DagGate:
    """`path` is the DAG folder relative to the repository root; `airflow` decides the default of .airflowignore."""

    path: str = "dags"
    airflow: Literal["2", "3"] = "3"
    require: tuple[str, ...] = ("owner", "start_date")


def run_dags(gate: DagGate, *, root: Path, clock: Clock) -> Verdict:
    """The verdict `dags` on the folder as it is on disk. A folder that is not there is an ERROR."""
    started = clock.monotonic()
    folder = root / gate.path
    if not folder.is_dir():
        return Verdict(
            name="dags",
            outcome=Outcome.ERROR,
            message=f"there is no folder {gate.path}",
            fix="Correct gates.dags.path.",
            location=Location(path=gate.path),
        )
    sources: dict[str, bytes] = {}
    ignore_files: dict[str, str] = {}
    unread: list[FileFacts] = []
    for path, name in _walk(folder):
        try:
            if path.name == ".airflowignore":
                ignore_files[name.rpartition("/")[0]] = path.read_text(encoding="utf-8", errors="replace")
            elif name.endswith(".py"):
                sources[name] = _read(path)
            elif name.endswith(".zip"):
                unread.append(_not_read(name, "a packaged DAG (zip) is not looked into", undecided=True))
        except OSError as error:
            unread.append(_not_read(name, f"cannot be read: {error.strerror or error}", undecided=False))
    hidden = ignored(sources, ignore_files, "glob" if gate.airflow == "3" else "regexp")
    facts = sorted((*read_project(sources, hidden), *unread), key=lambda file: file.path)
    verdict = evaluate_dags(facts, DagPolicy(require=gate.require), folder=gate.path.rstrip("/"))
    return replace(verdict, duration_s=clock.monotonic() - started)


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Regular files below `folder` with their relative names; symbolic links to folders are not followed."""
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCE)
        for name in sorted(files):
            path = Path(current, name)
            if path.is_file():
                yield path, path.relative_to(folder).as_posix()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
    return content


def _not_read(name: str, message: str, *, undecided: bool) -> FileFacts:
    finding = Finding(
        rule="not-read", path=name, line=1, message=message, why="", fix="Look at the file.", undecided=undecided
    )
    return FileFacts(path=name, findings=(finding,))
