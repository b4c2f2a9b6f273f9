"""The judge over a real Prometheus that scrapes real HTTP workloads, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from tests.testing.private_server import NotAvailableError
from tests.testing.prometheus import Load, Prometheus, Workload, find_prometheus, prometheus

CONFIG = """\
version: 1
project: shop/data-platform
analysis:
  errors:
    source: prometheus
    url: {url}
    errors: 'http_requests_total{{status=~"5..",rollouts_pod_template_hash="{{{{hash}}}}"}}'
    total: 'http_requests_total{{rollouts_pod_template_hash="{{{{hash}}}}"}}'
    max_ratio_increase: 0
    margin_ratio: 1.5
    interval_s: 2
  slow:
    source: prometheus
    url: {url}
    histogram: 'http_request_duration_seconds_bucket{{rollouts_pod_template_hash="{{{{hash}}}}"}}'
    above_s: 0.5
    max_ratio_increase: 0
    interval_s: 2
  queue:
    source: prometheus
    url: {url}
    query: 'avg(queue_depth{{rollouts_pod_template_hash="{{{{hash}}}}"}})'
    max_ratio_increase: 0
    interval_s: 1
  impatient:
    source: prometheus
    url: {url}
    errors: 'http_requests_total{{status=~"5..",rollouts_pod_template_hash="{{{{hash}}}}"}}'
    total: 'http_requests_total{{rollouts_pod_template_hash="{{{{hash}}}}"}}'
    max_ratio_increase: 0
    margin_absolute: 0
    margin_ratio: 0.01
    interval_s: 0.5
    consecutive_error_limit: 0
  same-series:
    source: prometheus
    url: {url}
    errors: 'http_requests_total{{status=~"5.."}}'
    total: http_requests_total
    max_ratio_increase: 0
    interval_s: 1
    inconclusive_limit: 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Stable (1 % errors, 180 requests/s) with two canaries beside it, each at a tenth of 200 requests/s."""

    server: Prometheus
    root: Path

    def watch(self, metric: str, canary: str, *options: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--canary", canary, "--baseline", "stable", "--weight", "10", "-o", "json", *options]
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "cicd",
                "--config",
                str(self.root / "headgate.yaml"),
                "analysis",
                "watch",
                metric,
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=170,
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    try:
        find_prometheus()
    except NotAvailableError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        server = stack.enter_context(prometheus(folder))
        targets = {}
        for name, bad, rate in (("stable", 0.01, 180), ("bad", 0.03, 20), ("good", 0.01, 20)):
            workload = Workload(bad)
            stack.callback(workload.stop)
            stack.callback(Load(workload, rate).stop)
            targets[workload.address] = {"rollouts_pod_template_hash": name}
        server.scrape(targets)
        until = time.monotonic() + 60
        while server.value("count(http_requests_total > 0)") < 6:
            assert time.monotonic() < until, "not every arm was scraped"
            time.sleep(0.1)
        (folder / "headgate.yaml").write_text(CONFIG.format(url=server.url), encoding="utf-8")
        yield Shop(server=server, root=folder)


@pytest.mark.slow
def test_three_percent_of_errors_are_seen_and_an_equal_canary_passes(shop: Shop) -> None:
    with ThreadPoolExecutor() as pool:
        bad = pool.submit(shop.watch, "errors", "bad", "--evidence", str(shop.root / "evidence"))
        good = pool.submit(shop.watch, "errors", "good", "--timeout", "160")
        slow = pool.submit(shop.watch, "slow", "bad", "--timeout", "160")
        queue = pool.submit(shop.watch, "queue", "good", "--timeout", "8")
    failed, passed = bad.result(), good.result()
    assert slow.result().returncode == ExitCode.FAIL, slow.result().stderr
    gauge = json.loads(queue.result().stdout)["metrics"]["queue"]
    assert gauge["intervals"] >= 4, queue.result().stderr
    assert 10 <= gauge["canary"]["estimate"] <= 16
    assert failed.returncode == ExitCode.FAIL, failed.stderr
    assert "worse than tolerated" in json.loads(failed.stdout)["message"]
    assert passed.returncode == ExitCode.PASS, passed.stderr
    assert json.loads(passed.stdout)["verdict"] == "PASS"
    evidence = shop.root / "evidence" / "errors.json"
    counts: dict[str, Any] = json.loads(evidence.read_text("utf-8"))["result"]["metrics"]["errors"]
    assert 0.02 < counts["canary"]["estimate"] < 0.04
    assert 0.005 < counts["baseline"]["estimate"] < 0.015
    assert main(["release", "analyse", "--replay", str(evidence)]) == ExitCode.FAIL


def test_a_query_that_selects_both_arms_never_passes(shop: Shop) -> None:
    found = shop.watch("same-series", "good")
    assert found.returncode == ExitCode.UNDECIDED
    assert "select the same pods" in json.loads(found.stdout)["message"]


def test_a_prometheus_that_goes_away_in_the_middle_is_named_and_nothing_passes(shop: Shop) -> None:
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(shop.watch, "impatient", "good", "--timeout", "60")
        until = time.monotonic() + 60
        asked = 'prometheus_http_requests_total{handler="/api/v1/query",code="200"}'
        before = shop.server.own(asked)
        while shop.server.own(asked) < before + 40:
            assert time.monotonic() < until, "nothing was asked"
            time.sleep(0.1)
        shop.server.stop()
        found = watching.result()
        shop.server.start()
    assert found.returncode == ExitCode.UNDECIDED, found.stderr
    assert json.loads(found.stdout)["verdict"] == "ERROR"
    assert "no connection" in json.loads(found.stdout)["message"]
