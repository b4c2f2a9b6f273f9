"""One stack of real servers for the whole run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.live.build import Built, build
from tests.live.debian import Debian, find
from tests.live.stack import Stack
from tests.live.workers import agent_server


def say(text: str) -> None:
    """Past pytest's capture, so that a long build shows that it goes on."""
    print(f"live: {text}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def debian() -> Debian:
    return find(say)


@pytest.fixture(scope="session")
def built() -> Built:
    return build(say)


@pytest.fixture(scope="session")
def stack(built: Built, debian: Debian) -> Iterator[Stack]:
    """Argo CD, Kubernetes with Argo Rollouts, and Prometheus, up and furnished; no node, no application."""
    with Stack(built, debian, say) as running:
        yield running
        assert running.servers.fallen() == {}, "servers ended though nobody asked them to"


@pytest.fixture(scope="session")
def agent(stack: Stack) -> str:
    """A node on which pods run as local processes. Returns the name for `stack.kill` and `stack.revive`."""
    server = agent_server(stack)
    stack.servers.start(server)
    return server.name
