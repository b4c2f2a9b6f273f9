"""How many pods each ReplicaSet of a canary should have. Pure.

The rules follow Argo Rollouts' `utils/replicaset/canary.go`: the weight is approximated by a share of replicas, the
canary has at least one pod at weights between 1 and 99, and `maxSurge` and `maxUnavailable` bound each single step.
"""

from __future__ import annotations

import math

from cicd.sandbox.kubernetes.rollout_values import Facts, ReplicaSetFacts, share


def max_surge(facts: Facts) -> int:
    return share(facts.canary.get("maxSurge", "25%"), facts.replicas, up=True)


def max_unavailable(facts: Facts) -> int:
    found = share(facts.canary.get("maxUnavailable", "25%"), facts.replicas, up=False)
    return found if found or max_surge(facts) else 1


def current_step_index(facts: Facts) -> int:
    return int(facts.status.get("currentStepIndex") or 0)


def set_weight(facts: Facts) -> int:
    """The weight of the last setWeight at or before the current step: 100 after all steps, 0 before the first one."""
    if facts.status.get("promoteFull") or facts.status.get("currentPodHash") == facts.status.get("stableRS"):
        return 100
    if facts.status.get("abort"):
        return 0
    index = current_step_index(facts)
    if index >= len(facts.steps):
        return 100
    return weight_before(facts, index + 1)


def weight_before(facts: Facts, index: int) -> int:
    """The newest setWeight among the first `index` steps, 0 when there is none."""
    weights = [int(step["setWeight"]) for step in facts.steps[:index] if step.get("setWeight") is not None]
    return weights[-1] if weights else 0


def has_separate_stable(facts: Facts) -> bool:
    return facts.stable is not None and facts.status.get("stableRS") != facts.template_hash


def approximate(replicas: int, weight: int, surge: int) -> tuple[int, int]:
    """(canary, stable) pods whose share comes closest to the weight."""
    if replicas == 0:
        return 0, 0
    exact = replicas * weight / 100
    up, down = math.ceil(exact), math.floor(exact)
    zero_allowed = weight in {0, 100} or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    for total in (replicas, replicas + 1) if surge > 0 else (replicas,):
        tied = (total * weight / 100) % 1 == 0.5
        if up < total or zero_allowed:
            options.append((up, total))
        if not tied and (down != 0 or zero_allowed):
            options.append((down, total))
    if not options:
        return 0, replicas
    canary, total = min(options, key=lambda option: abs(weight - option[0] * 100 / option[1]))
    return canary, total - canary


def wanted_counts(facts: Facts) -> tuple[int, int]:
    """(new, stable) where the current step leads to in the end."""
    weight = set_weight(facts)
    if facts.canary.get("trafficRouting"):
        new = math.ceil(facts.replicas * weight / 100)
        return (new, facts.replicas) if has_separate_stable(facts) else (facts.replicas, 0)
    if not has_separate_stable(facts):
        return facts.replicas, 0
    return approximate(facts.replicas, weight, max_surge(facts))


def at_wanted_counts(facts: Facts) -> bool:
    new, stable = facts.new, facts.stable
    want_new, want_stable = wanted_counts(facts)
    if new is None or (new.replicas, new.available) != (want_new, want_new):
        return False
    if has_separate_stable(facts) and stable and (stable.replicas, stable.available) != (want_stable, want_stable):
        return False
    return bool(facts.canary.get("trafficRouting")) or not any(item.available for item in facts.others)


def next_counts(facts: Facts) -> tuple[int, int]:
    """(new, stable) for now: towards `wanted_counts`, without exceeding the surge or losing too many pods at once."""
    want_new, want_stable = wanted_counts(facts)
    if facts.canary.get("trafficRouting"):
        return want_new, want_stable
    new, stable = facts.new, facts.stable if has_separate_stable(facts) else None
    now_new = new.replicas if new else 0
    now_stable = stable.replicas if stable else 0
    total = now_new + now_stable + sum(item.replicas for item in facts.others)
    room = facts.replicas + max_surge(facts) - total
    up_stable = min(max(want_stable - now_stable, 0), max(room, 0))
    up_new = min(max(want_new - now_new, 0), max(room - up_stable, 0))
    result_new, result_stable = now_new + up_new, now_stable + up_stable
    if any(item.replicas for item in facts.others):
        return result_new, result_stable
    increasing = new is None or want_new >= now_new
    spare = _removable(new, ignore_availability=not increasing) + _removable(stable, ignore_availability=increasing)
    down = max(spare - (facts.replicas - max_unavailable(facts)), 0)
    if now_new > want_new:
        result_new = max(want_new, now_new - down)
        down = max(down - (now_new - want_new), 0)
    if now_stable > want_stable:
        result_stable = max(want_stable, now_stable - down)
    return result_new, result_stable


def _removable(item: ReplicaSetFacts | None, *, ignore_availability: bool) -> int:
    """Pods that count as serving when deciding how many may go; not those that are going already."""
    if item is None:
        return 0
    if item.replicas < item.available or ignore_availability:
        return item.replicas
    return item.available
