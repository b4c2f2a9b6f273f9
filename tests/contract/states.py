"""What of an application and a Rollout is compared over time, and the rule by which two sequences agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.contract.normalise import Names, normal

State = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """A state with its time span."""

    state: State
    at: float
    until: float

    def lasts(self, seconds: float) -> bool:
        """Whether it lasted that long. Shorter states may be missed by polling: see `Tempo`."""
        return self.until - self.at >= seconds


def application_state(value: Mapping[str, Any], names: Names) -> State:
    """Operation phase and revision, sync status and revision, health, health of the Rollout in it."""
    operation = value.get("operationState") or {}
    phase = operation.get("phase") or ("accepted" if value.get("operation") else "none")
    revision = (operation.get("syncResult") or {}).get("revision") or ""
    sync = value.get("sync") or {}
    rollout: Mapping[str, Any] = next((item for item in value.get("resources") or () if item["kind"] == "Rollout"), {})
    return (
        ("operation", f"{phase}{' (pending)' if value.get('operation') else ''}"),
        ("operation revision", names.text(revision)),
        ("sync", sync.get("status")),
        ("sync revision", names.text(sync.get("revision") or "")),
        ("health", (value.get("health") or {}).get("status")),
        ("rollout health", (rollout.get("health") or {}).get("status")),
        ("deployments", len(value.get("history") or ())),
    )


def is_in_flight(state: State) -> bool:
    """Whether an operation of the application is asked for or running."""
    return str(dict(state).get("operation", "")).endswith("(pending)")


def rollout_state(value: Mapping[str, Any] | None, names: Names) -> State:
    """Generations, phase, step, pause and abort, which version is what, and the replica counts."""
    if value is None:
        return (("exists", False),)
    status = normal(value.get("status") or {}, names)
    kept = ("phase", "message", "currentStepIndex", "abort", "promoteFull", "controllerPause", "stableRS")
    fields = [(key, status.get(key)) for key in (*kept, "currentPodHash", "replicas", "updatedReplicas")]
    pauses = tuple(item["reason"] for item in status.get("pauseConditions") or ())
    weights = (status.get("canary") or {}).get("weights") or {}
    selectors = status.get("blueGreen") or {}
    return (
        ("generation", value["generation"]),
        ("observedGeneration", status.get("observedGeneration")),
        ("image", value["image"]),
        *fields,
        ("pauses", pauses),
        ("canary weight", (weights.get("canary") or {}).get("weight")),
        ("active", selectors.get("activeSelector")),
        ("preview", selectors.get("previewSelector")),
    )


def lasting(points: Sequence[tuple[float, State]], end: float) -> list[Lasting]:
    """Points of change as states with spans, equal neighbours joined."""
    joined: list[tuple[float, State]] = []
    for at, state in points:
        if not joined or joined[-1][1] != state:
            joined.append((at, state))
    ends = [*(at for at, _ in joined[1:]), end] if joined else []
    return [Lasting(state=state, at=at, until=until) for (at, state), until in zip(joined, ends, strict=True)]


def missing_in_order(wanted: Sequence[State], found: Sequence[State]) -> State | None:
    """The first state of `wanted` that does not come, in order, in `found`; None when all do."""
    position = 0
    for state in wanted:
        while position < len(found) and found[position] != state:
            position += 1
        if position == len(found):
            return state
    return None


def agree_part_by_part(found: Sequence[State], recorded: Sequence[State]) -> bool:
    """Whether each part alone comes in the recorded order.

    The parts of an application's state (operation, sync, health) follow each other within a tenth of a second; which
    combinations of them polling caught is chance, the order of each part is not.
    """
    names = {name for state in found for name, _ in state}
    return all(missing_in_order(_part(found, name), _part(recorded, name)) is None for name in names)


def _part(states: Sequence[State], name: str) -> list[State]:
    values = [value for state in states for key, value in state if key == name]
    return [((name, value),) for index, value in enumerate(values) if index == 0 or values[index - 1] != value]


def describe(state: State) -> str:
    """The state's facts that say something."""
    return ", ".join(f"{name} {value}" for name, value in state if value not in (None, "", ()))
