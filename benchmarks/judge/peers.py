"""The other judges, re-implemented from their published rules, on the same streams.

Kayenta (NetflixACAJudge 1.0): per metric a Mann-Whitney test of the canary's points against the baseline's, confidence
level 0.98; the metric is High where the lower end of the interval of the Hodges-Lehmann shift is above 0.25 of the
shift itself. As in its sources (MannWhitney.scala, after R's wilcox.test): ties get average ranks, the variance is
corrected for them, the statistic for continuity, equal points are a Pass, and ends are found by a solver with an
absolute tolerance of 1e-4. Where every point is tied it can't compute, which raises no alarm.

Flagger: an interval fails where the canary's success rate is below a threshold; after 5 failed ones it is aborted.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

Array = np.ndarray
_SOLVER = 1e-4
_TOLERANCE = 0.25
NEVER = np.iinfo(np.int64).max


def kayenta(canary: Array, baseline: Array, level: float, every: int = 5) -> Array:
    """The look (number of intervals) at which each rollout is aborted; rates are rollouts by intervals."""
    rollouts, length = canary.shape
    aborted = np.full(rollouts, NEVER)
    for look in range(every, length + 1, every):
        open_ = np.flatnonzero(aborted == NEVER)
        for part in np.array_split(open_, max(1, open_.size // 500)):
            if part.size:
                high = _is_high(canary[part, :look], baseline[part, :look], level)
                aborted[part[high]] = look
    return aborted


def _is_high(x: Array, y: Array, level: float) -> Array:
    size = x.shape[1]
    shifts = (x[:, :, None] - y[:, None, :]).reshape(len(x), -1)
    shifts.sort(axis=1)
    x, y = np.sort(x, axis=1), np.sort(y, axis=1)
    # Points of one arm stay tied whatever the shift; those of different arms are tied at single shifts only.
    tied = (_ties(x) + _ties(y)) / (2 * size * (2 * size - 1))
    spread = np.sqrt(size * size / 12.0 * np.maximum(2 * size + 1 - tied, 0.0))
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    lower, middle = _root(shifts, z * spread + 0.5), _root(shifts, np.zeros(len(x)))
    return (x != y).any(axis=1) & (spread > 0.0) & (lower > _TOLERANCE * np.abs(middle))


def _ties(ordered: Array) -> Array:
    """The sum of t**3 - t over groups of t equal points of each row."""
    new = np.concatenate([np.ones((len(ordered), 1), bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    group = np.cumsum(new, axis=1) - 1 + np.arange(len(ordered))[:, None] * ordered.shape[1]
    sizes = np.bincount(group.ravel(), minlength=ordered.size).reshape(ordered.shape).astype(float)
    return (sizes**3 - sizes).sum(axis=1)


def _root(shifts: Array, wanted: Array) -> Array:
    """Where the rank sum of the shifted points is `wanted` above its mean: bisection down to the solver's tolerance."""
    low, high = shifts[:, 0].copy(), shifts[:, -1].copy()
    half = shifts.shape[1] / 2.0
    at = np.clip((half - wanted).astype(int), 0, shifts.shape[1] - 1)
    exact = shifts[np.arange(len(shifts)), at]  # where the rank sum crosses; a solver ends within its tolerance of it
    while (high - low).max() > _SOLVER:
        middle = 0.5 * (low + high)
        above = exact > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)


def threshold(canary: Array, limit: float, failures: int = 5) -> Array:
    """The interval (from 1) at which each rollout has had `failures` rates above `limit`."""
    failed = np.cumsum(canary > limit, axis=1) >= failures
    return np.where(failed.any(axis=1), failed.argmax(axis=1) + 1, NEVER)
