"""Expectation types by name. What is not here, or cannot be said exactly in SQL, is `NotPlanned`: never dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gates.quality.expectations import (
    aggregates,
    columns,
    ordering,
    pairs,
    queries,
    sets,
    several,
    spread,
    tables,
    types,
)
from gates.quality.expectations.arguments import Field, coerce_arguments
from gates.quality.expectations.conditions import row_condition
from gates.quality.expectations.context import Context, NotJudgedError, NotPlannedError, Reference, not_judged
from gates.quality.expectations.parameters import substitute
from gates.quality.metrics import Finding, Planned, Schema
from gates.quality.result_format import ResultFormat
from gates.quality.suite import Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlanned:
    """Great Expectations itself has to judge this one; `reason` says why, in words for `quality explain`."""

    reason: str


Planner = Callable[[Context], Planned | Finding]

_PLANNERS: dict[str, tuple[Mapping[str, Field], Planner]] = {
    **columns.PLANNERS,
    **ordering.PLANNERS,
    **spread.PLANNERS,
    **aggregates.PLANNERS,
    **sets.PLANNERS,
    **pairs.PLANNERS,
    **several.PLANNERS,
    **tables.PLANNERS,
    **types.PLANNERS,
    **queries.PLANNERS,
}


def planned_types() -> frozenset[str]:
    """The expectation types judged here."""
    return frozenset(_PLANNERS)


def arguments_of(kind: str) -> frozenset[str]:
    """The arguments that the planned type `kind` takes."""
    return frozenset(_PLANNERS[kind][0])


def plan(
    expectation: Expectation,
    schema: Schema,
    *,
    result_format: ResultFormat,
    parameters: Mapping[str, Any],
    reference: Reference = Reference.PANDAS,
) -> Planned | Finding | NotPlanned:
    """What `expectation` asks of a batch with `schema`: metrics, a finding at once, or that it is not planned here.

    `parameters` are values for `{"$PARAMETER": name}`, those of the suite and those of the run together. `reference`
    is the backend whose meaning applies. Never raises for what is in the expectation: what Great Expectations would
    raise is a `Finding` with `raised`.
    """
    entry = _PLANNERS.get(expectation.type)
    if entry is None:
        return NotPlanned(reason=f"{expectation.type} is not planned")
    fields, planner = entry
    try:
        kwargs, given = substitute(expectation.kwargs, parameters)
        arguments = coerce_arguments(fields, kwargs, given)
        where = row_condition(arguments, schema, reference)
        context = Context(
            type=expectation.type,
            arguments=arguments,
            schema=schema,
            format=result_format,
            reference=reference,
            where=where,
        )
        return guarded(planner(context))
    except NotJudgedError as error:
        return not_judged(str(error))
    except NotPlannedError as error:
        return NotPlanned(reason=str(error))


def guarded(state: Planned | Finding) -> Planned | Finding:
    """The same with later steps that give a finding instead of raising."""
    if isinstance(state, Finding):
        return state

    def then(values: Any) -> Planned | Finding:
        try:
            return guarded(state.then(values))
        except NotJudgedError as error:
            return not_judged(str(error))

    return Planned(needs=state.needs, then=then)


def configured(expectation: Expectation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `expectation` as it was run: parameters filled in, values coerced (`1` is `1.0`).

    As they are in the suite where they cannot be.
    """
    entry = _PLANNERS.get(expectation.type)
    if entry is None:
        return dict(expectation.kwargs)
    try:
        kwargs, given = substitute(expectation.kwargs, parameters)
        coerced = coerce_arguments(entry[0], kwargs, given)
    except (NotJudgedError, NotPlannedError):
        return dict(expectation.kwargs)
    return {key: coerced[key] if _is_plain(coerced.get(key)) else value for key, value in kwargs.items()}


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | date)
