"""Cases of expectations on one value of a whole column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.gates.quality.parity.cases import Case, between, each, on

NUMBERS = ("n", "f", "dec", "id", "const", "nullf")


def cases() -> Iterator[Case]:
    yield from _bounds()
    yield from _extremes()
    yield from _proportions()
    yield from _quantiles()
    yield from _distinct()
    yield from _divergence()


def _bounds() -> Iterator[Case]:
    for name in ("sum", "mean", "median", "stdev"):
        kind = f"column_{name}_to_be_between"
        for column in NUMBERS:
            yield from each("people", kind, on(column, **between(0, 1e9)), on(column, **between(None, 2)))
        for table in ("one", "empty"):
            yield from each(table, kind, on("n", **between(0, 10)), on("nullf", **between(0, 10)))
        yield from each(
            "floats",
            kind,
            on("finite", **between(0, 100)),
            on("x", **between(0, 100)),
            on("inf", **between(0)),
            on("nan", **between(0)),
            on("real", **between(0, 10)),
            on("tiny", **between(0)),
        )
        yield from each("big", kind, on("i8", **between(0, 100)), on("wide", **between(0)), on("dec", **between(0)))
        yield from each("big", kind, on("top", **between(0)), on("i64", **between(0)), on("u64", **between(0)))
        yield from each("people", kind, on("s", **between(0)), on("b", **between(0)), on("nope", **between(0)))
        yield from each("people", kind, on("n"), on("n", **between(5, 1)))
        yield from each("many", kind, on("x", **between(0, 10)), on("gaps", **between(0, 10)))
    yield from each(
        "people",
        "column_sum_to_be_between",
        on("n", **between(43, 43)),
        on("n", **between(43, 50, strict_min=True)),
        on("n", **between(0, 43, strict_max=True)),
        on("n", **between(0, 44, strict_max=True)),
        on("const", **between(84, 84)),
    )
    yield from each(
        "people",
        "column_median_to_be_between",
        on("n", **between(4, 4)),
        on("n", **between(4, None, strict_min=True)),
        on("id", **between(6.5, 6.5)),
        on("const", **between(7, 7, strict_max=True)),
    )
    yield from each(
        "people",
        "column_mean_to_be_between",
        on("n", **between(4.3, 4.3)),
        on("const", **between(7, 7)),
        on("const", **between(7, None, strict_min=True)),
    )


def _extremes() -> Iterator[Case]:
    for kind in ("column_max_to_be_between", "column_min_to_be_between"):
        for column in NUMBERS:
            yield from each("people", kind, on(column, **between(0, 1e9)))
        yield from each(
            "people",
            kind,
            on("n", **between(1, 9)),
            on("n", **between(1, 9, strict_min=True)),
            on("n", **between(1, 9, strict_max=True)),
            on("n", **between(9)),
            on("n", **between(None, 1)),
            on("n"),
            on("n", **between(9, 1)),
            on("ts", **between("1800-01-01", "2200-01-01")),
            on("ts", **between("2024-01-01")),
            on("ts", **between(None, "2100-01-01 00:00:00")),
            on("ts", **between("1900-01-01", "2100-01-01", strict_min=True, strict_max=True)),
            on("tz", **between("1800-01-01T00:00:00+00:00", "2200-01-01T00:00:00+00:00")),
            on("d", **between("1800-01-01", "2200-01-01")),
            on("d", **between("2000-01-01")),
            on("s", **between("a", "zzz")),
            on("cat", **between("a", "c")),
            on("b", **between(0, 1)),
            on("nulls", **between(0, 1)),
            on("nope", **between(0, 1)),
            on("n", **between("a", "b")),
        )
        for table in ("one", "empty"):
            yield from each(table, kind, on("n", **between(0, 10)), on("ts", **between("2000-01-01")))
        yield from each(
            "floats",
            kind,
            on("x", **between(-1e9, 1e9)),
            on("x", **between(0)),
            on("finite", **between(1, 8)),
            on("nan", **between(0)),
            on("real", **between(-2, 3)),
        )
        yield from each(
            "big",
            kind,
            on("i64", **between(-(2**63), 2**63 - 1)),
            on("top", **between(2**63 - 1)),
            on("u64", **between(0)),
            on("dec", **between(-1)),
        )


def _proportions() -> Iterator[Case]:
    columns = ("id", "n", "f", "dec", "s", "cat", "b", "d", "ts", "const", "nulls", "nullf")
    for kind in (
        "column_unique_value_count_to_be_between",
        "column_proportion_of_unique_values_to_be_between",
        "column_proportion_of_non_null_values_to_be_between",
    ):
        yield from each("people", kind, *(on(column, **between(0, 1)) for column in columns))
        for table in ("one", "empty"):
            yield from each(table, kind, on("n", **between(0, 1)), on("nulls", **between(1, 1)))
        yield from each(
            "floats", kind, on("x", **between(0, 1)), on("nan", **between(0, 1)), on("tiny", **between(0, 1))
        )
        yield from each("many", kind, on("gaps", **between(0.9, 1)), on("mod", **between(0.1, 20)), on("word"))
        yield from each("big", kind, on("wide", **between(0, 1)), on("i64", **between(0, 10)))
        yield from each(
            "people", kind, on("n", **between(1, 0)), on("nope", **between(0, 1)), on("s", **between(1, 11))
        )
    yield from each(
        "people",
        "column_unique_value_count_to_be_between",
        on("n", **between(6, 6)),
        on("n", **between(6, 7, strict_min=True)),
        on("n", **between(5, 6, strict_max=True)),
        on("cat", **between(3, 3)),
    )
    yield from each(
        "people",
        "column_proportion_of_unique_values_to_be_between",
        on("n", **between(0.6, 0.6)),
        on("n", **between(0.6, None, strict_min=True)),
        on("id", **between(1, 1)),
    )
    yield from each(
        "many",
        "column_proportion_of_non_null_values_to_be_between",
        on("gaps", **between(0.9, 0.9)),
        on("gaps", **between(0.9, None, strict_min=True)),
        on("gaps", **between(None, 0.9, strict_max=True)),
    )


def _ranges(quantiles: list[float], ranges: list[list[Any]]) -> dict[str, Any]:
    return {"quantiles": quantiles, "value_ranges": ranges}


def _quantiles() -> Iterator[Case]:
    kind = "column_quantile_values_to_be_between"
    usual = _ranges([0.0, 0.25, 0.5, 0.75, 1.0], [[0, 1], [0, 5], [2, 6], [4, 9], [None, 9]])
    for column in ("n", "f", "id", "const", "nullf", "dec"):
        yield from each("people", kind, on(column, quantile_ranges=usual))
    yield from each(
        "many",
        kind,
        on("i", quantile_ranges=_ranges([0.1, 0.5, 0.9], [[19, 21], [99, 101], [178, 180]])),
        on("x", quantile_ranges=_ranges([0.05, 0.333, 0.95], [[0, 1], [3, 4], [9, 10]])),
        on("i", quantile_ranges=_ranges([0.5], [[99.5, None]])),
        on("i", quantile_ranges=_ranges([0.5], [[100, 100]])),
        on("i", quantile_ranges=_ranges([0.9, 0.1], [[178, 180], [19, 21]])),
        on("i", quantile_ranges=_ranges([0.123, 0.877], [[None, None], [0, 1]])),
        on("gaps", quantile_ranges=_ranges([0.01, 0.99], [[1, 5], [190, 199]])),
        on("i", quantile_ranges=_ranges([0.5], [[99, 101]]), allow_relative_error=True),
        on("i", quantile_ranges=_ranges([0.5], [[99, 101]]), allow_relative_error="linear"),
        on("i", quantile_ranges=_ranges([0.5, 0.6], [[99, 101]])),
        on("i", quantile_ranges=_ranges([0.5], [[101, 99]])),
        on("i", quantile_ranges=_ranges([1.5], [[101, 199]])),
        on("i", quantile_ranges=_ranges([], [])),
        on("i"),
    )
    yield from each("people", kind, on("ts", quantile_ranges=_ranges([0.5], [["2000-01-01", "2024-12-31"]])))
    yield from each("people", kind, on("s", quantile_ranges=usual), on("nope", quantile_ranges=usual))
    for table in ("one", "empty"):
        yield from each(table, kind, on("n", quantile_ranges=_ranges([0.5], [[0, 10]])))
    yield from each(
        "floats",
        kind,
        on("finite", quantile_ranges=_ranges([0.25, 0.5, 0.75], [[1, 3], [2, 5], [3, 6]])),
        on("x", quantile_ranges=_ranges([0.0, 0.5, 1.0], [[None, 0], [0, 1], [1, None]])),
    )
    for quantile in (0.2, 0.4, 0.45, 0.55, 0.6, 0.7, 0.8):
        yield from each("people", kind, on("n", quantile_ranges=_ranges([quantile], [[0, 100]])))
        yield from each("ordered", kind, on("broken", quantile_ranges=_ranges([quantile], [[0, 100]])))


def _distinct() -> Iterator[Case]:
    for name in ("be_in_set", "contain_set", "equal_set"):
        kind = f"column_distinct_values_to_{name}"
        for table in ("people", "one", "empty"):
            yield from each(
                table,
                kind,
                on("cat", value_set=["a", "b", "c"]),
                on("cat", value_set=["a", "b"]),
                on("cat", value_set=["a", "b", "c", "d"]),
                on("nulls", value_set=["a"]),
            )
        yield from each(
            "people",
            kind,
            on("n", value_set=[1, 3, 5, 7, 8, 9]),
            on("n", value_set=[1.0, 3.0]),
            on("n", value_set=[1, 3, 5, 7, 8, 9, None]),
            on("n", value_set=["1"]),
            on("f", value_set=[0.1, 0.2, 0.3]),
            on("b", value_set=[True, False]),
            on("b", value_set=[True]),
            on("s", value_set=["alice", "Bob"]),
            on("dec", value_set=[1.1, 2.2]),
            on("d", value_set=["2024-01-31", "2024-02-29"]),
            on("ts", value_set=["2024-01-31 12:00:00"]),
            on("cat", value_set=[]),
            on("cat"),
            on("nope", value_set=["a"]),
        )
        yield from each("floats", kind, on("real", value_set=[0.1, 0.2]), on("x", value_set=[1.0]))
        yield from each("many", kind, on("mod", value_set=list(range(20))), on("i", value_set=[1, 2, 3]))
    kind = "column_most_common_value_to_be_in_set"
    yield from each(
        "people",
        kind,
        on("n", value_set=[1]),
        on("n", value_set=[1, 2]),
        on("n", value_set=[3]),
        on("cat", value_set=["b"]),
        on("cat", value_set=["a", "b"]),
        on("s", value_set=["alice"]),
        on("b", value_set=[True]),
        on("id", value_set=[1]),
        on("id", value_set=[1], ties_okay=True),
        on("id", value_set=[13], ties_okay=True),
        on("f", value_set=[2.5]),
        on("nulls", value_set=["a"]),
        on("n", value_set=[]),
        on("nope", value_set=[1]),
    )
    yield from each("empty", kind, on("n", value_set=[1]), on("n", value_set=[1], ties_okay=True))
    yield from each("one", kind, on("n", value_set=[5]), on("n", value_set=[6]))
    yield from each("many", kind, on("word", value_set=["odd one"]), on("mod", value_set=[0], ties_okay=True))


def _divergence() -> Iterator[Case]:
    kind = "column_kl_divergence_to_be_less_than"
    even = {"values": ["a", "b", "c"], "weights": [0.4, 0.4, 0.2]}
    yield from each(
        "people",
        kind,
        on("cat", partition_object=even, threshold=0.1),
        on("cat", partition_object=even, threshold=0.001),
    )
