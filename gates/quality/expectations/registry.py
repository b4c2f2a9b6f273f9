"""Expectation types by name. What is not here, or cannot be said exactly in SQL, is `NotPlanned`: never dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gates.quality.metrics import Finding, Planned, Schema
from gates.quality.result_format import ResultFormat
from gates.quality.suite import Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlanned:
    """Great Expectations itself has to judge this one; `reason` says why, in words for `quality explain`."""

    reason: str


_PLANNERS: dict[str, Callable[..., Planned | Finding | NotPlanned]] = {}


def planned_types() -> frozenset[str]:
    """The expectation types judged here."""
    return frozenset(_PLANNERS)


def plan(
    expectation: Expectation,
    schema: Schema,
    *,
    result_format: ResultFormat,
    parameters: Mapping[str, Any],
) -> Planned | Finding | NotPlanned:
    """What `expectation` asks of a batch with `schema`: metrics, a finding at once, or that it is not planned here.

    `parameters` are values for `{"$PARAMETER": name}`, those of the suite and those of the run together. Never raises
    for what is in the expectation: what Great Expectations would raise is a `Finding` with `raised`.
    """
    planner = _PLANNERS.get(expectation.type)
    if planner is None:
        return NotPlanned(reason=f"{expectation.type} is not planned")
    return planner(expectation, schema, result_format=result_format, parameters=parameters)
