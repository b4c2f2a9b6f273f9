"""When Argo CD starts a sync by itself: new commits under auto-sync, changed resources under self-heal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cicd.sandbox.kubernetes.cluster import Object
from headgate.clock import parse_timestamp


def automated(app: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The `automated` section of the sync policy if it is there and enabled."""
    section = (app["spec"].get("syncPolicy") or {}).get("automated")
    if section is None or section.get("enabled") is False:
        return None
    return dict(section)


def decide_auto_sync(
    app: Mapping[str, Any], commit: str, resources: Sequence[Mapping[str, Any]], now: datetime, self_heal_s: float
) -> Object | None:
    """The operation to start for an application that is out of sync at `commit`, or None.

    A commit is tried once: after a failure the operator has to act, after a success only self-heal may try again, and
    not within `self_heal_s` of the last operation (else two writers would fight at full speed).
    """
    policy = automated(app)
    behind = [item for item in resources if item.get("status") != "Synced"]
    if policy is None or app.get("operation") or not behind:
        return None
    if not policy.get("prune") and all(item.get("requiresPruning") for item in behind):
        return None
    sync: Object = {"revision": commit, "source": dict(app["spec"]["source"])}
    if policy.get("prune"):
        sync["prune"] = True
    state = app.get("status", {}).get("operationState") or {}
    if (state.get("syncResult") or {}).get("revision") == commit:
        if not policy.get("selfHeal") or state.get("phase") != "Succeeded" or _recent(state, now, self_heal_s):
            return None
        attempts = ((state.get("operation") or {}).get("sync") or {}).get("autoHealAttemptsCount", 0)
        sync["resources"] = [_named(item) for item in behind]
        sync["autoHealAttemptsCount"] = attempts + 1
    return {"sync": sync, "initiatedBy": {"automated": True}, "retry": {"limit": 5}}


def _recent(state: Mapping[str, Any], now: datetime, span_s: float) -> bool:
    finished = state.get("finishedAt")
    return bool(finished) and (now - parse_timestamp(str(finished))).total_seconds() < span_s


def _named(entry: Mapping[str, Any]) -> Object:
    return {key: entry[key] for key in ("group", "kind", "name") if entry.get(key)}
