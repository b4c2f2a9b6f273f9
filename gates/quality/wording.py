"""What was found, in words: the inequality, and what an expectation wants. Values of columns stay masked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gates.quality.masking import shown
from gates.quality.runner import ExpectationResult
from gates.quality.suite import Expectation


def found_text(expectation: Expectation, found: ExpectationResult, reveal: Collection[str]) -> str:
    """The inequality that was found, or in words what holds or is violated."""
    wanted = describe(expectation)
    percent, limit = found.unexpected_percent or 0.0, allowed_percent(expectation)
    counted = found.unexpected_count is not None and found.element_count is not None
    # Not every expectation that counts also judges by the count: the inequality must not contradict the outcome.
    if counted and found.success == (percent <= limit + 1e-9):
        sign = "<=" if found.success else ">"
        missing = f", {found.missing_count} null" if found.missing_count else ""
        return (
            f"{found.unexpected_count} of {found.element_count} rows unexpected{missing}: "
            f"{percent:.4g} % {sign} {limit:.4g} %; expected {wanted}"
        )
    inequality = _inequality(expectation.kwargs, found)
    if inequality:
        return inequality
    verb = "holds" if found.success else "violated"
    seen = observed_text(expectation, found, reveal)
    extra = f"; {short(found.details)}" if found.details and not found.success and not expectation.columns else ""
    return f"{verb}: {wanted}{f'; observed {seen}' if seen else ''}{extra}"


# What these observe are types, counts and quantiles, not values of rows.
_HARMLESS = ("of_type", "in_type_list", "quantile", "proportion", "count")


def observed_text(expectation: Expectation, found: ExpectationResult, reveal: Collection[str]) -> str:
    """What was observed, as text; values of a column are masked as examples are. "" when nothing was reported."""
    if found.observed is None:
        return ""
    if not expectation.columns or any(word in expectation.type for word in _HARMLESS):
        return short(found.observed)
    return short(shown(found.observed, expectation.columns, reveal))


def _inequality(kwargs: Mapping[str, Any], found: ExpectationResult) -> str:
    """`observed < min_value` and its kin, for expectations that compare one number with bounds."""
    observed = number(found.observed)
    exact = number(kwargs.get("value"))
    low = exact if exact is not None else number(kwargs.get("min_value"))
    high = exact if exact is not None else number(kwargs.get("max_value"))
    if observed is None or (low is None and high is None):
        return ""
    if found.success and low == high:
        return f"{observed:.6g} == {low:.6g}"
    if found.success:
        return f"{'' if low is None else f'{low:.6g} <= '}{observed:.6g}{'' if high is None else f' <= {high:.6g}'}"
    if low is not None and (observed < low or (observed == low and kwargs.get("strict_min"))):
        return f"{observed:.6g} {'<' if observed < low else '<='} {low:.6g}"
    if high is not None and (observed > high or (observed == high and kwargs.get("strict_max"))):
        return f"{observed:.6g} {'>' if observed > high else '>='} {high:.6g}"
    return ""


def number(value: object) -> float | None:
    """`value` as a number; None for anything else, booleans included."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def allowed_percent(expectation: Expectation) -> float:
    """How many percent may be unexpected: what `mostly` leaves, 0 without it."""
    mostly = number(expectation.kwargs.get("mostly"))
    return 0.0 if mostly is None else (1.0 - mostly) * 100


def describe(expectation: Expectation) -> str:
    """What the expectation wants, in a few words: `values to be between (min_value=0, max_value=100)`."""
    words = expectation.type.removeprefix("expect_").removeprefix("column_").replace("_", " ")
    skipped = {"column", "column_A", "column_B", "column_list", "mostly", "result_format", "batch_id"}
    arguments = ", ".join(
        f"{key}={short(value)}" for key, value in expectation.kwargs.items() if key not in skipped and value is not None
    )
    return f"{words} ({arguments})" if arguments else words


def short(value: Any, limit: int = 120) -> str:
    """`value` on one line, at most `limit` characters of it."""
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[:limit]}…"
