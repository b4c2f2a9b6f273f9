"""A real Prometheus of a test's own, on loopback, and real HTTP workloads for it to scrape."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.live.build import cache_root
from tests.live.debian import library_path
from tests.testing.private_server import NotAvailableError, find_program, free_port

WORKLOAD = Path(__file__).with_name("workload.py")
READY_S = 60.0


def find_prometheus() -> tuple[Path, dict[str, str]]:
    """The program and what it needs in its environment: the machine's own, or the one that the live servers fetched.

    Raises `NotAvailableError` that names what is missing.
    """
    try:
        return find_program("prometheus"), {}
    except NotAvailableError:
        for fetched in sorted(cache_root().glob("debian-*prometheus*")):
            program = fetched / "usr" / "bin" / "prometheus"
            if os.access(program, os.X_OK):
                return program, library_path(fetched)
        raise


class Prometheus:
    """The server; `scrape` tells it its targets, which it takes up within a second."""

    def __init__(self, folder: Path, *, interval: str = "1s") -> None:
        self._program, self._libraries = find_prometheus()
        self._folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self._targets = folder / "targets.json"
        self._targets.write_text("[]", encoding="utf-8")
        scrape = {"job_name": "shop", "scrape_interval": interval, "file_sd_configs": [{"files": [str(self._targets)]}]}
        (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._program),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, "HOME": str(self._folder)} | self._libraries,
            )
        wait_for(f"{self.url}/-/ready")

    def stop(self) -> None:
        """End it; its data stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def scrape(self, targets: Mapping[str, Mapping[str, str]]) -> None:
        """Let it scrape these addresses, each with its labels."""
        self.discover(targets.items())

    def discover(self, targets: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """The same for addresses that may be there more than once, as `__metrics_path__` tells them apart."""
        found = [{"targets": [address], "labels": dict(labels)} for address, labels in targets]
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(found), encoding="utf-8")
        new.replace(self._targets)

    def own(self, name: str) -> float:
        """One of its own counters, by its name with its labels as /metrics writes them."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as response:
            lines = response.read().decode().splitlines()
        wanted = {part.strip("{}") for part in name.replace("{", ",{").split(",")}
        for line in lines:
            text, _, number = line.rpartition(" ")
            if {part.strip("{}") for part in text.replace("{", ",{").split(",")} == wanted:
                return float(number)
        return 0.0

    def value(self, query: str) -> float:
        """The first value of an instant query, 0 when there is none."""
        url = f"{self.url}/api/v1/query?query={urllib.request.quote(query)}"  # type: ignore[attr-defined]
        with urllib.request.urlopen(url, timeout=60) as response:
            result = json.load(response)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """A running server in a folder that exists. Raises `NotAvailableError`."""
    server = Prometheus(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Workload:
    """A process that serves HTTP, answers a share of the requests with 500, and counts them at /metrics."""

    def __init__(self, bad: float) -> None:
        self.port = free_port()
        self._process = subprocess.Popen([sys.executable, "-I", str(WORKLOAD), str(self.port), str(bad)])
        wait_for(f"http://127.0.0.1:{self.port}/metrics")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)


class Load:
    """Requests at a steady rate over one connection, until `stop`."""

    def __init__(self, workload: Workload, rate: float) -> None:
        self._workload, self._rate = workload, rate
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._workload.port, timeout=60)
        began, sent = time.monotonic(), 0
        while not self._end.is_set():
            due = int((time.monotonic() - began) * self._rate)
            for _ in range(due - sent):
                connection.request("GET", "/")
                connection.getresponse().read()
            sent = max(sent, due)
            self._end.wait(0.01)
        connection.close()


def wait_for(url: str) -> None:
    """Until the address answers 200."""
    until = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            if response.status == 200:
                return
        assert time.monotonic() < until, f"{url} did not answer within {READY_S:g} s"
        time.sleep(0.05)
