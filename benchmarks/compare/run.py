"""How long it takes to compare two versions of a table, beside one scan of both: `python benchmarks/compare/run.py`.

Orders of `--rows` rows (default ten million, seeded) against versions of themselves. Every figure is that of a whole
process: `headgate quality compare`, start-up included, and the floor, which reads both sides once and hashes all columns.
Both are measured in turns in the same run, so that a busy machine slows both; the medians are shown. It ends with 1 where
a comparison takes more than four times the scan, more than a gibibyte, or gives another exit code than it should. The
default takes a few minutes on two idle cores, and 4 GB of disk for the data, which is kept for the next run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.quality.data import make  # noqa: E402 - found once the root is on the path

LIMIT = 4.0
"""Times the scan of both sides: more is a failure."""
LIMIT_MB = 1024
PARQUET = "FORMAT parquet, COMPRESSION"

# name -> (query over {orders}, how it is written, options of the command, exit code that is right)
VERSIONS: dict[str, tuple[str, str, list[str], int]] = {
    "same rows, other order and files": (
        "SELECT * FROM {orders} ORDER BY hash(order_id)",
        f"{PARQUET} zstd, PER_THREAD_OUTPUT",
        ["--key", "order_id"],
        0,
    ),
    "rounding of 2 %": (
        "SELECT * REPLACE (CASE WHEN hash(order_id) % 50 = 0 THEN round(total, 1) ELSE total END AS total) FROM {orders}",
        f"{PARQUET} snappy",
        ["--key", "order_id"],
        1,
    ),
    "time-zone shift of all": (
        "SELECT * REPLACE (ordered_at + INTERVAL 2 HOUR AS ordered_at) FROM {orders}",
        f"{PARQUET} snappy",
        ["--key", "order_id"],
        1,
    ),
    "1 % lost, 2 % changed": (
        """SELECT * REPLACE (CASE WHEN hash(order_id) % 50 = 0 THEN round(total, 1) ELSE total END AS total) FROM {orders}
        WHERE hash(order_id, 7) % 100 <> 0""",
        f"{PARQUET} snappy",
        ["--key", "order_id"],
        1,
    ),
    "5 % fanned out": (
        """SELECT * FROM {orders} UNION ALL SELECT * REPLACE (customer_id + 1 AS customer_id) FROM {orders}
        WHERE hash(order_id, 8) % 20 = 0""",
        f"{PARQUET} snappy",
        ["--key", "order_id"],
        1,
    ),
    "1 % lost, no key given": (
        "SELECT * FROM {orders} WHERE hash(order_id, 7) % 100 <> 0",
        f"{PARQUET} snappy",
        [],
        1,
    ),
    "1 % lost, no column is unique": (
        "SELECT * FROM {orders} WHERE hash(order_id, 7) % 100 <> 0",
        f"{PARQUET} snappy",
        ["--ignore", "order_id,reference"],
        1,
    ),
}

SCAN = """
import duckdb, sys
connection = duckdb.connect()
connection.execute("SET preserve_insertion_order = false")
connection.execute("SET enable_progress_bar = false")
for path in sys.argv[1:]:
    columns = ", ".join('"' + row[0] + '"' for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall())
    connection.execute(f"SELECT count(*), sum(hash({columns})) FROM '{path}'").fetchall()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process: seconds on the clock and of all cores, mebibytes at its peak, and its exit code."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def measure(argv: list[str]) -> Run:
    started = time.perf_counter()
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        wall_s=time.perf_counter() - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
        code=process.returncode,
    )


def written(folder: Path, name: str, orders: Path) -> str:
    """The version `name` as files, made once; the path or glob that names them."""
    query, options, _, _ = VERSIONS[name]
    target = folder / ("".join(letter if letter.isalnum() else "-" for letter in name) + ".parquet")
    if not target.exists():
        partial = target.with_suffix(".partial")
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            text = query.format(orders=f"read_parquet('{orders}')")
            connection.execute(f"COPY ({text}) TO '{partial}' ({options})")
        partial.replace(target)
    return f"{target}/*.parquet" if target.is_dir() else str(target)


def prepare(data: Path, rows: int, names: list[str]) -> tuple[Path, dict[str, str]]:
    """Base and versions, made in a process of their own: a child's peak memory counts from that of its parent."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_prepare, (data, rows, names))


def _prepare(data: Path, rows: int, names: list[str]) -> tuple[Path, dict[str, str]]:
    orders, _ = make(data, rows)
    return orders, {name: written(orders.parent, name, orders) for name in names}


def compared(name: str, base: Path, head: str, repeat: int, memory: str) -> dict[str, object]:
    """Scan and comparison in turns; medians."""
    _, _, options, right = VERSIONS[name]
    command = [sys.executable, "-m", "cicd.cli.main", "quality", "compare", str(base), head, *options]
    scans, runs = [], []
    for _ in range(repeat):
        scans.append(measure([sys.executable, "-c", SCAN, str(base), head]))
        runs.append(measure([*command, "--memory-limit", memory, "-o", "json"]))
    scan_s, wall_s = (statistics.median(run.wall_s for run in side) for side in (scans, runs))
    scan_cpu_s, cpu_s = (statistics.median(run.cpu_s for run in side) for side in (scans, runs))
    return {
        "version": name,
        "scan_s": round(scan_s, 2),
        "compare_s": round(wall_s, 2),
        "times_scan": round(wall_s / scan_s, 2),
        "times_scan_cpu": round(cpu_s / scan_cpu_s, 2),
        "peak_mb": round(max(run.peak_mb for run in runs)),
        "right": all(run.code == right for run in runs),
        "runs": [asdict(run) for run in runs],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--only", help="Versions whose name contains this.")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "headgate-benchmark")
    parser.add_argument("--json", action="store_true", help="Print all figures as JSON.")
    arguments = parser.parse_args()
    names = [name for name in VERSIONS if not arguments.only or arguments.only in name]
    orders, heads = prepare(arguments.data, arguments.rows, names)
    found = []
    for name, head in heads.items():
        found.append(compared(name, orders, head, arguments.repeat, arguments.memory_limit))
        if not arguments.json:
            row = found[-1]
            print(
                f"{name:<34} scan {row['scan_s']:>6} s  compare {row['compare_s']:>6} s  {row['times_scan']:>5} x "
                f"(cpu {row['times_scan_cpu']} x)  {row['peak_mb']:>5} MB  {'' if row['right'] else 'WRONG EXIT CODE'}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps({"rows": arguments.rows, "limit": LIMIT, "limit_mb": LIMIT_MB, "versions": found}, indent=2))
    missed = [row["version"] for row in found if not is_met(row)]
    print(f"missed: {', '.join(map(str, missed))}" if missed else "all within the limits", file=sys.stderr)
    return 1 if missed else 0


def is_met(row: dict[str, object]) -> bool:
    within = float(str(row["times_scan"])) <= LIMIT and int(str(row["peak_mb"])) <= LIMIT_MB
    return within and bool(row["right"])


if __name__ == "__main__":
    sys.exit(main())
