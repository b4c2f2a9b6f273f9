"""How small a regression the judge sees, and how soon: by simulating rollouts and judging them. Pure, seeded.

No formula: what is measured is the judge itself, with its learning and its looks after every interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random

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
from gates.verdict import Outcome

_METRIC = "bad"
_EXACT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a step will be like: `rate` events a second over both arms, `weight` percent of them to the canary.

    `base` is the baseline's share of bad events; the step is looked at every `interval_s` for `within_s` at most,
    after `history_s` of the baseline alone. `metrics` tests share alpha.
    """

    rate: float
    weight: float
    base: float
    within_s: float = 600.0
    interval_s: float = 5.0
    history_s: float = 0.0
    alpha: float = 0.05
    beta: float = 0.05
    metrics: int = 1
    max_ratio_increase: float = 0.0
    max_absolute_increase: float = 0.0
    margin_ratio: float | None = None
    margin_absolute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened to `runs` simulated canaries with a share `bad` of bad events.

    `failed` and `passed` are shares of the runs; the times are medians and 90th percentiles over all runs, seconds
    since the canary began (None: so many did not get there within the step).
    """

    bad: float
    runs: int
    failed: float
    passed: float
    fail_median_s: float | None
    fail_p90_s: float | None
    pass_median_s: float | None
    pass_p90_s: float | None


def simulate(traffic: Traffic, bad: float, *, runs: int, seed: int) -> Seen:
    """Judge `runs` canaries whose share of bad events is `bad`. The same seed gives the same answer."""
    random = Random(f"{seed}/{bad!r}")  # noqa: S311 - a simulation
    ends = [_run(traffic, bad, random) for _ in range(runs)]
    fails = sorted(at for outcome, at in ends if outcome is Outcome.FAIL)
    passes = sorted(at for outcome, at in ends if outcome is Outcome.PASS)
    return Seen(
        bad=bad,
        runs=runs,
        failed=len(fails) / runs,
        passed=len(passes) / runs,
        fail_median_s=_quantile(fails, runs, 0.5),
        fail_p90_s=_quantile(fails, runs, 0.9),
        pass_median_s=_quantile(passes, runs, 0.5),
        pass_p90_s=_quantile(passes, runs, 0.9),
    )


def smallest(traffic: Traffic, *, share: float, runs: int, seed: int) -> Seen | None:
    """The smallest share of bad events (to about 5 %) that is failed in at least `share` of the runs within the step.

    None where not even a canary with nothing but bad events is.
    """
    found = simulate(traffic, 1.0, runs=max(20, runs // 4), seed=seed)
    if found.failed < share:
        return None
    low, high = max(traffic.base, 1e-9), 1.0
    while high / low > 1.05 and high - low > 1e-7:
        middle = math.sqrt(low * high)
        seen = simulate(traffic, middle, runs=runs, seed=seed)
        if seen.failed >= share:
            high, found = middle, seen
        else:
            low = middle
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What would be seen of an equal canary and of regressions; `smallest` by the share of runs that see it in time."""

    traffic: Traffic
    runs: int
    seed: int
    rows: tuple[tuple[str, Seen], ...]
    smallest: tuple[tuple[float, Seen | None], ...]

    def document(self) -> dict[str, object]:
        """The report as JSON-able values."""
        return {
            "traffic": asdict(self.traffic),
            "runs": self.runs,
            "seed": self.seed,
            "canaries": [{"canary": name} | asdict(seen) for name, seen in self.rows],
            "smallest": [
                {"seen_in": share, "bad": None if seen is None else seen.bad, "median_s": seen and seen.fail_median_s}
                for share, seen in self.smallest
            ],
        }


def power_report(traffic: Traffic, *, runs: int, seed: int) -> Report:
    """Simulate an equal canary, factors and differences; and look for the smallest regression that is seen in time."""
    cases: dict[str, float] = {"equal": traffic.base}
    cases |= {f"x {factor:g}": traffic.base * factor for factor in (1.5, 2, 5)}
    cases |= {f"+ {points:g} points": traffic.base + points / 100 for points in (0.5, 1, 5)}
    rows = tuple(
        (name, simulate(traffic, bad, runs=runs, seed=seed))
        for name, bad in cases.items()
        if bad < 1 and (name == "equal" or bad > traffic.base)
    )
    found = tuple((share, smallest(traffic, share=share, runs=runs, seed=seed)) for share in (0.5, 0.8, 0.95))
    return Report(traffic=traffic, runs=runs, seed=seed, rows=rows, smallest=found)


def power_text(report: Report) -> str:
    """The report as a table."""
    traffic = report.traffic
    lines = [
        (
            f"{traffic.rate:g}/s, {traffic.weight:g} % to the canary, {100 * traffic.base:.3g} % bad on the baseline,"
            f" looked at every {traffic.interval_s:g} s for {traffic.within_s:g} s; {report.runs} simulated rollouts each"
        ),
        "",
        f"{'CANARY':<14}{'BAD':>9}{'FAIL':>8}{'MEDIAN':>9}{'90 %':>9}{'PASS':>8}{'MEDIAN':>9}{'90 %':>9}",
    ]
    for name, seen in report.rows:
        lines.append(
            f"{name:<14}{100 * seen.bad:>7.3g} %{100 * seen.failed:>6.0f} %{_s(seen.fail_median_s)}{_s(seen.fail_p90_s)}"
            f"{100 * seen.passed:>6.0f} %{_s(seen.pass_median_s)}{_s(seen.pass_p90_s)}"
        )
    lines.append("")
    for share, found in report.smallest:
        what = f"nothing is seen in {100 * share:.0f} % of the rollouts within {traffic.within_s:g} s"
        if found is not None:
            times = f", {found.bad / traffic.base:.3g} times the baseline" if traffic.base else ""
            what = f"seen in {100 * share:.0f} % of the rollouts: {100 * found.bad:.3g} % bad or more{times}"
        lines.append(what)
    return "\n".join(lines)


def _s(seconds: float | None) -> str:
    return f"{'-':>9}" if seconds is None else f"{seconds:>7.4g} s"


def _run(traffic: Traffic, bad: float, random: Random) -> tuple[Outcome, float]:
    state = start(_policy(traffic))
    part = traffic.weight / 100
    before = math.ceil(traffic.history_s / traffic.interval_s)
    for at in range(before):
        state = _feed(state, (at - before + 1) * traffic.interval_s, None, _arm(traffic, 1.0, traffic.base, random))
    for at in range(1, math.floor(traffic.within_s / traffic.interval_s) + 1):
        t = at * traffic.interval_s
        canary, base = _arm(traffic, part, bad, random), _arm(traffic, 1 - part, traffic.base, random)
        state = _feed(state, t, canary, base)
        track = state.tracks[_METRIC]  # `verdict` would explain itself at every look
        if track.harm_at is not None or track.pass_at is not None:
            return (Outcome.PASS if track.harm_at is None else Outcome.FAIL), t
    return Outcome.INCONCLUSIVE, traffic.within_s


def _policy(traffic: Traffic) -> JudgePolicy:
    metric = MetricPolicy(
        name=_METRIC,
        kind=Kind.RATIO,
        max_ratio_increase=traffic.max_ratio_increase,
        max_absolute_increase=traffic.max_absolute_increase,
        margin_ratio=traffic.margin_ratio,
        margin_absolute=traffic.margin_absolute,
    )
    return JudgePolicy(metrics=(metric,), alpha=traffic.alpha / traffic.metrics, beta=traffic.beta, arms_distinct=True)


def _feed(state: State, t: float, canary: tuple[int, int] | None, base: tuple[int, int]) -> State:
    sides = ((Side.CANARY, canary), (Side.BASELINE, base))
    observations = tuple(
        Observation(metric=_METRIC, side=side, bad=float(arm[0]), total=float(arm[1])) for side, arm in sides if arm
    )
    return update(state, Interval(t=t, observations=observations))


def _arm(traffic: Traffic, part: float, bad: float, random: Random) -> tuple[int, int]:
    total = _poisson(traffic.rate * traffic.interval_s * part, random)
    return binomial(total, bad, random), total


def binomial(n: int, p: float, random: Random) -> int:
    """A binomial number; exact while n p or n (1 - p) is small, from the normal distribution where both are large."""
    if p > 0.5:
        return n - binomial(n, 1 - p, random)
    if p <= 0 or n == 0:
        return 0
    if n * p > _EXACT:
        return min(n, max(0, round(random.gauss(n * p, math.sqrt(n * p * (1 - p))))))
    return _leaps(lambda: math.floor(math.log(1 - random.random()) / math.log1p(-p)) + 1, n)


def _leaps(leap: Callable[[], int], n: int) -> int:
    """How many leaps of random length fit into n: each is the distance to the next success."""
    count, at = 0, leap()
    while at <= n:
        count, at = count + 1, at + leap()
    return count


def _poisson(mean: float, random: Random) -> int:
    if mean > _EXACT:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    count, left = 0, mean
    while (left := left - random.expovariate(1.0)) > 0:
        count += 1
    return count


def _quantile(times: list[float], runs: int, share: float) -> float | None:
    """The time by which `share` of all runs were decided; None when fewer were."""
    if len(times) < share * runs:
        return None
    return times[max(0, math.ceil(share * runs) - 1)]
