"""The replayed stories, each once per run, and the numbers to tell at the end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.contract.exemptions import EXEMPTIONS, Exemption
from tests.contract.replay import Replay, Report
from tests.contract.stories import CHAINS
from tests.contract.world import World

SANDBOX, LIVE = "the sandbox", "real servers"
_DONE: dict[str, dict[str, Report]] = {SANDBOX: {}, LIVE: {}}


def outcome(chain: str) -> Report:
    """What replaying the stories of a chain, one after the other on one sandbox, found."""
    if chain not in _DONE[SANDBOX]:
        report = Report()
        with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
            for story in CHAINS[chain]:
                Replay(world, story, report).run()
        note(SANDBOX, chain, report)
    return _DONE[SANDBOX][chain]


def note(side: str, chain: str, report: Report) -> None:
    """Keep a finished chain's report."""
    _DONE[side][chain] = report


def unused() -> list[Exemption]:
    """Exemptions of the sandbox that no story needed."""
    used = {exemption for chain in CHAINS for exemption in outcome(chain).used}
    return [exemption for exemption in EXEMPTIONS if exemption not in used]


def told() -> list[str]:
    """The totals of the chains that were replayed, for each side; nothing when none was."""
    return [_totals(side, list(done.values())) for side, done in _DONE.items() if done]


def _totals(side: str, reports: list[Report]) -> str:
    answers, states = (sum(getattr(report, name) for report in reports) for name in ("answers", "states"))
    problems = sum(len(report.problems) for report in reports)
    exempt = sum(report.exempt for report in reports)
    rules = len(set().union(*(report.used for report in reports)))
    compared = f"contract: {answers} recorded answers and {states} recorded states compared with {side}"
    return f"{compared}; {exempt} differences exempt under {rules} rules, {problems} not"
