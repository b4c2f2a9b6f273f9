"""The quality engine beside its peers: 29 expectations on orders of 1e4, 1e6 and 1e7 rows, and TPC-H.

Whole processes, run in turn, peers included; wall time, CPU time and peak memory are medians. The floor is a hash of the
needed columns in DuckDB. The exit status is 1 if a promise is broken, or could not be looked at.

Run: `.venv/bin/python benchmarks/quality/run.py`. That is the full size: about 11 minutes on 2 cores (Great Expectations
on pandas takes 3 of them), one more where the peers are to be installed. `--quick` leaves 1e7 rows out and takes TPC-H at
scale factor 0.1: about 2 minutes. `--rows 100000000` on request: 6 GB of data, and time.

Peers come from `requirements/benchmarks.txt` into an environment of their own (`--peers`), made when it is missing. They
are left out with `--no-peers`, and so is what is promised about them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality import data, suite, tpch
from benchmarks.quality.goals import SMALL, Goal, goals
from benchmarks.quality.measure import Contender, Found, compare, measured, peers_python

HERE = Path(__file__).parent
CACHE = Path.home() / ".cache" / "headgate" / "benchmarks-quality"
HEADGATE = Path(sys.executable).parent / "headgate"
Command = tuple[str | Path, ...]
MANY = 5_000_000
"""From this many rows on, what takes long is run less often, and without a first run that does not count."""
MOST_IN_PANDAS = 20_000_000
NOTES = {
    "gx on duckdb": "28 of 29: it has no form of expect_column_values_to_be_increasing for SQL, and raises",
    "gx on pandas": "is asked 28: unexpected_rows_expectation needs a SQL engine",
}
"""Why peers do not pass all: the data and the suite are the same for all of them."""


def contenders(
    orders: Path, customers: Path, suites: Path, rows: int, runs: int, peers: Path | None
) -> dict[str, Contender]:
    """Everything that is compared, by name; the peers only where their environment is there."""
    ours: Command = (HEADGATE, "quality", "run", suites, "--data", orders, "-o", "json")
    many = rows >= MANY
    few = min(runs, 2) if many else runs

    def peer(script: str, *more: str, python: Path, times: int = few) -> Contender:
        command: Command = (python, HERE / "peers" / script, orders, customers, suites, *more)
        return Contender(command=command, runs=times, cold=many)

    own = Path(sys.executable)
    found = {
        "floor": Contender(command=(own, HERE / "peers" / "floor.py", orders, customers, suites), runs=runs),
        "headgate": Contender(command=ours, runs=runs),
        "headgate, 512 MB": Contender(command=(*ours, "--memory-limit", "512MB"), runs=few, cold=many),
        "one literal query": peer("naive.py", python=own),
    }
    if peers is not None:
        found |= {
            "soda core": peer("soda.py", python=peers),
            "pandera on polars": peer("pandera_polars.py", python=peers),
            "gx on duckdb": peer("gx.py", "duckdb", python=peers),
        }
        if rows <= MOST_IN_PANDAS:
            found["gx on pandas"] = peer("gx.py", "pandas", python=peers, times=1 if rows > SMALL else runs)
    return found


def show(found: Found, failed: Mapping[str, str]) -> None:
    floor = found["floor"].wall_s if "floor" in found else float("nan")
    ours = found["headgate"].wall_s if "headgate" in found else float("nan")
    print(f"{'':<22}{'wall s':>9}{'× floor':>9}{'× ours':>8}{'CPU s':>9}{'peak GB':>9}{'passed':>9}{'runs':>6}")
    for name, one in found.items():
        print(
            f"{name:<22}{one.wall_s:>9.2f}{one.wall_s / floor:>9.2f}{one.wall_s / ours:>8.2f}{one.cpu_s:>9.2f}"
            f"{one.peak_gb:>9.2f}{one.said:>9}{len(one.runs):>6}"
        )
    for name, reason in failed.items():
        print(f"{name:<22}failed: {reason}")
    for name in (name for name in NOTES if name in found):
        print(f"({name}: {NOTES[name]})")


def on_orders(rows: int, options: argparse.Namespace, peers: Path | None) -> list[Goal]:
    orders, customers = data.make(options.data, rows)
    suites = suite.write(orders.parent / "suite.json", customers)
    print(f"\n--- {rows:,} orders, {orders.stat().st_size / 1e6:,.0f} MB, 29 expectations", flush=True)
    chosen = contenders(orders, customers, suites, rows, options.runs, peers)
    if options.only:
        chosen = {name: one for name, one in chosen.items() if name in options.only}
    found, failed = compare(chosen, options.data / "errors.log")
    show(found, failed)
    return goals(rows, chosen, found, failed)


def on_tpch(options: argparse.Namespace, peers: Path | None) -> list[Goal]:
    if peers is None:
        return [Goal(text="TPC-H: its generator comes with the peers", kept=None)]
    place = tpch.make(options.data, peers.parent / "tpchgen-cli", options.tpch)
    print(f"\n--- TPC-H, scale factor {options.tpch:g}: a suite for each table", flush=True)
    print(f"{'':<22}{'rows':>12}{'floor s':>9}{'wall s':>9}{'× floor':>9}{'CPU s':>8}{'peak GB':>9}{'passed':>9}")
    log = options.data / "errors.log"
    right = True
    for table in tpch.KEYS:
        path = place / f"{table}.parquet"
        floor: Command = (sys.executable, HERE / "peers" / "floor_columns.py", path, *tpch.needed(table))
        ours: Command = (HEADGATE, "quality", "run", tpch.write(place, table, place), "--data", path, "-o", "json")
        found, failed = compare(
            {name: Contender(command=one, runs=options.runs) for name, one in (("floor", floor), ("headgate", ours))},
            log,
        )
        right &= not failed and found["headgate"].runs[-1].passed == found["headgate"].runs[-1].checks
        if failed:
            print(f"{table:<22}failed: {failed}")
            continue
        one, base = found["headgate"], found["floor"].wall_s
        print(
            f"{table:<22}{tpch.rows(path):>12,}{base:>9.2f}{one.wall_s:>9.2f}{one.wall_s / base:>9.2f}{one.cpu_s:>8.2f}"
            f"{one.peak_gb:>9.2f}{one.said:>9}"
        )
    return [Goal(text="TPC-H: every expectation of every table passes", kept=right), _spoilt(place, log)]


def _spoilt(place: Path, log: Path) -> Goal:
    """Rows made wrong: exactly what is about them must fail, with the right numbers."""
    wrong = []
    spoilt = tpch.spoil(place)
    for table, expected in tpch.SPOILT.items():
        suites, path = tpch.write(spoilt, table, place), spoilt / f"{table}.parquet"
        command = (HEADGATE, "quality", "run", suites, "--data", path, "-o", "json")
        run = measured(command, log, codes=(1,))
        found = tpch.failed(command)
        if run.checks - run.passed != len(expected) or found != expected:
            wrong.append(f"{table}: {found}, expected {expected}")
    text = f"TPC-H with wrong rows: {sum(map(len, tpch.SPOILT.values()))} expectations fail, with the right numbers"
    return Goal(text=f"{text}{': ' + '; '.join(wrong) if wrong else ''}", kept=not wrong)


def told(kept: list[Goal]) -> list[Goal]:
    print(*kept, sep="\n", flush=True)
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="no 1e7 rows, TPC-H at scale factor 0.1")
    parser.add_argument("--only", nargs="*", help="names, as printed; TPC-H is left out")
    parser.add_argument("--data", type=Path, default=CACHE / "data")
    parser.add_argument("--peers", type=Path, default=CACHE / "peers")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--tpch", type=float, default=1.0, metavar="SCALE", help="0: not")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.tpch = [10_000, 1_000_000], min(options.tpch, 0.1)
    options.data.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    found = None if options.no_peers else peers_python(options.peers)
    peers = found if isinstance(found, Path) else None
    kept = [Goal(text=found, kept=False)] if isinstance(found, str) else []
    for rows in options.rows:
        kept += told(on_orders(rows, options, peers))
    if options.tpch and not options.only:
        kept += told(on_tpch(options, peers))
    broken = [goal for goal in kept if goal.kept is False]
    print(f"\n{time.perf_counter() - started:.0f} s in all; {len(broken)} of {len(kept)} promises broken")
    print(*broken, sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
