"""The cases: an expectation on a batch. What is right is what Great Expectations itself says, when the tests run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`kwargs` as a suite has them. `oracle` says on which backend Great Expectations answers it.

    `result_format` is COMPLETE where nothing else is said: it contains all the others.
    """

    table: str
    type: str
    kwargs: Mapping[str, Any]
    oracle: str = "pandas"
    result_format: str | Mapping[str, Any] = "COMPLETE"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Unique, readable, and stable when cases are added: the differences name cases by it."""
        text = json.dumps(self.kwargs, ensure_ascii=False, sort_keys=False, default=str)
        formatted = "" if self.result_format == "COMPLETE" else f" {json.dumps(self.result_format)}"
        return f"{self.table}: {self.type.removeprefix('expect_')} {text}{formatted}"


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case once."""
    from tests.gates.quality.parity import aggregate_cases, feature_cases, map_cases, table_cases

    found = [*map_cases.cases(), *aggregate_cases.cases(), *table_cases.cases(), *feature_cases.cases()]
    return tuple({case.id: case for case in found}.values())


def each(table: str, kind: str, *kwargs: Mapping[str, Any], **settings: Any) -> Iterator[Case]:
    """One case of `expect_<kind>` for each of `kwargs`."""
    name = kind if kind.startswith("unexpected") else f"expect_{kind}"
    for entry in kwargs:
        yield Case(table=table, type=name, kwargs=entry, **settings)


def on(column: str, **kwargs: Any) -> dict[str, Any]:
    """The kwargs of an expectation on one column."""
    return {"column": column, **kwargs}


def between(low: Any = None, high: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Bounds, left out where None."""
    return {key: value for key, value in {"min_value": low, "max_value": high, **kwargs}.items() if value is not None}
