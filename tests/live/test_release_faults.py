"""A server is killed in the middle of a release and comes back: the release goes on and settles."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.live.platform import FIRST, Platform, platform
from tests.live.stack import Stack
from tests.live.waiting import eventually

NAMESPACES = ("fault-good", "fault-bad")


@pytest.fixture(scope="module")
def shops(stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Platform]]:
    """One for a good version, one for a bad one; a killed server is missed by both."""
    assert agent
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(len(NAMESPACES)) as pool:

        def up(namespace: str) -> tuple[contextlib.ExitStack, Platform]:
            opening = contextlib.ExitStack()
            shop = opening.enter_context(platform(stack, namespace, tmp_path_factory.mktemp(namespace)))
            opening.enter_context(shop.load(35))
            return opening, shop

        (first, good), (second, bad) = pool.map(up, NAMESPACES)
        opened.push(first)
        opened.push(second)
        yield good, bad


class Release:
    """A release that runs, with what it says."""

    def __init__(self, shop: Platform, version: str) -> None:
        self.said: list[str] = []
        self.process: subprocess.Popen[str] = shop.begin("start", "recommender", "--version", version)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def says(self, text: str, *, after: int = 0) -> bool:
        assert self.process.poll() is None, f"it ended before it said {text!r}:\n{''.join(self.said)}"
        return any(text in line for line in self.said[after:])

    def ends(self) -> int:
        with self.process:
            try:
                code = self.process.wait(240)
            finally:
                self.process.kill()
                self._reader.join()
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))


@pytest.mark.parametrize(
    ("server", "number"), [("argocd-server", 1), ("kube-apiserver", 2)], ids=["argocd-server", "kube-apiserver"]
)
def test_server_killed_and_started_again_in_the_middle_of_a_release(
    stack: Stack, shops: tuple[Platform, Platform], server: str, number: int
) -> None:
    """A good version is promoted and one with 3 % errors turned back all the same; nothing is done twice."""
    good, bad = shops
    version, broken = f"4.{number}.0", f"5.{number}.0-errors"
    releases = Release(good, version), Release(bad, broken)
    try:
        for release in releases:
            eventually(lambda release=release: release.says("step 1 of 4"), "the first step", 60)  # type: ignore[misc]
        said = len(releases[0].said)
        stack.kill(server)
        try:
            eventually(
                lambda: releases[0].says("no contact", after=said), "it notices", 60, last=lambda: releases[0].said
            )
        finally:
            stack.revive(server)
    finally:
        codes = [release.ends() for release in releases]
    texts = ["".join(release.said) for release in releases]
    assert codes == [ExitCode.PASS, ExitCode.FAIL], "\n\n".join(texts)
    good.check_settled("recommender", version)
    bad.check_settled("recommender", FIRST)
    assert good.commits("recommender", version) == (1, 0)
    assert bad.commits("recommender", broken) == (1, 1)
    assert good.events("recommender", version) == [Kind.SERVICE_UPGRADED]
    assert bad.events("recommender", broken) == [Kind.SERVICE_ROLLEDBACK]
