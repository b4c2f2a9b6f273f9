"""The replayed stories, each once per run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.contract.exemptions import EXEMPTIONS, Exemption
from tests.contract.replay import Replay, Report
from tests.contract.stories import CHAINS
from tests.contract.world import World

_DONE: dict[str, Report] = {}


def outcome(chain: str) -> Report:
    """What replaying the stories of a chain, one after the other on one sandbox, found."""
    if chain not in _DONE:
        report = Report()
        with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
            for story in CHAINS[chain]:
                Replay(world, story, report).run()
        _DONE[chain] = report
    return _DONE[chain]


def unused() -> list[Exemption]:
    """Exemptions that no story needed."""
    used = {exemption for chain in CHAINS for exemption in outcome(chain).used}
    return [exemption for exemption in EXEMPTIONS if exemption not in used]


def told() -> list[str]:
    """The totals of the chains that were replayed; nothing when none was."""
    if not _DONE:
        return []
    answers, states = (sum(getattr(report, name) for report in _DONE.values()) for name in ("answers", "states"))
    problems = sum(len(report.problems) for report in _DONE.values())
    exempt = sum(report.exempt for report in _DONE.values())
    compared = f"contract: {answers} recorded answers and {states} recorded states compared with the sandbox"
    return [f"{compared}; {exempt} differences exempt under {len(EXEMPTIONS)} rules, {problems} not"]
