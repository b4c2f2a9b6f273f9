"""From what a session found to what the gate judges. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gates.quality.keys import Key, example_key
from gates.quality.metrics import Finding
from gates.quality.runner import Example, ExpectationResult, SuiteResult
from gates.quality.session import Judged, SuiteFindings


def to_suite_result(
    name: str, found: SuiteFindings, *, engine: str, keys: Mapping[int, Key] | None = None, key: Sequence[str] = ()
) -> SuiteResult:
    """`found` as a `SuiteRunner` reports it. `keys` name rows by position; `key` columns where rows have none."""
    return SuiteResult(
        name=name,
        engine=engine,
        row_count=found.rows,
        results=tuple(_result(entry, keys or {}, key) for entry in found.judged),
        duration_s=found.duration_s,
    )


def _result(entry: Judged, keys: Mapping[int, Key], key: Sequence[str]) -> ExpectationResult:
    result = entry.finding.result
    details = result.get("details")
    return ExpectationResult(
        index=entry.expectation.index,
        success=entry.finding.success,
        raised=" ".join(entry.finding.raised.split()),
        observed=result.get("observed_value"),
        element_count=_whole(result.get("element_count")),
        missing_count=_whole(result.get("missing_count")),
        unexpected_count=_whole(result.get("unexpected_count")),
        unexpected_percent=_number(result.get("unexpected_percent")),
        examples=_examples(entry.finding, keys, key),
        details=details if isinstance(details, Mapping) else None,
    )


def _examples(finding: Finding, keys: Mapping[int, Key], key: Sequence[str]) -> tuple[Example, ...]:
    values = finding.result.get("partial_unexpected_list") or ()
    places = finding.result.get("partial_unexpected_index_list") or ()
    if len(places) != len(values):  # then nobody knows which belongs to which
        places = ()
    return tuple(_example(value, places[at] if places else None, keys, key) for at, value in enumerate(values))


def _example(value: Any, place: Any, keys: Mapping[int, Key], key: Sequence[str]) -> Example:
    if isinstance(place, Mapping):
        return Example(value=value, key=tuple((name, place[name]) for name in key if name in place))
    row = _whole(place)
    return Example(value=value, row=row, key=example_key(keys, row))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
