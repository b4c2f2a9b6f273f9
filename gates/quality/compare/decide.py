"""From what differs to a verdict. Pure. Absence never passes: no rows, no key in common and no columns are no pass."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from gates.quality.compare.causes import example_text, name_causes
from gates.quality.compare.model import Cause, CauseKind, Comparison, Keys, Segment
from gates.verdict import Measurement, Outcome, Verdict, group, judge

MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much may differ. Ratios are of 1; by default nothing may differ, and what is None is reported, not judged.

    `max_changed_ratio`: keys on both sides whose rows differ, of the keys on both sides. `max_lost_ratio` and
    `max_added_ratio`: keys on one side only, of base's keys. `max_duplicated_ratio`: rows that share their key with
    another row, of head's rows, where they are more than in base. `max_shift`: population stability index of any
    column. `max_segment_ratio`: relative change of rows or of any sum in a segment. `schema_changes`: `none`, `compatible`
    (columns may be added and types widened), `any`. `allow_empty`: two empty sides are equal.
    """

    max_changed_ratio: float = 0.0
    max_lost_ratio: float = 0.0
    max_added_ratio: float = 0.0
    max_duplicated_ratio: float = 0.0
    max_shift: float | None = None
    max_segment_ratio: float | None = None
    schema_changes: Literal["none", "compatible", "any"] = "none"
    allow_empty: bool = False


def evaluate_comparison(
    comparison: Comparison, policy: Policy, *, name: str = "compare", reveal: Collection[str] = ()
) -> Verdict:
    """The verdict: one leaf for each thing compared; its message says what most likely happened."""
    causes = name_causes(comparison, reveal)
    required = ["rows", "schema"]
    leaves = [_rows(comparison, policy), _schema(comparison, policy, causes)]
    keys = comparison.keys
    if keys is not None:
        leaves += _matched(comparison, keys, policy, causes, reveal)
        required += ["keys", "lost", "added"]
    if policy.max_shift is not None:
        leaves.append(_shift(comparison, policy.max_shift))
    if policy.max_segment_ratio is not None:
        leaves.append(_segments(comparison, policy.max_segment_ratio))
    node = group(name, leaves, required=required)
    return replace(node, message=_message(comparison, node.outcome, causes))


def _message(comparison: Comparison, outcome: Outcome, causes: tuple[Cause, ...]) -> str:
    sizes = f"{comparison.base_rows} rows in base, {comparison.head_rows} in head"
    if comparison.identical:
        return f"identical: {sizes}"
    said = "; ".join(f"{cause.kind.value}: {cause.text}" for cause in causes[:3])
    within = "within the thresholds" if outcome is Outcome.PASS else "different"
    return f"{within}: {sizes}{f'; {said}' if said else ''}"


def _rows(comparison: Comparison, policy: Policy) -> Verdict:
    base, head = comparison.base_rows, comparison.head_rows
    measurement = Measurement(observed=head, threshold=1, comparison=">=", unit="rows", source=comparison.head)
    if base and head:
        outcome, message, fix = Outcome.PASS, f"{base} rows in base, {head} in head", ""
    elif not base and not head and policy.allow_empty:
        outcome, message, fix = Outcome.PASS, "0 rows on both sides, which this check allows", ""
    elif base:
        outcome, message = Outcome.FAIL, f"head has no rows, base has {base}"
        fix = "Look at the step that writes head: everything that base had is lost."
    else:
        outcome = Outcome.INCONCLUSIVE
        message = f"base has no rows, so nothing is known about the {head} rows of head"
        fix = "Compare with a base that has rows."
    return Verdict(name="rows", outcome=outcome, message=message, rule="empty-side", measurement=measurement, fix=fix)


def _schema(comparison: Comparison, policy: Policy, causes: tuple[Cause, ...]) -> Verdict:
    schema = comparison.schema
    bad = [f"{item.base} was renamed to {item.head}" for item in schema.renamed]
    bad += [f"{column.name} ({column.native}) is gone" for column in schema.removed]
    bad += [f"{item.name} is {item.head}, was {item.base}" for item in schema.retyped if not item.widened]
    mild = [f"{column.name} ({column.native}) is new" for column in schema.added]
    mild += [f"{item.name} is {item.head}, was {item.base}" for item in schema.retyped if item.widened]
    blocking = {"none": bad + mild, "compatible": bad, "any": []}[policy.schema_changes]
    if not comparison.columns:
        outcome, message = Outcome.INCONCLUSIVE, "no column is on both sides"
    elif blocking:
        outcome, message = Outcome.FAIL, "; ".join(blocking)
    else:
        noted = "; ".join(bad + mild)
        outcome, message = (
            Outcome.PASS,
            f"{len(comparison.columns)} columns on both sides{f'; {noted}' if noted else ''}",
        )
    renamed = [f"{cause.kind.value}: {cause.text}" for cause in causes if cause.kind is CauseKind.RENAMED_COLUMN]
    return Verdict(
        name="schema",
        outcome=outcome,
        message=message,
        rule="schema",
        details=tuple(renamed) if outcome is not Outcome.PASS else (),
        fix="" if outcome is Outcome.PASS else "Tell those who read the table, or allow it with `schema_changes`.",
    )


def _matched(
    comparison: Comparison, keys: Keys, policy: Policy, causes: tuple[Cause, ...], reveal: Collection[str]
) -> list[Verdict]:
    base_keys = keys.matched + keys.lost
    unit = "keys" if keys.columns else "rows"
    leaves = [_overlap(keys)]
    limits = (("lost", keys.lost, policy.max_lost_ratio), ("added", keys.added, policy.max_added_ratio))
    for name, count, limit in limits:
        leaf = _ratio(name, count, base_keys, limit, f"{unit} {name}", "of base")
        leaves.append(_explained(leaf, _about(causes, name), reveal))
    if keys.columns:
        leaf = _ratio(
            "changed", keys.changed, keys.matched, policy.max_changed_ratio, "keys changed", "of those on both sides"
        )
        leaves.append(_explained(leaf, _about(causes, "changed"), reveal, comparison))
        leaves.append(_explained(_duplicates(comparison, keys, policy), _about(causes, "duplicated"), reveal))
    elif policy.max_changed_ratio:
        leaves.append(
            Verdict(
                name="changed",
                outcome=Outcome.INCONCLUSIVE,
                message="without a key a changed row is one lost and one added",
                fix="Name the columns that identify a row as the key.",
            )
        )
    return leaves


def _overlap(keys: Keys) -> Verdict:
    by = f"by {', '.join(keys.columns)}" if keys.columns else "as whole rows (no key)"
    if keys.inferred:
        by += ", which is unique on both sides"
    measurement = Measurement(observed=keys.matched, threshold=1, comparison=">=", unit="matched")
    if keys.matched:
        return Verdict(
            name="keys", outcome=Outcome.PASS, message=f"{keys.matched} matched {by}", measurement=measurement
        )
    return Verdict(
        name="keys",
        outcome=Outcome.INCONCLUSIVE,
        message=f"nothing in base is found in head, matched {by}",
        rule="no-overlap",
        measurement=measurement,
        fix="Compare the form of the key on both sides, or name another key.",
    )


def _ratio(name: str, count: int, whole: int, limit: float, what: str, of: str) -> Verdict:
    ratio = count / whole if whole else math.nan
    measurement = Measurement(observed=ratio, threshold=limit, comparison="<=", unit="ratio", sample=whole)
    leaf = judge(name, measurement, rule=f"max-{name}-ratio")
    sign = "<=" if leaf.outcome is Outcome.PASS else ">"
    if leaf.outcome is Outcome.INCONCLUSIVE:
        return replace(leaf, message=f"{count} {what}, but there is nothing to relate them to")
    fix = "" if leaf.outcome is Outcome.PASS else "If this is meant, raise the threshold for this change."
    return replace(leaf, message=f"{count} of {whole} {what} {of}: {ratio:.4g} {sign} {limit:g}", fix=fix)


def _duplicates(comparison: Comparison, keys: Keys, policy: Policy) -> Verdict:
    base = keys.duplicate_rows_base / comparison.base_rows
    head = keys.duplicate_rows_head / comparison.head_rows
    limit = max(base, policy.max_duplicated_ratio)
    measurement = Measurement(
        observed=head, threshold=limit, comparison="<=", unit="ratio", sample=comparison.head_rows
    )
    leaf = judge("duplicates", measurement, rule="max-duplicated-ratio")
    sign = "<=" if leaf.outcome is Outcome.PASS else ">"
    message = (
        f"{keys.duplicate_rows_head} of {comparison.head_rows} rows share their key in head "
        f"({keys.duplicate_rows_base} of {comparison.base_rows} in base): {head:.4g} {sign} {limit:.4g}"
    )
    return replace(leaf, message=message, fix="" if leaf.outcome is Outcome.PASS else "Look at the joins.")


def _about(causes: tuple[Cause, ...], name: str) -> list[Cause]:
    """The causes whose examples are of this kind."""
    return [cause for cause in causes if any(example.what == name for example in cause.examples)]


def _explained(
    leaf: Verdict, causes: list[Cause], reveal: Collection[str], comparison: Comparison | None = None
) -> Verdict:
    """The causes and some examples as details of a leaf that did not pass."""
    if leaf.outcome is Outcome.PASS:
        return leaf
    lines = [f"{cause.kind.value}: {cause.text}" for cause in causes]
    examples = [example for cause in causes for example in cause.examples[:MAX_EXAMPLES]]
    if comparison is not None:
        lines += _column_lines(comparison)
        explained = {example.column for example in examples}
        examples += [e for e in comparison.examples if e.what == "changed" and e.column not in explained]
    lines += [example_text(example, reveal) for example in examples[:MAX_EXAMPLES]]
    return replace(leaf, details=tuple(lines))


def _column_lines(comparison: Comparison) -> list[str]:
    ordered = sorted(comparison.changes, key=lambda change: -change.changed)
    lines = [f"{change.name}: {change.changed} of {change.compared} changed" for change in ordered[:10]]
    return lines + ([f"and {len(ordered) - 10} more columns"] if len(ordered) > 10 else [])


def _shift(comparison: Comparison, limit: float) -> Verdict:
    worst = max(comparison.shifts, key=lambda shift: shift.psi, default=None)
    keys = comparison.keys
    if worst is None and (keys is None or keys.lost or keys.added or keys.changed):
        return Verdict(name="shift", outcome=Outcome.INCONCLUSIVE, message="no distribution could be compared")
    observed, about = (worst.psi, worst.name) if worst else (0.0, "every column")
    measurement = Measurement(observed=observed, threshold=limit, comparison="<=", unit="PSI", source=about)
    leaf = judge("shift", measurement, rule="max-shift")
    return replace(leaf, fix="" if leaf.outcome is Outcome.PASS else "Look at how the values of this column are made.")


def _segments(comparison: Comparison, limit: float) -> Verdict:
    if not comparison.segments or comparison.segment is None:
        return Verdict(
            name="segments",
            outcome=Outcome.INCONCLUSIVE,
            message=f"no aggregates by segment ({comparison.segment or 'no column is named'})",
            fix="Name a column that is on both sides as the segment.",
        )
    worst = max(comparison.segments, key=segment_change)
    observed = segment_change(worst)
    measurement = Measurement(observed=observed, threshold=limit, comparison="<=", unit="relative change")
    leaf = judge("segments", measurement, rule="max-segment-ratio")
    sign = "<=" if leaf.outcome is Outcome.PASS else ">"
    message = (
        f"largest change where {comparison.segment} = {worst.value}: {worst.base_rows} rows in base, "
        f"{worst.head_rows} in head: {observed:.4g} {sign} {limit:g}"
    )
    return replace(leaf, message=message)


def segment_change(segment: Segment) -> float:
    """The largest relative change in a segment, of its rows or of a sum; inf for a segment that base does not have."""
    pairs = [(float(segment.base_rows), float(segment.head_rows))]
    pairs += [(base or 0.0, head or 0.0) for _, base, head in segment.sums]
    return max(_relative(base, head) for base, head in pairs)


def _relative(base: float, head: float) -> float:
    # Sums of floats differ in their last digits with the order of rows: that is no change.
    if base == head or math.isclose(base, head, rel_tol=1e-9) or (math.isnan(base) and math.isnan(head)):
        return 0.0
    return abs(head - base) / abs(base) if base else math.inf
