"""Ask Great Expectations itself what is right, for many cases in one process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
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


class Asking:
    """Great Expectations at work on `cases`; `answers()` waits for it. Started at once, so that we can work meanwhile."""

    def __init__(self, cases: Sequence[Case], kind: Literal["pandas", "sql"], data: str) -> None:
        self._cases = cases
        self._folder = tempfile.TemporaryDirectory()
        self._target = Path(self._folder.name) / "answers.json"
        self._said = (Path(self._folder.name) / "said.txt").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", WORKER],
            cwd=ROOT,
            env=worker_environment() | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            text=True,
        )
        job = {"answers": str(self._target), "kind": kind, "data": data, "cases": [asdict(case) for case in cases]}
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            json.dump(job, pipe, default=dict)

    def answers(self, *, timeout_s: float = 170.0) -> dict[str, dict[str, Any]]:
        """The answer to each case, by its id."""
        try:
            self._process.wait(timeout_s)
            if not self._target.exists():
                self._said.seek(0)
                raise AssertionError(f"the oracle said nothing: {self._said.read()[-2000:]}")
            found = json.loads(self._target.read_text(encoding="utf-8"))
        finally:
            self._process.kill()
            self._process.wait()
            self._said.close()
            self._folder.cleanup()
        return {case.id: answer for case, answer in zip(self._cases, found, strict=True)}
