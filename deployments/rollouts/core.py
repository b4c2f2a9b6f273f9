"""A Rollout read and driven over the Kubernetes API, as `kubectl argo rollouts` does it. Implements `ports.Target`.

Patches of Argo Rollouts 1.10, `pkg/kubectl-argo-rollouts/cmd/{abort,promote}`, with one difference: the plugin moves
on by a step when nothing is paused, which would skip a step when a resume is sent twice; here nothing is sent then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployments.cluster.api import ClusterApi, Object, ObjectRef
from deployments.cluster.rights import Right
from deployments.rollouts.snapshot import Snapshot
from deployments.rollouts.status import parse_rollout
from headgate.errors import ConflictError

Patch = dict[str, Any]
_ATTEMPTS = 4


class ClusterRollout:
    """One Rollout. An action is done only to the version and step that were observed last."""

    def __init__(self, cluster: ClusterApi, *, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._ref = ObjectRef(
            group="argoproj.io", version="v1alpha1", resource="rollouts", namespace=namespace, name=name
        )
        self._seen: Object | None = None

    @property
    def rights(self) -> tuple[Right, ...]:
        """What it needs in the cluster. `patch rollouts` itself is only needed for a Rollout paused by its spec."""
        return self._ref.right("get"), self._ref.right("patch", "status")

    def observe(self) -> Snapshot:
        self._seen = self._cluster.get(self._ref)
        return parse_rollout(self._seen)

    def resume(self) -> None:
        self._change(_resume)

    def promote(self) -> None:
        self._change(_promote)

    def abort(self) -> None:
        # Right at any moment and harmless twice: no condition that could keep it from being done.
        self._cluster.patch(self._ref, {"status": {"abort": True}}, subresource="status")

    def _change(self, patch_for: Callable[[Object], Patch | None]) -> None:
        """Patch the status, if the Rollout is where it was observed; a change in between that moved nothing is no
        obstacle. Raises `ConflictError` otherwise.
        """
        observed = self._seen
        for attempt in range(1, _ATTEMPTS + 1):
            live = self._cluster.get(self._ref)
            if observed is not None and _place(live) != _place(observed):
                raise ConflictError(
                    "the Rollout has moved since it was looked at",
                    where=f"Rollout {self._ref.name}",
                    next_step="Run the command again: it looks anew.",
                )
            if (live.get("spec") or {}).get("paused"):
                live = self._cluster.patch(self._ref, {"spec": {"paused": False}})
            change = patch_for(live)
            if change is None:
                return
            guarded = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "status": change}
            try:
                self._cluster.patch(self._ref, guarded, subresource="status")
                return
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise


def _resume(rollout: Object) -> Patch | None:
    return {"pauseConditions": None} if _status(rollout).get("pauseConditions") else None


def _promote(rollout: Object) -> Patch | None:
    status = _status(rollout)
    return {"promoteFull": True} if status.get("currentPodHash") != status.get("stableRS") else None


def _place(rollout: Object) -> tuple[object, ...]:
    """What a decision about an action rested on: the versions, the step, and whether it was aborted."""
    status = _status(rollout)
    return tuple(status.get(key) for key in ("currentPodHash", "stableRS", "currentStepIndex", "abort"))


def _status(rollout: Object) -> dict[str, Any]:
    status = rollout.get("status")
    return status if isinstance(status, dict) else {}
