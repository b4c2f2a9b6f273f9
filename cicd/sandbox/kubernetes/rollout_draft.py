"""One reconciliation while it is being decided: the new status, the pauses, the pods, the selectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cicd.sandbox.kubernetes.rollout_status import deadline, finish, update_conditions
from cicd.sandbox.kubernetes.rollout_values import Facts, Object, Plan, ReplicaSetFacts, format_time


class Draft:
    """Collects decisions; `plan()` closes it.

    `status` starts from what every strategy counts the same way. `aborted` and `pauses` start from the present status.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        old = facts.status
        self.aborted = bool(old.get("abort"))
        self.abort_detail = ""
        self.pauses: list[Mapping[str, Any]] = list(old.get("pauseConditions") or ())
        self.controller_pause = bool(old.get("controllerPause"))
        self.scale_to: dict[str, int] = {}
        self.deadlines: dict[str, datetime | None] = {}
        self.selectors: dict[str, str] = {}
        self.wakes: list[datetime] = []
        new = facts.new
        self.status: Object = {
            "blueGreen": {},
            "canary": {},
            "conditions": [item for item in old.get("conditions") or () if item["type"] != "InvalidSpec"],
            "currentPodHash": facts.template_hash,
            "stableRS": old.get("stableRS"),
            "promoteFull": old.get("promoteFull"),
            "replicas": sum(item.actual for item in facts.replica_sets),
            "updatedReplicas": new.actual if new else 0,
            "readyReplicas": sum(item.ready for item in facts.replica_sets),
            "availableReplicas": sum(item.available for item in facts.replica_sets),
            "HPAReplicas": sum(item.actual for item in facts.replica_sets),
            "selector": format_selector(facts.spec, None),
        }

    def scale(self, item: ReplicaSetFacts | None, replicas: int) -> bool:
        """Ask for a number of pods; True when that is a change. Without pods there is no deadline to wait for."""
        if item is None or item.replicas == replicas:
            return False
        self.scale_to[item.hash] = replicas
        if replicas == 0:
            self.forget_deadline(item)
        return True

    def select(self, service: str | None, pod_hash: str | None) -> None:
        """Point a Service at one version; a Service that does not exist is left out."""
        if service and pod_hash and service in self.facts.selectors and self.selector(service) != pod_hash:
            self.selectors[service] = pod_hash

    def selector(self, service: str | None) -> str | None:
        """The version a Service will point at after this reconciliation."""
        if not service:
            return None
        return self.selectors.get(service) or self.facts.selectors.get(service)

    def keep_for(self, item: ReplicaSetFacts, seconds: float) -> None:
        """Scale a ReplicaSet down later, so that one can still go back to it at once."""
        until = self.facts.now.replace(microsecond=0) + timedelta(seconds=seconds)
        self.deadlines[item.hash] = until
        self.wakes.append(until)

    def forget_deadline(self, item: ReplicaSetFacts | None) -> None:
        if item is not None and item.scale_down_at is not None:
            self.deadlines[item.hash] = None

    def is_kept(self, item: ReplicaSetFacts) -> bool:
        """Whether its scale-down deadline is still ahead."""
        if item.scale_down_at is None or item.scale_down_at <= self.facts.now:
            return False
        self.wakes.append(item.scale_down_at)
        return True

    def pause(self, reason: str) -> None:
        self.pauses.append({"reason": reason, "startTime": format_time(self.facts.now)})
        self.controller_pause = True

    def unpause(self, reason: str) -> None:
        self.pauses = [item for item in self.pauses if item["reason"] != reason]

    def pause_condition(self, reason: str) -> Mapping[str, Any] | None:
        return next((item for item in self.pauses if item["reason"] == reason), None)

    def reset(self) -> None:
        """A new template or new steps: nothing of the old update counts any more."""
        self.aborted, self.pauses = False, []
        self.status["promoteFull"] = None

    def promote(self) -> None:
        """The new version is the stable one."""
        self.status["stableRS"] = self.facts.template_hash
        self.reset()

    def plan(self) -> Plan:
        """The decisions, with conditions, pauses and phase worked out."""
        timed_out = update_conditions(self.facts, self.status, abort_message=self._abort_message())
        if timed_out is not None and self.facts.spec.get("progressDeadlineAbort"):
            self.aborted, self.abort_detail = True, timed_out
            update_conditions(self.facts, self.status, abort_message=self._abort_message())
        if self.aborted:
            since = self.facts.status.get("abortedAt") or format_time(self.facts.now)
            self.status |= {"abort": True, "abortedAt": since}
        elif self.pauses:
            self.status |= {"controllerPause": self.controller_pause, "pauseConditions": self.pauses}
        limit = deadline(self.facts, self.status)
        if limit is not None and not self.pauses:
            self.wakes.append(limit + timedelta(seconds=1))
        return Plan(
            status=finish(self.facts, self.status),
            scale=self.scale_to,
            deadlines=self.deadlines,
            selectors=self.selectors,
            wake_at=min(self.wakes, default=None),
        )

    def _abort_message(self) -> str | None:
        if not self.aborted:
            return None
        if self.facts.status.get("abortedAt") and not self.abort_detail:
            for item in self.facts.status.get("conditions") or ():
                if item["type"] == "Progressing" and item["reason"] == "RolloutAborted":
                    return str(item["message"])
        text = f"Rollout aborted update to revision {self.facts.revision}"
        return f"{text}: {self.abort_detail}" if self.abort_detail else text


def format_selector(spec: Mapping[str, Any], extra: tuple[str, str] | None) -> str:
    """matchLabels as `key=value,key=value`, sorted."""
    labels = dict((spec.get("selector") or {}).get("matchLabels") or {})
    if extra is not None:
        labels[extra[0]] = extra[1]
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
