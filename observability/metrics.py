"""Prometheus exposition of the event log: counters of what happened, gauges of the DORA metrics over a window.

Everything is computed from the store when scraped: no series exists for a single event or time stamp, and a restart
loses nothing. A metric without data has no series; it is never exposed as 0 or NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from headgate.clock import Clock
from observability.dora import DoraReport, Period, Span
from observability.events import DELIVERY, DeliveryEvent, Kind
from observability.reporting import report_of

if TYPE_CHECKING:
    from observability.store import EventStore

_TARGET = ("service", "environment")


class StoreCollector(Collector):
    """Reads the whole log once for each scrape. `window` is the span of the DORA gauges, up to now."""

    def __init__(self, store: EventStore, clock: Clock, window: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._window = window

    def collect(self) -> Iterator[Metric]:
        yield from counters(self._store.read())
        now = self._clock.now()
        yield from gauges(report_of(self._store, Period(start=now - self._window, end=now)), self._window)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read the store."""
        return ()


def expose(
    store: EventStore, clock: Clock, window: timedelta, accept: str = "", others: Iterable[Collector] = ()
) -> tuple[bytes, str]:
    """The exposition and its content type, in the format that the `Accept` header asks for; `others` are appended."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (StoreCollector(store, clock, window), *others):
        registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def counters(events: Iterable[DeliveryEvent]) -> Iterator[Metric]:
    """Counters that only ever grow: each counts log entries, so a later failure takes nothing back."""
    kinds: Counter[str] = Counter()
    deployed: Counter[tuple[str, str, str]] = Counter()
    verdicts: Counter[tuple[str, str]] = Counter()
    incidents: Counter[tuple[str, str]] = Counter()
    for event in events:
        kinds[event.kind.value] += 1
        target = (event.service or "", event.environment or "")
        if event.kind in DELIVERY:
            deployed[(*target, _deployment_outcome(event))] += 1
        elif event.kind is Kind.GATE_FINISHED:
            verdicts[event.subject, event.outcome or "unknown"] += 1
        elif event.kind is Kind.INCIDENT_DETECTED:
            incidents[target] += 1
    yield _counter(
        "headgate_events", "Delivery events in the log.", ("kind",), [((kind,), n) for kind, n in kinds.items()]
    )
    yield _counter(
        "headgate_deployments",
        "Deployment events by outcome; rolledback counts rollbacks. Attempts count each.",
        (*_TARGET, "outcome"),
        deployed.items(),
    )
    yield _counter("headgate_gate_verdicts", "Gate verdicts by outcome.", ("gate", "outcome"), verdicts.items())
    yield _counter("headgate_incidents", "Incidents detected.", _TARGET, incidents.items())


def _deployment_outcome(event: DeliveryEvent) -> str:
    return "rolledback" if event.kind is Kind.SERVICE_ROLLEDBACK else event.outcome or "success"


def _counter(name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[Sequence[str], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in sorted(values):
        family.add_metric(key, count)
    return family


def gauges(report: DoraReport, window: timedelta) -> Iterator[Metric]:
    """The five DORA metrics over the window that ends now, and the number of items behind each."""
    length = GaugeMetricFamily("headgate_dora_window_seconds", "Length of the window of the headgate_dora gauges.")
    length.add_metric((), window.total_seconds())
    yield length
    yield _spans(report, "change_lead_time", "Change lead time: commit to production.")
    yield _spans(report, "failed_deployment_recovery_time", "From a deployment that fails to recovery.")
    yield _ratios(report, "deployment_frequency", "headgate_dora_deployments_per_day", "Deployments per day.")
    yield _ratios(report, "change_fail_rate", "headgate_dora_change_fail_ratio", "Failed deployments / deployments.")
    yield _ratios(
        report, "deployment_rework_rate", "headgate_dora_rework_ratio", "Unplanned deployments / deployments."
    )
    yield _sizes(report)


def _spans(report: DoraReport, metric: str, text: str) -> Metric:
    family = GaugeMetricFamily(f"headgate_dora_{metric}_seconds", text, labels=(*_TARGET, "quantile"))
    for found in report.services:
        span: Span = getattr(found, metric)
        for quantile, value in (("0.5", span.median), ("0.9", span.p90)):
            if value is not None:
                family.add_metric((found.service, found.environment, quantile), value)
    return family


def _ratios(report: DoraReport, metric: str, name: str, text: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=_TARGET)
    for found in report.services:
        value = getattr(found, metric).value
        if value is not None:
            family.add_metric((found.service, found.environment), value)
    return family


def _sizes(report: DoraReport) -> Metric:
    family = GaugeMetricFamily(
        "headgate_dora_items", "Items behind each DORA metric of the window.", labels=(*_TARGET, "metric")
    )
    for found in report.services:
        for metric, n in (
            ("change_lead_time", found.change_lead_time.n),
            ("deployments", found.deployment_frequency.n),
            ("failed_deployment_recovery_time", found.failed_deployment_recovery_time.n),
        ):
            family.add_metric((found.service, found.environment, metric), n)
    return family
