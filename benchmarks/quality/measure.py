"""Whole processes, measured: wall time, CPU time, peak memory; and the environment the peers run in."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "benchmarks.txt"
TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process. Seconds and gigabytes; `checks` and `passed` as it says itself."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    checks: int
    passed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The runs of one command; medians."""

    runs: tuple[Run, ...]

    @property
    def wall_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        return statistics.median(run.cpu_s for run in self.runs)

    @property
    def peak_gb(self) -> float:
        return statistics.median(run.peak_gb for run in self.runs)

    @property
    def said(self) -> str:
        last = self.runs[-1]
        return f"{last.passed}/{last.checks}" if last.checks else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command. `runs` after a first one that warms the caches; `cold`: without such a first one."""

    command: tuple[str | Path, ...]
    runs: int
    cold: bool = False


Found = Mapping[str, Measured]


def measured(command: Sequence[str | Path], log: Path, *, codes: Sequence[int] = (0,)) -> Run:
    """Run a command to its end. `RuntimeError` with its last line where it fails or takes too long."""
    with log.open("w") as errors, tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=errors, env=_environment(), start_new_session=True
        )
        watchdog = threading.Timer(TIMEOUT_S, os.kill, (process.pid, signal.SIGKILL))
        watchdog.daemon = True
        watchdog.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)  # asleep: who waits takes no time from who works
            wall_s = time.perf_counter() - started
        finally:
            watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == -signal.SIGKILL and wall_s >= TIMEOUT_S:
            raise RuntimeError(f"not done after {TIMEOUT_S:g} s")
        output.seek(0)
        text = output.read()
    if process.returncode not in codes:
        lines = log.read_text(errors="replace").strip().splitlines() or ["nothing said"]
        raise RuntimeError(f"exit status {process.returncode}: {lines[-1][:200]}")
    checks, passed = said(text)
    return Run(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_gb=usage.ru_maxrss * 1024 / 1e9,
        checks=checks,
        passed=passed,
    )


def _environment() -> dict[str, str]:
    """That of this process, but that Python may keep what it compiles, as for whatever is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def said(text: str) -> tuple[int, int]:
    """How many checks there were, and how many passed."""
    found = json.loads(text[text.index("{") :])
    if "statistics" in found:
        return found["statistics"]["evaluated_expectations"], found["statistics"]["successful_expectations"]
    return found["checks"], found["passed"]


def compare(contenders: Mapping[str, Contender], log: Path) -> tuple[Found, Mapping[str, str]]:
    """All of them in turn (A B C A B C …), so that drift of the machine hits all alike; and why some failed."""
    found: dict[str, list[Run]] = {name: [] for name in contenders}
    failed: dict[str, str] = {}
    for turn in range(max((one.runs for one in contenders.values()), default=0) + 1):
        for name, one in contenders.items():
            warming = turn == 0
            if name in failed or turn > one.runs or (warming and one.cold):
                continue
            try:
                run = measured(one.command, log)
            except (RuntimeError, ValueError) as error:
                failed[name] = str(error)
                continue
            if not warming:
                found[name].append(run)
    return {name: Measured(runs=tuple(runs)) for name, runs in found.items() if runs and name not in failed}, failed


def peers_python(place: Path) -> Path | str:
    """The interpreter of the peers' environment, made if need be; a text: why there is none."""
    python = place / "bin" / "python"
    marker = place / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if marker.exists() and marker.read_text() == wanted:
        return python
    print(f"installing peers into {place} …", flush=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r"]
    try:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([*pip, str(REQUIREMENTS)], check=True, timeout=TIMEOUT_S, capture_output=True, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return f"the environment of the peers could not be made: {lines[-1][:200]}"
    marker.write_text(wanted)
    return python
