"""Every metric against plain Python, by every way that DuckDB has to it: random tables and conditions."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from gates.quality.engines.duck_facts import Tuning
from gates.quality.engines.duckdb import DuckBatch, open_files
from gates.quality.engines.open import Limits
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Metric,
    Orphans,
    OutOfOrder,
    Quantiles,
    Query,
    Rows,
    Sample,
    ValueCounts,
)
from gates.quality.sql import column, is_nan, literal, matches, not_null, text_length
from tests.gates.quality.plain_python import Condition, Row, chosen, duplicated, out_of_order, quantile, values_of

NUMBER, SORTED, REAL, TEXT, WHEN = "number", 'a sorted "one"', "real; --", "text", "when"
START = datetime(2024, 1, 1)  # noqa: DTZ001 - a timestamp without zone is meant
SCHEMA = pa.schema(
    [
        (NUMBER, pa.int64()),
        (SORTED, pa.int32()),
        (REAL, pa.float64()),
        (TEXT, pa.string()),
        (WHEN, pa.timestamp("us")),
    ]
)
EVERYTHING = Tuning(planned=0, hashed=0, dictionary_bytes=math.inf)
"""Every cheap way is tried, however few the rows."""
BITS = Tuning(planned=0)
PLAIN = Tuning()
TUNINGS = {"plain": PLAIN, "bits": BITS, "everything": EVERYTHING}

texts = st.one_of(st.none(), st.sampled_from(["a", "b", "SKU-1", "ü'\\%", ""]))
numbers = st.one_of(st.none(), st.integers(-5, 12))
reals = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 1.5, -2.25, 1e300, math.nan, math.inf]), st.floats(-9, 9, allow_nan=False)
)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    count = draw(st.integers(0, 14))
    steps = draw(st.lists(st.integers(0 if draw(st.booleans()) else 1, 3), min_size=count, max_size=count))
    finite = draw(st.booleans())
    real = st.floats(-9, 9, allow_nan=False) if finite else reals
    rows = []
    place = 0
    for index in range(count):
        place += steps[index]
        rows.append(
            {
                NUMBER: draw(numbers),
                SORTED: place,
                REAL: draw(real),
                TEXT: draw(texts),
                WHEN: draw(st.one_of(st.none(), st.just(START + timedelta(seconds=place)))),
            }
        )
    return rows


def _compared(name: str, sign: Any, bound: Any, holds: Any) -> Condition:
    return Condition(
        sign(this=column(name), expression=literal(bound)),
        lambda row: None if row[name] is None else holds(row[name], bound),
    )


def _greater(value: Any, bound: Any) -> bool:
    """As SQL orders floats: NaN above everything."""
    return bool(value > bound or (isinstance(value, float) and math.isnan(value)))


def _real_above(bound: float) -> Condition:
    """NaN left out, as for pandas: DuckDB prunes groups of rows by footers that do not mention it."""
    above = exp.GT(this=column(REAL), expression=literal(bound))
    return Condition(
        exp.And(this=exp.not_(is_nan(column(REAL))), expression=above),
        lambda row: row[REAL] is not None and not math.isnan(row[REAL]) and row[REAL] > bound,
    )


conditions = st.one_of(
    st.none(),
    st.builds(lambda bound: _compared(NUMBER, exp.GTE, bound, lambda one, other: one >= other), st.integers(-6, 13)),
    st.builds(lambda bound: _compared(NUMBER, exp.EQ, bound, lambda one, other: one == other), st.integers(-6, 13)),
    st.builds(lambda bound: _compared(SORTED, exp.LT, bound, lambda one, other: one < other), st.integers(0, 30)),
    st.builds(_real_above, st.floats(-10, 10, allow_nan=False)),
    st.builds(
        lambda bound: _compared(WHEN, exp.LTE, bound, lambda one, other: one <= other),
        st.integers(0, 40).map(lambda seconds: START + timedelta(seconds=seconds)),
    ),
    st.just(Condition(not_null(column(NUMBER)), lambda row: row[NUMBER] is not None)),
    st.just(Condition(not_null(column(SORTED)), lambda row: True)),
    st.just(
        Condition(
            exp.And(this=not_null(column(REAL)), expression=exp.not_(is_nan(column(REAL)))),
            lambda row: row[REAL] is not None and not math.isnan(row[REAL]),
        )
    ),
    st.just(Condition(matches(column(TEXT), "^[a-z]$"), lambda row: row[TEXT] and row[TEXT] in "ab")),
    st.just(
        Condition(
            exp.NEQ(this=text_length(column(TEXT)), expression=literal(1)),
            lambda row: None if row[TEXT] is None else len(row[TEXT]) != 1,
        )
    ),
    st.just(
        Condition(
            exp.In(this=column(TEXT), expressions=[literal("a"), literal("ü'\\%")]),
            lambda row: None if row[TEXT] is None else row[TEXT] in ("a", "ü'\\%"),
        )
    ),
)


def most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    """The values with the largest number of rows, in order."""
    largest = [(value, count) for value, count in counts.items() if count == max(counts.values())]
    return tuple(sorted(largest, key=lambda item: item[0].encode()))


def opened(folder: Path, rows: list[Row], group: int, tuning: Tuning) -> DuckBatch:
    """The rows in two files with small groups."""
    split = len(rows) // 2
    for name, part in (("1.parquet", rows[:split]), ("2.parquet", rows[split:])):
        pq.write_table(pa.Table.from_pylist(part, schema=SCHEMA), folder / name, row_group_size=group)
    return open_files([folder], Limits(threads=1), tuning)


@pytest.mark.parametrize("tuning", TUNINGS)
@given(rows=tables(), group=st.integers(1, 5), condition=conditions, where=conditions, data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_metrics_are_what_plain_python_says(
    tuning: str, rows: list[Row], group: int, condition: Condition | None, where: Condition | None, data: st.DataObject
) -> None:
    filtered = where.sql if where else None
    inside = chosen(rows, where)
    there = [rows[place] for place in inside]
    expected: dict[Metric, Any] = {
        Count(condition=condition.sql if condition else None, where=filtered): len(chosen(rows, condition, where)),
        Aggregate(function="sum", argument=column(NUMBER), where=filtered): sum(values_of(there, NUMBER))
        if values_of(there, NUMBER)
        else None,
        Aggregate(function="min", argument=column(WHEN), where=filtered): min(values_of(there, WHEN), default=None),
        Aggregate(function="max", argument=column(SORTED), where=filtered): max(values_of(there, SORTED), default=None),
        Aggregate(function="mean", argument=column(NUMBER), where=filtered): statistics.fmean(values_of(there, NUMBER))
        if values_of(there, NUMBER)
        else None,
        Distinct(keys=(column(NUMBER),), where=filtered): len(set(values_of(there, NUMBER))),
        Distinct(keys=(column(TEXT),), where=filtered): len(set(values_of(there, TEXT))),
        Distinct(keys=(column(TEXT), column(NUMBER)), where=filtered): len(
            {(row[TEXT], row[NUMBER]) for row in there if row[TEXT] is not None and row[NUMBER] is not None}
        ),
        ValueCounts(argument=column(TEXT), where=filtered): tuple(
            sorted(Counter(values_of(there, TEXT)).items(), key=lambda item: item[0].encode())
        ),
        ValueCounts(argument=column(TEXT), where=filtered, most=True): most(Counter(values_of(there, TEXT))),
    }
    for keys in ((NUMBER,), (SORTED,), (TEXT,), (WHEN,), (TEXT, NUMBER), (WHEN, SORTED)):
        metric = Duplicated(keys=tuple(map(column, keys)), where=filtered)
        expected[metric] = len(duplicated(rows, inside, keys))
    for name in (NUMBER, SORTED, WHEN):
        for direction in ("increasing", "decreasing"):
            strictly = data.draw(st.booleans())
            order = OutOfOrder(argument=column(name), direction=direction, strictly=strictly, where=filtered)
            expected[order] = len(out_of_order(rows, inside, name, direction, strictly))
    for name in (NUMBER, SORTED):
        values = values_of(there, name)
        for method in ("discrete", "nearest", "continuous"):
            points = tuple(
                data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), min_size=1, max_size=3))
            )
            asked = Quantiles(argument=column(name), probabilities=points, method=method, where=filtered)
            expected[asked] = tuple(quantile(values, point, method) for point in points) if values else ()
    with TemporaryDirectory() as folder, opened(Path(folder), rows, group, TUNINGS[tuning]) as batch:
        found = batch.compute(list(expected))
        for asked_for, value in expected.items():
            if isinstance(value, float) or isinstance(asked_for, Quantiles):
                value = pytest.approx(value, rel=1e-9)
            assert found[asked_for] == value, asked_for


@pytest.mark.parametrize("tuning", TUNINGS)
@given(rows=tables(), group=st.integers(1, 5), where=conditions)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_floats(tuning: str, rows: list[Row], group: int, where: Condition | None) -> None:
    """NaN is a value above all others unless it is left out, and two NaN are equal; so are 0.0 and -0.0."""
    filtered = where.sql if where else None
    inside = chosen(rows, where)
    real = exp.Case().when(exp.not_(is_nan(column(REAL))), column(REAL))
    values = [
        rows[place][REAL] for place in inside if rows[place][REAL] is not None and not math.isnan(rows[place][REAL])
    ]
    keyed: list[Row] = [{REAL: "NaN" if row[REAL] is not None and math.isnan(row[REAL]) else row[REAL]} for row in rows]
    finite = all(map(math.isfinite, values))
    expected: dict[Metric, Any] = {
        Aggregate(function="min", argument=real, where=filtered): min(values, default=None),
        Aggregate(function="max", argument=real, where=filtered): max(values, default=None),
        Count(condition=exp.GT(this=column(REAL), expression=literal(1.5)), where=filtered): sum(
            1 for place in inside if rows[place][REAL] is not None and _greater(rows[place][REAL], 1.5)
        ),
        Count(condition=exp.In(this=column(REAL), expressions=[literal(math.inf), literal(0.0)]), where=filtered): sum(
            1 for place in inside if rows[place][REAL] in (math.inf, 0.0) and rows[place][REAL] is not None
        ),
        Duplicated(keys=(column(REAL),), where=filtered): len(duplicated(keyed, inside, (REAL,))),
        Distinct(keys=(real,), where=filtered): len(set(values)),
        Quantiles(argument=real, probabilities=(0.25, 0.5), where=filtered): tuple(
            quantile(values, point, "discrete") for point in (0.25, 0.5)
        )
        if values
        else (),
    }
    if finite and max(map(abs, values), default=0) < 1e9:
        expected |= {
            Aggregate(function="mean", argument=real, where=filtered): statistics.fmean(values) if values else None,
            Aggregate(function="stddev", argument=real, where=filtered): statistics.stdev(values)
            if len(values) > 1
            else None,
        }
    with TemporaryDirectory() as folder, opened(Path(folder), rows, group, TUNINGS[tuning]) as batch:
        found = batch.compute(list(expected))
        for metric, value in expected.items():
            assert found[metric] == (pytest.approx(value, rel=1e-9, abs=1e-9) if value is not None else None), metric


@pytest.mark.parametrize("tuning", TUNINGS)
@given(
    rows=tables(),
    group=st.integers(1, 5),
    condition=conditions,
    where=conditions,
    limit=st.one_of(st.none(), st.integers(1, 4)),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_to_show_are_the_first_ones_with_their_positions(
    tuning: str, rows: list[Row], group: int, condition: Condition | None, where: Condition | None, limit: int | None
) -> None:
    filtered = where.sql if where else None
    inside = chosen(rows, where)
    keys = (column(NUMBER), column(TEXT))
    order = OutOfOrder(argument=column(NUMBER), direction="increasing")
    shown: dict[Metric, list[int]] = {
        Rows(of=Duplicated(keys=keys), columns=(TEXT, NUMBER), where=filtered, limit=limit): duplicated(
            rows, inside, (NUMBER, TEXT)
        ),
        Rows(of=order, columns=(TEXT, NUMBER), where=filtered, limit=limit): out_of_order(
            rows, inside, NUMBER, "increasing", False
        ),
    }
    if condition is not None:
        shown[Rows(of=condition.sql, columns=(TEXT, NUMBER), where=filtered, limit=limit)] = chosen(
            rows, condition, where
        )
    with TemporaryDirectory() as folder, opened(Path(folder), rows, group, TUNINGS[tuning]) as batch:
        found = batch.compute(list(shown))
        for metric, places in shown.items():
            first = places[:limit]
            assert found[metric] == Sample(
                count=len(places),
                columns=(TEXT, NUMBER),
                rows=tuple((rows[place][TEXT], rows[place][NUMBER]) for place in first),
                index=tuple(first),
            ), metric


@pytest.mark.parametrize("tuning", TUNINGS)
@given(rows=tables(), others=st.lists(numbers, max_size=12), group=st.integers(1, 5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_keys_without_a_partner(tuning: str, rows: list[Row], others: list[int | None], group: int) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory() as beside:
        other = Path(beside) / "it's.parquet"
        pq.write_table(pa.table({"key": pa.array(others, pa.int64())}), other)
        known = {value for value in others if value is not None}
        lost = [place for place, row in enumerate(rows) if row[NUMBER] is not None and row[NUMBER] not in known]
        orphans = Orphans(keys=(column(NUMBER),), other=str(other), other_keys=("key",))
        name = str(other).replace("'", "''")
        exists = Query(
            sql=f"SELECT b.number FROM {{batch}} AS b WHERE NOT EXISTS (SELECT 1 FROM '{name}' AS o WHERE o.key = b.number)"
        )
        not_in = Query(sql=f"SELECT number FROM {{batch}} WHERE number NOT IN (SELECT key FROM '{name}')")
        joined = Query(
            sql=f"SELECT b.number FROM {{batch}} b LEFT JOIN '{name}' o ON b.number = o.key "
            "WHERE o.key IS NULL AND b.number IS NOT NULL;"
        )
        nulls = sum(row[NUMBER] is None for row in rows)
        strange = None in others
        with opened(Path(folder), rows, group, TUNINGS[tuning]) as batch:
            found = batch.compute([orphans, exists, not_in, joined, Rows(of=orphans, columns=(NUMBER,))])
            assert found[orphans] == len(lost)
            assert found[exists].count == len(lost) + nulls
            assert found[not_in].count == (0 if strange else len(lost) + (nulls if not others else 0))
            assert found[joined].count == len(lost)
            assert found[Rows(of=orphans, columns=(NUMBER,))].index == tuple(lost)
