"""What a scenario proved: pure values and their rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.exit_codes import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One claim, whether it held, and what was seen where one would look for it."""

    claim: str
    holds: bool
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A scenario that was played: its proofs in order. `seconds` is wall time."""

    scenario: str
    title: str
    proofs: tuple[Proof, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every claim held; a scenario without any proof proved nothing."""
        return bool(self.proofs) and all(proof.holds for proof in self.proofs)


def exit_code(chapters: Sequence[Chapter]) -> ExitCode:
    """PASS only if there is a chapter and every one holds."""
    return ExitCode.PASS if chapters and all(chapter.holds for chapter in chapters) else ExitCode.FAIL


def render(chapters: Sequence[Chapter]) -> str:
    """The closing table: a line per scenario, and below it what each proof saw."""
    lines: list[str] = []
    for chapter in chapters:
        lines.append(
            f"{'PROVED' if chapter.holds else 'FAILED':<7} {chapter.scenario:<11} {chapter.title}  ({chapter.seconds:.1f} s)"
        )
        lines += [f"  {'ok ' if proof.holds else 'NOT'} {proof.claim}: {proof.seen}" for proof in chapter.proofs]
    return "\n".join(lines)


def as_data(chapters: Sequence[Chapter]) -> list[dict[str, object]]:
    """The same for JSON and YAML."""
    return [
        {
            "scenario": chapter.scenario,
            "title": chapter.title,
            "proved": chapter.holds,
            "seconds": round(chapter.seconds, 1),
            "proofs": [{"claim": p.claim, "holds": p.holds, "seen": p.seen} for p in chapter.proofs],
        }
        for chapter in chapters
    ]
