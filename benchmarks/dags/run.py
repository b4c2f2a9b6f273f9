"""DAG delivery beside other tools: cold, nothing to do, 12 changed files; each from a fresh checkout with new mtimes.

A loopback Cloud Storage in a process of its own, with 0 and 25 ms per request, serves all of them: Headgate, a bare
uploader with no safety (`bare.py`), rclone, gcloud and gsutil, as far as they are installed. Tools run in turn; medians,
ratios to the bare uploader, requests and the peak memory of the tool's processes are printed, then the goals. It exits
with 1 when one is missed.

    .venv/bin/python benchmarks/dags/run.py            2 000 files, 5 runs (gcloud and gsutil 1), then 20 000 files, 1 run
                                                       without gcloud and gsutil: about 10 minutes
    .venv/bin/python benchmarks/dags/run.py --full     5 runs of 20 000 files too: about 35 minutes
    .venv/bin/python benchmarks/dags/run.py --files 200 --runs 1 --latency-ms 0 --peers bare headgate
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dags.goals import STEPS, Cell, Sample, judge, seconds  # noqa: E402 - after the path is set
from benchmarks.dags.server import Server, running  # noqa: E402
from benchmarks.dags.tools import TOOLS, Tool, environ_for, make_certificate  # noqa: E402

CHANGED = 12
LINES = 1700  # of a file of about 14.5 KB
REF = {"cold": "one", "no-op": "one", "delta": "two"}


def git(repo: Path, *args: str) -> None:
    subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@b", *args], cwd=repo, check=True)


def make_repository(folder: Path, files: int) -> None:
    """Two commits: `files` DAG files in 40 folders, then `CHANGED` of them changed."""
    (folder / "dags").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "gc.auto", "0")  # which would begin in the background, where the one below cannot wait for it
    for number in range(files):
        path = folder / f"dags/team_{number % 40}/dag_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"from airflow.sdk import DAG\n# {number}\n" + f"x = {number}\n" * LINES)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "one")
    for number in range(CHANGED):
        (folder / f"dags/team_{number % 40}/dag_{number}.py").write_text(
            f"from airflow.sdk import DAG\n# new {number}\n"
        )
    git(folder, "commit", "-q", "-a", "-m", "two")
    git(folder, "tag", "two")
    git(folder, "gc", "-q")


def once(tool: Tool, checkout: Path, bucket: str, server: Server, home: Path) -> Sample:
    server.requests()
    command, environ = tool.command(checkout, bucket, server), environ_for(tool, server, home)
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=checkout, env=environ, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            tail = said.read()[-800:].decode(errors="replace")
            raise SystemExit(f"{tool.name} ended with {process.returncode}: {tail}")
    return Sample(seconds=elapsed, requests=server.requests(), peak_mb=usage.ru_maxrss / 1024)


def measure(tools: Sequence[Tool], origin: Path, work: Path, latency_s: float, runs: int) -> Cell:
    """All runs of one cell, the tools in turn. The bucket of a tool and run lasts for the three steps."""
    samples: dict[str, dict[str, list[Sample]]] = {step: {tool.name: [] for tool in tools} for step in STEPS}
    with ExitStack() as stack:
        plain = stack.enter_context(running(latency_s))
        certificate = make_certificate(work) if any(tool.tls for tool in tools) else None
        secured = stack.enter_context(running(latency_s, certificate)) if certificate else plain
        for run in range(runs):
            for step in STEPS:
                checkout = work / "checkout"
                shutil.rmtree(checkout, ignore_errors=True)
                quiet = ("-q", "-c", "advice.detachedHead=false")
                # By its URL, because a path would link loose objects, which no clone from a server has.
                git(work, "clone", *quiet, "-b", REF[step], origin.as_uri(), str(checkout))
                for tool in tools:
                    server = secured if tool.tls else plain
                    if tool.slow and run:
                        continue
                    bucket = server.create_bucket(f"bench-{tool.name}-{run}")
                    sample = once(tool, checkout, bucket, server, work)
                    samples[step][tool.name].append(sample)
                    print(f"  run {run + 1}/{runs} {step:<6}{tool.name:<10}{sample.seconds:8.2f} s", file=sys.stderr)
    return samples


def show(cell: Cell, files: int, latency_ms: float) -> None:
    print(f"\n{files} files, {latency_ms:g} ms per request")
    print(f"{'step':<8}{'tool':<10}{'runs':>5}{'median s':>10}{'to bare':>9}{'requests':>10}{'peak MB':>9}")
    for step in STEPS:
        floor = seconds(cell[step]["bare"])
        for tool, found in cell[step].items():
            median, peak = seconds(found), max(sample.peak_mb for sample in found)
            print(
                f"{step:<8}{tool:<10}{len(found):>5}{median:>10.2f}{median / floor:>9.2f}"
                f"{found[-1].requests:>10}{peak:>9.0f}",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[0.0, 25.0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="all runs of more than 2 000 files too")
    names = [tool.name for tool in TOOLS]
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help="bare and headgate always run")
    options = parser.parse_args()
    asked = [tool for tool in TOOLS if tool.name in {*options.peers, "bare", "headgate"}]
    if shutil.which("openssl") is None:
        asked = [tool for tool in asked if not tool.tls]
    tools = [tool for tool in asked if tool.installed]
    absent = sorted({tool.name for tool in TOOLS} - {tool.name for tool in tools})
    print(f"not installed or not asked for: {', '.join(absent) or 'none'}")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for files in options.files:
            work = Path(folder) / str(files)
            work.mkdir()
            make_repository(work / "origin", files)
            many = files > 2000
            chosen = [tool for tool in tools if not (many and tool.slow)]
            runs = 1 if many and not options.full else options.runs
            for latency in options.latency_ms:
                cell = measure(chosen, work / "origin", work, latency / 1000, runs)
                show(cell, files, latency)
                for goal in judge(cell, files):
                    print(f"  {'met   ' if goal.met else 'MISSED'} {goal.text}", flush=True)
                    missed += not goal.met
            shutil.rmtree(work)
    print(f"\n{missed} goal(s) missed" if missed else "\nall goals met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
