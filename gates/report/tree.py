"""What all renderings share: masking, walking, and the few words for measurements. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gates.verdict import Measurement, Outcome, Verdict, blocking_outcome
from headgate.secrets import mask

Path = tuple[str, ...]


def masked(verdict: Verdict) -> Verdict:
    """The same tree without secrets in any of its texts; every rendering begins with this."""
    measurement = verdict.measurement
    if measurement is not None:
        measurement = replace(
            measurement,
            observed=_masked_value(measurement.observed),
            threshold=_masked_value(measurement.threshold),
            source=mask(measurement.source),
        )
    return replace(
        verdict,
        name=mask(verdict.name),
        message=mask(verdict.message),
        fix=mask(verdict.fix),
        details=tuple(mask(line) for line in verdict.details),
        measurement=measurement,
        children=tuple(masked(child) for child in verdict.children),
    )


def _masked_value(value: float | str | None) -> float | int | str | None:
    return mask(value) if isinstance(value, str) else value


def walk(verdict: Verdict, path: Path = ()) -> Iterator[tuple[Path, Verdict]]:
    """Every leaf with the names of the nodes above it, the root left out."""
    for child in verdict.children:
        if child.children:
            yield from walk(child, (*path, child.name))
        else:
            yield path, child


def is_remark(verdict: Verdict) -> bool:
    """Whether a leaf is worth reading but blocks nothing: a failure or an open question of lesser severity."""
    return blocking_outcome(verdict) is not verdict.outcome


def is_blocking(verdict: Verdict) -> bool:
    """Whether a leaf keeps the whole from passing."""
    return verdict.outcome in {Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE} and not is_remark(verdict)


def measured(measurement: Measurement) -> str:
    """`measured 2.5 % unexpected, must be <= 0 (120 rows)`, or "" when nothing was observed."""
    if measurement.observed is None or measurement.observed == "":
        return ""
    unit = f" {measurement.unit}" if measurement.unit else ""
    sample = f" (n = {measurement.sample})" if measurement.sample is not None else ""
    limit = f", must be {_sign(measurement.comparison)} {_value(measurement.threshold)}"
    return f"measured {_value(measurement.observed)}{unit}{limit if measurement.threshold is not None else ''}{sample}"


def _sign(comparison: str) -> str:
    return {"in": "within:"}.get(comparison, comparison)


def _value(value: float | str | None) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def place(verdict: Verdict) -> str:
    """`file:line`, `file`, or ""."""
    if verdict.location is None:
        return ""
    line = verdict.location.line
    return verdict.location.path if line is None else f"{verdict.location.path}:{line}"


def seconds(duration_s: float | None) -> str:
    return "" if duration_s is None else f"{duration_s:.1f} s"
