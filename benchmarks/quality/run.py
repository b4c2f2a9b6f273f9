"""The quality engine beside its peers: 29 expectations on orders of 1e4, 1e6 and 1e7 rows, and TPC-H.

Whole processes, run in turn (A B C A B C …) so that drift of the machine hits all alike. Wall time, CPU time and peak
memory are medians; the floor is a hash of the needed columns in DuckDB. The exit status is 1 if a promise is broken.

Run: `.venv/bin/python benchmarks/quality/run.py [--rows 10000 1000000 10000000] [--runs 3] [--only headgate floor]`

Peers come from `requirements/benchmarks.txt` into an environment of their own (`--peers`), made when it is missing; a
peer that cannot be installed or fails is left out with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.quality import data, suite, tpch  # noqa: E402 - after the path is set

HERE = Path(__file__).parent
CACHE = Path.home() / ".cache" / "headgate" / "benchmarks-quality"
TIMEOUT_S = 1800.0
SLOW = {"gx on pandas": 1, "gx on duckdb": 2}
"""How often what takes minutes is run, where more runs are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process. Seconds and gigabytes; `checks` and `passed` as it says itself."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    checks: int
    passed: int


def measured(command: Sequence[str | Path], log: Path) -> Run:
    """Run a command to its end. `RuntimeError` with its last line where it fails or takes too long."""
    with log.open("w") as errors, tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=errors, start_new_session=True)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - started > TIMEOUT_S:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise RuntimeError(f"not done after {TIMEOUT_S:g} s")
            time.sleep(0.002)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        lines = log.read_text(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        raise RuntimeError(lines[-1][:200])
    checks, passed = said(text)
    return Run(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_gb=usage.ru_maxrss * 1024 / 1e9,
        checks=checks,
        passed=passed,
    )


def said(text: str) -> tuple[int, int]:
    """How many checks there were, and how many passed."""
    found = json.loads(text[text.index("{") :])
    if "statistics" in found:
        return found["statistics"]["evaluated_expectations"], found["statistics"]["successful_expectations"]
    return found["checks"], found["passed"]


def peers_python(place: Path) -> Path | str:
    """The interpreter of the peers' environment, made if need be; a text: why there is none."""
    python = place / "bin" / "python"
    marker = place / "installed.txt"
    wanted = (ROOT / "requirements" / "benchmarks.txt").read_text()
    if marker.exists() and marker.read_text() == wanted:
        return python
    print(f"installing peers into {place} …", file=sys.stderr)
    try:
        venv.create(place, with_pip=True)
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            "--require-hashes",
            "-r",
            str(ROOT / "requirements" / "benchmarks.txt"),
        ]
        subprocess.run(pip, check=True, timeout=TIMEOUT_S, capture_output=True, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return f"the environment of the peers could not be made: {lines[-1][:200]}"
    marker.write_text(wanted)
    return python


def commands(orders: Path, customers: Path, suites: Path, peers: Path | str) -> dict[str, list[str | Path]]:
    """Name -> command. The peers' only where their environment is there."""
    headgate = [Path(sys.executable).parent / "headgate", "quality", "run", suites, "--data", orders, "-o", "json"]
    arguments = [orders, customers, suites]
    ours: dict[str, list[str | Path]] = {
        "floor": [sys.executable, HERE / "peers" / "floor.py", *arguments],
        "headgate": headgate,
        "headgate, 512 MB": [*headgate, "--memory-limit", "512MB"],
        "one literal query": [sys.executable, HERE / "peers" / "naive.py", *arguments],
    }
    if isinstance(peers, str):
        return ours
    return ours | {
        "soda core": [peers, HERE / "peers" / "soda.py", *arguments],
        "pandera on polars": [peers, HERE / "peers" / "pandera_polars.py", *arguments],
        "gx on duckdb": [peers, HERE / "peers" / "gx.py", *arguments, "duckdb"],
        "gx on pandas": [peers, HERE / "peers" / "gx.py", *arguments, "pandas"],
    }


def compare(chosen: dict[str, list[str | Path]], runs: int, log: Path) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """All commands in turn; and the reasons of those that failed."""
    found: dict[str, list[Run]] = {name: [] for name in chosen}
    failed: dict[str, str] = {}
    for turn in range(runs + 1):  # the first turn warms the caches; it counts for what is run once
        for name, command in chosen.items():
            if name in failed or turn > SLOW.get(name, runs) or (turn == 0 and name in SLOW):
                continue
            try:
                run = measured(command, log)
            except (RuntimeError, ValueError) as error:
                failed[name] = str(error)
                continue
            if turn:
                found[name].append(run)
    return {name: done for name, done in found.items() if done}, failed


def middle(runs: Sequence[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(map(value, runs))


def show(found: dict[str, list[Run]], failed: dict[str, str]) -> None:
    floor = middle(found["floor"], lambda run: run.wall_s) if "floor" in found else float("nan")
    print(f"{'':<22}{'wall s':>9}{'min':>8}{'× floor':>9}{'CPU s':>8}{'peak GB':>9}{'passed':>10}{'runs':>6}")
    for name, runs in found.items():
        wall = middle(runs, lambda run: run.wall_s)
        passed = f"{runs[-1].passed}/{runs[-1].checks}" if runs[-1].checks else ""
        print(
            f"{name:<22}{wall:>9.2f}{min(run.wall_s for run in runs):>8.2f}{wall / floor:>9.2f}"
            f"{middle(runs, lambda run: run.cpu_s):>8.2f}{middle(runs, lambda run: run.peak_gb):>9.2f}{passed:>10}{len(runs):>6}"
        )
    for name, reason in failed.items():
        print(f"{name:<22}left out: {reason}")
    print(flush=True)


def promises(rows: int, found: dict[str, list[Run]], failed: dict[str, str]) -> list[tuple[bool, str]]:
    """What is promised at this size, as far as it was measured."""
    ours = found.get("headgate")
    if not ours:
        return [(False, f"headgate did not finish: {failed.get('headgate')}")]
    kept = [(ours[-1].checks == 29 == ours[-1].passed, f"{ours[-1].passed} of 29 expectations pass")]
    if rows == 10_000:
        cpu = middle(ours, lambda run: run.cpu_s)
        kept.append((cpu < 0.6, f"CPU {cpu:.2f} s < 0.6 s at {rows:,} rows"))
    if rows < 10_000_000:
        return kept
    wall, peak = middle(ours, lambda run: run.wall_s), middle(ours, lambda run: run.peak_gb)
    kept.append((peak < 1, f"peak memory {peak:.2f} GB < 1 GB"))
    if rows == 10_000_000:
        kept.append(("headgate, 512 MB" in found, "finishes with a memory limit of 512 MB"))
        for name, factor in (("gx on duckdb", 6), ("gx on pandas", 35), ("soda core", 2.5)):
            if name in found:
                ratio = middle(found[name], lambda run: run.wall_s) / wall
                kept.append((ratio >= factor, f"{ratio:.1f} times faster than {name}, at least {factor:g}"))
    if "floor" in found:
        ratio = wall / middle(found["floor"], lambda run: run.wall_s)
        kept.append((ratio <= 3, f"{ratio:.2f} times the floor, at most 3"))
    return kept


def on_orders(rows: int, options: argparse.Namespace, peers: Path | str) -> bool:
    print(f"--- {rows:,} orders, {len(suite.STREAMING) + len(suite.HOLISTIC) + 1} expectations")
    orders, customers = data.make(options.data, rows)
    suites = suite.write(orders.parent / "suite.json", customers)
    chosen = commands(orders, customers, suites, peers)
    if options.only:
        chosen = {name: command for name, command in chosen.items() if name in options.only}
    found, failed = compare(chosen, options.runs, options.data / "errors.log")
    show(found, failed)
    kept = promises(rows, found, failed) if not options.only or "headgate" in options.only else []
    for holds, text in kept:
        print(f"{'kept' if holds else 'BROKEN':<8}{text}")
    print(flush=True)
    return all(holds for holds, _ in kept)


def on_tpch(options: argparse.Namespace, peers: Path | str) -> bool:
    if isinstance(peers, str):
        print(f"--- TPC-H: left out: {peers}")
        return True
    print(f"--- TPC-H, scale factor {options.tpch:g}: a suite for each table")
    place = tpch.make(options.data, peers.parent / "tpchgen-cli", options.tpch)
    headgate = Path(sys.executable).parent / "headgate"
    hashed = "import duckdb, sys; duckdb.execute('SELECT bit_xor(hash(COLUMNS(*)::VARCHAR)) FROM read_parquet(?)', sys.argv[1:])"
    everything = True
    for table in tpch.KEYS:
        path, suites = place / f"{table}.parquet", tpch.write(place, table)
        floor = [sys.executable, "-c", hashed + '; print(\'{"checks": 0, "passed": 0}\')', path]
        found, failed = compare(
            {"floor": floor, table: [headgate, "quality", "run", suites, "--data", path, "-o", "json"]},
            options.runs,
            options.data / "errors.log",
        )
        show(found, failed)
        everything &= table in found and found[table][-1].passed == found[table][-1].checks
    print(f"{'kept' if everything else 'BROKEN':<8}every expectation of every table passes")
    return everything


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of rows, as printed")
    parser.add_argument("--data", type=Path, default=CACHE / "data")
    parser.add_argument("--peers", type=Path, default=CACHE / "peers")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--tpch", type=float, default=1.0, metavar="SCALE", help="0: not")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    peers: Path | str = "--no-peers" if options.no_peers else peers_python(options.peers)
    if isinstance(peers, str):
        print(f"peers left out: {peers}\n")
    kept = [on_orders(rows, options, peers) for rows in options.rows]
    if options.tpch:
        kept.append(on_tpch(options, peers))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
