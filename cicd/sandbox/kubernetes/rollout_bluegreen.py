"""The blue-green strategy: one reconciliation. Pure; after Argo Rollouts' `rollout/bluegreen.go`."""

from __future__ import annotations

from datetime import timedelta

from cicd.sandbox.kubernetes.rollout_draft import Draft, format_selector
from cicd.sandbox.kubernetes.rollout_values import (
    DEFAULT_SCALE_DOWN_DELAY_S,
    POD_TEMPLATE_HASH,
    Facts,
    Plan,
    parse_time,
)

PAUSE = "BlueGreenPause"


def reconcile_blue_green(facts: Facts) -> Plan:
    """Decide the next small move: preview up, pause, switch the active Service, keep the old colour for a while."""
    draft = Draft(facts)
    seen = facts.status.get("currentPodHash")
    draft.select(facts.blue_green.get("previewService"), facts.template_hash)
    if seen and seen != facts.template_hash:
        draft.reset()
    else:
        _scale(draft)
        _pause(draft)
        _switch(draft)
    _read_selectors(draft)
    if not facts.status.get("stableRS") or _may_promote(draft):
        draft.promote()
    elif draft.aborted and facts.status.get("stableRS") == facts.template_hash:
        draft.aborted = False  # nothing is in flight
    return draft.plan()


def _scale(draft: Draft) -> None:
    facts, new, stable = draft.facts, draft.facts.new, draft.facts.stable
    active = facts.replica_set(draft.selector(facts.blue_green.get("activeService")))
    for item in (stable, active):
        if item is not None:
            draft.scale(item, facts.replicas)
    if new is not None and new is not stable and new is not active:
        draft.scale(new, _wanted_preview(draft))
    elif new is not None:
        draft.scale(new, facts.replicas)
    if stable is not None and stable is active:
        draft.forget_deadline(stable)
    for item in facts.others:
        if item is not active and item.replicas and not draft.is_kept(item):
            draft.scale(item, 0)


def _wanted_preview(draft: Draft) -> int:
    """All replicas; after an abort the preview stays for the abort delay and goes then."""
    facts, new = draft.facts, draft.facts.new
    if new is None or not draft.aborted:
        return facts.replicas
    delay = facts.blue_green.get("abortScaleDownDelaySeconds", DEFAULT_SCALE_DOWN_DELAY_S)
    if new.replicas and new.scale_down_at is None and delay:
        draft.keep_for(new, float(delay))
        return new.replicas
    return new.replicas if draft.is_kept(new) else 0


def _is_saturated(facts: Facts) -> bool:
    new = facts.new
    return new is not None and new.replicas == new.available == facts.replicas


def _is_fast(facts: Facts) -> bool:
    """No pause: promote-full, or back to a colour that still waits for its scale-down."""
    return bool(facts.status.get("promoteFull")) or (facts.new is not None and facts.new.scale_down_at is not None)


def _pause(draft: Draft) -> None:
    facts = draft.facts
    strategy = facts.blue_green
    active = facts.selectors.get(strategy.get("activeService", ""))
    if draft.aborted or facts.spec.get("paused") or not _is_saturated(facts):
        return
    if active is None or active == facts.template_hash:
        return
    if _is_fast(facts):
        draft.unpause(PAUSE)
        return
    found, after_s = draft.pause_condition(PAUSE), strategy.get("autoPromotionSeconds")
    if strategy.get("autoPromotionEnabled", True) and not after_s:
        return
    if found is None and not draft.controller_pause:
        draft.pause(PAUSE)
        found = draft.pause_condition(PAUSE)
    if found is not None and after_s:
        end = parse_time(found["startTime"]) + timedelta(seconds=float(after_s))
        if facts.now > end:
            draft.unpause(PAUSE)
        else:
            draft.wakes.append(end)


def _switch(draft: Draft) -> None:
    facts = draft.facts
    service = facts.blue_green.get("activeService")
    if draft.aborted:
        draft.select(service, facts.status.get("stableRS"))
    elif _is_saturated(facts) and not draft.pauses and not facts.spec.get("paused"):
        draft.select(service, facts.template_hash)


def _read_selectors(draft: Draft) -> None:
    """Selectors, and the counts that are the active colour's alone once there is one."""
    facts = draft.facts
    preview = draft.selector(facts.blue_green.get("previewService"))
    active = draft.selector(facts.blue_green.get("activeService"))
    found = {"activeSelector": active, "previewSelector": preview}
    draft.status["blueGreen"] = {key: value for key, value in found.items() if value}
    before = (facts.status.get("blueGreen") or {}).get("activeSelector")
    previous = facts.replica_set(before)
    if before and before != active and previous is not None and previous.replicas:
        delay = facts.blue_green.get("scaleDownDelaySeconds", DEFAULT_SCALE_DOWN_DELAY_S)
        draft.keep_for(previous, float(delay))
    serving = facts.replica_set(active)
    if active and serving is not None:
        draft.status |= {
            "availableReplicas": serving.available,
            "readyReplicas": serving.ready,
            "HPAReplicas": serving.actual,
            "selector": format_selector(facts.spec, (POD_TEMPLATE_HASH, active)),
        }


def _may_promote(draft: Draft) -> bool:
    facts = draft.facts
    active = draft.status["blueGreen"].get("activeSelector")
    return active == facts.template_hash and not draft.aborted
