"""The analysis of one step: several metrics, each with its own rule, that must all pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from deployments.analysis.ports import Subject
from deployments.analysis.seen import Seen
from gates.verdict import Outcome, Verdict, group


class StepMetric(Protocol):
    """One metric of a step."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """As `ports.Analysis.look`, for this metric alone."""
        ...

    def standing(self) -> tuple[Subject, Seen] | None:
        """What the present step has seen while it is not decided; None before the first look and after the verdict."""
        ...


class StepAnalysis:
    """All `metrics` of a step; every one of them must pass. Implements `ports.Analysis`."""

    def __init__(self, metrics: tuple[StepMetric, ...]) -> None:
        self._metrics = metrics

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`. One failed metric decides at once, a pass needs all of them."""
        verdicts = [metric.look(subject, now) for metric in self._metrics]
        decided = [found for found in verdicts if found is not None]
        bad = [found for found in decided if found.outcome is not Outcome.PASS]
        if not bad and len(decided) < len(verdicts):
            return None
        message = "; ".join(found.message for found in (bad or decided))
        required = () if bad else tuple(metric.name for metric in self._metrics)
        return group("analysis", decided, required=required, message=message or "there is no metric to look at")

    def undecided(self) -> Iterator[tuple[str, Subject, Seen]]:
        """What metrics that are not decided have seen so far: their names, what is judged, and the evidence."""
        for metric in self._metrics:
            standing = metric.standing()
            if standing is not None:
                yield metric.name, *standing


class AnalysisByRole:
    """One analysis for the steps before all traffic moves, another for the soak afterwards (role `active`)."""

    def __init__(self, *, steps: StepAnalysis, soak: StepAnalysis) -> None:
        self._steps, self._soak = steps, soak

    def look(self, subject: Subject, now: datetime) -> Verdict | None:
        """See `ports.Analysis`."""
        chosen = self._soak if subject.arm.role == "active" else self._steps
        return chosen.look(subject, now)

    def undecided(self) -> Iterator[tuple[str, Subject, Seen]]:
        """As `StepAnalysis.undecided`, of both."""
        yield from self._steps.undecided()
        yield from self._soak.undecided()
