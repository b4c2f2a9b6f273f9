"""How often the judge is wrong and how soon it is right, beside Kayenta's judge and thresholds. Seeded, one command.

Run: `.venv/bin/python benchmarks/judge/run.py [--rollouts 10000] [--json FILE] [--only shows,guarantees,power,speed]`

Prints Markdown tables; the exit status is 1 if a promise is broken. About a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import peers
import vector
from streams import HISTORY, Cell, Rollouts, simulate

from deployments.analysis.judge import Interval, JudgePolicy, MetricPolicy, Observation, Side, start, update

Array = np.ndarray
ALPHAS = (0.05, 0.01)
SHARES = (0.01, 0.05, 0.1, 0.5)
BASES = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3)
TRAFFIC = ("constant", "daily", "bursty")
EFFECTS: dict[str, Any] = {
    "+0.5 points": lambda p: p + 0.005,
    "+1 point": lambda p: p + 0.01,
    "+5 points": lambda p: p + 0.05,
    "x2": lambda p: 2 * p,
    "x5": lambda p: 5 * p,
}
PROMISED = {0.10: 3, 0.05: 7, 0.03: 19, 0.02: 63}
CHECKED = 3  # rollouts of each cell that the shipped judge must agree on with the vectorised one


def equal(p: Array) -> Array:
    return p


def at_margin(p: Array) -> Array:
    return 2 * p + 0.001


def aborts(stream: Rollouts, alpha: float, *, history: int = HISTORY, safety: bool = False) -> tuple[Array, Any]:
    """At which interval (from 1) each rollout is aborted; `NEVER` if not."""
    judge = vector.VectorJudge(len(stream.m), vector.goal_of(alpha))
    found = np.full(len(stream.m), peers.NEVER)
    for t in range(stream.m.shape[1]):
        if t < history:
            judge.learn(stream.b[:, t], stream.n[:, t])
            continue
        judge.step(stream.m[:, t], stream.n[:, t], stream.a[:, t], stream.b[:, t], safety=safety)
        found[(found == peers.NEVER) & (judge.harm_peak >= judge.goal)] = t - history + 1
    return found, judge


def agrees(stream: Rollouts, judge: Any, alpha: float, *, safety: bool) -> bool:
    """Whether the shipped judge comes to the same evidence on the first rollouts."""
    policy = JudgePolicy(metrics=(MetricPolicy(name="m"),), alpha=alpha)
    for row in range(CHECKED):
        state = start(policy)
        for t in range(stream.m.shape[1]):
            state = update(state, interval(stream, row, t))
        track = state.tracks["m"]
        if abs(track.harm - judge.harm_peak[row]) > 1e-6:
            return False
        if safety and abs(track.safety - judge.safe_peak[row]) > 1e-5:
            return False
    return True


def interval(stream: Rollouts, row: int, t: int) -> Interval:
    seen = []
    if stream.m[row, t] or t >= HISTORY:
        bad, total = int(stream.a[row, t]), int(stream.m[row, t])
        seen.append(Observation(metric="m", side=Side.CANARY, bad=bad, total=total))
    bad, total = int(stream.b[row, t]), int(stream.n[row, t])
    seen.append(Observation(metric="m", side=Side.BASELINE, bad=bad, total=total))
    return Interval(t=float(t), observations=tuple(seen))


def upper(wrong: int, of: int, confidence: float = 0.99) -> float:
    """The one-sided upper confidence bound of a rate (Clopper and Pearson)."""
    low, high = wrong / of, 1.0
    for _ in range(60):
        rate = 0.5 * (low + high)
        if _at_most(wrong, of, rate) > 1.0 - confidence:
            low = rate
        else:
            high = rate
    return high


def _at_most(wrong: int, of: int, rate: float) -> float:
    if rate <= 0.0 or rate >= 1.0:
        return float(rate <= 0.0)
    total, log_choose = 0.0, 0.0
    for count in range(wrong + 1):
        total += math.exp(log_choose + count * math.log(rate) + (of - count) * math.log1p(-rate))
        log_choose += math.log(of - count) - math.log(count + 1) if count < of else 0.0
    return total


def guarantees(rollouts: int) -> dict[str, Any]:
    """False aborts and false safety in every cell.

    A cell whose bound is above alpha because the sample is too small to tell is measured once more, on other seeds
    and five times as many rollouts; that measurement alone then counts.
    """
    rows = []
    for number, (share, base, traffic, moves) in enumerate(product(SHARES, BASES, TRAFFIC, (False, True))):
        cell = Cell(share, base, traffic, moves)
        row = measure(cell, rollouts, number)
        if not row["held"] and row["agrees"]:
            row = measure(cell, 5 * rollouts, number + 20_000)
        rows.append(row)
        print(f"  {number + 1}/144 {row}", file=sys.stderr, flush=True)
    return {"rollouts": rollouts, "cells": rows, "broken": sum(not row["held"] for row in rows)}


def measure(cell: Cell, rollouts: int, seed: int) -> dict[str, Any]:
    """One cell: rates and their upper bounds for both error probabilities, and whether all held."""
    row: dict[str, Any] = {
        "share": cell.share,
        "base": cell.base,
        "traffic": cell.traffic,
        "weight changes": cell.moves,
    }
    row |= {"rollouts": rollouts, "agrees": True}
    stream = simulate(cell, rollouts, 1000 + seed, equal)
    for alpha in ALPHAS:
        found, judge = aborts(stream, alpha)
        note(row, f"aborts {alpha}", int((found != peers.NEVER).sum()), rollouts)
        row["agrees"] &= agrees(stream, judge, alpha, safety=False)
    stream = simulate(cell, rollouts, 5000 + seed, at_margin)
    _, judge = aborts(stream, 0.05, safety=True)
    row["agrees"] &= agrees(stream, judge, 0.05, safety=True)
    for beta in ALPHAS:
        note(row, f"safety {beta}", int((judge.safe_peak >= -math.log(beta)).sum()), rollouts)
    held = all(row[f"{what} {chance} upper"] <= chance for what in ("aborts", "safety") for chance in ALPHAS)
    return row | {"held": held and row["agrees"]}


def note(row: dict[str, Any], name: str, wrong: int, rollouts: int) -> None:
    row[name], row[f"{name} upper"] = round(wrong / rollouts, 6), round(upper(wrong, rollouts), 6)


def shows(rollouts: int) -> dict[str, Any]:
    """150 requests/s, 10 % canary, 1 % errors, 20 s of history, looked at every second for ten minutes."""
    history, rows = 20, []
    for rate in (0.01, *PROMISED):
        cell = Cell(0.1, 0.01, requests=150.0, intervals=600 if rate <= 0.03 else 120)
        stream = simulate(cell, rollouts, 77, lambda p, rate=rate: np.full_like(p, rate), history=history)
        found, _ = aborts(stream, 0.05, history=history)
        share = float((found != peers.NEVER).mean())
        median = None if share <= 0.5 else float(np.median(found))
        rows.append({"canary": rate, "aborted": share, "median_s": median, "promised_s": PROMISED.get(rate)})
    broken = sum(
        row["aborted"] > 0.05 if row["canary"] == 0.01 else row["median_s"] > row["promised_s"] for row in rows
    )
    return {"rollouts": rollouts, "rows": rows, "broken": broken}


def power(rollouts: int) -> dict[str, Any]:
    """Median time to abort beside the peers. Each peer as it comes, and tuned to the judge's rate of false aborts."""
    rows = []
    for number, (share, base) in enumerate(product((0.1, 0.5), (1e-3, 1e-2, 0.1))):
        cell = Cell(share, base)
        quiet = simulate(cell, rollouts, 9000 + number, equal)
        ours, _ = aborts(quiet, 0.05)
        aim = float((ours != peers.NEVER).mean())
        x, y = rates(quiet)
        as_it_comes = float((peers.kayenta(x, y, 0.98) != peers.NEVER).mean())
        level = tuned_level(x, y, aim)
        limit = tuned_limit(x, aim)
        for effect, change in EFFECTS.items():
            loud = simulate(cell, rollouts, 9500 + number, change)
            found, _ = aborts(loud, 0.05)
            x, y = rates(loud)
            rows.append(
                {
                    "share": share,
                    "base": base,
                    "effect": effect,
                    "false aborts": {"headgate": aim, "kayenta": as_it_comes, "tuned": aim},
                    "headgate": timing(found),
                    "kayenta": timing(peers.kayenta(x, y, 0.98)),
                    "kayenta tuned": timing(peers.kayenta(x, y, level)),
                    "threshold tuned": timing(peers.threshold(x, limit)),
                }
            )
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    return {"rollouts": rollouts, "rows": rows}


def rates(stream: Rollouts) -> tuple[Array, Array]:
    a, m, b, n = (one[:, HISTORY:] for one in (stream.a, stream.m, stream.b, stream.n))
    return a / np.maximum(m, 1), b / np.maximum(n, 1)


def tuned_level(x: Array, y: Array, aim: float) -> float:
    """The least confidence level at which Kayenta's test raises no more false alarms than `aim`."""
    low, high = 0.5, 1.0 - 1e-9
    for _ in range(9):
        level = 1.0 - math.sqrt((1.0 - low) * (1.0 - high))
        if (peers.kayenta(x, y, level) != peers.NEVER).mean() > aim:
            low = level
        else:
            high = level
    return high


def tuned_limit(x: Array, aim: float) -> float:
    """The least limit at which no more than `aim` of the rollouts have five rates above it."""
    fifth = np.sort(x, axis=1)[:, -5]
    return float(np.quantile(fifth, 1.0 - aim, method="higher"))


def timing(found: Array) -> dict[str, float | None]:
    share = float((found != peers.NEVER).mean())
    return {"aborted": share, "median": None if share <= 0.5 else float(np.median(found))}


def speed() -> dict[str, Any]:
    """One core: a metric's update, and 10 000 rollouts of 60 intervals (measured on a hundredth of them)."""
    stream = simulate(Cell(0.1, 0.01, requests=150.0), 100, 3, equal)
    policy = JudgePolicy(metrics=(MetricPolicy(name="m"),))
    many = [[interval(stream, row, t) for t in range(stream.m.shape[1])] for row in range(100)]
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        for intervals in many:
            state = start(policy)
            for one in intervals:
                state = update(state, one)
        best = min(best, time.process_time() - began)
    micros = 1e6 * best / sum(map(len, many))
    return {"update_us": micros, "ten_thousand_rollouts_s": best * 100, "broken": int(micros > 50.0)}


def tables(result: dict[str, Any]) -> str:
    lines: list[str] = []
    if "shows" in result:
        lines += ["| canary | aborted | median s | promised |", "|---|---|---|---|"]
        for row in result["shows"]["rows"]:
            median = "-" if row["median_s"] is None else f"{row['median_s']:.0f}"
            promised = "at most 5 %" if row["promised_s"] is None else f"at most {row['promised_s']} s"
            lines.append(f"| {100 * row['canary']:g} % | {100 * row['aborted']:.1f} % | {median} | {promised} |")
    if "guarantees" in result:
        lines += [
            "",
            "| share | base rate | false aborts, α 0.05 | α 0.01 | false safety, β 0.05 | β 0.01 |",
            "|---|---|---|---|---|---|",
        ]
        cells = result["guarantees"]["cells"]
        for share, base in product(SHARES, BASES):
            mine = [row for row in cells if row["share"] == share and row["base"] == base]
            worst = [
                f"{100 * max(r[f'{w} {a}'] for r in mine):.2f} % (≤ {100 * max(r[f'{w} {a} upper'] for r in mine):.2f})"
                for w in ("aborts", "safety")
                for a in ALPHAS
            ]
            lines.append(f"| {100 * share:g} % | {base:g} | " + " | ".join(worst) + " |")
    if "power" in result:
        names = ("headgate", "kayenta", "kayenta tuned", "threshold tuned")
        lines += [
            "",
            "| share | base | effect | false aborts: Headgate, Kayenta | " + " | ".join(names) + " |",
            "|---" * 8 + "|",
        ]
        for row in result["power"]["rows"]:
            times = [_time(row[name]) for name in names]
            wrong = row["false aborts"]
            lines.append(
                f"| {100 * row['share']:g} % | {100 * row['base']:g} % | {row['effect']} |"
                f" {100 * wrong['headgate']:.1f} %, {100 * wrong['kayenta']:.1f} % | " + " | ".join(times) + " |"
            )
    if "speed" in result:
        found = result["speed"]
        lines += [
            "",
            f"update: {found['update_us']:.0f} µs; 10 000 rollouts of 65 intervals: {found['ten_thousand_rollouts_s']:.0f} s",
        ]
    return "\n".join(lines)


def _time(found: dict[str, float | None]) -> str:
    median, share = found["median"], found["aborted"] or 0.0
    return f"{10 * median:.0f} s ({100 * share:.0f} %)" if median is not None else f"- ({100 * share:.0f} %)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="shows,guarantees,power,speed")
    options = parser.parse_args()
    wanted = options.only.split(",")
    result: dict[str, Any] = {}
    if "shows" in wanted:
        result["shows"] = shows(2_000)
    if "guarantees" in wanted:
        result["guarantees"] = guarantees(options.rollouts)
    if "power" in wanted:
        result["power"] = power(min(options.rollouts, 1_000))
    if "speed" in wanted:
        result["speed"] = speed()
    print(tables(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    broken = sum(part.get("broken", 0) for part in result.values())
    print(f"\npromises broken: {broken}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
