"""How often the judge is wrong and how soon it is right, beside Kayenta's judge and thresholds. Seeded, one command.

Run: `.venv/bin/python benchmarks/judge/run.py [--rollouts 10000] [--json FILE] [--only shows,guarantees,power,speed]`

Prints Markdown tables; the exit status is 1 if a promise is broken. As it stands it measures everything at full size:
208 cells of 10 000 rollouts, about ten minutes on two cores. With fewer `--rollouts` some cells have a bound above the
promise only because the sample is too small to tell: they are measured again with five times as many, and may still be
counted as broken. `--docs docs/judge.md` puts the tables into the page, each after its mark.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cells
import power
from streams import HISTORY, Cell, simulate, simulate_histograms
from tables import put_into, tables

from deployments.analysis.judge import Interval, JudgePolicy, Kind, MetricPolicy, start, update

PARTS = ("shows", "guarantees", "power", "speed")
MOST_MICROSECONDS = 50.0
MOST_SECONDS = 90.0  # "about a minute"
_MEASURED = 100  # rollouts


def speed() -> dict[str, Any]:
    """One core, processor time: a metric's update, and 10 000 rollouts of 60 intervals (a hundredth is measured).

    A histogram without an SLO is judged at two tails, by a test each: the promise is for one test.
    """
    micros = {name: _update_us(policy, many) for name, (policy, many) in _streams().items()}
    whole = micros["bad of total"] * 1e-6 * 10_000 * (HISTORY + 60)
    broken = sum(taken > MOST_MICROSECONDS * (2 if "tails" in name else 1) for name, taken in micros.items())
    broken += whole > MOST_SECONDS
    return {"update_us": micros, "ten_thousand_rollouts_s": whole, "intervals": HISTORY + 60, "broken": int(broken)}


def _streams() -> dict[str, tuple[JudgePolicy, list[list[Interval]]]]:
    """Kinds of metrics, each with some rollouts."""

    def rollouts(stream: Any, interval: Callable[[Any, int, int], Interval]) -> list[list[Interval]]:
        return [[interval(stream, row, t) for t in range(HISTORY + 60)] for row in range(_MEASURED)]

    ratio = rollouts(simulate(Cell(0.1, 0.01, requests=150.0), _MEASURED, 3, lambda p: p), cells.ratio_interval)
    count = rollouts(simulate(Cell(0.1, 0.01), _MEASURED, 3, lambda p: p), cells.count_interval)
    tails = simulate_histograms(Cell(0.1, 0.004), _MEASURED, 3, cells.TAILS, lambda p: p)
    histogram = rollouts(tails, cells.histogram_interval)
    return {
        "bad of total": (_policy(Kind.RATIO), ratio),
        "with a tolerance": (_policy(Kind.RATIO, max_ratio_increase=0.2, max_absolute_increase=0.001), ratio),
        "counts": (_policy(Kind.COUNT), count),
        "histogram, SLO": (_policy(Kind.HISTOGRAM, slo_index=4), histogram),
        "histogram, two tails": (_policy(Kind.HISTOGRAM), histogram),
        "gauge": (_policy(Kind.GAUGE), cells.gauge_intervals(_MEASURED, HISTORY)),
    }


def _policy(kind: Kind, **rules: Any) -> JudgePolicy:
    return JudgePolicy(metrics=(MetricPolicy(name="m", kind=kind, **rules),))


def _update_us(policy: JudgePolicy, many: list[list[Interval]]) -> float:
    best = math.inf
    for _ in range(5):
        began = time.process_time()
        for intervals in many:
            state = start(policy)
            for one in intervals:
                state = update(state, one)
        best = min(best, time.process_time() - began)
    return 1e6 * best / sum(map(len, many))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=10_000, help="rollouts of each cell (default 10000)")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="put the tables into this page, after their marks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers of every cell there")
    parser.add_argument(
        "--only", default=",".join(PARTS), help=f"parts, with commas between (default {','.join(PARTS)})"
    )
    parser.add_argument("--kinds", default=",".join(cells.KINDS), help="kinds of metrics of the part guarantees")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    options = parser.parse_args()
    wanted, kinds = options.only.split(","), options.kinds.split(",")
    unknown = sorted({*wanted} - {*PARTS}) + sorted({*kinds} - {*cells.KINDS})
    if unknown or options.rollouts < 10 or options.workers < 1:
        parser.error(f"there is no part or kind {unknown[0]!r}" if unknown else "too few rollouts or workers")
    began, result = time.monotonic(), {}
    if "speed" in wanted:
        result["speed"] = speed()  # first, while nothing else runs
    with ProcessPoolExecutor(options.workers) as pool:
        if "shows" in wanted:
            result["shows"] = power.shows(min(options.rollouts, 2_000), pool)
        if "guarantees" in wanted:
            result["guarantees"] = cells.guarantees(options.rollouts, kinds, pool, _say)
        if "power" in wanted:
            result["power"] = power.compare(min(options.rollouts, 1_000), pool, _say)
    print("\n\n".join(table for table in tables(result).values()))
    if options.docs:
        options.docs.write_text(put_into(options.docs.read_text("utf-8"), tables(result)), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    broken = {part: found["broken"] for part, found in result.items()}
    print(f"\npromises broken: {sum(broken.values())} {broken if any(broken.values()) else ''}".rstrip())
    print(f"{time.monotonic() - began:.0f} s, {options.workers} processes", file=sys.stderr)
    return 1 if any(broken.values()) else 0


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
