"""Expectations that are a query of the user: it is to return no row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter

from gates.quality.expectations import arguments as given
from gates.quality.expectations.aggregates import finding
from gates.quality.expectations.context import Context, read, refuse
from gates.quality.expectations.mapping import MAX_VALUES
from gates.quality.metrics import Finding, Planned, Query, Sample, Values
from gates.quality.result_format import Level

_BRACES = "To include a literal brace in the query, double it: `{{` and `}}`."


def plan_unexpected_rows(context: Context) -> Planned:
    query = Query(sql=_filled(context["unexpected_rows_query"]), where=context.where, limit=MAX_VALUES)

    def judge(values: Values) -> Finding:
        sample: Sample = read(values, query)
        result: dict[str, object] = {"observed_value": sample.count}
        if context.format.level is Level.COMPLETE:
            rows = [dict(zip(sample.columns, row, strict=True)) for row in sample.rows[:MAX_VALUES]]
            result["details"] = {"unexpected_rows": rows}
        return finding(context, sample.count == 0, result)

    return Planned(needs=(query,), then=judge)


def _filled(text: str) -> str:
    """The query with doubled braces single again; `{batch}` stays for the engine to fill in."""
    try:
        parts = list(Formatter().parse(text.rstrip("; \t\r\n\v\f")))
    except ValueError as error:
        refuse(f"unexpected_rows_query contains an unpaired or malformed brace: {error}. {_BRACES} Query: {text}")
    pieces = []
    for plain, name, form, conversion in parts:
        pieces.append(plain)
        if name is None:
            continue
        if name != "batch" or form or conversion:
            refuse(f"`{name}` is not a placeholder this metric accepts. {_BRACES} Query: {text}")
        pieces.append("{batch}")
    return "".join(pieces)


PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "unexpected_rows_expectation": ({"unexpected_rows_query": given.required(given.text)}, plan_unexpected_rows),
}
