"""The Rollouts controller's core: facts in, plan out. Pure.

A reconciliation makes one small move, as the real controller does, and is called again after every change. That is
how the states in between become visible: a new spec with the old status, a resumed rollout that is still on its pause
step, a canary that is one pod short.
"""

from __future__ import annotations

from cicd.sandbox.kubernetes.rollout_bluegreen import reconcile_blue_green
from cicd.sandbox.kubernetes.rollout_canary import reconcile_canary
from cicd.sandbox.kubernetes.rollout_spec import invalid_spec
from cicd.sandbox.kubernetes.rollout_status import condition, finish, set_condition, update_pause_conditions
from cicd.sandbox.kubernetes.rollout_values import Facts, Plan


def reconcile(facts: Facts) -> Plan:
    """The next move of one rollout; a plan whose status equals the present one and that asks for nothing is the end."""
    problem = invalid_spec(facts.name, facts.spec, facts.selectors)
    if problem is not None:
        return _report_invalid(facts, problem)
    revision = _wanted_revision(facts)
    if facts.new is None or facts.new.revision != revision or facts.revision != revision:
        return Plan(revision=revision)
    if facts.status.get("currentPodHash") == facts.template_hash and not condition(facts.status, "InvalidSpec"):
        status = update_pause_conditions(facts)
        if status is not None:
            deadlines = {facts.template_hash: None} if _is_retry(facts) else {}
            return Plan(status=status, deadlines=deadlines)
    return reconcile_blue_green(facts) if "blueGreen" in facts.strategy else reconcile_canary(facts)


def _wanted_revision(facts: Facts) -> int:
    """The template's ReplicaSet carries the highest revision; going back to an old one makes it the newest."""
    others = [item.revision for item in facts.replica_sets if item.hash != facts.template_hash]
    newest = max(others, default=0)
    own = facts.new.revision if facts.new else 0
    return own if own > newest else newest + 1


def _is_retry(facts: Facts) -> bool:
    progressing = condition(facts.status, "Progressing")
    return bool(progressing and progressing["reason"] == "RolloutAborted" and not facts.status.get("abort"))


def _report_invalid(facts: Facts, problem: str) -> Plan:
    """Degraded, and nothing else is touched: the pods that serve go on serving."""
    status = {"blueGreen": {}, "canary": {}, **facts.status, "conditions": list(facts.status.get("conditions") or ())}
    set_condition(status, "InvalidSpec", "True", "InvalidSpec", problem, facts.now)
    return Plan(status=finish(facts, status))
