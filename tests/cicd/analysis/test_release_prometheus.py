"""`headgate release start` judged by the sequential test over a real Prometheus that scrapes the sandbox's pods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from tests.testing.private_server import NotAvailableError
from tests.testing.prometheus import Prometheus, find_prometheus, prometheus
from tests.testing.release_world import ReleaseWorld, release_world, wait_until

ANALYSIS = """\
analysis:
  error-ratio:
    source: prometheus
    url: {url}
    errors: 'http_requests_total{{status=~"5..",rollouts_pod_template_hash="{{{{hash}}}}"}}'
    total: 'http_requests_total{{rollouts_pod_template_hash="{{{{hash}}}}"}}'
    max_ratio_increase: 0.2
    margin_absolute: 0.02
    interval_s: 1
    inconclusive_limit: 30  # Prometheus takes up new targets every five seconds
"""


@contextmanager
def discovery(world: ReleaseWorld, server: Prometheus) -> Iterator[None]:
    """Tell Prometheus the pods of the cluster as they come and go, with the hash as label: what its own discovery does."""
    end = threading.Event()

    def follow() -> None:
        told: object = None
        while not end.wait(0.05):
            targets = list(_targets(world))
            if targets != told:
                server.discover(targets)
                told = targets

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(timeout=60)


def _targets(world: ReleaseWorld) -> Iterator[tuple[str, dict[str, str]]]:
    for pod in world.kubernetes.cluster.list("", "Pod", "shop"):
        metadata, address = pod["metadata"], pod.get("status", {}).get("podIP")
        said = metadata.get("annotations", {})
        version = metadata.get("labels", {}).get("rollouts-pod-template-hash")
        if address and said.get("prometheus.io/port") and version and not metadata.get("deletionTimestamp"):
            labels = {"rollouts_pod_template_hash": version, "pod": metadata["name"]}
            path = {"__metrics_path__": said["prometheus.io/path"]}
            yield f"{address}:{said['prometheus.io/port']}", labels | path


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseWorld]:
    """A world whose releases are judged over Prometheus, which has seen the stable version for a while."""
    try:
        find_prometheus()
    except NotAvailableError as missing:
        pytest.skip(str(missing))
    (tmp_path / "prometheus").mkdir()
    with (
        release_world(tmp_path) as world,
        prometheus(tmp_path / "prometheus") as server,
        discovery(world, server),
    ):
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        text = world.config.read_text("utf-8").replace(", soak: [error-ratio]", "")
        text = text[: text.index("analysis:\n")] + ANALYSIS.format(url=server.url)
        world.config.write_text(text, encoding="utf-8")
        stable = world.rollout()["status"]["stableRS"]
        wait_until(
            lambda: server.value(f'sum(http_requests_total{{rollouts_pod_template_hash="{stable}"}})') > 0,
            what="the first scrape",
            timeout_s=60,
        )
        yield world


def test_a_bad_canary_is_turned_back_on_what_prometheus_saw(
    judged: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    before = judged.file()
    judged.publish("1.1.0", error_ratio=0.2)
    start = ["release", "start", "reco", "--env", "prod", "--version", "1.1.0"]
    assert main(["--config", str(judged.config), *start]) == ExitCode.FAIL
    out, _ = capsys.readouterr()
    assert "ROLLED BACK" in out
    assert "worse than tolerated" in out
    assert judged.file() == before
    assert judged.rollout()["status"]["stableRS"] == judged.rollout()["status"]["currentPodHash"]
    (evidence,) = (judged.config.parent / ".headgate" / "evidence").glob("*.json")
    document: dict[str, Any] = json.loads(evidence.read_text("utf-8"))
    found = document["result"]["metrics"]["error-ratio"]
    assert (document["rule"], document["release"]["step"], found["verdict"]) == ("test", 1, "FAIL")
    assert 0.1 < found["canary"]["estimate"] < 0.3
    assert found["log_harm"] >= found["harm_needed"]
    assert main(["release", "analyse", "--replay", str(evidence)]) == ExitCode.FAIL
    assert "bit for bit" in capsys.readouterr().err
