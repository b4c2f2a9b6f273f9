"""Real servers against the recordings that the sandbox is held to: the same calls, the same answers and states.

The stories are played side by side, each chain in a namespace of its own: they mostly wait.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from headgate.errors import HeadgateError
from tests.contract import client_cases, kubernetes_story, streams
from tests.contract.outcomes import LIVE, note
from tests.contract.recording import load
from tests.contract.replay import Replay, Report
from tests.contract.stories import CHAINS, LIVE_CHAINS
from tests.live.contract import LiveServers, remove
from tests.live.quiet import quiet_node
from tests.live.stack import Stack

pytestmark = pytest.mark.timeout(420)  # all chains are played while the first test is set up
KUBERNETES = "kubernetes"
PLAYED = (*LIVE_CHAINS, KUBERNETES)


@pytest.fixture(scope="module")
def outcomes(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Report]]:
    """What each chain found."""
    for account in ("admin", "headgate", "reader"):
        stack.argocd_token(account)  # made now: the chains ask for them side by side
    folder = tmp_path_factory.mktemp("repositories")
    names = {chain: f"contract-{re.sub('[^a-z]+', '-', chain)}" for chain in PLAYED}

    def play(chain: str) -> Report:
        report = Report()
        if chain == KUBERNETES:
            with LiveServers(stack, folder / names[chain], names[chain]) as servers:
                return kubernetes_story.play(servers)
        with LiveServers(stack, folder / names[chain], names[chain]) as servers:
            for story in LIVE_CHAINS[chain]:
                Replay(servers, story, report).run()
            if chain == "operations":
                report.add(streams.play(servers, "ops"))
                report.add(client_cases.play(servers, "ops"))
        return report

    def guarded(chain: str) -> Report:
        """One chain that breaks off leaves the others their verdicts."""
        try:
            return play(chain)
        except (AssertionError, httpx.HTTPError, HeadgateError, LookupError, ValueError):
            return Report(problems=[traceback.format_exc()])

    with quiet_node(stack.kubeconfig):
        try:
            with ThreadPoolExecutor(len(PLAYED)) as threads:
                found = dict(zip(PLAYED, threads.map(guarded, PLAYED), strict=True))
            for chain, report in found.items():
                note(LIVE, chain, report)
            yield found
        finally:
            for namespace in names.values():
                remove(stack, namespace)


@pytest.mark.parametrize("chain", PLAYED)
def test_the_real_servers_answer_as_recorded(outcomes: Mapping[str, Report], chain: str) -> None:
    report = outcomes[chain]
    assert not report.problems, "\n".join(["", *report.problems])
    assert report.answers > 0


def test_no_fewer_answers_than_on_the_sandbox(outcomes: Mapping[str, Report]) -> None:
    recorded = sum(1 for chain in CHAINS.values() for story in chain for item in load(story.name) if item.call)
    assert sum(report.answers for report in outcomes.values()) > recorded
