"""The sandbox against recordings of real servers: same calls, same answers, same states in the same order."""

from __future__ import annotations

import pytest

from tests.contract.outcomes import outcome, unused
from tests.contract.recording import load
from tests.contract.stories import CHAINS


@pytest.mark.parametrize("chain", CHAINS)
def test_the_sandbox_answers_as_the_real_servers_did(chain: str) -> None:
    report = outcome(chain)
    assert not report.problems, "\n".join(["", *report.problems])
    assert report.answers > 0


def test_every_recorded_call_is_compared_or_replaced() -> None:
    recorded = sum(1 for chain in CHAINS.values() for story in chain for item in load(story.name) if item.call)
    replaced = sum(len(story.instead) for chain in CHAINS.values() for story in chain)
    assert sum(outcome(chain).answers for chain in CHAINS) == recorded - replaced


def test_every_exemption_is_needed() -> None:
    assert not unused()
