"""Ask Great Expectations itself what is right, for many cases in one process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from gates.quality.reference import worker_environment
from tests.gates.quality.parity.cases import Case

ROOT = Path(__file__).parents[4]
WORKER = "tests.gates.quality.parity.oracle_worker"


def write_tables(tables: Mapping[str, pa.Table], folder: Path) -> Path:
    """Every table as a Parquet file with its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


class Oracle:
    """Great Expectations in a process of its own, which answers one job after the other until it is closed."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", WORKER],
            cwd=ROOT,
            env=worker_environment() | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
        )

    def ask(self, cases: Sequence[Case], kind: Literal["pandas", "sql"], data: str) -> Asking:
        """Begin to work on `cases`; the answers are waited for where they are needed, in the order of the questions."""
        assert self._process.stdin is not None
        job = {"kind": kind, "data": data, "cases": [asdict(case) for case in cases]}
        # A job is longer than a pipe holds, and the process reads it only when the one before is done.
        writing = threading.Thread(target=self._write, args=(json.dumps(job, default=dict) + "\n",), daemon=True)
        writing.start()
        return Asking(self, cases, writing)

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def read(self) -> list[dict[str, Any]]:
        """The answers to the next job."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._said.seek(0)
            raise AssertionError(f"the oracle said nothing: {self._said.read()[-2000:]}")
        answers: list[dict[str, Any]] = json.loads(line)
        return answers

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()


class Asking:
    """Cases that the oracle is at work on."""

    def __init__(self, oracle: Oracle, cases: Sequence[Case], writing: threading.Thread) -> None:
        self._oracle = oracle
        self._cases = cases
        self._writing = writing
        self._answers: dict[str, dict[str, Any]] | None = None

    def answers(self) -> dict[str, dict[str, Any]]:
        """The answer to each case, by its id. Questions are to be waited for in their order."""
        if self._answers is None:
            found = self._oracle.read()
            self._writing.join()
            self._answers = {case.id: answer for case, answer in zip(self._cases, found, strict=True)}
        return self._answers
