"""Playing scenarios on the sandbox, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicd.demo.proof import Chapter, Proof
from cicd.demo.scenarios import SCENARIOS, Scenario
from cicd.demo.stage import Stage
from cicd.sandbox.world import World
from headgate.clock import Clock
from headgate.errors import HeadgateError
from headgate.secrets import mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was played. `report` is the DORA report as text; `left` names what can be looked at afterwards."""

    chapters: tuple[Chapter, ...]
    report: str
    left: tuple[tuple[str, Path], ...]


def play(names: Sequence[str], *, root: Path, shop: Path, clock: Clock, say: Callable[[str], None]) -> Story:
    """Set the stage in `root` (a new folder), play the scenarios in order, and write what they leave.

    A scenario that raises proved nothing and is shown as failed with its error; the others are still played.
    """
    started = clock.monotonic()
    with World(root, clock) as world:
        say("starting GitLab, Jenkins, Argo CD, Kubernetes and Cloud Storage on loopback")
        stage = Stage(world, shop, say)
        stage.prepare()
        say(f"recommender 1.0.0 and catalogue 1.0.0 are live ({clock.monotonic() - started:.1f} s)")
        chapters = tuple(_chapter(SCENARIOS[name], stage, clock, say) for name in names)
        report = stage.headgate("dora", "report")
        return Story(chapters=chapters, report=(report.stdout or report.stderr).rstrip(), left=_leave(stage))


def _chapter(scenario: Scenario, stage: Stage, clock: Clock, say: Callable[[str], None]) -> Chapter:
    say("")
    say(f"== {scenario.name}: {scenario.title}")
    started = clock.monotonic()
    try:
        proofs = scenario.play(stage)
    except HeadgateError as error:
        proofs = (Proof(claim="it could be played to the end", holds=False, seen=mask(str(error))),)
    chapter = Chapter(scenario=scenario.name, title=scenario.title, proofs=proofs, seconds=clock.monotonic() - started)
    held = sum(proof.holds for proof in proofs)
    say(f"{held} of {len(proofs)} claims were seen to hold ({chapter.seconds:.1f} s)")
    return chapter


def _leave(stage: Stage) -> tuple[tuple[str, Path], ...]:
    from observability.dashboard import render_static
    from observability.store import open_store

    root = stage.world.root
    page = root / "dashboard.html"
    render_static(open_store(stage.store), page)
    return (
        ("dashboard", page),
        ("delivery events", root / "events.db"),
        ("GitOps repository", stage.environment_repository),
        ("job logs and reports", root / "gitlab"),
    )
