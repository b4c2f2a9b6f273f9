"""Two periods side by side, with an interval that says how far chance alone reaches. Pure.

Rates: Clopper-Pearson for each, and for their difference from both. Frequency: the exact interval of the ratio of two
counts. Durations: a seeded bootstrap of the difference of medians. Intervals are of 95 %. Deployments are not
independent of each other and a service is compared five times over, so an interval that just misses "no change" is
weak evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from observability.dora import DoraReport, Ratio, ServiceReport, Span
from observability.dora_report import METRICS, duration_text, frequency_text, period_data, ratio_text
from observability.intervals import CONFIDENCE, frequency_ratio, median_difference, rate_difference, rate_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric in two periods.

    `kind` is difference (after - before; seconds or fractions) or ratio (after / before). `low` and `high` bound it,
    None where there is no bound; `verdict` is higher, lower, not_told_apart or no_data.
    """

    metric: str
    before: float | None
    after: float | None
    n_before: int
    n_after: int
    kind: str
    estimate: float | None
    low: float | None
    high: float | None
    method: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One service in one environment, in two periods."""

    service: str
    environment: str
    metrics: tuple[Difference, ...]


def compare(before: DoraReport, after: DoraReport, *, seed: int = 0) -> tuple[Compared, ...]:
    """Every service that either report has. The same reports and seed give the same intervals."""
    old = {(found.service, found.environment): found for found in before.services}
    new = {(found.service, found.environment): found for found in after.services}
    return tuple(
        Compared(
            service=target[0],
            environment=target[1],
            metrics=tuple(_compared(name, old.get(target), new.get(target), target, seed) for name in METRICS),
        )
        for target in sorted(old.keys() | new.keys())
    )


def _compared(
    name: str, old: ServiceReport | None, new: ServiceReport | None, target: tuple[str, str], seed: int
) -> Difference:
    first, second = (getattr(found, name, None) for found in (old, new))
    if name == "deployment_frequency":
        return _frequency(name, first, second)
    if name in ("change_fail_rate", "deployment_rework_rate"):
        return _rate(name, first, second)
    spans = [_spans(found, name) for found in (old, new)]
    return _durations(name, first, second, spans, _seed(seed, name, *target))


def _seed(seed: int, *parts: str) -> int:
    """One of its own for each interval: the order of services must not matter."""
    return int.from_bytes(hashlib.sha256("\x1f".join((str(seed), *parts)).encode()).digest()[:8])


def _spans(found: ServiceReport | None, name: str) -> Sequence[timedelta]:
    if found is None:
        return ()
    if name == "change_lead_time":
        return [change.lead_time for change in found.changes if change.lead_time is not None]
    return [
        judged.recovered_at - judged.deployment.failed_at
        for judged in found.deployments
        if judged.failures
        and judged.recovered_at is not None
        and judged.deployment.failed_at is not None
        and judged.recovered_at >= judged.deployment.failed_at
    ]


def _durations(
    name: str, first: Span | None, second: Span | None, spans: Sequence[Sequence[timedelta]], seed: int
) -> Difference:
    before, after = (span.median if span else None for span in (first, second))
    interval = median_difference(spans[0], spans[1], seed=seed)
    return _difference(
        name, before, after, (len(spans[0]), len(spans[1])), interval, "bootstrap of the difference of medians"
    )


def _rate(name: str, first: Ratio | None, second: Ratio | None) -> Difference:
    (x, m), (y, n) = ((int(r.numerator), r.n) if r else (0, 0) for r in (first, second))
    interval = rate_difference((x, m), (y, n)) if m and n else None
    before, after = x / m if m else None, y / n if n else None
    return _difference(name, before, after, (m, n), interval, "from two Clopper-Pearson intervals")


def _difference(
    name: str,
    before: float | None,
    after: float | None,
    n: tuple[int, int],
    interval: tuple[float, float] | None,
    method: str,
) -> Difference:
    return Difference(
        metric=name,
        before=before,
        after=after,
        n_before=n[0],
        n_after=n[1],
        kind="difference",
        estimate=None if before is None or after is None else after - before,
        low=interval and interval[0],
        high=interval and interval[1],
        method=method,
        verdict=_verdict(interval, 0.0),
    )


def _frequency(name: str, first: Ratio | None, second: Ratio | None) -> Difference:
    known = first is not None and second is not None
    bounds: tuple[float, float | None] | None = None
    if first is not None and second is not None:
        bounds = frequency_ratio(first.n, second.n, first.denominator, second.denominator)
    before, after = (ratio.value if ratio else None for ratio in (first, second))
    return Difference(
        metric=name,
        before=before,
        after=after,
        n_before=first.n if first else 0,
        n_after=second.n if second else 0,
        kind="ratio",
        estimate=after / before if known and before and after is not None else None,
        low=bounds and bounds[0],
        high=bounds and bounds[1],
        method="exact conditional interval of the ratio of two counts",
        verdict=_verdict(bounds, 1.0),
    )


def _verdict(interval: tuple[float, float | None] | None, same: float) -> str:
    if interval is None:
        return "no_data"
    if interval[0] > same:
        return "higher"
    return "lower" if interval[1] is not None and interval[1] < same else "not_told_apart"


def compare_data(before: DoraReport, after: DoraReport, found: Iterable[Compared], *, seed: int) -> dict[str, Any]:
    """The comparison, JSON-able."""
    return {
        "before": period_data(before.period),
        "after": period_data(after.period),
        "confidence": CONFIDENCE,
        "seed": seed,
        "services": [
            {
                "service": one.service,
                "environment": one.environment,
                "metrics": {d.metric: _data(d) for d in one.metrics},
            }
            for one in found
        ],
    }


def _data(found: Difference) -> dict[str, Any]:
    names = ("before", "after", "n_before", "n_after", "kind", "estimate", "low", "high", "method", "verdict")
    data = {name: getattr(found, name) for name in names}
    if found.metric in ("change_fail_rate", "deployment_rework_rate"):
        for side in ("before", "after"):
            n, value = data[f"n_{side}"], data[side]
            data[f"{side}_interval"] = list(rate_interval(round(value * n), n)) if n else None
    return data


def compare_text(before: DoraReport, after: DoraReport, found: Iterable[Compared]) -> str:
    """The comparison for a terminal."""
    first, second = (period_data(report.period) for report in (before, after))
    lines = [f"compared: {first['from']} to {first['to']} (before), {second['from']} to {second['to']} (after)"]
    for one in found:
        lines += ["", f"{one.service} in {one.environment}"]
        lines += [f"  {_name(d.metric):<21} {_values(d)}  {_words(d)}" for d in one.metrics]
    return "\n".join(lines)


def _name(metric: str) -> str:
    return {"failed_deployment_recovery_time": "recovery time", "deployment_rework_rate": "rework rate"}.get(
        metric, metric.replace("_", " ")
    )


def _show(metric: str, value: float | None) -> str:
    if value is None:
        return "no data"
    if metric.endswith("_time"):
        return duration_text(value) if value >= 0 else f"-{duration_text(-value)}"
    blank = Ratio(value=value, n=0, numerator=0, denominator=0, coverage=None, excluded=(), items=())
    return frequency_text(blank) if metric == "deployment_frequency" else ratio_text(blank)


def _values(found: Difference) -> str:
    return f"{_show(found.metric, found.before)} (n={found.n_before}) -> {_show(found.metric, found.after)} (n={found.n_after})"


def _words(found: Difference) -> str:
    if found.verdict == "no_data":
        return "too little data to compare"
    verdict = found.verdict.replace("_", " ")
    if found.kind == "ratio":
        high = "no bound" if found.high is None else f"{found.high:.2g}"
        return f"{verdict}; ratio between {found.low:.2g} and {high}"
    low, high = (_show(found.metric, bound) for bound in (found.low, found.high))
    return f"{verdict}; difference between {low} and {high}"
