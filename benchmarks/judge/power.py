"""How soon the judge is right: on the issue's traffic, and beside the other judges on the same streams."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import product
from typing import Any

import numpy as np
import peers
import vector
from cells import steps
from streams import HISTORY, Cell, Rollouts, simulate

Array = np.ndarray
ALPHA = 0.05
EFFECTS: dict[str, Any] = {
    "+0.5 points": lambda p: p + 0.005,
    "+1 point": lambda p: p + 0.01,
    "+5 points": lambda p: p + 0.05,
    "x2": lambda p: 2 * p,
    "x5": lambda p: 5 * p,
}
PROMISED = {0.10: 3, 0.05: 7, 0.03: 19, 0.02: 63}
PEERS = ("kayenta", "kayenta tuned", "threshold tuned")


def shows(rollouts: int, pool: Executor) -> dict[str, Any]:
    """150 requests/s, 10 % canary, 1 % errors, 20 s of history, looked at every second for ten minutes."""
    rates = (0.01, *PROMISED)
    rows = list(pool.map(_shown, rates, [rollouts] * len(rates)))
    broken = sum(row["aborted"] > ALPHA if row["promised_s"] is None else not _kept(row) for row in rows)
    return {"rollouts": rollouts, "rows": rows, "broken": broken}


def _kept(row: dict[str, Any]) -> bool:
    return row["median_s"] is not None and row["median_s"] <= row["promised_s"]


def _shown(rate: float, rollouts: int) -> dict[str, Any]:
    cell = Cell(0.1, 0.01, requests=150.0, intervals=600)
    stream = simulate(cell, rollouts, 77, lambda p: np.full_like(p, rate), history=20)
    found = aborts(stream, ALPHA, history=20)
    return {"canary": rate, "promised_s": PROMISED.get(rate)} | _timing(found, "median_s")


def compare(rollouts: int, pool: Executor, say: Callable[[str], None]) -> dict[str, Any]:
    """Median time to abort beside the peers. Each peer as it comes, and tuned to the judge's rate of false aborts.

    Broken if the judge is not ahead of a peer in most of the cells.
    """
    cells = list(product((0.1, 0.5), (1e-3, 1e-2, 0.1)))
    rows = []
    for found in pool.map(_compared, range(len(cells)), cells, [rollouts] * len(cells)):
        rows += found
        for row in found:
            say(str(row))
    ahead = {peer: sum(_sooner(row["headgate"], row[peer]) for row in rows) for peer in PEERS}
    behind = {peer: sum(_sooner(row[peer], row["headgate"]) for row in rows) for peer in PEERS}
    broken = sum(2 * count <= len(rows) for count in ahead.values())
    return {"rollouts": rollouts, "rows": rows, "ahead": ahead, "behind": behind, "broken": broken}


def _sooner(one: dict[str, Any], other: dict[str, Any]) -> bool:
    mine, theirs = one["median"], other["median"]
    return mine is not None and (theirs is None or mine < theirs)


def _compared(number: int, cell: tuple[float, float], rollouts: int) -> list[dict[str, Any]]:
    share, base = cell
    quiet = simulate(Cell(share, base), rollouts, 9000 + number, lambda p: p)
    aim = float((aborts(quiet, ALPHA) != peers.NEVER).mean())
    x, y = _rates(quiet)
    level, limit = _tuned_level(x, y, aim), _tuned_limit(x, aim)
    judges: dict[str, Callable[[Array, Array], Array]] = {
        "kayenta": lambda x, y: peers.kayenta(x, y, 0.98),
        "kayenta tuned": lambda x, y: peers.kayenta(x, y, level),
        "threshold tuned": lambda x, y: peers.threshold(x, limit),  # noqa: ARG005 - it looks at the canary alone
    }
    wrong = {"headgate": aim} | {name: float((judge(x, y) != peers.NEVER).mean()) for name, judge in judges.items()}
    rows = []
    for effect, change in EFFECTS.items():
        loud = simulate(Cell(share, base), rollouts, 9500 + number, change)
        x, y = _rates(loud)
        row: dict[str, Any] = {"share": share, "base": base, "effect": effect, "false aborts": wrong}
        row["headgate"] = _timing(aborts(loud, ALPHA), "median")
        rows.append(row | {name: _timing(judge(x, y), "median") for name, judge in judges.items()})
    return rows


def aborts(stream: Rollouts, alpha: float, *, history: int = HISTORY) -> Array:
    """At which interval (from 1) each rollout is aborted; `NEVER` if not."""
    judge = vector.VectorJudge(len(stream.m), vector.goal_of(alpha))
    found = np.full(len(stream.m), peers.NEVER)
    for number in steps(judge, stream, history):
        found[(found == peers.NEVER) & (judge.harm_peak >= judge.goal)] = number
    return found


def _rates(stream: Rollouts) -> tuple[Array, Array]:
    a, m, b, n = (one[:, HISTORY:] for one in (stream.a, stream.m, stream.b, stream.n))
    return a / np.maximum(m, 1), b / np.maximum(n, 1)


def _tuned_level(x: Array, y: Array, aim: float) -> float:
    """The least confidence level at which Kayenta's test raises no more false alarms than `aim`."""
    low, high = 0.5, 1.0 - 1e-9
    for _ in range(9):
        level = 1.0 - math.sqrt((1.0 - low) * (1.0 - high))
        if (peers.kayenta(x, y, level) != peers.NEVER).mean() > aim:
            low = level
        else:
            high = level
    return high


def _tuned_limit(x: Array, aim: float) -> float:
    """The least limit at which no more than `aim` of the rollouts have five rates above it."""
    fifth = np.sort(x, axis=1)[:, -5]
    return float(np.quantile(fifth, 1.0 - aim, method="higher"))


def _timing(found: Array, name: str) -> dict[str, float | None]:
    share = float((found != peers.NEVER).mean())
    return {"aborted": share, name: None if share <= 0.5 else float(np.median(found))}
