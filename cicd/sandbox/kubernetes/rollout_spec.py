"""Validation of a Rollout's spec: what makes it `InvalidSpec`. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from cicd.sandbox.kubernetes.rollout_values import duration_s

KNOWN_STEPS = frozenset({"setWeight", "pause"})
SERVICE_FIELDS = ("canaryService", "stableService", "activeService", "previewService")


def invalid_spec(name: str, spec: Mapping[str, Any], services: Container[str]) -> str | None:
    """The message of the InvalidSpec condition, or None for a spec that the controller accepts.

    `services` are the names of the Services that exist. Steps that the sandbox does not run (analysis, experiment,
    setCanaryScale and so on) are invalid here rather than silently passed.
    """
    problem = _problem(spec) or _missing_service(spec, services)
    return f'The Rollout "{name}" is invalid: {problem}' if problem else None


def _missing_service(spec: Mapping[str, Any], services: Container[str]) -> str | None:
    for strategy, settings in (spec.get("strategy") or {}).items():
        for field in SERVICE_FIELDS:
            wanted = (settings or {}).get(field)
            if wanted and wanted not in services:
                return f'spec.strategy.{strategy}.{field}: Invalid value: "{wanted}": service "{wanted}" not found'
    return None


def _problem(spec: Mapping[str, Any]) -> str | None:
    selector = (spec.get("selector") or {}).get("matchLabels")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    containers = (template.get("spec") or {}).get("containers")
    if not selector:
        return "spec.selector: Required value: Rollout has missing field '.spec.selector'"
    if any(labels.get(key) != value for key, value in selector.items()):
        return f"spec.template.metadata.labels: Invalid value: {labels}: `selector` does not match template `labels`"
    if not containers:
        return "spec.template.spec.containers: Required value"
    strategy = spec.get("strategy") or {}
    if ("canary" in strategy) == ("blueGreen" in strategy):
        if strategy:
            return "spec.strategy: Invalid value: Multiple Strategies can not be listed"
        return "spec.strategy: Required value: Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
    if "blueGreen" in strategy:
        return _blue_green(strategy["blueGreen"] or {})
    return _canary(strategy["canary"] or {})


def _blue_green(strategy: Mapping[str, Any]) -> str | None:
    active, preview = strategy.get("activeService"), strategy.get("previewService")
    if not active:
        return "spec.strategy.activeService: Required value"
    if active == preview:
        return (
            f'spec.strategy.activeService: Invalid value: "{active}": '
            "This rollout uses the same service for the active and preview services, but two different services are required."
        )
    return None


def _canary(strategy: Mapping[str, Any]) -> str | None:
    if strategy.get("trafficRouting") and not (strategy.get("canaryService") and strategy.get("stableService")):
        return "spec.strategy.trafficRouting: Invalid value: canaryService and stableService are required with traffic routing"
    for index, step in enumerate(strategy.get("steps") or ()):
        problem = _step(step)
        if problem:
            return f"spec.strategy.steps[{index}]{problem}"
    return None


def _step(step: Mapping[str, Any]) -> str | None:
    kinds = set(step)
    if len(kinds) != 1:
        return (
            ": Invalid value: Step must have one of the following set: experiment, setWeight, setCanaryScale or pause"
        )
    if not kinds <= KNOWN_STEPS:
        return f".{next(iter(kinds))}: Invalid value: the sandbox runs setWeight and pause steps only"
    if "setWeight" in step:
        weight = step["setWeight"]
        if not isinstance(weight, int) or not 0 <= weight <= 100:
            return f".setWeight: Invalid value: {weight}: SetWeight needs to be between 0 and 100"
        return None
    return _pause(step["pause"] or {})


def _pause(pause: Mapping[str, Any]) -> str | None:
    if pause.get("duration") is None:
        return None
    try:
        duration_s(pause["duration"])
    except ValueError:
        return f'.pause.duration: Invalid value: "{pause["duration"]}": invalid duration'
    return None
