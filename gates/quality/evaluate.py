"""From what an engine found to a verdict. Pure.

Great Expectations' own `success` ignores severity and is true for an empty batch and for whatever was left out; here
the expectations reported must be exactly those required, and an empty batch fails unless the gate allows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from gates.quality.masking import shown
from gates.quality.runner import Example, ExpectationResult, SuiteResult
from gates.quality.sampling import Sampling, is_decided, sample_leaf
from gates.quality.suite import Expectation, Suite, with_values
from gates.quality.wording import allowed_percent, describe, found_text, number, observed_text, short
from gates.verdict import Location, Measurement, Outcome, Verdict, group

MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was to be checked: `files` as shown in reports, in the order of the engine's job.

    `reveal` names columns whose values may be shown; those of other columns are masked to their shape. `allow_empty`
    lets a batch without rows pass what it passes; otherwise `empty` is what it is worth. A build that made no rows has
    failed; a suite on data from somewhere has not been answered. `sampling`: not all rows were looked at.
    """

    name: str
    suite: Suite
    files: tuple[str, ...]
    reveal: tuple[str, ...] = ()
    allow_empty: bool = False
    empty: Outcome = Outcome.FAIL
    sampling: Sampling | None = None


def evaluate_suite(batch: Batch, result: SuiteResult, *, source: str = "") -> Verdict:
    """The verdict on one suite: a leaf for the size of the batch and one for each expectation of the suite."""
    suite_file = Location(path=batch.suite.path)
    if result.error:
        return Verdict(
            name=batch.name,
            outcome=Outcome.ERROR,
            message=result.error,
            fix=result.fix,
            location=suite_file,
            duration_s=result.duration_s,
        )
    if not batch.suite.expectations:
        return Verdict(
            name=batch.name,
            outcome=Outcome.INCONCLUSIVE,
            message="the suite has no expectations",
            fix="Add expectations; a suite that checks nothing does not pass.",
            location=suite_file,
        )
    batch = replace(batch, suite=with_values(batch.suite))
    strays = _strays(batch.suite, result)
    leaves = [_rows(batch, result), *_expectations(batch, result, source), *strays]
    required = ["rows", *(entry.name for entry in batch.suite.expectations)]
    if batch.sampling is not None:
        leaves.append(sample_leaf(batch.sampling, result.row_count))
        required.append("sample")
    node = group(batch.name, leaves, required=required)
    bad = sum(leaf.outcome is not Outcome.PASS for leaf in node.children)
    message = f"{bad} of {len(node.children)} checks did not pass" if bad else f"{len(node.children)} checks passed"
    if bad and node.outcome is Outcome.PASS:
        message += ", none of them critical"
    if batch.sampling is not None:
        message += f" (on a sample of {batch.sampling.shown} of the rows)"
    if result.remark:
        message += f"; {result.remark}"
    return replace(node, message=message, location=suite_file, duration_s=result.duration_s)


def _rows(batch: Batch, result: SuiteResult) -> Verdict:
    files = ", ".join(batch.files[:3]) + (f" and {len(batch.files) - 3} more" if len(batch.files) > 3 else "")
    count = result.row_count
    measurement = Measurement(observed=count, threshold=1, comparison=">=", unit="rows", source=files)
    if count is None or count < 0:
        outcome, message = Outcome.INCONCLUSIVE, f"the number of rows is not known ({files})"
    elif count >= 1:
        outcome, message = Outcome.PASS, f"{count} rows ({files})"
    elif batch.sampling is not None:
        outcome, message = Outcome.INCONCLUSIVE, f"0 rows in the sample: it says nothing ({files})"
    elif batch.allow_empty:
        outcome, message = Outcome.PASS, f"0 rows, which this check allows ({files})"
    else:
        says = "fails" if batch.empty is Outcome.FAIL else "says nothing"
        outcome, message = batch.empty, f"0 rows < 1 row: an empty batch {says} ({files})"
    fix = "" if outcome is Outcome.PASS else "Look at the step that writes these files."
    return Verdict(name="rows", outcome=outcome, message=message, rule="empty-batch", measurement=measurement, fix=fix)


def _expectations(batch: Batch, result: SuiteResult, source: str) -> list[Verdict]:
    """One leaf per expectation with exactly one result; those without one are added by `group` as required."""
    counts = Counter(entry.index for entry in result.results)
    by_index = {entry.index: entry for entry in result.results if counts[entry.index] == 1}
    return [
        _leaf(batch, expectation, by_index[expectation.index], result, source)
        for expectation in batch.suite.expectations
        if expectation.index in by_index
    ]


def _strays(suite: Suite, result: SuiteResult) -> list[Verdict]:
    """Results that no expectation asked for, or asked for once and got twice: the engine cannot be relied on."""
    known = {expectation.index for expectation in suite.expectations}
    counts = Counter(entry.index for entry in result.results)
    return [
        Verdict(
            name=f"result {index}",
            outcome=Outcome.ERROR,
            message=f"the engine returned {count} results for expectation {index} of {len(known)}",
            fix="Run the suite with Great Expectations by hand and compare.",
        )
        for index, count in sorted(counts.items())
        if index not in known or count > 1
    ]


def _leaf(
    batch: Batch, expectation: Expectation, found: ExpectationResult, result: SuiteResult, source: str
) -> Verdict:
    outcome, message = _outcome(batch, expectation, found)
    failed = outcome is Outcome.FAIL
    return Verdict(
        name=expectation.name,
        outcome=outcome,
        message=message,
        severity=expectation.severity,
        rule=expectation.type,
        measurement=_measurement(batch, expectation, found, source),
        location=Location(path=batch.suite.path, line=expectation.line),
        fix=_fix(batch, outcome),
        details=_details(batch, expectation, found, result) if failed else (),
    )


_FIXES = {
    Outcome.FAIL: "Repair the step that produces these rows; if they are right, change the suite.",
    Outcome.ERROR: "Correct the expectation in the suite, or the column it names.",
    Outcome.INCONCLUSIVE: "Look at the row condition and at the data.",
}


def _fix(batch: Batch, outcome: Outcome) -> str:
    if batch.sampling is not None and outcome is Outcome.INCONCLUSIVE:
        return "Run this suite on all rows."
    return _FIXES.get(outcome, "")


def _outcome(batch: Batch, expectation: Expectation, found: ExpectationResult) -> tuple[Outcome, str]:
    domain = ", ".join(expectation.columns) or "table"
    if found.raised:
        return Outcome.ERROR, f"{domain}: not judged: {found.raised[:400]}"
    if found.success is None:
        return Outcome.ERROR, f"{domain}: the engine did not say whether it holds"
    if found.success and found.element_count == 0 and not batch.allow_empty:
        return Outcome.INCONCLUSIVE, f"{domain}: no row was looked at"
    text = f"{domain}: {found_text(expectation, found, batch.reveal)}"
    if batch.sampling is not None and not found.success and not is_decided(expectation, found):
        return Outcome.INCONCLUSIVE, f"{text}; a sample does not decide this"
    return (Outcome.PASS if found.success else Outcome.FAIL), text


def _measurement(batch: Batch, expectation: Expectation, found: ExpectationResult, source: str) -> Measurement | None:
    if found.raised or found.success is None:
        return None
    if found.unexpected_count is not None and found.element_count is not None:
        return Measurement(
            observed=round(found.unexpected_percent or 0.0, 6),
            threshold=round(allowed_percent(expectation), 6),
            comparison="<=",
            unit="% unexpected",
            sample=found.element_count,
            source=source,
        )
    observed = number(found.observed)
    return Measurement(
        observed=observed_text(expectation, found, batch.reveal) if observed is None else observed,
        threshold=describe(expectation),
        comparison="in",
        source=source,
    )


def _details(batch: Batch, expectation: Expectation, found: ExpectationResult, result: SuiteResult) -> tuple[str, ...]:
    """Up to five failing rows: where, which key, and the masked value."""
    lines = [_example(batch, expectation, example, result) for example in found.examples[:MAX_EXAMPLES]]
    rest = (found.unexpected_count or len(found.examples)) - len(lines)
    if lines and rest > 0:
        lines.append(f"and {rest} more")
    return tuple(lines)


def _example(batch: Batch, expectation: Expectation, example: Example, result: SuiteResult) -> str:
    columns = expectation.columns
    label = " and ".join(columns) if columns else "value"
    value = f"{label} = {shown(example.value, columns, batch.reveal)}"
    key = ", ".join(f"{name}={short(item, 60)}" for name, item in example.key)
    place = _place(batch.files, result.file_rows, example.row)
    return " ".join(part for part in (place, f"({key})" if key else "") if part) + (
        f": {value}" if place or key else value
    )


def _place(files: Sequence[str], file_rows: Sequence[int], row: int | None) -> str:
    """`row 17 of fact.parquet`, rows counted from 0 within the file, as Great Expectations does."""
    if row is None or row < 0:
        return ""
    if len(files) == len(file_rows):
        for file, count in zip(files, file_rows, strict=True):
            if row < count:
                return f"row {row} of {PurePath(file).name}"
            row -= count
    return f"row {row}"
