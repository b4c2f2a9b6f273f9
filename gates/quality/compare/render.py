"""A comparison as data (JSON, YAML) and as text. Pure; values are masked unless revealed."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from gates.quality.compare.causes import example_text, name_causes
from gates.quality.compare.decide import segment_change
from gates.quality.compare.model import ColumnChange, Comparison, Example, Keys, Profile, Segment, Shift
from gates.quality.masking import shown
from gates.report.json_form import to_data as verdict_data
from gates.report.text import render_text
from gates.verdict import Verdict

MAX_SEGMENTS = 50


def to_data(comparison: Comparison, verdict: Verdict, reveal: Collection[str] = ()) -> dict[str, Any]:
    """Everything that was found, then the verdict. Ratios are of 1, None where there is nothing to relate to."""
    keys = comparison.keys
    return {
        "outcome": verdict.outcome.value,
        "identical": comparison.identical,
        "message": verdict.message,
        "base": {"data": comparison.base, "rows": comparison.base_rows},
        "head": {"data": comparison.head, "rows": comparison.head_rows},
        "schema": _schema(comparison),
        "keys": _keys(keys) if keys else None,
        "columns": [_change(change) for change in comparison.changes],
        "shifts": [_shift(shift) for shift in comparison.shifts],
        "segments": _segments(comparison),
        "causes": [
            {
                "cause": cause.kind.value,
                "columns": list(cause.columns),
                "rows": cause.rows,
                "message": cause.text,
                "examples": [_example(example, reveal) for example in cause.examples],
            }
            for cause in name_causes(comparison, reveal)
        ],
        "examples": [_example(example, reveal) for example in comparison.examples],
        "verdict": verdict_data(verdict)["verdict"],
    }


def _schema(comparison: Comparison) -> dict[str, Any]:
    schema = comparison.schema
    return {
        "added": [{"name": column.name, "type": column.native} for column in schema.added],
        "removed": [{"name": column.name, "type": column.native} for column in schema.removed],
        "retyped": [{"name": item.name, "base": item.base, "head": item.head} for item in schema.retyped],
        "renamed": [
            {"base": item.base, "head": item.head, "equal_ratio": _ratio(item.equal, item.rows)}
            for item in schema.renamed
        ],
        "compared": list(comparison.columns),
    }


def _keys(keys: Keys) -> dict[str, Any]:
    in_base = keys.matched + keys.lost
    return {
        "columns": list(keys.columns),
        "inferred": keys.inferred,
        "matched": keys.matched,
        "lost": keys.lost,
        "lost_ratio": _ratio(keys.lost, in_base),
        "added": keys.added,
        "added_ratio": _ratio(keys.added, in_base),
        "changed": keys.changed if keys.columns else None,
        "changed_ratio": _ratio(keys.changed, keys.matched) if keys.columns else None,
        "duplicated": {
            "base": {"keys": keys.duplicated_base, "rows": keys.duplicate_rows_base},
            "head": {"keys": keys.duplicated_head, "rows": keys.duplicate_rows_head},
        },
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _change(change: ColumnChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "kind": change.kind.value,
        "changed": change.changed,
        "compared": change.compared,
        "changed_ratio": change.ratio,
        "looked_at": change.looked_at,
        "became_null": change.became_null,
        "was_null": change.was_null,
    }


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "name": shift.name,
        "psi": _finite(shift.psi),
        "base": _profile(shift.base),
        "head": _profile(shift.head),
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "rows": profile.rows,
        "null_ratio": _ratio(profile.nulls, profile.rows),
        "distinct": profile.distinct,
        "mean": _finite(profile.mean),
        "stddev": _finite(profile.stddev),
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def _segments(comparison: Comparison) -> dict[str, Any] | None:
    """The segments that changed most, up to 50. The column was named by the user: its values are shown."""
    if comparison.segment is None:
        return None
    ordered = sorted(comparison.segments, key=segment_change, reverse=True)
    return {
        "column": comparison.segment,
        "count": len(ordered),
        "values": [_segment(segment) for segment in ordered[:MAX_SEGMENTS]],
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "value": None if segment.value is None else str(segment.value),
        "base_rows": segment.base_rows,
        "head_rows": segment.head_rows,
        "change": _finite(segment_change(segment)),
        "sums": {name: {"base": _number(base), "head": _number(head)} for name, base, head in segment.sums},
    }


def _number(value: float | None) -> float | None:
    return None if value is None else _finite(float(value))


def _example(example: Example, reveal: Collection[str]) -> dict[str, Any]:
    sides = {"lost": ("base",), "added": ("head",)}.get(example.what, ("base", "head"))
    return {
        "what": example.what,
        "key": {name: shown(value, (name,), reveal) for name, value in example.key},
        "values": {
            cell.column: {side: shown(getattr(cell, side), (cell.column,), reveal) for side in sides}
            for cell in example.cells
        },
    }


def render_comparison(
    comparison: Comparison, verdict: Verdict, reveal: Collection[str] = (), *, colour: bool = False
) -> str:
    """Causes first, then what changed, then the verdict with every leaf."""
    causes = name_causes(comparison, reveal)
    lines = []
    for cause in causes:
        lines += [f"{cause.kind.value}: {cause.text}"]
        lines += [f"  {example_text(example, reveal)}" for example in cause.examples[:3]]
    changed = sorted(comparison.changes, key=lambda change: -change.changed)
    lines += [f"{change.name}: {change.changed} of {change.compared} changed" for change in changed]
    moved = sorted((shift for shift in comparison.shifts if shift.psi >= 0.1), key=lambda shift: -shift.psi)
    lines += [f"{shift.name}: distribution shifted (PSI {shift.psi:.3g})" for shift in moved[:10]]
    lines += _segment_lines(comparison)
    text = render_text(verdict, colour=colour, full=True)
    return "\n".join([*lines, "", text] if lines else [text])


def _segment_lines(comparison: Comparison) -> list[str]:
    ordered = sorted(comparison.segments, key=segment_change, reverse=True)
    return [
        f"{comparison.segment} = {segment.value}: {segment.base_rows} rows in base, {segment.head_rows} in head, "
        f"largest change {segment_change(segment):.4g}"
        for segment in ordered[:10]
    ]
