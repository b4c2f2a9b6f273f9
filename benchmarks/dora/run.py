"""How fast the event log and the report are, on a seeded year of many services. One command.

Run: `.venv/bin/python benchmarks/dora/run.py [--tenth] [--services 1000] [--store postgresql://...]`
The year has 1 000 000 deployments and 5 000 000 events: about twenty minutes and 6 GB of disk;
`--tenth` has a tenth of them and takes one or two minutes.

Every measurement is a process of its own, so that its peak memory is its own. Prints a table; the exit status is 1 if
a promise is broken. Times are of the work alone: making the events, rows of the raw insert and databases is not in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import year

from observability.columns import COLUMNS, to_microseconds
from observability.events import DeliveryEvent
from observability.rows import to_rows
from observability.store import SqlEventStore, open_store

BATCH = 10_000
DAYS = 90
UPDATES = 15
REPEATS = 3
INGEST_SHARE, REPORT_RATIO, UPDATE_MS, PEAK_MB = 1 / 3, 3.0, 50.0, 600.0

Result = dict[str, float]


def batches(events: Iterable[DeliveryEvent]) -> Iterator[list[DeliveryEvent]]:
    source = iter(events)
    while batch := list(islice(source, BATCH)):
        yield batch


def generated(options: argparse.Namespace) -> Iterator[list[DeliveryEvent]]:
    return batches(year.events(options.deployments, options.services))


def raw(options: argparse.Namespace) -> Result:
    """The same rows through the driver alone: in batches, durable, into a table with its identity and nothing else."""
    if options.store.startswith("sqlite"):
        insert, finish = _raw_sqlite(Path(options.store.removeprefix("sqlite:///") + ".raw"))
    else:
        insert, finish = _raw_postgres(options.store)
    spent, count = 0.0, 0
    for batch in generated(options):
        rows = to_rows(batch, 0)
        started = time.perf_counter()
        insert(rows)
        spent += time.perf_counter() - started
        count += len(rows)
    finish()
    return {"seconds": spent, "rows": count}


def _raw_sqlite(path: Path) -> tuple[Callable[[list[Any]], object], Callable[[], None]]:
    raw_ = sqlite3.connect(path, isolation_level=None)
    raw_.execute("PRAGMA journal_mode=WAL")
    raw_.execute("PRAGMA synchronous=FULL")
    raw_.execute("PRAGMA cache_size=-65536")
    raw_.execute(f"CREATE TABLE events (seq INTEGER PRIMARY KEY, {', '.join(COLUMNS)}, UNIQUE (source, id))")
    statement = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

    def insert(rows: list[Any]) -> None:
        raw_.execute("BEGIN IMMEDIATE")
        raw_.executemany(statement, rows)
        raw_.execute("COMMIT")

    def finish() -> None:
        raw_.close()
        path.unlink()

    return insert, finish


def _raw_postgres(url: str) -> tuple[Callable[[list[Any]], object], Callable[[], None]]:
    import psycopg

    raw_ = psycopg.connect(url)
    types = ("bigint" if name.endswith("_us") else 'text COLLATE "C"' for name in COLUMNS)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, types, strict=True))
    raw_.execute(f"CREATE TABLE raw_events (seq bigserial PRIMARY KEY, {columns}, UNIQUE (source, id))")
    raw_.commit()
    statement = f"INSERT INTO raw_events ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"

    def insert(rows: list[Any]) -> None:
        with raw_.cursor() as cursor:
            cursor.executemany(statement, rows)
        raw_.commit()

    def finish() -> None:
        raw_.execute("DROP TABLE raw_events")
        raw_.commit()
        raw_.close()

    return insert, finish


def ingest(options: argparse.Namespace) -> Result:
    store = open_store(options.store)
    spent, count, new = 0.0, 0, 0
    for batch in generated(options):
        started = time.perf_counter()
        new += store.append(batch)
        spent += time.perf_counter() - started
        count += len(batch)
    return {"seconds": spent, "rows": count, "new": new}


def select(options: argparse.Namespace) -> Result:
    """One SELECT, through the driver alone, of the rows of the period: each is read and dropped."""
    start, end = (to_microseconds(moment) for moment in _period())
    query = f"SELECT * FROM events WHERE occurred_us >= {start} AND occurred_us < {end}"
    if options.store.startswith("sqlite"):
        raw_: Any = sqlite3.connect(options.store.removeprefix("sqlite:///"))
        cursor = raw_.cursor()
    else:
        import psycopg

        raw_ = psycopg.connect(options.store)
        cursor = raw_.cursor("reading")
        cursor.itersize = 2000
    best, count = best_of(lambda: sum(1 for _ in cursor.execute(query)))
    raw_.close()
    return {"seconds": best, "rows": count}


def best_of(work: Callable[[], int]) -> tuple[float, int]:
    """The shortest of a few runs: what else the machine does only ever adds. And the result."""
    times, result = [], 0
    for _ in range(REPEATS):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return min(times), result


def _period() -> tuple[Any, Any]:
    end = year.START + year.YEAR
    return end - timedelta(days=DAYS), end


def read(options: argparse.Namespace) -> Result:
    """The same rows as events, through the store."""
    start, end = _period()
    store = open_store(options.store, create=False)
    started = time.perf_counter()
    count = sum(1 for _ in store.read(since=start, until=end))
    return {"seconds": time.perf_counter() - started, "rows": count}


def report(options: argparse.Namespace) -> Result:
    from observability.dora import Period
    from observability.projection import Projection

    start, end = _period()
    kept = Projection(open_store(options.store, create=False).database)
    period = Period(start=start, end=end)
    best, deployments = best_of(lambda: sum(one.deployment_frequency.n for one in kept.reports(period)))
    return {"seconds": best, "rows": deployments}


def command(options: argparse.Namespace) -> Result:
    """`headgate dora report -o json` of the period, every deployment in it: for its memory."""
    from cicd.cli.main import main as headgate

    start, end = _period()
    period = ["--from", start.isoformat(), "--to", end.isoformat()]
    started = time.perf_counter()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        code = headgate(["dora", "report", "--store", options.store, *period, "-o", "json"])
    if code != 0:
        raise RuntimeError(f"headgate dora report ended with {code}")
    return {"seconds": time.perf_counter() - started, "rows": 1}


def rebuild(options: argparse.Namespace) -> Result:
    from observability.projection import Projection

    store = open_store(options.store, create=False)
    started = time.perf_counter()
    targets = Projection(store.database).rebuild()
    return {"seconds": time.perf_counter() - started, "rows": targets}


def update(options: argparse.Namespace) -> Result:
    """One more event, taken in and brought into the projection: the median over several services.

    A third are new deployments, a third incidents of them, a third rollbacks of a deployment of the last days.
    """
    from observability.projection import Projection

    store: SqlEventStore = open_store(options.store, create=False)
    turn = options.deployments // options.services
    times = []
    for number in range(UPDATES + 1):
        service = number % options.services // 3
        event = year.another(service, turn + number, ("deployed", "incident", "rollback")[number % 3])
        started = time.perf_counter()
        store.append([event])
        Projection(store.database).refresh()
        times.append(time.perf_counter() - started)
    return {"seconds": statistics.median(times[1:]), "rows": UPDATES, "worst": max(times[1:])}


PHASES = {
    "raw": raw, "ingest": ingest, "rebuild": rebuild, "select": select, "read": read, "report": report,
    "command": command, "update": update,
}  # fmt: skip


def measured(phase: str, options: argparse.Namespace) -> Result:
    command = [sys.executable, __file__, "--phase", phase, "--store", options.store]
    command += ["--deployments", str(options.deployments), "--services", str(options.services)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Result = json.loads(done.stdout)
    peak = f"peak {found['peak_mb']:.0f} MB"
    print(f"{phase:<8} {found['rows']:>10,.0f} rows {found['seconds']:>10.3f} s   {peak}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployments", type=int, default=1_000_000)
    parser.add_argument("--tenth", dest="deployments", action="store_const", const=100_000, help="a tenth of the size")
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--store", help="URL of an empty log.  [default: a SQLite file that is removed afterwards]")
    parser.add_argument("--only", default=",".join(PHASES), help="measurements, separated by commas")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        result = PHASES[options.phase](options)
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return 0
    with tempfile.TemporaryDirectory(prefix="headgate-dora-") as folder:
        options.store = options.store or f"sqlite:///{folder}/events.db"
        print(f"{options.services:,} services, {options.deployments:,} deployments in a year")
        found = {phase: measured(phase, options) for phase in options.only.split(",")}
    return judge(found)


def judge(found: dict[str, Result]) -> int:
    kept = []
    if {"raw", "ingest"} <= found.keys():
        share = found["raw"]["seconds"] / found["ingest"]["seconds"]
        kept.append(
            (share >= INGEST_SHARE, f"ingest at {share:.2f} of the rate of raw inserts (goal {INGEST_SHARE:.2f})")
        )
    if {"select", "report"} <= found.keys():
        ratio = found["report"]["seconds"] / found["select"]["seconds"]
        kept.append((ratio <= REPORT_RATIO, f"report in {ratio:.2f} times the SELECT (goal {REPORT_RATIO:g})"))
    if "update" in found:
        spent = found["update"]["seconds"] * 1e3
        kept.append((spent < UPDATE_MS, f"one event taken in and projected in {spent:.0f} ms (goal {UPDATE_MS:g})"))
    peak = max(one["peak_mb"] for one in found.values())
    kept.append((peak < PEAK_MB, f"peak memory {peak:.0f} MB (goal {PEAK_MB:g})"))
    for good, words in kept:
        print(f"{'kept  ' if good else 'BROKEN'} {words}")
    return 0 if all(good for good, _ in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
