"""Long live tests side by side: those that were collected of a module are told together, then each test asks for its own.

A story is a function that does what takes long and raises what goes wrong; the test of the same name asks for it.
All are told before the first test begins: pytest changes the environment between tests, which threads read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest


class Stories:
    """What became of the `stories` (by name of the test); `workers` of them at a time."""

    def __init__(
        self, request: pytest.FixtureRequest, stories: Mapping[str, Callable[[], None]], *, workers: int
    ) -> None:
        chosen = {item.name for item in request.session.items if item.path == request.path}
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled(), ThreadPoolExecutor(workers) as pool:
            self._told: dict[str, Future[None]] = {
                name: pool.submit(_tell, name, story) for name, story in stories.items() if name in chosen
            }
            wait(self._told.values())

    def ends(self, request: pytest.FixtureRequest) -> None:
        """What the story of this test raised is raised here."""
        self._told[request.node.name].result(0)


def _tell(name: str, story: Callable[[], None]) -> None:
    began = time.monotonic()
    ended = "failed"
    try:
        story()
        ended = "passed"
    finally:
        # The only sign of life for a minute.
        print(f"live: {name} {ended} after {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
