"""What a rollout looks like at one moment, in words that hold for any target, not only for Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """How traffic moves: step by step, or in one switch."""

    CANARY = "canary"
    BLUE_GREEN = "blue_green"


class Phase(StrEnum):
    """The target's own opinion of itself, with Argo Rollouts' names."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWeight:
    """Send `percent` of the traffic to the new version."""

    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait: `duration_s` seconds, or (None) until told to go on."""

    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStep:
    """A step that the target does by itself (its own analysis, an experiment, a scale)."""

    kind: str


Step = SetWeight | Pause | OtherStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A target at one moment.

    `observed` False means that the rest still describes the state before the last change: nothing may be concluded
    from it. `current` is the identity of the wanted version, `stable` of the one that last passed; both are opaque
    and equal when nothing is under way. `step` counts from 0 into `steps`, None where there are none (blue-green).
    `weight` is the share of traffic (percent) on the wanted version, None when not known. `paused` means that it
    waits; `pause_ends` that the wait ends by itself; `unpausing` that it was told to go on and has not moved yet.
    `active` and `preview` are the versions behind those two addresses (blue-green). `auto_promotes` means that the
    target would switch without being told to. `versions` are the artefacts (images) that the wanted version names.
    """

    strategy: Strategy
    observed: bool
    phase: Phase
    message: str = ""
    current: str = ""
    stable: str = ""
    step: int | None = None
    steps: tuple[Step, ...] = ()
    weight: float | None = None
    paused: bool = False
    pause_ends: bool = False
    unpausing: bool = False
    aborted: bool = False
    promoting: bool = False
    active: str | None = None
    preview: str | None = None
    auto_promotes: bool = False
    versions: tuple[str, ...] = ()
    ready: int = 0
    wanted: int = 0

    @property
    def in_flight(self) -> bool:
        """Whether a version other than the stable one is on its way."""
        return bool(self.current) and self.current != self.stable

    @property
    def settled(self) -> bool:
        """Whether everything runs the wanted version and nothing is under way."""
        return (
            self.observed
            and self.phase is Phase.HEALTHY
            and bool(self.current)
            and not self.in_flight
            and not self.aborted
            and (self.active is None or self.active == self.current)
        )

    @property
    def stable_has_all_traffic(self) -> bool:
        """Whether no traffic reaches a version other than the stable one. Not known counts as no."""
        if not self.in_flight:
            return True
        if self.strategy is Strategy.BLUE_GREEN:
            return bool(self.active) and self.active == self.stable
        return self.weight == 0

    @property
    def waits_for_us(self) -> bool:
        """Whether it stands at a pause that only ends when it is told to go on."""
        return self.observed and self.paused and not self.pause_ends and not self.aborted

    @property
    def weights(self) -> tuple[int, ...]:
        """The weights of its steps that split the traffic, in order: 0 and 100 do not."""
        return tuple(step.percent for step in self.steps if isinstance(step, SetWeight) and 0 < step.percent < 100)

    @property
    def at_last_gate(self) -> bool:
        """Whether no pause without duration comes after the present step: what passes here gets all the traffic."""
        after = self.steps[self.step + 1 :] if self.step is not None else ()
        return not any(isinstance(step, Pause) and step.duration_s is None for step in after)


def weight_at(steps: tuple[Step, ...], index: int | None) -> int:
    """The weight wanted at step `index`: that of the last SetWeight up to and including it; 100 past the end."""
    if index is None or index >= len(steps):
        return 100
    before = [step.percent for step in steps[: index + 1] if isinstance(step, SetWeight)]
    return before[-1] if before else 0
