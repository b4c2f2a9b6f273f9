"""SIGKILL of a real `headgate release start` at ten moments of a live canary; the same command again settles it.

A moment is seen from outside (in Git, in Argo CD, in the Rollout, by its users) or in what the command says. The
process may have got a step further when the signal arrives; what must hold holds at every moment.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.live.platform import Platform, platform
from tests.live.stack import Stack
from tests.live.stories import Stories

pytestmark = pytest.mark.timeout(600)  # all stories are told while the first test is set up
WORKERS = 4
LOOK_S = 0.02
PATIENCE_S = 120.0


@dataclass(slots=True)
class Run:
    """A command that is going to be killed: what it has said, and where Git was when it began."""

    shop: Platform
    version: str
    process: subprocess.Popen[str]
    head: str
    said: list[str] = field(default_factory=list)

    def says(self, text: str) -> bool:
        return any(text in line for line in self.said)

    def commits(self) -> int:
        """How many commits main has more than at the beginning."""
        if (self.shop.environment.bare / "refs/heads/main").read_text().strip() == self.head:
            return 0
        return int(self.shop.git.run("rev-list", "--count", f"{self.head}..main"))

    def asked(self, purpose: str) -> bool:
        """Whether Argo CD has had a sync for that purpose from this release."""
        found = self.shop.application()
        operations = (found.get("operation"), (found.get("status", {}).get("operationState") or {}).get("operation"))
        if not self.commits():
            return False
        mine = self.shop.git.run("log", "--format=%(trailers:key=Headgate-Release,valueonly)", "main").split()[0]
        return any(f"{mine}/{purpose}" in json.dumps(operation) for operation in operations)

    def status(self) -> dict[str, object]:
        found: dict[str, object] = self.shop.rollout()["status"]
        return found

    def paused_at(self, step: int) -> bool:
        status = self.status()
        current = self.shop.rollout()["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{self.version}")
        return bool(current and status.get("pauseConditions") and status.get("currentStepIndex") == step)


Moment = Callable[[Run], bool]
GOOD: dict[str, Moment] = {
    "after the commit": lambda run: run.commits() == 1,
    "after the sync call": lambda run: run.asked("apply"),
    "at a pause": lambda run: run.paused_at(1),
    "during analysis": lambda run: run.says("gathering evidence") and run.shop.served(run.version) >= 15,
    "after going on": lambda run: run.paused_at(3),
}
BAD: dict[str, Moment] = {
    "after the verdict": lambda run: run.says("analysis FAIL"),
    "after the abort call": lambda run: bool(run.status().get("abort")),
    "before the revert": lambda run: run.says("the stable version has all the traffic"),
    "after the revert": lambda run: run.commits() == 2,
    "after the sync of the revert": lambda run: run.asked("revert"),
}


def _kill_at(shop: Platform, version: str, reached: Moment) -> None:
    """Start a release and kill it at a moment."""
    head = shop.head()
    with shop.begin("start", "recommender", "--version", version) as process:
        run = Run(shop, version, process, head)
        reader = threading.Thread(target=_read, args=(run,))
        reader.start()
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not reached(run):
                assert process.poll() is None, f"it ended before:\n{''.join(run.said)}"
                assert time.monotonic() < deadline, f"not reached in {PATIENCE_S:g} s:\n{''.join(run.said)}"
                time.sleep(LOOK_S)
        finally:
            process.kill()
            reader.join()
    assert process.returncode == -9, "".join(run.said)


def _read(run: Run) -> None:
    assert run.process.stderr is not None
    run.said.extend(iter(run.process.stderr.readline, ""))


def _good(shop: Platform, version: str, reached: Moment) -> None:
    _kill_at(shop, version, reached)
    done = shop.headgate("start", "recommender", "--version", version)
    assert done.code == ExitCode.PASS, done.said
    assert "continuing release" in done.said
    shop.check_settled("recommender", version)
    shop.check_only(version, done.ended)
    assert shop.commits("recommender", version) == (1, 0)
    assert shop.events("recommender", version) == [Kind.SERVICE_UPGRADED]


def _bad(shop: Platform, version: str, reached: Moment) -> None:
    before = shop.version_in_git()
    _kill_at(shop, version, reached)
    done = shop.headgate("start", "recommender", "--version", version)
    assert done.code == ExitCode.FAIL, done.said
    assert "continuing" in done.said
    shop.check_settled("recommender", before)
    shop.check_only(before, done.ended)
    assert shop.commits("recommender", version) == (1, 1)
    assert shop.events("recommender", version) == [Kind.SERVICE_ROLLEDBACK]


class Platforms:
    """A platform with users for each worker; after a story that went wrong the next one gets a fresh one."""

    def __init__(self, stack: Stack, folder: Callable[[str], Path], opened: contextlib.ExitStack) -> None:
        self._stack, self._folder, self._opened = stack, folder, opened
        self._lock = threading.Lock()
        self._free: list[Platform] = []
        self._made = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[Platform]:
        with self._lock:
            found = self._free.pop() if self._free else None
            self._made += found is None
            namespace = f"crash-{self._made}"
        if found is None:
            with contextlib.ExitStack() as opening:
                found = opening.enter_context(platform(self._stack, namespace, self._folder(namespace)))
                opening.enter_context(found.load(35))
                kept = opening.pop_all()
            with self._lock:
                self._opened.push(kept)
        yield found
        with self._lock:
            self._free.append(found)


def _name(kind: str, moment: str) -> str:
    return f"test_{kind}_release_killed_and_run_again[{moment}]"


@pytest.fixture(scope="module")
def stories(
    request: pytest.FixtureRequest, stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stories]:
    assert agent

    def story(what: Callable[[Platform, str, Moment], None], version: str, moment: Moment) -> None:
        with platforms.one() as shop:
            what(shop, version, moment)

    with contextlib.ExitStack() as opened:
        platforms = Platforms(stack, tmp_path_factory.mktemp, opened)
        good = {_name("good", name): partial(story, _good, f"2.{n}.0", GOOD[name]) for n, name in enumerate(GOOD)}
        bad = {_name("bad", name): partial(story, _bad, f"3.{n}.0-errors", BAD[name]) for n, name in enumerate(BAD)}
        yield Stories(request, good | bad, workers=WORKERS)


@pytest.mark.parametrize("moment", GOOD)
def test_good_release_killed_and_run_again(stories: Stories, request: pytest.FixtureRequest, moment: str) -> None:
    """Promoted, by one commit."""
    stories.ends(request)


@pytest.mark.parametrize("moment", BAD)
def test_bad_release_killed_and_run_again(stories: Stories, request: pytest.FixtureRequest, moment: str) -> None:
    """Turned back, by one commit and one revert."""
    stories.ends(request)
