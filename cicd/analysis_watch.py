"""Judge two versions that are serving, without a release: `headgate analysis watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cicd.cli.context import App
from cicd.release_analysis import AnalysisBuilder, build_pods
from deployments.analysis.evidence import evidence_document
from deployments.analysis.ports import Arm, Subject
from deployments.analysis.run import StepAnalysis
from deployments.analysis.seen import Judged, Seen
from deployments.kubernetes import KubernetesPods
from gates.verdict import Outcome, Verdict, group
from headgate.errors import ConfigError

_POLL_S = 0.25


@dataclass(slots=True, kw_only=True)
class Watch:
    """Metrics of the configuration, looked at until they are decided."""

    app: App
    names: tuple[str, ...]
    analysis: StepAnalysis
    seen: dict[str, Seen] = field(default_factory=dict)

    def run(self, subject: Subject, *, timeout_s: float, say: Callable[[str], None]) -> Verdict:
        """The verdict; INCONCLUSIVE when the time is up. `say` gets a line whenever the words changed."""
        clock = self.app.clock
        until, last = clock.now() + timedelta(seconds=timeout_s), ""
        while True:
            found = self.analysis.look(subject, clock.now())
            line = "; ".join(self._lines())
            if line != last:
                say(line)
                last = line
            if found is not None or clock.now() >= until:
                break
            clock.sleep(_POLL_S)
        for name, _, seen in self.analysis.undecided():
            self.seen.setdefault(name, seen)
        if found is not None:
            return found
        text = f"not decided within {timeout_s:g} s{': ' + last if last else ''}"
        leaf = Verdict(name="time", outcome=Outcome.INCONCLUSIVE, message=text)
        return group("analysis", [leaf], message=text)

    def documents(self) -> dict[str, dict[str, Any]]:
        """The evidence of every metric that was decided, or looked at until the time was up."""
        return {name: evidence_document(seen) for name, seen in self.seen.items()}

    def _lines(self) -> Iterator[str]:
        for name, _, seen in self.analysis.undecided():
            message = (
                seen.verdict.metrics[0].message if isinstance(seen, Judged) and seen.verdict.metrics else seen.message
            )
            yield f"{name}: {message}"


@contextmanager
def open_watch(
    app: App, names: tuple[str, ...], *, alpha: float, beta: float, service: str | None, environment: str | None
) -> Iterator[Watch]:
    """The metrics `names` with their sources. Raises `ConfigError` for a name that is not there."""
    unknown = sorted(set(names) - set(app.config.analysis))
    if unknown:
        raise ConfigError(
            f"there is no metric {unknown[0]!r}; there are: {', '.join(sorted(app.config.analysis)) or 'none'}",
            where="analysis",
            next_step="Correct the name, or add it to headgate.yaml.",
        )
    seen: dict[str, Seen] = {}

    def keep(metric: str, subject: Subject, what: Seen) -> str:  # noqa: ARG001 - the port's signature
        seen[metric] = what
        return ""

    with ExitStack() as stack:
        builder = AnalysisBuilder(
            app=app,
            stack=stack,
            pods=lambda: _pods(app, service, environment),
            tests=sum(app.config.analysis[name].rule == "test" for name in names),
            alpha=alpha,
            beta=beta,
            record=keep,
        )
        metrics = tuple(builder.metric(name, app.config.analysis[name]) for name in dict.fromkeys(names))
        yield Watch(app=app, names=names, analysis=StepAnalysis(metrics), seen=seen)


def subject_of(canary: str, baseline: str, weight: float | None) -> Subject:
    """Two versions side by side, by their identities."""
    if canary == baseline:
        raise ConfigError(
            "the canary and the baseline are the same", where="--baseline", next_step="Name two versions."
        )
    arm = Arm(hash=canary, role="canary", weight=weight)
    return Subject(arm=arm, baseline=Arm(hash=baseline, role="stable", weight=weight), step=None)


def _pods(app: App, service: str | None, environment: str | None) -> KubernetesPods:
    from cicd.release import find_service

    if service is None or environment is None:
        raise ConfigError(
            "source openmetrics needs to know whose pods", where="analysis", next_step="Give --service and --env."
        )
    return build_pods(find_service(app.config, service, environment), app.root)
