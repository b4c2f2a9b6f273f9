"""Wiring of the analysis: from the `analysis` section of `headgate.yaml` to metrics with their rules and sources."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cicd.cli.context import App, say
from cicd.config.analysis import AnalysisConfig
from cicd.config.model import ServiceConfig
from deployments.analysis.arms import Baseline
from deployments.analysis.batch import BatchFeed, Fetch, JsonValue, file_fetch, http_fetch
from deployments.analysis.conditioned import ConditionPolicy, check_conditions
from deployments.analysis.feeds import CounterFeed, Feed, GaugeFeed
from deployments.analysis.histograms import PastSlowRequests, SlowRequests
from deployments.analysis.judge import JudgePolicy, Kind, MetricPolicy, Worse
from deployments.analysis.judged import JudgedMetric, JudgedPolicy, Say
from deployments.analysis.measured import ConditionMetric, ThresholdMetric
from deployments.analysis.openmetrics import OpenMetricsSource
from deployments.analysis.ports import Arm, MetricSource, PastSource
from deployments.analysis.prometheus import PrometheusGauge, PrometheusSource, PrometheusValue
from deployments.analysis.run import AnalysisByRole, StepAnalysis, StepMetric
from deployments.analysis.seen import Record
from deployments.analysis.selector import parse_selector, render
from deployments.analysis.threshold import ThresholdPolicy
from deployments.kubernetes import KubernetesPods
from headgate.errors import ConfigError
from headgate.http import HttpClient, RetryPolicy

_SCRAPE_TIMEOUT_S = 5.0
_INTERVAL_S = 60.0
_TEST_INTERVAL_S = 5.0


def build_analysis(app: App, settings: ServiceConfig, stack: ExitStack, record: Record) -> AnalysisByRole:
    """The analysis of a service's steps; selectors and conditions are checked here, before anything begins.

    `record` keeps the evidence of each verdict. Connections are closed with `stack`.
    """
    steps, soak = step_names(settings), soak_names(settings)
    strategy = settings.strategy.canary or settings.strategy.blue_green
    builder = AnalysisBuilder(
        app=app,
        stack=stack,
        pods=lambda: build_pods(settings, app.root),
        # A soak has nothing beside it, so that no test can fail there: alpha is shared by the steps' tests alone.
        tests=sum(app.config.analysis[name].rule == "test" for name in steps),
        alpha=strategy.alpha if strategy else 0.05,
        beta=strategy.beta if strategy else 0.05,
        record=record,
        say=say,
    )
    return AnalysisByRole(steps=builder.analysis(steps), soak=builder.analysis(soak))


def step_names(settings: ServiceConfig) -> tuple[str, ...]:
    """The metrics of every step before all traffic moves."""
    strategy = settings.strategy.canary or settings.strategy.blue_green
    return strategy.analysis if strategy else ()


def soak_names(settings: ServiceConfig) -> tuple[str, ...]:
    """The metrics of the version that has all the traffic.

    Without a soak of its own it is judged by its steps' metrics where it has all the traffic already.
    """
    return (settings.strategy.blue_green.soak if settings.strategy.blue_green else ()) or step_names(settings)


def build_pods(settings: ServiceConfig, root: Path) -> KubernetesPods:
    """The pods of the service's versions."""
    cluster = settings.kubernetes
    return KubernetesPods(
        namespace=cluster.namespace,
        kubeconfig=str(root / cluster.kubeconfig) if cluster.kubeconfig else None,
        context=cluster.context,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisBuilder:
    """Builds metrics. `tests` is the number of tests that share `alpha`; connections are closed with `stack`."""

    app: App
    stack: ExitStack
    pods: Callable[[], KubernetesPods]
    tests: int
    alpha: float
    beta: float
    record: Record
    say: Say | None = None

    def analysis(self, names: tuple[str, ...]) -> StepAnalysis:
        """These metrics together. Raises `ConfigError` for a selector or condition that cannot be read."""
        return StepAnalysis(tuple(self.metric(name, self.app.config.analysis[name]) for name in names))

    def metric(self, name: str, config: AnalysisConfig) -> StepMetric:
        """One metric with its rule and its source."""
        for selector in filter(None, (config.errors, config.total, config.histogram)):
            if config.source != "json":
                parse_selector(render(selector, Arm(hash="0", role="canary").placeholders))
        match config.rule:
            case "limit":
                return ThresholdMetric(
                    policy=_threshold(name, config), source=self._counters(config), record=self.record
                )
            case "conditions":
                return self._conditions(name, config)
            case "test":
                policy = self._judged(name, config)
                return JudgedMetric(policy=policy, feed=self._feed(policy, config), record=self.record, say=self.say)

    def _conditions(self, name: str, config: AnalysisConfig) -> ConditionMetric:
        policy = ConditionPolicy(
            name=name,
            success=config.success_condition,
            failure=config.failure_condition,
            interval_s=config.interval_s or _INTERVAL_S,
            initial_delay_s=config.initial_delay_s,
            count=config.count,
            failure_limit=config.failure_limit,
            inconclusive_limit=config.inconclusive_limit,
            consecutive_error_limit=config.consecutive_error_limit,
        )
        check_conditions(policy)
        query = config.query or ""
        if config.source == "json":
            source = JsonValue(path=query, fetch=self._fetch(config), where=config.url or config.file or "")
            return ConditionMetric(policy=policy, source=source, record=self.record)
        value = PrometheusValue(query=query, http=self._client(config.url or ""))
        return ConditionMetric(policy=policy, source=value, record=self.record)

    def _judged(self, name: str, config: AnalysisConfig) -> JudgedPolicy:
        metric = MetricPolicy(
            name=name,
            kind=kind_of(config),
            max_ratio_increase=config.max_ratio_increase or 0.0,
            max_absolute_increase=config.max_absolute_increase or 0.0,
            margin_ratio=config.margin_ratio,
            margin_absolute=config.margin_absolute,
            worse=Worse(config.worse),
            min_total=config.min_total if "min_total" in config.model_fields_set else None,
            min_intervals=config.min_intervals,
            thin_s=config.thin_s,
        )
        # The parts of alpha add up to the whole over all tests; every test must pass, so that beta is not shared.
        judge = JudgePolicy(
            metrics=(metric,), alpha=self.alpha / max(1, self.tests), beta=self.beta, arms_distinct=True
        )
        return JudgedPolicy(
            judge=judge,
            interval_s=config.interval_s or _TEST_INTERVAL_S,
            baseline=Baseline(config.baseline),
            inconclusive_limit=config.inconclusive_limit,
            consecutive_error_limit=config.consecutive_error_limit,
        )

    def _feed(self, policy: JudgedPolicy, config: AnalysisConfig) -> Feed:
        kind = kind_of(config)
        if config.source == "json":
            fields = tuple(filter(None, (config.errors, config.total, config.query)))
            where = config.url or config.file or ""
            return BatchFeed(
                metric=policy.name,
                kind=kind,
                fetch=self._fetch(config),
                where=where,
                fields=fields,
                baseline=policy.baseline,
            )
        if kind is Kind.GAUGE:
            _check_distinct(policy.name, config.query or "")
            gauge = PrometheusGauge(query=config.query or "", http=self._client(config.url or ""))
            return GaugeFeed(metric=policy.name, source=gauge, step_s=policy.interval_s, baseline=policy.baseline)
        return CounterFeed(
            metric=policy.name,
            kind=kind,
            source=self._counters(config),
            baseline=policy.baseline,
            past=self._past(config),
            interval_s=policy.interval_s,
        )

    def _counters(self, config: AnalysisConfig) -> MetricSource:
        errors = config.errors or config.histogram or ""
        total = config.total or errors
        source: MetricSource
        if config.source == "prometheus":
            source = PrometheusSource(errors=errors, total=total, http=self._client(config.url or ""))
        else:
            pods = self.pods()
            self.stack.callback(pods.close)
            source = OpenMetricsSource(errors=errors, total=total, pods=pods, connect=self._client)
        return source if config.above_s is None else SlowRequests(buckets=source, above_s=config.above_s)

    def _past(self, config: AnalysisConfig) -> PastSource | None:
        if config.source != "prometheus":
            return None
        errors = config.errors or config.histogram or ""
        http = self._client(config.url or "")
        source = PrometheusSource(errors=errors, total=config.total or errors, http=http)
        return source if config.above_s is None else PastSlowRequests(buckets=source, above_s=config.above_s)

    def _fetch(self, config: AnalysisConfig) -> Fetch:
        if config.file is not None:
            return file_fetch(self.app.root / config.file)
        return http_fetch(self._client(config.url or ""))

    def _client(self, url: str) -> HttpClient:
        retry = RetryPolicy(attempts=2, base_s=0.2, max_s=1.0)
        made = HttpClient(url, timeout_s=_SCRAPE_TIMEOUT_S, clock=self.app.clock, retry=retry)
        self.stack.callback(made.close)
        return made


def _check_distinct(name: str, query: str) -> None:
    """Raises `ConfigError` for a query that asks the same of both arms: they would be equal, and pass."""
    arms = (Arm(hash="1", role="canary"), Arm(hash="2", role="stable"))
    if len({render(query, arm.placeholders) for arm in arms}) == 1:
        raise ConfigError(
            "the query is the same for the canary and its baseline",
            where=f"analysis.{name}.query",
            next_step='Put {{hash}} or {{role}} into it, as in avg(queue_depth{rollouts_pod_template_hash="{{hash}}"}).',
        )


def kind_of(config: AnalysisConfig) -> Kind:
    """What a tested metric counts."""
    if config.query is not None:
        return Kind.GAUGE
    if config.histogram is not None:
        return Kind.HISTOGRAM if config.above_s is None else Kind.RATIO
    return Kind.RATIO if config.total is not None else Kind.COUNT


def _threshold(name: str, config: AnalysisConfig) -> ThresholdPolicy:
    return ThresholdPolicy(
        name=name,
        max_ratio=config.max_ratio or 0.0,
        min_total=config.min_total,
        interval_s=config.interval_s or _INTERVAL_S,
        count=config.count,
        failure_limit=config.failure_limit,
        inconclusive_limit=config.inconclusive_limit,
        consecutive_error_limit=config.consecutive_error_limit,
    )
