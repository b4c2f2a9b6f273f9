"""The canary strategy: one reconciliation. Pure; after Argo Rollouts' `rollout/canary.go`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from cicd.sandbox.kubernetes.rollout_draft import Draft
from cicd.sandbox.kubernetes.rollout_replicas import (
    at_wanted_counts,
    current_step_index,
    has_separate_stable,
    max_unavailable,
    next_counts,
    set_weight,
    weight_before,
)
from cicd.sandbox.kubernetes.rollout_values import (
    DEFAULT_SCALE_DOWN_DELAY_S,
    Facts,
    Plan,
    duration_s,
    parse_time,
    short_hash,
)

PAUSE_STEP = "CanaryPauseStep"


def reconcile_canary(facts: Facts) -> Plan:
    """Decide the next small move of a canary; called again after every change until nothing is left to do."""
    draft = Draft(facts)
    draft.status["currentStepHash"] = step_hash(facts)
    if _template_or_steps_changed(facts):
        _start_over(draft)
        return draft.plan()
    _point_services(draft)
    draft.status["canary"] = _weights(draft) or {}
    if not _scale(draft):
        _pause(draft)
    _advance(draft)
    return draft.plan()


def step_hash(facts: Facts) -> str:
    return short_hash([dict(step) for step in facts.steps])


def _template_or_steps_changed(facts: Facts) -> bool:
    seen_steps, seen_pods = facts.status.get("currentStepHash"), facts.status.get("currentPodHash")
    return bool(seen_steps and seen_steps != step_hash(facts)) or bool(seen_pods and seen_pods != facts.template_hash)


def _start_over(draft: Draft) -> None:
    """Step 0 against the same stable version, or the end of the steps when the template is the stable one again."""
    draft.reset()
    facts = draft.facts
    draft.forget_deadline(facts.new)
    if facts.canary.get("trafficRouting"):
        draft.status["canary"] = _weights(draft) or {}
    if facts.steps:
        is_stable = facts.status.get("stableRS") == facts.template_hash
        draft.status["currentStepIndex"] = len(facts.steps) if is_stable else 0


def _point_services(draft: Draft) -> None:
    """Each Service follows its version as soon as that version's pods are all available."""
    canary = draft.facts.canary
    for service, item in (
        (canary.get("stableService"), draft.facts.stable),
        (canary.get("canaryService"), draft.facts.new),
    ):
        if item is not None and item.replicas and item.available >= item.replicas:
            draft.select(service, item.hash)


def _weights(draft: Draft) -> dict[str, Any] | None:
    """`status.canary.weights`; only with traffic routing."""
    facts = draft.facts
    if not facts.canary.get("trafficRouting"):
        return None
    stable_hash = facts.status.get("stableRS") or facts.template_hash
    weight = _traffic_weight(draft)
    if stable_hash == facts.template_hash:
        weight = 0
    arms = (("canary", weight, facts.template_hash), ("stable", 100 - weight, stable_hash))
    return {
        "weights": {
            arm: {"podTemplateHash": pods, "serviceName": facts.canary.get(f"{arm}Service"), "weight": share}
            for arm, share, pods in arms
        }
    }


def _traffic_weight(draft: Draft) -> int:
    facts, new = draft.facts, draft.facts.new
    if draft.aborted or new is None or new.available == 0 or facts.status.get("currentPodHash") != facts.template_hash:
        return 0
    if facts.status.get("promoteFull"):
        return min(100, 100 * new.available // max(facts.replicas, 1))
    index = current_step_index(facts)
    if not at_wanted_counts(facts):
        return weight_before(facts, index)
    return 100 if index >= len(facts.steps) else set_weight(facts)


def _scale(draft: Draft) -> bool:
    """One move of the ReplicaSets: stable first, then new, then the rest; True when something moves."""
    facts = draft.facts
    want_new, want_stable = next_counts(facts)
    if has_separate_stable(facts):
        draft.forget_deadline(facts.stable)
        if draft.scale(facts.stable, want_stable):
            return True
    if draft.aborted and facts.canary.get("trafficRouting") and has_separate_stable(facts):
        want_new = _kept_after_abort(draft)
    else:
        draft.forget_deadline(facts.new)
    if draft.scale(facts.new, want_new):
        return True
    return _scale_down_others(draft)


def _kept_after_abort(draft: Draft) -> int:
    """With traffic routing an aborted canary keeps its pods for a while: they get no traffic."""
    new = draft.facts.new
    delay = draft.facts.canary.get("abortScaleDownDelaySeconds", DEFAULT_SCALE_DOWN_DELAY_S)
    if new is None or new.replicas == 0:
        return 0
    if new.scale_down_at is None and delay:
        draft.keep_for(new, float(delay))
        return new.replicas
    return new.replicas if draft.is_kept(new) else 0


def _scale_down_others(draft: Draft) -> bool:
    facts = draft.facts
    available = sum(item.available for item in facts.replica_sets)
    room = available - (facts.replicas - max_unavailable(facts))
    moved = False
    for item in facts.others:
        if item.replicas == 0 or draft.is_kept(item):
            continue
        keep = max(0, item.available - max(room, 0))
        if facts.canary.get("trafficRouting"):
            keep = 0
        room -= item.available - keep
        moved |= draft.scale(item, min(item.replicas, keep))
    return moved


def _pause(draft: Draft) -> None:
    facts, index = draft.facts, current_step_index(draft.facts)
    if facts.spec.get("paused") or facts.status.get("promoteFull") or draft.aborted or index >= len(facts.steps):
        return
    step = facts.steps[index]
    if step.get("pause") is None:
        return
    found = draft.pause_condition(PAUSE_STEP)
    if found is None:
        if not draft.controller_pause:
            draft.pause(PAUSE_STEP)
            found = draft.pause_condition(PAUSE_STEP)
        else:
            return
    if found is not None and step["pause"].get("duration") is not None:
        draft.wakes.append(parse_time(found["startTime"]) + timedelta(seconds=duration_s(step["pause"]["duration"])))


def _advance(draft: Draft) -> None:
    """Promotion, abort or the next step."""
    facts, count = draft.facts, len(draft.facts.steps)
    index = count if facts.status.get("promoteFull") else current_step_index(facts)
    if facts.status.get("promoteFull"):
        draft.pauses, draft.aborted = [], False
    if not facts.status.get("stableRS") or _may_promote(draft, index):
        _promote(draft)
        return
    if draft.aborted and facts.status["stableRS"] == facts.template_hash:
        draft.aborted, index = False, count  # nothing is in flight: 1.10 takes the abort back
    if draft.aborted:
        index = 0
    elif _step_is_done(draft, index):
        index += 1
        draft.unpause(PAUSE_STEP)
    if count:
        draft.status["currentStepIndex"] = index


def _may_promote(draft: Draft, index: int) -> bool:
    new = draft.facts.new
    if draft.aborted or new is None or new.available != draft.facts.replicas:
        return False
    return index >= len(draft.facts.steps)


def _promote(draft: Draft) -> None:
    facts = draft.facts
    previous = facts.stable
    if has_separate_stable(facts) and previous is not None and facts.canary.get("trafficRouting"):
        draft.keep_for(previous, float(facts.canary.get("scaleDownDelaySeconds", DEFAULT_SCALE_DOWN_DELAY_S)))
    draft.promote()
    if facts.steps:
        draft.status["currentStepIndex"] = len(facts.steps)
    if facts.canary.get("trafficRouting"):
        arms = ((arm, 0 if arm == "canary" else 100) for arm in ("canary", "stable"))
        draft.status["canary"] = {
            "weights": {
                arm: {
                    "podTemplateHash": facts.template_hash,
                    "serviceName": facts.canary.get(f"{arm}Service"),
                    "weight": weight,
                }
                for arm, weight in arms
            }
        }


def _step_is_done(draft: Draft, index: int) -> bool:
    facts = draft.facts
    if facts.spec.get("paused") or index >= len(facts.steps):
        return False
    step = facts.steps[index]
    if step.get("pause") is not None:
        return _pause_is_over(draft, step["pause"])
    return at_wanted_counts(facts)


def _pause_is_over(draft: Draft, pause: dict[str, Any]) -> bool:
    """Over when somebody took the pause condition away (resume), or when its duration has passed."""
    before = next(
        (item for item in draft.facts.status.get("pauseConditions") or () if item["reason"] == PAUSE_STEP), None
    )
    if before is None:
        return bool(draft.facts.status.get("controllerPause"))
    if pause.get("duration") is None:
        return False
    end = parse_time(before["startTime"]) + timedelta(seconds=math.ceil(duration_s(pause["duration"])))
    return draft.facts.now > end
