"""DAG delivery beside other tools: cold, nothing to do, 12 changed files; each from a fresh checkout with new mtimes.

Loopback Cloud Storage of the sandbox, in a process of its own. Tools run in turn; medians, requests, peak memory of the
tool's own process and ratios to the bare uploader are printed. Peers are used when installed; gcloud only when named,
because it takes minutes; gsutil is left out because it insists on TLS.

Run: `.venv/bin/python benchmarks/dags/run.py [--files 2000] [--latency-ms 0 25] [--runs 5] [--peers headgate bare]`
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cicd.sandbox.gcs import GcsSandbox

BIN = Path(sys.executable).parent
BARE = Path(__file__).with_name("bare.py")
CHANGED = 12
LINES = 1700  # of a file of about 14.5 KB

Command = Callable[[Path, str], list[str]]
TOOLS: dict[str, tuple[str, Command]] = {
    "bare": (sys.executable, lambda repo, bucket: [sys.executable, str(BARE), str(repo / "dags"), bucket, "dags/"]),
    "headgate": (
        str(BIN / "headgate"),
        lambda _, bucket: [
            str(BIN / "headgate"),
            "dags",
            "push",
            "--source",
            "dags",
            "--target",
            f"gs://{bucket}/dags",
        ],
    ),
    "rclone": (
        "rclone",
        lambda repo, bucket: [
            *("rclone", "sync", str(repo / "dags"), f":gcs:{bucket}/dags", "--checksum", "--fast-list"),
            *("--transfers", "64", "--checkers", "64", "--gcs-anonymous"),
            *("--gcs-endpoint", os.environ.get("STORAGE_EMULATOR_HOST", "") + "/storage/v1/"),
        ],
    ),
    "gcloud": (
        "gcloud",
        lambda repo, bucket: [
            *("gcloud", "storage", "rsync", "-r", "--checksums-only", "--delete-unmatched-destination-objects", "-q"),
            *(str(repo / "dags"), f"gs://{bucket}/dags"),
        ],
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one tool: seconds, requests, peak resident memory in MB."""

    seconds: float
    requests: int
    peak_mb: float


def serve(pipe: Connection[Any, Any], latency_s: float) -> None:
    """The server: answers `count` with the requests since the last time, anything else by making that bucket."""
    with GcsSandbox(latency_s=latency_s) as sandbox:
        pipe.send(sandbox.url)
        while (asked := pipe.recv()) != "stop":
            if asked == "count":
                pipe.send(len(sandbox.faults.requests))
                sandbox.faults.forget()
            else:
                sandbox.create_bucket(asked)
                pipe.send(asked)


def ask(pipe: Connection[Any, Any], what: str) -> Any:
    pipe.send(what)
    return pipe.recv()


def git(repo: Path, *args: str) -> None:
    subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@b", *args], cwd=repo, check=True)


def make_repository(folder: Path, files: int) -> None:
    """Two commits: `files` DAG files in 40 folders, then `CHANGED` of them changed."""
    (folder / "dags").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
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


def once(tool: str, checkout: Path, bucket: str, pipe: Connection[Any, Any], environ: dict[str, str]) -> Sample:
    ask(pipe, "count")
    command = TOOLS[tool][1](checkout, bucket)
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=checkout, env=environ, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{tool} ended with {process.returncode}: {said.read()[-800:].decode(errors='replace')}")
    return Sample(seconds=seconds, requests=ask(pipe, "count"), peak_mb=usage.ru_maxrss / 1024)


def measure(
    tools: list[str], origin: Path, work: Path, latency_s: float, runs: int
) -> dict[str, dict[str, list[Sample]]]:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, latency_s), daemon=True)
    server.start()
    url = pipe.recv()
    os.environ["STORAGE_EMULATOR_HOST"] = url
    environ = {
        **os.environ,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{url}/storage/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "bench",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    }
    samples: dict[str, dict[str, list[Sample]]] = {step: {t: [] for t in tools} for step in ("cold", "no-op", "delta")}
    for run in range(runs):
        for tool in tools:
            bucket = ask(pipe, f"bench-{tool}-{run}")
            for step, ref in (("cold", "one"), ("no-op", "one"), ("delta", "two")):
                checkout = work / "checkout"
                shutil.rmtree(checkout, ignore_errors=True)
                git(work, "clone", "-q", "-c", "advice.detachedHead=false", "-b", ref, str(origin), str(checkout))
                samples[step][tool].append(once(tool, checkout, bucket, pipe, environ))
    pipe.send("stop")
    server.join(10)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--latency-ms", type=float, nargs="*", default=[0.0, 25.0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=TOOLS, default=["bare", "headgate", "rclone"])
    options = parser.parse_args()
    tools = [name for name in TOOLS if name in options.peers and shutil.which(TOOLS[name][0])]
    absent = sorted(set(options.peers) - set(tools))
    print(f"{options.files} files, {options.runs} runs; not installed: {', '.join(absent) or 'none'}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_repository(work / "origin", options.files)
        for latency in options.latency_ms:
            samples = measure(tools, work / "origin", work, latency / 1000, options.runs)
            print(
                f"\n{latency:g} ms per request\n{'step':<8}{'tool':<10}{'median s':>10}{'ratio':>8}{'requests':>10}{'MB':>7}"
            )
            for step, by_tool in samples.items():
                floor = statistics.median(s.seconds for s in next(iter(by_tool.values())))
                for tool, found in by_tool.items():
                    seconds = statistics.median(s.seconds for s in found)
                    requests = statistics.median(s.requests for s in found)
                    peak = max(s.peak_mb for s in found)
                    print(f"{step:<8}{tool:<10}{seconds:>10.2f}{seconds / floor:>8.2f}{requests:>10.0f}{peak:>7.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
