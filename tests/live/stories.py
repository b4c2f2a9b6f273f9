"""Long live tests side by side: all that were collected begin with the first, and each test waits for its own story.

A story is a function that does what takes long and raises what goes wrong; the test of the same name asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

TIMEOUT_S = 400.0


@contextlib.contextmanager
def told(request: pytest.FixtureRequest, stories: Mapping[str, Callable[[], None]], workers: int) -> Iterator[Stories]:
    """Begin those of the `stories` (by name of the test) whose tests were collected."""
    chosen = {item.name for item in request.session.items if item.path == request.path}
    with ThreadPoolExecutor(workers) as pool:
        yield Stories({name: pool.submit(story) for name, story in stories.items() if name in chosen})


class Stories:
    """What became of them."""

    def __init__(self, begun: Mapping[str, Future[None]]) -> None:
        self._begun = begun

    def ends(self, request: pytest.FixtureRequest) -> None:
        """Wait for the story of this test; what it raised is raised here."""
        self._begun[request.node.name].result(TIMEOUT_S)
