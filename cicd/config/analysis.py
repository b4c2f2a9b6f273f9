"""The `analysis` section of `headgate.yaml`: the metrics that decide rollout steps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cicd.config.section import Section, Url


class AnalysisConfig(Section):
    """A metric that decides a rollout step, by exactly one rule: a limit (`max_ratio`), a sequential test against the
    baseline (`max_ratio_increase`, `max_absolute_increase`) or conditions (`success_condition`, `failure_condition`)."""

    source: Literal["prometheus", "openmetrics", "json"]
    """`openmetrics` scrapes the pods themselves, `prometheus` asks a server, `json` reads the runs of a batch job."""
    url: Url | None = None
    """Base URL of the Prometheus server; with `json` the address of the document."""
    file: str | None = None
    """With `json`, the document's path instead of `url`, relative to the folder of headgate.yaml."""
    errors: str | None = None
    """Counter of bad events: a selector such as `http_requests_total{status=~"5.."}`, where `{{hash}}`, `{{role}}` and `{{weight}}` are filled in.

    With `json`, the field of a run."""
    total: str | None = None
    """Counter of all events, written the same way. Tests can do without: then `errors` is compared by the share of the traffic."""
    histogram: str | None = None
    """Instead of the two, buckets of a histogram (`http_request_duration_seconds_bucket{...}`)."""
    above_s: float | None = Field(default=None, gt=0)
    """Events of `histogram` above this boundary are bad. Without it a test looks at the whole distribution."""
    query: str | None = None
    """For conditions, any PromQL (with `json` a path such as `$.runs[0].ok`); for tests, PromQL that gives one gauge (with `json` a field of a run)."""
    max_ratio: float | None = Field(default=None, ge=0, le=1)
    """A measurement passes when errors / total over the interval is at most this."""
    max_ratio_increase: float | None = Field(default=None, ge=0)
    """Tolerated increase over the baseline as a part of it: 0.5 tolerates half as much again, 0 none."""
    max_absolute_increase: float | None = Field(default=None, ge=0)
    """Tolerated increase over the baseline in the metric's own unit (0.001 is a tenth of a percentage point), added to the other."""
    margin_ratio: float | None = Field(default=None, ge=0)
    """A test passes on evidence that the version is not worse than tolerated by more than this part of the baseline; default 1 (0.25 for gauges)."""
    margin_absolute: float | None = Field(default=None, ge=0)
    """The same in the metric's own unit, added to the other; default 0.001 for ratios and histograms."""
    worse: Literal["higher", "lower"] = "higher"
    """Which way a tested gauge gets worse: `higher` (duration, freshness) or `lower` (rows)."""
    thin_s: float | None = Field(default=None, ge=0)
    """Values of a tested gauge nearer than this to the last one used are left out: neighbours resemble each other.

    By default the values themselves say how near is too near."""
    min_intervals: int | None = Field(default=None, ge=1)
    """Intervals that a test needs before it passes."""
    baseline: Literal["stable", "fresh", "history"] = "stable"
    """What a test compares with: the stable version, new pods of it (the queries tell them by the role `baseline`), or earlier runs.

    Earlier runs are those of the same hour and weekday; they need `json`."""
    success_condition: str | None = None
    """Condition on `result` that a measurement must meet, in Argo Rollouts' language: `result[0] >= 0.95`."""
    failure_condition: str | None = None
    """Condition on `result` that fails a measurement. With both, one that meets neither is INCONCLUSIVE."""
    min_total: int = Field(default=50, ge=1)
    """Fewer events than this in an interval make a measurement INCONCLUSIVE; a test needs as many of each arm before it passes."""
    interval_s: float | None = Field(default=None, gt=0)
    """Length of one measurement; default 60, tests 5."""
    initial_delay_s: float = Field(default=0.0, ge=0)
    """Conditions only: how long to wait at each step before the first measurement."""
    count: int = Field(default=5, ge=1)
    """Measurements that must pass. Tests stop when they know."""
    failure_limit: int = Field(default=0, ge=0)
    """More failed measurements than this, over all steps of a version, fail the analysis. Tests need no limit."""
    inconclusive_limit: int = Field(default=3, ge=0)
    """More measurements without enough events (for tests: without data) than this end the analysis INCONCLUSIVE."""
    consecutive_error_limit: int = Field(default=4, ge=0)
    """More failed queries in a row than this end the analysis in ERROR."""

    @property
    def rule(self) -> Literal["limit", "test", "conditions"]:
        """Which of the three rules decides."""
        if self.max_ratio is not None:
            return "limit"
        return "conditions" if self.success_condition or self.failure_condition else "test"

    @model_validator(mode="after")
    def _exactly_one_rule(self) -> AnalysisConfig:
        tests = self.max_ratio_increase is not None or self.max_absolute_increase is not None
        rules = (self.max_ratio is not None, tests, bool(self.success_condition or self.failure_condition))
        if sum(rules) != 1:
            raise ValueError(
                "give exactly one rule: max_ratio, max_ratio_increase and/or max_absolute_increase,"
                " or success_condition and/or failure_condition"
            )
        return self

    @model_validator(mode="after")
    def _place_fits_source(self) -> AnalysisConfig:
        if self.source == "prometheus" and self.url is None:
            raise ValueError("source prometheus needs url")
        if self.source == "json" and (self.url is None) == (self.file is None):
            raise ValueError("source json needs exactly one of url and file")
        if self.source != "json" and self.file is not None:
            raise ValueError("file is for source json")
        if self.source == "openmetrics" and self.query is not None:
            raise ValueError("source openmetrics reads counters: give errors and total, or histogram")
        return self

    @model_validator(mode="after")
    def _one_kind_of_numbers(self) -> AnalysisConfig:
        kinds = (self.errors is not None, self.histogram is not None, self.query is not None)
        if sum(kinds) != 1:
            raise ValueError("give exactly one of errors (with total), histogram and query")
        if self.total is not None and self.errors is None:
            raise ValueError("total needs errors")
        if self.above_s is not None and self.histogram is None:
            raise ValueError("above_s needs histogram")
        if self.source == "json" and self.histogram is not None:
            raise ValueError("source json has no histograms")
        if self.rule == "limit" and (self.query is not None or (self.errors is not None and self.total is None)):
            raise ValueError("max_ratio needs errors and total, or histogram and above_s")
        if self.rule == "limit" and self.histogram is not None and self.above_s is None:
            raise ValueError("max_ratio of a histogram needs above_s")
        if self.rule == "conditions" and self.query is None:
            raise ValueError("conditions need query")
        return self

    @model_validator(mode="after")
    def _baseline_can_be_read(self) -> AnalysisConfig:
        if self.rule != "test" and self.baseline != "stable":
            raise ValueError("baseline is for tests: max_ratio_increase, max_absolute_increase")
        if self.baseline == "history" and self.source != "json":
            raise ValueError("baseline history needs source json")
        texts = " ".join(filter(None, (self.errors, self.total, self.histogram, self.query)))
        if self.baseline == "fresh" and (self.source != "prometheus" or "{{role}}" not in texts.replace(" ", "")):
            raise ValueError("baseline fresh needs source prometheus and {{role}} in the queries")
        return self
