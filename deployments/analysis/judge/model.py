"""What the judge takes and gives: policies, intervals, its state, evidence and verdicts. Frozen values, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gates.verdict import Outcome


class Side(StrEnum):
    """The two arms of a comparison."""

    CANARY = "canary"
    BASELINE = "baseline"


class Kind(StrEnum):
    """What a metric counts, and so which test fits it.

    `ratio`: bad of total (errors of requests, rejected of processed rows). `count`: events without a total; the share
    of the traffic that the canary had must be known. `histogram`: events per bucket, low to high. `gauge`: values
    (duration, memory, rows, freshness).
    """

    RATIO = "ratio"
    COUNT = "count"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Worse(StrEnum):
    """The direction in which a gauge gets worse: `higher` (duration, freshness), `lower` (rows)."""

    HIGHER = "higher"
    LOWER = "lower"


class Pairing(StrEnum):
    """What a gauge of the canary is compared with.

    `same_interval`: the baseline's value of the same interval. `history`: the baseline's values before the canary
    (batch jobs). `auto`: the first if the canary's first interval has a baseline, else the second.
    """

    AUTO = "auto"
    SAME_INTERVAL = "same_interval"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPolicy:
    """How one metric is judged.

    Tolerated is a canary up to `baseline * (1 + max_ratio_increase) + max_absolute_increase` (rates of bad events,
    events per unit of traffic, or values; both at 0: no worse than the baseline). Beyond it is harm.

    PASS needs evidence against a canary that is worse than the tolerated by a factor of `1 + margin_ratio` plus
    `margin_absolute`; something as small as the tolerance itself can't be ruled out by any amount of data.
    None takes a default for the kind: ratios, counts and histograms 1.0 (a doubling), gauges 0.25; and 0.001 absolute
    for ratios and histograms, so that two arms without any error can pass.

    `min_total` events (requests; for counts bad events, for gauges values) per arm and `min_intervals` intervals are
    required before PASS; FAIL needs none, because its error is bounded from the first event on.
    `share`: the canary's part of the traffic, 0 to 1, where an interval does not say it (only for counts).
    `slo_index`: for histograms, buckets from this index on are too slow; None tests several tails of the distribution.
    `share_from`: a ratio or histogram whose totals give that share instead.
    `thin_s`: a gauge's values nearer than this to the last used one are left out: neighbours that resemble each
    other would count as evidence twice. None finds out from the values how far apart they must be; 0 uses all.
    `weight`: this metric's part of alpha, relative to the others.
    """

    name: str
    kind: Kind = Kind.RATIO
    max_ratio_increase: float = 0.0
    max_absolute_increase: float = 0.0
    margin_ratio: float | None = None
    margin_absolute: float | None = None
    worse: Worse = Worse.HIGHER
    slo_index: int | None = None
    share: float | None = None
    share_from: str | None = None
    pairing: Pairing = Pairing.AUTO
    min_total: int | None = None
    min_intervals: int | None = None
    thin_s: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePolicy:
    """What is judged, and how often it may be wrong.

    `alpha`: the chance, over all metrics and all looks together, that a canary no worse than tolerated is failed.
    `beta`: the chance that a canary worse than the margin is passed. `max_faults`: intervals with unusable input
    (NaN, negative, duplicate, missing, reset) per metric that still allow PASS. `arms_distinct`: the caller has
    checked that both arms are different series, so equal numbers need not be suspected.
    """

    metrics: tuple[MetricPolicy, ...]
    alpha: float = 0.05
    beta: float = 0.05
    max_faults: int = 0
    arms_distinct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One metric of one arm in one interval. Give the fields of the metric's kind, leave the others.

    `bad` of `total`; `n` events; `buckets` events per bucket (each its own, not cumulative); `value`. Nothing is
    assumed about the numbers: what is NaN, negative, not whole or contradictory becomes a fault of that interval.
    `fault`: why the source could not measure (a scrape that failed, a counter that was reset), None if it could.
    """

    metric: str
    side: Side
    bad: float | None = None
    total: float | None = None
    n: float | None = None
    buckets: tuple[float, ...] | None = None
    value: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """All observations that belong to one moment `t` (seconds, any origin), in any order.

    Intervals come in increasing `t`; those before the canary's first observation are history. `share` is the
    canary's part of the traffic in this interval, None if it is not known. `length_s`: how long the interval was;
    None: since the one before, and a much longer step of `t` than usual is taken for missing data.
    """

    t: float
    observations: tuple[Observation, ...]
    share: float | None = None
    length_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The evidence after one interval: natural logarithms of the E-values of harm and of safety."""

    t: float
    log_harm: float
    log_safety: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one arm showed since the canary began: events, bad ones, and the rate or the mean (None: nothing seen)."""

    total: float
    bad: float | None
    estimate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a metric got its outcome.

    `log_harm` and `log_safety` are the largest evidence so far; they decide at `harm_needed` and `safety_needed`
    (all natural logarithms of E-values). `ratio` is canary over baseline, `ratio_low`..`ratio_high` a confidence
    sequence for it (None where it cannot be said). `history` counts what was known before the canary.
    `trail` is the course of the evidence, thinned to a few hundred points. `cause` names what forbids a PASS.
    `next` says in words what would change the outcome.
    """

    name: str
    kind: Kind
    outcome: Outcome
    decided_at_s: float | None
    message: str
    cause: str | None
    next: str
    canary: Arm
    baseline: Arm
    history: float
    intervals: int
    faults: tuple[str, ...]
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    log_harm: float
    harm_needed: float
    harm_at_s: float | None
    log_safety: float
    safety_needed: float
    safety_at_s: float | None
    trail: tuple[Point, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeVerdict:
    """The outcome over all metrics: PASS, FAIL, INCONCLUSIVE or ERROR; `decided_at_s` on the intervals' own clock.

    PASS and FAIL are decisions. INCONCLUSIVE means not yet, or never if `cause` names a lack of data that no further
    interval repairs. ERROR: the input can't be what it should be (both arms the same series, impossible numbers).
    """

    outcome: Outcome
    decided_at_s: float | None
    message: str
    cause: str | None
    metrics: tuple[Evidence, ...]


def default_policy(kinds: Mapping[str, Kind], *, alpha: float = 0.05) -> JudgePolicy:
    """Every metric tested for harm with no tolerated increase, alpha over all of them."""
    return JudgePolicy(metrics=tuple(MetricPolicy(name=name, kind=kind) for name, kind in kinds.items()), alpha=alpha)
