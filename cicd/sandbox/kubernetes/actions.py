"""The resource actions of a Rollout: what Argo CD's Lua scripts (`resource_customizations/.../Rollout/actions`) do.

An action edits the object and answers at once; the controller acts on it later. None of them checks that it makes
sense now: `resume` of a rollout that is not paused changes nothing and is not an error.
"""

from __future__ import annotations

from collections.abc import Callable

from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref
from headgate.errors import RemoteStateError


def _resume(rollout: Object) -> None:
    rollout.get("status", {}).pop("pauseConditions", None)
    rollout.get("spec", {}).pop("paused", None)


def _pause(rollout: Object) -> None:
    rollout["spec"]["paused"] = True


def _abort(rollout: Object) -> None:
    rollout.setdefault("status", {})["abort"] = True


def _retry(rollout: Object) -> None:
    rollout.get("status", {}).pop("abort", None)


def _promote_full(rollout: Object) -> None:
    status = rollout.get("status", {})
    if status.get("currentPodHash") != status.get("stableRS"):
        status["promoteFull"] = True


def _skip_current_step(rollout: Object) -> None:
    status = rollout.get("status", {})
    steps = ((rollout["spec"].get("strategy") or {}).get("canary") or {}).get("steps") or []
    index = status.get("currentStepIndex", 0)
    if index < len(steps):
        status.pop("pauseConditions", None)
        status["currentStepIndex"] = index + 1


ACTIONS: dict[str, Callable[[Object], None]] = {
    "abort": _abort,
    "pause": _pause,
    "promote-full": _promote_full,
    "resume": _resume,
    "retry": _retry,
    "skip-current-step": _skip_current_step,
}


def apply_action(cluster: Cluster, ref: Ref, action: str) -> Object:
    """Run one action on a Rollout and return the object as it is then.

    Raises `RemoteStateError` for an unknown action, `NotFoundError` when there is no such Rollout.
    """
    change = ACTIONS.get(action)
    if change is None:
        raise RemoteStateError(f"no action {action}", next_step=f"Known actions: {', '.join(sorted(ACTIONS))}.")
    return cluster.update(ref, change)
