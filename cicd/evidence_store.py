"""Where the evidence of a release is kept: `.headgate/evidence/`, one file and one picture for each verdict; and with
the release's event, so that the dashboard can draw it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployments.analysis.evidence import evidence_document
from deployments.analysis.ports import Subject
from deployments.analysis.seen import Seen, draw, figures_of
from gates.verdict import Outcome
from headgate.clock import Clock
from headgate.secrets import mask
from observability.events import DeliveryEvent
from observability.figure import DATA_KEY, Figure, dump_figures

FOLDER = Path(".headgate") / "evidence"
_FIGURES = 8  # in one event: the newest
_POINTS = 40  # of each of their curves


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Evidence that was kept. `path`: of the JSON, relative to the root; empty when it could not be written."""

    metric: str
    step: str
    path: str
    seen: Seen

    @property
    def picture(self) -> str:
        """Path of the picture beside it."""
        return str(Path(self.path).with_suffix(".svg")) if self.path else ""

    def figures(self) -> tuple[Figure, ...]:
        """The evidence, to be drawn; each says its step."""
        drawn = figures_of(self.metric, self.seen)
        return tuple(replace(figure, title=f"{figure.title}, {self.step}") for figure in drawn)


@dataclass(slots=True, kw_only=True)
class EvidenceFolder:
    """Keeps evidence below `root`. A folder that cannot be written to is a remark: it changes no verdict."""

    root: Path
    service: str
    environment: str
    clock: Clock
    say: Callable[[str], None]
    kept: list[Kept] = field(default_factory=list)

    def keep(self, metric: str, subject: Subject, seen: Seen) -> str:
        """Write both files and return the path of the JSON, relative to `root`; empty when they cannot be written."""
        step = subject.arm.role if subject.step is None else f"step{subject.step}"
        parts = (self.environment, self.service, subject.arm.hash, step, metric, f"{self.clock.now():%Y%m%dT%H%M%SZ}")
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts))[:200]
        path = self._write(metric, FOLDER / f"{name}.json", subject, seen)
        words = subject.arm.role if subject.step is None else f"step {subject.step}"
        self.kept.append(Kept(metric=metric, step=words, path=path, seen=seen))
        return path

    def keep_undecided(self, open_: Iterable[tuple[str, Subject, Seen]]) -> None:
        """Keep what a release that is turned back had seen where nothing had decided: its time was up, or it was told to."""
        if all(one.seen.outcome is Outcome.PASS for one in self.kept):
            for metric, subject, seen in open_:
                path = self.keep(metric, subject, seen)
                self.say(f"{metric}: {seen.message}{f'; evidence: {path}' if path else ''}")

    def attach(self, event: DeliveryEvent) -> DeliveryEvent:
        """The event with the newest figures in its data."""
        figures = [figure for one in self.kept for figure in one.figures()][-_FIGURES:]
        if not figures:
            return event
        return replace(event, data={**event.data, DATA_KEY: dump_figures(figures, points=_POINTS)})

    def _write(self, metric: str, path: Path, subject: Subject, seen: Seen) -> str:
        release = {
            "service": self.service,
            "environment": self.environment,
            "version_hash": subject.arm.hash,
            "role": subject.arm.role,
            "step": subject.step,
        }
        document = evidence_document(seen, release)
        try:
            (self.root / FOLDER).mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")
            (self.root / path).with_suffix(".svg").write_text(mask(draw(metric, seen, release)), encoding="utf-8")
        except OSError as error:
            self.say(f"warning: the evidence of {metric} could not be kept: {error}")
            return ""
        return path.as_posix()
