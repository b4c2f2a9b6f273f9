"""How fast the command line starts: `headgate --help` and `headgate gate --help` beside `python -c 'import click'`.

Whole processes, run in turn (A B C A B C …) so that drift of the machine hits all alike; medians and their ratio to
the floor are printed, and the exit status is 1 if a ratio is above the promised 2.0.

Run: `.venv/bin/python benchmarks/startup/run.py [--runs 21]`
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
PROMISE = 2.0
COMMANDS: dict[str, list[str]] = {
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "headgate --help": [str(BIN / "headgate"), "--help"],
    "headgate gate --help": [str(BIN / "headgate"), "gate", "--help"],
}


def once(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            spent = once(command)
            if turn:  # the first turn warms the caches and is not counted
                times[name].append(spent)
    floor = statistics.median(next(iter(times.values())))
    print(f"{'command':<28} {'median ms':>10} {'min ms':>8} {'ratio':>6}   ({runs} runs)")
    worst = 0.0
    for name, spent in times.items():
        ratio = statistics.median(spent) / floor
        worst = max(worst, ratio)
        print(f"{name:<28} {statistics.median(spent) * 1e3:>10.1f} {min(spent) * 1e3:>8.1f} {ratio:>6.2f}")
    print(f"promise: at most {PROMISE:g} times the floor; worst {worst:.2f}")
    return 0 if worst <= PROMISE else 1


if __name__ == "__main__":
    sys.exit(main())
