"""Real servers against the recordings that the sandbox is held to: the same calls, the same answers and states.

The stories are played side by side, each chain in a namespace of its own: they mostly wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.outcomes import LIVE, note
from tests.contract.replay import Replay, Report
from tests.contract.stories import LIVE_CHAINS
from tests.live.contract import LiveServers, remove
from tests.live.quiet import quiet_node
from tests.live.stack import Stack


@pytest.fixture(scope="module")
def outcomes(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Report]]:
    """What each chain found."""
    for account in ("admin", "headgate", "reader"):
        stack.argocd_token(account)  # made now: the chains ask for them side by side
    folder = tmp_path_factory.mktemp("repositories")
    names = {chain: f"contract-{re.sub('[^a-z]+', '-', chain)}" for chain in LIVE_CHAINS}

    def play(chain: str) -> Report:
        report = Report()
        with LiveServers(stack, folder / names[chain], names[chain]) as servers:
            for story in LIVE_CHAINS[chain]:
                Replay(servers, story, report).run()
        return report

    with quiet_node(stack.kubeconfig):
        try:
            with ThreadPoolExecutor(len(LIVE_CHAINS)) as threads:
                found = dict(zip(LIVE_CHAINS, threads.map(play, LIVE_CHAINS), strict=True))
            for chain, report in found.items():
                note(LIVE, chain, report)
            yield found
        finally:
            for namespace in names.values():
                remove(stack, namespace)


@pytest.mark.parametrize("chain", LIVE_CHAINS)
def test_the_real_servers_answer_as_recorded(outcomes: Mapping[str, Report], chain: str) -> None:
    report = outcomes[chain]
    assert not report.problems, "\n".join(["", *report.problems])
    assert report.answers > 0
