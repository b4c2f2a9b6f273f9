"""The sandbox against recordings of real servers: same calls, same answers, same states in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import client_cases, kubernetes_story, streams
from tests.contract.outcomes import SANDBOX, note, outcome, unused
from tests.contract.recording import load
from tests.contract.steps import application_manifest, sync_is, wait_for
from tests.contract.stories import CHAINS
from tests.contract.world import World


@pytest.mark.parametrize("chain", CHAINS)
def test_the_sandbox_answers_as_the_real_servers_did(chain: str) -> None:
    report = outcome(chain)
    assert not report.problems, "\n".join(["", *report.problems])
    assert report.answers > 0


def test_the_sandbox_answers_as_the_real_kubernetes_did(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        report = kubernetes_story.play(world)
    note(SANDBOX, "kubernetes", report)
    assert not report.problems, "\n".join(["", *report.problems])
    assert report.answers == len(kubernetes_story.calls()) > 0


def test_the_watch_stream_and_our_client(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.push("ops", "93ad58304b32f5e9ab292b7ec2f110f8a214f35c")
        world.create_application(application_manifest("ops"))
        wait_for(world, sync_is("ops", "OutOfSync"))
        report = streams.play(world, "ops")
        report.add(client_cases.play(world, "ops"))
    note(SANDBOX, "stream and client", report)
    assert not report.problems, "\n".join(["", *report.problems])


def test_every_recorded_call_is_compared_or_replaced() -> None:
    recorded = sum(1 for chain in CHAINS.values() for story in chain for item in load(story.name) if item.call)
    replaced = sum(len(story.instead) for chain in CHAINS.values() for story in chain)
    assert sum(outcome(chain).answers for chain in CHAINS) == recorded - replaced


def test_every_exemption_is_needed() -> None:
    assert not unused()
