"""Containers as processes: real ones, without a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.live.container import Container
from tests.live.pods import View
from tests.live.workloads import parse_image, unpack

TIMEOUT_S = 30.0


class Started:
    """Containers of a test, and a wait for what they become."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._changed = folder, threading.Condition()
        self._all: list[Container] = []

    def start(self, image: str, **environment: str) -> Container:
        program = parse_image(image)
        assert program is not None
        command = unpack(program, self._folder / "images")
        log = self._folder / f"{len(self._all)}.log"
        whole = {**program.environment, **environment}
        container = Container(command, whole, log=log, probe="/healthz", changed=self._wake)
        self._all.append(container)
        return container

    def run(self, *argv: str) -> Container:
        log = self._folder / f"{len(self._all)}.log"
        self._all.append(Container(argv, {}, log=log, probe="/healthz", changed=self._wake))
        return self._all[-1]

    def until(self, container: Container, holds: Callable[[View], object]) -> View:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(container.view), TIMEOUT_S), container.view
        return container.view

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def end(self) -> None:
        for container in self._all:
            container.stop(drain_s=0, grace_s=1)
        assert all(container.join(TIMEOUT_S) for container in self._all)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    found = Started(tmp_path)
    yield found
    found.end()


def body(view: View, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{view.port}{path}", timeout=TIMEOUT_S) as answer:
        text: str = answer.read().decode()
        return text


def test_ready_when_it_answers_with_the_version_of_its_image(started: Started) -> None:
    view = started.until(started.start("shop/recommender:1.7.0"), lambda view: view.ready)
    assert view.started is not None
    assert '"version": "1.7.0"' in body(view, "/healthz")
    assert 'http_requests_total{app="recommender",status="500"} 0' in body(view, "/metrics")


def test_runs_and_is_never_ready(started: Started) -> None:
    view = started.until(started.start("shop/recommender:never-ready"), lambda view: view.port)
    assert "http_requests_total" in body(view, "/metrics")
    assert not view.ready


def test_a_crash_is_seen_with_its_status(started: Started) -> None:
    view = started.until(started.start("shop/recommender:crash", CRASH_AFTER_S="0.3"), lambda view: view.exited)
    assert (view.exit_code, view.ready) == (1, False)
    assert view.finished is not None


def test_a_deleted_one_answers_until_it_is_drained(started: Started) -> None:
    container = started.start("shop/recommender:1.0.0")
    view = started.until(container, lambda view: view.ready)
    container.stop(drain_s=1.0, grace_s=1)
    assert not container.view.ready
    assert body(view, "/healthz")
    assert started.until(container, lambda view: view.exited).exit_code == 128 + signal.SIGTERM
    with pytest.raises(OSError, match="refused"):
        body(view, "/healthz")


def test_one_that_ignores_sigterm_is_killed(started: Started) -> None:
    ignoring = "import signal,time; signal.signal(15, signal.SIG_IGN); print('x on port 1', flush=True); time.sleep(99)"
    container = started.run(sys.executable, "-c", ignoring)
    started.until(container, lambda view: view.port)
    container.stop(drain_s=0, grace_s=0.2)
    assert started.until(container, lambda view: view.exited).exit_code == 128 + signal.SIGKILL


def test_a_program_that_is_not_there(started: Started, tmp_path: Path) -> None:
    assert started.until(started.run(str(tmp_path / "none")), lambda view: view.exited).exit_code == 127


AGENT = """
import sys, time
from pathlib import Path
from tests.live.container import Container
from tests.live.workloads import parse_image, unpack
command = unpack(parse_image("shop/recommender:1.0.0"), Path(sys.argv[1]))
container = Container(command, {}, log=Path(sys.argv[1], "log"), probe="/healthz")
while not container.view.ready:
    time.sleep(0.01)
print(container.view.port, flush=True)
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_no_process_outlives_a_killed_agent(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", AGENT, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": "."}) as agent:
        assert agent.stdout is not None
        view = View(port=int(agent.stdout.readline()))
        assert body(view, "/healthz")
        agent.kill()
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            body(view, "/healthz")
        except OSError:
            return
    pytest.fail("the pod's process is still there")
