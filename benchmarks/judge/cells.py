"""How often the judge is wrong: false aborts and false safety in every cell, for each kind of metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import vector
from streams import HISTORY, Cell, Histograms, Rollouts, simulate, simulate_histograms

from deployments.analysis.judge import (
    Interval,
    JudgePolicy,
    Kind,
    MetricPolicy,
    Observation,
    Side,
    State,
    start,
    update,
)

Array = np.ndarray
CHANCES = (0.05, 0.01)
SHARES = (0.01, 0.05, 0.1, 0.5)
BASES = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3)
TRAFFIC = ("constant", "daily", "bursty")
TAILS = (0.6, 0.3, 0.1, 0.03, 0.004)  # parts of the baseline's events beyond the edges of its histogram
EDGES = (2, 4)  # where 0.3 and 0.03 lie beyond: the edges that the judge chooses
ALIKE = (0.0, 0.5, 0.8)  # how much neighbouring values of a gauge resemble each other
CHECKED = 3  # rollouts of each cell that the shipped judge must agree on with the vectorised one


@dataclass(frozen=True)
class Task:
    """One cell of one kind. `alike` is for gauges."""

    kind: str
    cell: Cell
    number: int
    alike: float = 0.0


def tasks(kinds: Iterable[str]) -> Iterator[Task]:
    """Every cell. Ratios: all shares, base rates, courses of traffic, with and without a change of the weight."""
    number = 0
    for kind in kinds:
        for cell, alike in _CELLS[kind]():
            yield Task(kind, cell, number, alike)
            number += 1


def guarantees(rollouts: int, kinds: Iterable[str], pool: Executor, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every cell.

    A cell whose bound is above the chance because the sample is too small to tell is measured once more, on other
    seeds and five times as many rollouts; that measurement alone then counts.
    """
    every = list(tasks(kinds))
    rows = []
    for done, row in enumerate(pool.map(_measured, every, [rollouts] * len(every)), start=1):
        rows.append(row)
        say(f"{done}/{len(every)} {row}")
    return {"rollouts": rollouts, "cells": rows, "broken": sum(not row["held"] for row in rows)}


def _measured(task: Task, rollouts: int) -> dict[str, Any]:
    row = measure(task, rollouts, task.number)
    if not row["held"] and row["agrees"]:
        row = measure(task, 5 * rollouts, task.number + 20_000)
    return row


def measure(task: Task, rollouts: int, seed: int) -> dict[str, Any]:
    """One cell: rates and their upper bounds for both errors at both chances, and whether all held."""
    cell = task.cell
    row: dict[str, Any] = {"kind": task.kind, "share": cell.share, "base": cell.base, "traffic": cell.traffic}
    row |= {"weight changes": cell.moves, "alike": task.alike, "rollouts": rollouts, "agrees": True}
    for what, number, agrees in _KINDS[task.kind](task, rollouts, seed):
        row["agrees"] &= agrees
        row[what], row[f"{what} upper"] = round(number / rollouts, 6), round(upper(number, rollouts), 6)
    held = all(row[f"{what} {chance} upper"] <= chance for what in ("aborts", "safety") for chance in CHANCES)
    return row | {"held": held and row["agrees"]}


_NEAR = 1e-5  # log E-values that are further apart are not the same (the roots of margins are found to 1e-12)
Counted = Iterator[tuple[str, int, bool]]


def _ratio(task: Task, rollouts: int, seed: int) -> Counted:
    stream = simulate(task.cell, rollouts, 1000 + seed, lambda p: p)
    for chance in CHANCES:
        judge = follow(stream, chance)
        yield f"aborts {chance}", _reached(judge.harm_peak, chance), _agrees(judge, chance, stream, ratio_interval)
    stream = simulate(task.cell, rollouts, 5000 + seed, lambda p: 2 * p + 0.001)
    judge = follow(stream, 0.05, safety=True)
    same = _agrees(judge, 0.05, stream, ratio_interval, safety=True)
    for chance in CHANCES:
        yield f"safety {chance}", _reached(judge.safe_peak, chance), same


def _count(task: Task, rollouts: int, seed: int) -> Counted:
    stream = simulate(task.cell, rollouts, 1000 + seed, lambda p: p)
    for chance in CHANCES:
        judge = _counts(stream, chance)
        same = _agrees(judge, chance, stream, count_interval, kind=Kind.COUNT)
        yield f"aborts {chance}", _reached(judge.harm_peak, chance), same
    stream = simulate(task.cell, rollouts, 5000 + seed, lambda p: 2 * p)
    judge = _counts(stream, 0.05)
    same = _agrees(judge, 0.05, stream, count_interval, kind=Kind.COUNT, safety=True)
    for chance in CHANCES:
        yield f"safety {chance}", _reached(judge.safe_peak, chance), same


def _histogram(task: Task, rollouts: int, seed: int) -> Counted:
    stream = simulate_histograms(task.cell, rollouts, 1000 + seed, TAILS, lambda p: p)
    for chance in CHANCES:
        judge = _tails(stream, chance, safety=False)
        same = _agrees(judge, chance, stream, histogram_interval, kind=Kind.HISTOGRAM)
        yield f"aborts {chance}", _reached(judge.harm_peak, chance), same
    stream = simulate_histograms(task.cell, rollouts, 5000 + seed, TAILS, _at_the_margin)
    judge = _tails(stream, 0.05, safety=True)
    same = _agrees(judge, 0.05, stream, histogram_interval, kind=Kind.HISTOGRAM, safety=True)
    for chance in CHANCES:
        yield f"safety {chance}", _reached(judge.safe_peak, chance), same


def _at_the_margin(tails: Array) -> Array:
    return np.minimum(2.0 * tails + 0.001, 0.999)


def _gauge(task: Task, rollouts: int, seed: int) -> Counted:
    """The shipped judge itself: gauges are cheap. Values 100 +- 5, the margin a quarter more."""
    known = 60 if task.kind == "gauge" else 20
    for what, factor, field in (("aborts", 1.0, "harm"), ("safety", 1.25, "safety")):
        rng = np.random.default_rng(seed + (1000 if what == "aborts" else 5000))
        arms = [factor * _values(rng, rollouts, task, known), _values(rng, rollouts, task, known)]
        peaks = np.array([getattr(_gauge_state(*rows, known, task).tracks["m"], field) for rows in zip(*arms)])  # noqa: B905
        for chance in CHANCES:
            yield f"{what} {chance}", _reached(peaks, chance), True


def _values(rng: np.random.Generator, rollouts: int, task: Task, known: int) -> Array:
    """Lognormal values whose neighbours have the correlation `alike` (of their logarithms); heavy to the right."""
    noise = rng.standard_normal((rollouts, known + task.cell.intervals))
    for t in range(1, noise.shape[1]):
        noise[:, t] = task.alike * noise[:, t - 1] + math.sqrt(1.0 - task.alike**2) * noise[:, t]
    return 100.0 * np.exp(0.05 * noise)


def _gauge_state(canary: Array, baseline: Array, known: int, task: Task) -> State:
    state = start(JudgePolicy(metrics=(MetricPolicy(name="m", kind=Kind.GAUGE),)))
    for t in range(len(canary)):
        state = update(state, _gauge_interval(t, canary, baseline, known, task))
    return state


def _gauge_interval(t: int, canary: Array, baseline: Array, known: int, task: Task) -> Interval:
    seen = []
    if t >= known:
        seen.append(Observation(metric="m", side=Side.CANARY, value=float(canary[t])))
    if t < known or task.kind == "gauge":
        seen.append(Observation(metric="m", side=Side.BASELINE, value=float(baseline[t])))
    return Interval(t=float(t), observations=tuple(seen))


def gauge_intervals(rollouts: int, known: int) -> list[list[Interval]]:
    """Rollouts of a gauge in pairs."""
    task, rng = Task("gauge", Cell(0.5, 0.0), 0, 0.5), np.random.default_rng(3)
    arms = [_values(rng, rollouts, task, known) for _ in range(2)]
    return [
        [_gauge_interval(t, canary, baseline, known, task) for t in range(len(canary))]
        for canary, baseline in zip(*arms, strict=True)
    ]


def follow(stream: Rollouts, alpha: float, *, history: int = HISTORY, safety: bool = False) -> vector.VectorJudge:
    """The judge of bad of total after the last interval."""
    judge = vector.VectorJudge(len(stream.m), vector.goal_of(alpha))
    for _ in steps(judge, stream, history, safety=safety):
        pass
    return judge


def steps(judge: vector.VectorJudge, stream: Rollouts, history: int, *, safety: bool = False) -> Iterator[int]:
    """Feed it interval by interval; gives the number of the canary's interval (from 1) after each."""
    for t in range(stream.m.shape[1]):
        if t < history:
            judge.learn(stream.b[:, t], stream.n[:, t])
            continue
        judge.step(stream.m[:, t], stream.n[:, t], stream.a[:, t], stream.b[:, t], safety=safety)
        yield t - history + 1


def _counts(stream: Rollouts, alpha: float) -> vector.VectorCounts:
    judge = vector.VectorCounts(len(stream.m), vector.goal_of(alpha))
    for t in range(HISTORY, stream.m.shape[1]):
        judge.step(stream.a[:, t], stream.b[:, t], float(stream.share[t]))
    return judge


def _tails(stream: Histograms, alpha: float, *, safety: bool) -> vector.VectorHistogram:
    judge = vector.VectorHistogram(len(stream.canary), vector.goal_of(alpha), EDGES)
    for t in range(stream.canary.shape[1]):
        if t < HISTORY:
            judge.learn(stream.baseline[:, t])
        else:
            judge.step(stream.canary[:, t], stream.baseline[:, t], safety=safety)
    return judge


def _reached(peaks: Array, chance: float) -> int:
    return int((peaks >= -math.log(chance)).sum())


def _agrees(
    judge: Any,
    alpha: float,
    stream: Any,
    interval: Callable[[Any, int, int], Interval],
    *,
    kind: Kind = Kind.RATIO,
    safety: bool = False,
) -> bool:
    """Whether the shipped judge comes to the same evidence on the first rollouts."""
    policy = JudgePolicy(metrics=(MetricPolicy(name="m", kind=kind),), alpha=alpha)
    length = stream.m.shape[1] if isinstance(stream, Rollouts) else stream.canary.shape[1]
    for row in range(min(CHECKED, len(judge.harm_peak))):
        state = start(policy)
        for t in range(length):
            state = update(state, interval(stream, row, t))
        track = state.tracks["m"]
        mine, theirs = (track.safety, judge.safe_peak[row]) if safety else (track.harm, judge.harm_peak[row])
        if not abs(mine - theirs) <= _NEAR:
            return False
    return True


def ratio_interval(stream: Rollouts, row: int, t: int) -> Interval:
    """One interval of one rollout as the shipped judge takes it."""
    seen = []
    if stream.m[row, t] or t >= HISTORY:
        bad, total = int(stream.a[row, t]), int(stream.m[row, t])
        seen.append(Observation(metric="m", side=Side.CANARY, bad=bad, total=total))
    bad, total = int(stream.b[row, t]), int(stream.n[row, t])
    seen.append(Observation(metric="m", side=Side.BASELINE, bad=bad, total=total))
    return Interval(t=float(t), observations=tuple(seen))


def count_interval(stream: Rollouts, row: int, t: int) -> Interval:
    sides = ((Side.CANARY, stream.a), (Side.BASELINE, stream.b)) if t >= HISTORY else ((Side.BASELINE, stream.b),)
    seen = tuple(Observation(metric="m", side=side, n=int(counts[row, t])) for side, counts in sides)
    return Interval(t=float(t), observations=seen, share=float(stream.share[t]))


def histogram_interval(stream: Histograms, row: int, t: int) -> Interval:
    both = ((Side.CANARY, stream.canary), (Side.BASELINE, stream.baseline))
    sides = both if t >= HISTORY else both[1:]
    seen = tuple(
        Observation(metric="m", side=side, buckets=tuple(float(n) for n in counts[row, t])) for side, counts in sides
    )
    return Interval(t=float(t), observations=seen)


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


def _ratio_cells() -> Iterator[tuple[Cell, float]]:
    for share, base, traffic, moves in product(SHARES, BASES, TRAFFIC, (False, True)):
        yield Cell(share, base, traffic, moves), 0.0


def _count_cells() -> Iterator[tuple[Cell, float]]:
    for share, base, traffic, moves in product(SHARES, (1e-4, 1e-2), TRAFFIC, (False, True)):
        yield Cell(share, base, traffic, moves), 0.0


def _histogram_cells() -> Iterator[tuple[Cell, float]]:
    for share, traffic in product(SHARES, TRAFFIC):
        yield Cell(share, TAILS[-1], traffic, moves=True), 0.0


def _gauge_cells() -> Iterator[tuple[Cell, float]]:
    for alike in ALIKE:
        yield Cell(0.5, 0.0), alike


def _history_cells() -> Iterator[tuple[Cell, float]]:
    yield Cell(0.5, 0.0, intervals=20), 0.0


_CELLS: dict[str, Callable[[], Iterator[tuple[Cell, float]]]] = {
    "ratio": _ratio_cells,
    "count": _count_cells,
    "histogram": _histogram_cells,
    "gauge": _gauge_cells,
    "gauge against history": _history_cells,
}
_KINDS: dict[str, Callable[[Task, int, int], Counted]] = {
    "ratio": _ratio,
    "count": _count,
    "histogram": _histogram,
    "gauge": _gauge,
    "gauge against history": _gauge,
}
KINDS = tuple(_KINDS)
