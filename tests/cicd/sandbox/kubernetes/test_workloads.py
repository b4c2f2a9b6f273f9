from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.kubernetes.workloads import BUCKETS_S, Behaviour, Counters, Registry, render_metrics
from headgate.errors import ConfigError


@pytest.mark.parametrize("wrong", [{"error_ratio": 1.1}, {"error_ratio": -0.1}, {"latency_s": float("nan")}])
def test_an_impossible_behaviour_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Behaviour(**wrong)


def test_publishing_again_replaces_the_behaviour() -> None:
    registry = Registry()
    assert registry.behaviour("a:1") is None
    registry.publish("a:1")
    assert registry.behaviour("a:1") == Behaviour()
    registry.publish("a:1", Behaviour(error_ratio=0.5))
    assert registry.behaviour("a:1") == Behaviour(error_ratio=0.5)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8))
def test_the_histogram_counts_every_request_once(batches: list[tuple[int, int]]) -> None:
    counters = Counters(app="reco")
    for ok, bad in batches:
        counters.add(ok=ok, bad=bad, latency_s=0.1)
    total = sum(ok + bad for ok, bad in batches)
    assert sum(counters.buckets) == counters.ok + counters.bad == total
    if total % 10 == 0:
        assert counters.latency_sum_s == pytest.approx(0.1 * total)


def test_every_series_is_there_from_the_start() -> None:
    text = render_metrics(Counters(app="reco"), openmetrics=True)
    assert 'http_requests_total{app="reco",status="200"} 0\n' in text
    assert 'http_requests_total{app="reco",status="500"} 0\n' in text
    assert text.count("_bucket{") == len(BUCKETS_S) + 1
    assert "# TYPE http_requests counter\n" in text
    assert text.endswith("# EOF\n")


def test_prometheus_text_names_the_counter_in_full_and_has_no_end_mark() -> None:
    text = render_metrics(Counters(app='a"b\\c'), openmetrics=False)
    assert "# TYPE http_requests_total counter\n" in text
    assert 'app="a\\"b\\\\c"' in text
    assert "EOF" not in text
