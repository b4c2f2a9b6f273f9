"""Parse an Argo Rollouts manifest into a `Snapshot`. Pure.

Order matters: `metadata.generation` against `status.observedGeneration` comes first, because right after a sync the
Rollout shows the new spec with the old status, phase, message and abort included.
Sources: Argo Rollouts 1.10, `pkg/apis/rollouts/v1alpha1/types.go`, `utils/rollout/rolloututil.go` (the derived phase).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.rollouts.snapshot import OtherStep, Pause, Phase, SetWeight, Snapshot, Step, Strategy, weight_at
from headgate.errors import RemoteStateError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def parse_rollout(manifest: Mapping[str, Any]) -> Snapshot:
    """The state of a Rollout. Raises `RemoteStateError` when the manifest is not a Rollout that can be read."""
    where = f"Rollout {_name(manifest)}"
    if manifest.get("kind") != "Rollout":
        raise RemoteStateError(
            f"this is a {manifest.get('kind') or 'document without kind'}, not a Rollout",
            where=where,
            next_step="Correct kubernetes.rollout in headgate.yaml.",
        )
    try:
        raw = _Rollout.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RemoteStateError(
            f"the manifest cannot be read: {place}: {first['msg']}",
            where=where,
            next_step="Compare the versions of Argo Rollouts and Headgate.",
        ) from error
    return _snapshot(raw)


def _snapshot(raw: _Rollout) -> Snapshot:
    spec, status = raw.spec, raw.status
    blue_green = spec.strategy.blue_green
    steps = tuple(_step(step) for step in (spec.strategy.canary.steps if spec.strategy.canary else None) or ())
    index = status.current_step_index
    paused, unpausing = bool(status.pause_conditions), status.controller_pause and not status.pause_conditions
    at = steps[index] if index is not None and index < len(steps) else None
    strategy = Strategy.BLUE_GREEN if blue_green else Strategy.CANARY
    phase = _phase(raw)
    return Snapshot(
        strategy=strategy,
        observed=_observed(raw),
        phase=phase,
        message=status.message or _condition_message(status),
        current=status.current_pod_hash,
        stable=status.stable_rs,
        step=index,
        steps=steps,
        weight=_weight(raw, strategy, steps),
        paused=paused or phase is Phase.PAUSED,
        # In a pause with a duration the phase and reason are the same as in an endless one: the step tells.
        pause_ends=isinstance(at, Pause) and at.duration_s is not None,
        unpausing=unpausing and not status.abort,
        aborted=status.abort,
        promoting=status.promote_full,
        active=status.blue_green.active_selector or None if blue_green else None,
        preview=status.blue_green.preview_selector or None if blue_green else None,
        auto_promotes=blue_green is not None and blue_green.promotes_itself,
        versions=_images(raw),
        ready=status.ready_replicas,
        wanted=1 if spec.replicas is None else spec.replicas,
    )


def _observed(raw: _Rollout) -> bool:
    """Whether the status belongs to the present spec. Versions before 1.0 wrote a hash, which cannot be compared."""
    seen = raw.status.observed_generation
    if not seen.isdigit():
        return bool(seen)
    if int(seen) < raw.metadata.generation:
        return False
    if raw.spec.workload_ref is None:
        return True
    revision = raw.metadata.annotations.get("rollout.argoproj.io/workload-generation", "")
    return not revision or revision == raw.status.workload_observed_generation


def _phase(raw: _Rollout) -> Phase:
    status = raw.status
    if status.phase:
        return Phase(status.phase) if status.phase in set(Phase) else Phase.UNKNOWN
    return _derived_phase(raw)


def _derived_phase(raw: _Rollout) -> Phase:
    """The phase that versions before 1.0 do not report, from conditions and replica counts."""
    status = raw.status
    reasons = {condition.reason for condition in status.conditions}
    wanted = 1 if raw.spec.replicas is None else raw.spec.replicas
    if any(condition.type == "InvalidSpec" for condition in status.conditions):
        return Phase.DEGRADED
    if status.abort or reasons & {"ProgressDeadlineExceeded", "RolloutAborted"}:
        return Phase.DEGRADED
    if status.pause_conditions:
        return Phase.PAUSED
    if not status.current_pod_hash:
        return Phase.UNKNOWN
    done = status.updated_replicas >= wanted and status.available_replicas >= wanted
    if done and status.current_pod_hash == status.stable_rs:
        return Phase.HEALTHY
    return Phase.PROGRESSING


def _condition_message(status: _Status) -> str:
    for condition in status.conditions:
        if condition.type == "InvalidSpec" or condition.reason == "ProgressDeadlineExceeded":
            return f"{condition.reason}: {condition.message}"
    return ""


def _weight(raw: _Rollout, strategy: Strategy, steps: tuple[Step, ...]) -> float | None:
    status = raw.status
    if strategy is Strategy.BLUE_GREEN:
        if not status.blue_green.active_selector:
            return None
        return 100.0 if status.blue_green.active_selector == status.current_pod_hash else 0.0
    if status.current_pod_hash == status.stable_rs:
        return 100.0
    if status.canary.weights is not None:
        canary = status.canary.weights.canary
        # The weights may still name the version before: they are of the new one only when the hash says so.
        return canary.weight if canary.pod_template_hash in {"", status.current_pod_hash} else 0.0
    if raw.spec.strategy.canary and raw.spec.strategy.canary.traffic_routing:
        return float(weight_at(steps, status.current_step_index)) if not status.abort else None
    if not status.replicas:
        return None
    return round(100.0 * status.updated_replicas / status.replicas, 1)


def _step(raw: Mapping[str, Any]) -> Step:
    if raw.get("setWeight") is not None:
        return SetWeight(percent=int(raw["setWeight"]))
    if "pause" in raw:
        pause = raw["pause"]
        return Pause(duration_s=_seconds(pause.get("duration") if isinstance(pause, Mapping) else None))
    return OtherStep(kind=next(iter(raw), "empty"))


def _seconds(duration: object) -> float | None:
    """Seconds of `30`, `"30"`, `"1h30m"`; None without a duration. What cannot be read counts as endless."""
    if duration is None:
        return None
    if isinstance(duration, int | float):
        return float(duration)
    text = str(duration)
    if text.isdigit():
        return float(text)
    parts = _DURATION.findall(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else None


def _images(raw: _Rollout) -> tuple[str, ...]:
    template = raw.spec.template or {}
    spec = template.get("spec")
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    return tuple(str(item["image"]) for item in containers or () if isinstance(item, Mapping) and item.get("image"))


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata")
    return str(metadata.get("name", "without a name")) if isinstance(metadata, Mapping) else "without a name"


class _Raw(BaseModel):
    """Somebody else's payload: unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")


class _Metadata(_Raw):
    generation: int = 0
    annotations: dict[str, str] = Field(default_factory=dict)


class _Canary(_Raw):
    steps: tuple[dict[str, Any], ...] | None = None
    traffic_routing: dict[str, Any] | None = Field(default=None, alias="trafficRouting")


class _BlueGreen(_Raw):
    auto_promotion_enabled: bool | None = Field(default=None, alias="autoPromotionEnabled")
    auto_promotion_seconds: int | None = Field(default=None, alias="autoPromotionSeconds")

    @property
    def promotes_itself(self) -> bool:
        """By default, or after a time: `autoPromotionSeconds` works beside `autoPromotionEnabled: false`."""
        return self.auto_promotion_enabled is not False or bool(self.auto_promotion_seconds)


class _Strategy(_Raw):
    canary: _Canary | None = None
    blue_green: _BlueGreen | None = Field(default=None, alias="blueGreen")


class _Spec(_Raw):
    replicas: int | None = None
    strategy: _Strategy = _Strategy()
    template: dict[str, Any] | None = None
    workload_ref: dict[str, Any] | None = Field(default=None, alias="workloadRef")


class _Condition(_Raw):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class _PauseCondition(_Raw):
    reason: str = ""


class _Destination(_Raw):
    weight: float = 0.0
    pod_template_hash: str = Field(default="", alias="podTemplateHash")


class _Weights(_Raw):
    canary: _Destination = _Destination()


class _CanaryStatus(_Raw):
    weights: _Weights | None = None


class _BlueGreenStatus(_Raw):
    active_selector: str = Field(default="", alias="activeSelector")
    preview_selector: str = Field(default="", alias="previewSelector")


class _Status(_Raw):
    observed_generation: str = Field(default="", alias="observedGeneration", coerce_numbers_to_str=True)
    workload_observed_generation: str = Field(
        default="", alias="workloadObservedGeneration", coerce_numbers_to_str=True
    )
    phase: str = ""
    message: str = ""
    conditions: tuple[_Condition, ...] = ()
    current_step_index: int | None = Field(default=None, alias="currentStepIndex")
    pause_conditions: tuple[_PauseCondition, ...] = Field(default=(), alias="pauseConditions")
    controller_pause: bool = Field(default=False, alias="controllerPause")
    abort: bool = False
    promote_full: bool = Field(default=False, alias="promoteFull")
    stable_rs: str = Field(default="", alias="stableRS")
    current_pod_hash: str = Field(default="", alias="currentPodHash")
    replicas: int = 0
    ready_replicas: int = Field(default=0, alias="readyReplicas")
    updated_replicas: int = Field(default=0, alias="updatedReplicas")
    available_replicas: int = Field(default=0, alias="availableReplicas")
    canary: _CanaryStatus = _CanaryStatus()
    blue_green: _BlueGreenStatus = Field(default=_BlueGreenStatus(), alias="blueGreen")


class _Rollout(_Raw):
    metadata: _Metadata = _Metadata()
    spec: _Spec
    status: _Status = _Status()
