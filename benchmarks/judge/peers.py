"""The other judges, re-implemented from their published rules, on the same streams.

Kayenta (NetflixACAJudge): per metric a Mann-Whitney test of the canary's points against the baseline's, confidence
level 0.98; the metric is High where the lower end of the interval of the Hodges-Lehmann shift is above 0.25 of the
shift itself. The interval's ends are found by a solver with an absolute tolerance of 1e-4, as in its sources. The
correction of the variance for ties is left out.

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
    spread = np.sqrt(size * size * (2 * size + 1) / 12.0)
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    lower, middle = _root(shifts, z * spread + 0.5), _root(shifts, 0.0)
    different = (np.sort(x, axis=1) != np.sort(y, axis=1)).any(axis=1)
    return different & (lower > _TOLERANCE * np.abs(middle))


def _root(shifts: Array, wanted: float) -> Array:
    """Where the rank sum of the shifted points is `wanted` above its mean: bisection down to the solver's tolerance."""
    low, high = shifts[:, 0].copy(), shifts[:, -1].copy()
    half = shifts.shape[1] / 2.0
    rows = np.arange(len(shifts))
    at = np.clip(int(half - wanted), 0, shifts.shape[1] - 1)
    exact = shifts[rows, at]  # the step at which the rank sum crosses; bisection would end within the tolerance of it
    while (high - low).max() > _SOLVER:
        middle = 0.5 * (low + high)
        above = exact > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)


def threshold(canary: Array, limit: float, failures: int = 5) -> Array:
    """The interval (from 1) at which each rollout has had `failures` rates above `limit`."""
    failed = np.cumsum(canary > limit, axis=1) >= failures
    return np.where(failed.any(axis=1), failed.argmax(axis=1) + 1, NEVER)
