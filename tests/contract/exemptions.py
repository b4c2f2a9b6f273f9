"""The deliberate differences between the recorded servers and the sandbox, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.contract.recording import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """A difference that is meant: where (globs over story, request path, note and place), and why."""

    place: str
    reason: str
    story: str = "*"
    request: str = "*"
    note: str = "*"

    def covers(self, story: str, call: Recorded, difference: str) -> bool:
        place = difference.partition(": ")[0]
        return (
            fnmatchcase(story, self.story)
            and fnmatchcase(call.path, self.request)
            and fnmatchcase(call.note, self.note)
            and fnmatchcase(place, self.place.replace("[", "[[]"))
        )


_MACHINES: tuple[Exemption, ...] = (
    Exemption(
        place="$.hosts*",
        request="*/resource-tree*",
        reason="capacity and versions of the nodes; no client of ours reads them",
    ),
    Exemption(
        place="$.nodes[Pod *].info[Node].value",
        request="*/resource-tree*",
        reason="the name of the machine",
    ),
    Exemption(
        place="$.metadata.generation",
        request="/api/v1/applications*",
        reason="counts the controller's own writes of the status; no client reads it",
    ),
)
_NO_ANALYSES: tuple[Exemption, ...] = (
    Exemption(
        place="$.metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="$.spec.strategy.canary.steps[1].*",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="$.status.conditions[Paused].*",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="*message",
        story="08-*",
        note="a*",
        reason="the sandbox's Rollouts run no analyses: an abort stands in, without the metric in its message",
    ),
)
EXEMPTIONS: tuple[Exemption, ...] = (
    *_MACHINES,
    *_NO_ANALYSES,
    Exemption(
        place="$.status.operationState.operation.sync.resources",
        story="04-*",
        note="after self-heal",
        reason="names the Job that a hook left behind; the sandbox runs no hooks",
    ),
    Exemption(
        place="$.status.summary.images",
        request="*/sync",
        story="03-*",
        reason="pods that were ending just then; here they have ended",
    ),
    Exemption(
        place="$.status.health.status",
        request="*/sync",
        story="0[27]-*",
        reason="the answer repeats a health that lags by a tenth of a second, a race in the recording",
    ),
    Exemption(
        place="$.status.summary.images",
        story="04-*",
        note="operation running",
        reason="the image of the hook's pod; the sandbox runs no hooks",
    ),
    Exemption(
        place="$.status.operationState.operation.sync.syncStrategy",
        story="04-*",
        reason="says that it was a rollback by history number; a sync to the same revision stands in",
    ),
)
"""Of the sandbox."""

LIVE_EXEMPTIONS: tuple[Exemption, ...] = (
    *_MACHINES,
    *_NO_ANALYSES,
    Exemption(
        place="$.status.*",
        request="/api/v1/applications",
        reason="the answer to a write repeats the status of that moment, a race; reads are compared in full",
    ),
    Exemption(
        place="$.status.*",
        request="*/sync",
        reason="the answer to a write repeats the status of that moment, a race; reads are compared in full",
    ),
    Exemption(
        place="$.nodes",
        request="*/resource-tree*",
        story="01-*",
        reason="the settings of a standard installation leave Endpoints out of the tree; the recorded server had none",
    ),
    Exemption(
        place="$.status.summary.images",
        story="04-*",
        reason="the hook's pod comes and goes by itself",
    ),
    Exemption(
        place="$.status.sync.*",
        story="04-*",
        note="operation running",
        reason="the commit may have been compared meanwhile, as Argo CD does now and then by itself",
    ),
    Exemption(
        place="$.status.resources[ConfigMap ops].status",
        story="04-*",
        note="operation running",
        reason="the commit may have been compared meanwhile, as Argo CD does now and then by itself",
    ),
    Exemption(
        place="$.status.operationState.*",
        story="04-*",
        note="operation running",
        reason="what the controller has written down so far; the recording looked a moment earlier",
    ),
    Exemption(
        place="$.status.operationState.operation.sync.resources",
        story="04-*",
        note="after self-heal",
        reason="names the Job that a hook left behind; here none is left",
    ),
    Exemption(
        place="$.status.health.status",
        story="04-*",
        note="operation failed in apply",
        reason="the settings of a standard installation let a missing ConfigMap count; the recorded server had none",
    ),
    Exemption(
        place="$.status.*eplicas",
        story="08-*",
        request="*/rollouts/web",
        reason="the pods of older versions leave after 30 s: how many there are is a matter of pace",
    ),
    Exemption(
        place="$.status.*status",
        story="04-*",
        note="after self-heal",
        reason="the recording looked 0.3 s after the change, before the next comparison",
    ),
)
"""Of real servers now and those that were recorded."""
