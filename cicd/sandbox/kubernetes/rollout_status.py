"""Conditions, phase and message of a Rollout. Pure.

Rules and texts are those of Argo Rollouts 1.10 (`utils/conditions`, `utils/rollout/rolloututil.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cicd.sandbox.kubernetes.rollout_values import (
    DEFAULT_PROGRESS_DEADLINE_S,
    Facts,
    Object,
    format_time,
    parse_time,
)

ABORTED = "RolloutAborted"
TIMED_OUT = "ProgressDeadlineExceeded"
NEW_AVAILABLE = "NewReplicaSetAvailable"
UPDATED = "ReplicaSetUpdated"
PAUSED = "RolloutPaused"
NOT_AVAILABLE_TEXT = "Rollout does not have minimum availability"


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    return next((item for item in status.get("conditions") or () if item["type"] == kind), None)


def set_condition(status: Object, kind: str, value: str, reason: str, message: str, now: datetime) -> bool:
    """Put a condition at the end of the list unless it is there with the same content; says whether it changed.

    lastTransitionTime moves only when the status value changes.
    """
    old = condition(status, kind)
    if old and (old["status"], old["reason"], old["message"]) == (value, reason, message):
        return False
    replace_condition(status, kind, value, reason, message, now)
    return True


def replace_condition(status: Object, kind: str, value: str, reason: str, message: str, now: datetime) -> None:
    """The same without the comparison: progress refreshes lastUpdateTime although nothing else is new."""
    old = condition(status, kind)
    stamp = format_time(now)
    kept = old["lastTransitionTime"] if old and old["status"] == value else stamp
    rest = [item for item in status.get("conditions") or () if item["type"] != kind]
    new = {"lastTransitionTime": kept, "lastUpdateTime": stamp, "message": message, "reason": reason}
    status["conditions"] = [*rest, {**new, "status": value, "type": kind}]


def is_paused(facts: Facts) -> bool:
    return bool(facts.status.get("pauseConditions")) or bool(facts.spec.get("paused"))


def is_complete(facts: Facts, new: Mapping[str, Any]) -> bool:
    """Healthy in the controller's own sense: everything updated, available, promoted, and the spec observed before."""
    if facts.status.get("observedGeneration") != str(facts.generation):
        return False
    if new.get("updatedReplicas", 0) != facts.replicas or new.get("availableReplicas", 0) != facts.replicas:
        return False
    pod_hash = new.get("currentPodHash")
    if facts.blue_green:
        selectors = new["blueGreen"]
        preview = facts.blue_green.get("previewService")
        return selectors.get("activeSelector") == pod_hash and (
            not preview or selectors.get("previewSelector") == pod_hash
        )
    done = not facts.steps or new.get("currentStepIndex") == len(facts.steps)
    return done and new.get("stableRS") == pod_hash and new.get("replicas", 0) == facts.replicas


def has_progressed(facts: Facts, new: Mapping[str, Any]) -> bool:
    old = facts.status
    if any(old.get(key) != new.get(key) for key in ("stableRS", "currentStepIndex", "currentStepHash")):
        return True
    if (old.get("blueGreen") or {}) != new["blueGreen"]:
        return True

    def older(status: Mapping[str, Any]) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    return (
        new.get("updatedReplicas", 0) != old.get("updatedReplicas", 0)
        or older(new) < older(old)
        or new.get("readyReplicas", 0) > old.get("readyReplicas", 0)
        or new.get("availableReplicas", 0) > old.get("availableReplicas", 0)
    )


def deadline(facts: Facts, status: Mapping[str, Any]) -> datetime | None:
    """When the progress deadline passes; None while nothing is under way."""
    progressing = condition(status, "Progressing")
    if progressing is None or progressing["reason"] in {NEW_AVAILABLE, TIMED_OUT, PAUSED, ABORTED}:
        return None
    limit_s = facts.spec.get("progressDeadlineSeconds") or DEFAULT_PROGRESS_DEADLINE_S
    return parse_time(progressing["lastUpdateTime"]) + timedelta(seconds=int(limit_s))


def is_available(facts: Facts, new: Mapping[str, Any]) -> bool:
    if facts.blue_green:
        active = facts.replica_set(new["blueGreen"].get("activeSelector"))
        return active is not None and active.replicas == active.available == facts.replicas
    return sum(item.available for item in facts.replica_sets) >= facts.replicas


def update_conditions(facts: Facts, new: Object, *, abort_message: str | None) -> str | None:
    """Bring the conditions up to date; `abort_message` is set when the rollout is aborted.

    Returns the timeout message when the progress deadline has just passed, else None.
    """
    now, name = facts.now, f"{facts.name}-{facts.template_hash}"
    paused = is_paused(facts)
    became_unhealthy = False
    complete = is_complete(facts, new)
    if not paused and complete:
        set_condition(new, "Healthy", "True", "RolloutHealthy", "Rollout is healthy", now)
    elif condition(facts.status, "Healthy"):
        became_unhealthy = set_condition(new, "Healthy", "False", "RolloutHealthy", "Rollout is not healthy", now)
    promoted = bool(new.get("stableRS")) and new.get("stableRS") == new.get("currentPodHash")
    set_condition(new, "Completed", str(promoted), "RolloutCompleted", "RolloutCompleted", now)
    timed_out = None
    if abort_message is not None:
        set_condition(new, "Progressing", "False", ABORTED, abort_message, now)
    elif not paused and not _is_settled(facts, new):
        if complete:
            text = f'ReplicaSet "{name}" has successfully progressed.'
            set_condition(new, "Progressing", "True", NEW_AVAILABLE, text, now)
        elif became_unhealthy or has_progressed(facts, new):
            replace_condition(new, "Progressing", "True", UPDATED, f'ReplicaSet "{name}" is progressing.', now)
        elif (limit := deadline(facts, new)) is not None and limit < now:
            timed_out = f'ReplicaSet "{name}" has timed out progressing.'
            set_condition(new, "Progressing", "False", TIMED_OUT, timed_out, now)
    available = is_available(facts, new)
    text = "Rollout has minimum availability" if available else NOT_AVAILABLE_TEXT
    set_condition(new, "Available", str(available), "AvailableReason", text, now)
    return timed_out


def _is_settled(facts: Facts, new: Mapping[str, Any]) -> bool:
    """A resync of a finished rollout: no progress is estimated."""
    current = condition(facts.status, "Progressing")
    same = new.get("replicas", 0) == new.get("availableReplicas", 0)
    return bool(same and current and current["reason"] == NEW_AVAILABLE and current["status"] != "Unknown") and (
        new.get("currentPodHash") == facts.status.get("currentPodHash")
    )


def update_pause_conditions(facts: Facts) -> Object | None:
    """The status with its Paused and Progressing conditions following `pauseConditions`; None when they do already."""
    status = {**facts.status, "conditions": list(facts.status.get("conditions") or ())}
    progressing = condition(status, "Progressing")
    reason = progressing["reason"] if progressing else None
    paused, aborted, now = is_paused(facts), reason == ABORTED, facts.now
    changed = False
    if paused and not aborted and reason != PAUSED:
        changed |= set_condition(status, "Progressing", "Unknown", PAUSED, "Rollout is paused", now)
    if not paused and reason == PAUSED:
        changed |= set_condition(status, "Progressing", "Unknown", "RolloutResumed", "Rollout is resumed", now)
    if aborted and not facts.status.get("abort"):
        changed |= set_condition(status, "Progressing", "Unknown", "RolloutRetry", "Rollout is retried", now)
    was_paused = (condition(status, "Paused") or {}).get("status") == "True"
    if paused != was_paused and not (aborted and facts.status.get("abort")):
        changed |= set_condition(status, "Paused", str(paused), PAUSED, "Rollout is paused", now)
    if not changed:
        return None
    if not facts.status.get("abort"):
        status.pop("abortedAt", None)
    return finish(facts, status)


def phase(facts: Facts, status: Mapping[str, Any]) -> tuple[str, str]:
    """Phase and message."""
    for item in status.get("conditions") or ():
        if item["type"] == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {item['message']}"
        if item["reason"] in {ABORTED, TIMED_OUT}:
            return "Degraded", f"{item['reason']}: {item['message']}"
    if facts.spec.get("paused"):
        return "Paused", "manually paused"
    for item in status.get("pauseConditions") or ():
        return "Paused", item["reason"]
    reason = _unfinished(facts, status)
    return ("Progressing", reason) if reason else ("Healthy", "")


def _unfinished(facts: Facts, status: Mapping[str, Any]) -> str:
    updated = status.get("updatedReplicas", 0)
    promoted = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    if updated < facts.replicas:
        return "more replicas need to be updated"
    if status.get("availableReplicas", 0) < updated:
        return "updated replicas are still becoming available"
    if facts.blue_green:
        if status["blueGreen"].get("activeSelector") != status.get("currentPodHash"):
            return "active service cutover pending"
        return "" if promoted else "waiting for post-promotion verification to complete"
    if not facts.canary.get("trafficRouting") and status.get("replicas", 0) > updated:
        return "old replicas are pending termination"
    return "" if promoted else "waiting for all steps to complete"


def finish(facts: Facts, status: Object) -> Object:
    """Phase, message and observed generation; zeros, False and empty texts are left out as Go's omitempty does."""
    result = {**status, "observedGeneration": str(facts.generation)}
    result["phase"], result["message"] = phase(facts, result)
    keep = {"blueGreen", "canary", "currentStepIndex"}
    return {key: value for key, value in sorted(result.items()) if key in keep or value not in (0, "", None, [], False)}
