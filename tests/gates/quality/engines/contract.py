"""What every engine answers alike. A test module subclasses `EngineContract` and gives a `Bench` as fixture `bench`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Protocol

import pytest
from sqlglot import exp

from gates.quality.engines.base import SqlBatch
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Failed,
    Kind,
    Metric,
    Orphans,
    OtherCount,
    Quantiles,
    Query,
    Rows,
    Sample,
    ValueCounts,
)
from gates.quality.sql import (
    as_date,
    as_number,
    as_text,
    as_timestamp,
    both,
    column,
    epoch,
    is_json,
    is_nan,
    like,
    literal,
    matches,
    not_null,
    parses_as,
    text_length,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table to be made: names and kinds of its columns, and its rows as Python has them."""

    name: str
    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[Any, ...], ...]


class Bench(Protocol):
    """Makes tables in an engine, anew for every test module."""

    has_nan: bool
    """Whether a float can be NaN or infinite."""

    def make(self, table: Table) -> None: ...

    def batch(self, table: str) -> SqlBatch: ...

    def other(self, table: str) -> str:
        """What a suite calls that table."""
        ...

    def tables(self) -> set[str]:
        """The tables that there are."""
        ...


def clock(*parts: int) -> datetime:
    """A time as a clock on the wall shows it."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - without a zone on purpose


ORDERS = Table(
    name="orders",
    columns=(
        ("id", Kind.INTEGER),
        ("n", Kind.INTEGER),
        ("big", Kind.INTEGER),
        ("price", Kind.DECIMAL),
        ("f", Kind.FLOAT),
        ("s", Kind.STRING),
        ("b", Kind.BOOLEAN),
        ("day", Kind.DATE),
        ("at", Kind.TIMESTAMP),
        ("t", Kind.STRING),
    ),
    rows=(
        (1, 1, 2**62, Decimal("1.10"), 0.5, "a", True, date(2024, 1, 1), clock(2024, 1, 1), "12"),
        (2, 2, 2**62, Decimal("2.20"), 1.5, "b", False, date(2024, 2, 29), clock(2024, 2, 29, 12, 30, 15, 123456), "x"),
        (3, 2, 2**62, Decimal("2.20"), -2.5, "ß∂𝕏", True, date(2024, 3, 10), clock(2024, 3, 10, 2, 30), "-1.5e2"),
        (4, None, None, None, None, None, None, None, None, None),
        (5, 5, -1, Decimal("-0.05"), 1e15, "it's", True, date(1969, 12, 31), clock(1969, 12, 31, 23, 59, 59), "2024-02-29"),
        (6, 7, 0, Decimal("99999999.99"), 0.1, "a", False, date(2024, 1, 1), clock(2024, 1, 1, 0, 0, 0, 1), "2023-02-29"),
    ),
)  # fmt: skip
CUSTOMERS = Table(
    name="customers", columns=(("k", Kind.INTEGER), ("v", Kind.STRING)), rows=((1, "a"), (2, "b"), (9, "z"))
)
EMPTY = Table(name="empty", columns=ORDERS.columns, rows=())
FLOATS = Table(
    name="floats",
    columns=(("id", Kind.INTEGER), ("x", Kind.FLOAT)),
    rows=((1, 1.0), (2, math.nan), (3, math.inf), (4, -math.inf), (5, None), (6, math.nan)),
)
HOSTILE_NAMES = (
    "'; drop table victims; --",
    'a"; drop table victims; --',
    "a`b",
    "a]b",
    "new\nline",
    "back\\slash",
    "ünï ∂",
    "select",
    "a.b",
    "per%cent %s",
    "{batch}",
    "question?mark :colon $1",
    "UPPER",
)
HOSTILE_VALUES = (
    "'; drop table victims; --",
    "\\'; drop table victims; --",
    "\\",
    'double " quote',
    "`tick`",
    "line\nbreak\r\ttab",
    "%s %(x)s {batch} ? :x $1",
    "/* comment */ -- x",
    "ünï 𝕏",
    "",
    " ",
    "\x1a\b",
    "NULL",
)
HOSTILE = Table(
    name="hostile",
    columns=(("text", Kind.STRING), *((name, Kind.INTEGER) for name in HOSTILE_NAMES)),
    rows=tuple(
        (value, *(index + at for at in range(len(HOSTILE_NAMES)))) for index, value in enumerate(HOSTILE_VALUES)
    ),
)
VICTIMS = Table(name="victims", columns=(("k", Kind.INTEGER),), rows=((1,),))
TABLES = (ORDERS, CUSTOMERS, EMPTY, HOSTILE, VICTIMS)

n, f, s, t, price, day, at = map(column, ("n", "f", "s", "t", "price", "day", "at"))


def than(test: Any, value: exp.Expression, other: Any) -> Any:
    return test(this=value.copy(), expression=literal(other))


def is_null(value: exp.Expression) -> exp.Expression:
    return exp.Is(this=value.copy(), expression=exp.null())


def among(value: exp.Expression, *values: Any) -> exp.Expression:
    return exp.In(this=value.copy(), expressions=[literal(item) for item in values])


def aggregate(function: Any, argument: exp.Expression, where: exp.Expression | None = None) -> Aggregate:
    return Aggregate(function=function, argument=argument, where=where)


def count(condition: exp.Expression, where: exp.Expression | None = None) -> Count:
    return Count(condition=condition, where=where)


NUMBERS = (1, 2, 2, 5, 7)
MEAN = sum(NUMBERS) / 5
VARIANCE = sum((value - MEAN) ** 2 for value in NUMBERS) / 4
FLOAT_VALUES = (0.5, 1.5, -2.5, 1e15, 0.1)

CASES: tuple[tuple[str, Metric, Any], ...] = (
    ("rows", Count(), 6),
    ("rows where", Count(where=than(exp.GT, n, 1)), 4),
    ("null", count(is_null(n)), 1),
    ("greater", count(than(exp.GT, n, 1)), 4),
    ("greater where", count(than(exp.GT, n, 1), than(exp.EQ, s, "b")), 1),
    ("not between", count(exp.not_(exp.Between(this=n.copy(), low=literal(2), high=literal(5)))), 2),
    ("among", count(among(n, 2, 7)), 3),
    ("not among", count(exp.not_(among(s, "a", "b"))), 2),
    ("decimal", count(than(exp.GTE, price, Decimal("2.20"))), 3),
    ("decimal to float", count(than(exp.LT, price, 2.2)), 2),
    ("float equal", count(than(exp.EQ, f, 0.1)), 1),
    ("below infinity", count(than(exp.LT, f, math.inf)), 5),
    ("above minus infinity", count(than(exp.GT, f, -math.inf)), 5),
    ("boolean", count(exp.EQ(this=column("b"), expression=exp.true())), 3),
    ("day", count(than(exp.EQ, day, date(2024, 1, 1))), 2),
    ("day before", count(than(exp.LT, day, date(2024, 1, 1))), 1),
    ("time", count(than(exp.GTE, at, clock(2024, 2, 29, 12, 30, 15, 123456))), 2),
    ("time one microsecond later", count(than(exp.GT, at, clock(2024, 2, 29, 12, 30, 15, 123456))), 1),
    ("text", count(than(exp.EQ, s, "it's")), 1),
    ("text, case counts", count(than(exp.EQ, s, "A")), 0),
    ("text, spaces count", count(than(exp.EQ, s, "a ")), 0),
    ("matches", count(matches(s, "^[ab]$")), 3),
    ("matches anywhere", count(matches(s, "t.s")), 1),
    ("matches a class", count(matches(t, "^[0-9]{4}-[0-9]{2}")), 2),
    ("matches a dot", count(matches(t, "1\\.5")), 1),
    ("does not match", count(exp.not_(matches(s, "a"))), 3),
    ("like", count(like(s, "%t_s")), 1),
    ("length", count(than(exp.EQ, text_length(s), 3)), 1),
    ("longest", aggregate("max", text_length(s)), 4),
    ("as text", count(than(exp.EQ, as_text(n), "2")), 2),
    ("as number", count(than(exp.EQ, as_number(t), -150.0)), 1),
    ("not a number", count(is_null(as_number(t)), not_null(t)), 3),
    ("a number as number", count(than(exp.GT, as_number(n), 1.5)), 4),
    ("as date", count(than(exp.EQ, as_date(t), date(2024, 2, 29))), 1),
    ("not a date", count(is_null(as_date(t)), matches(t, "^20")), 1),
    ("a time as date", count(than(exp.EQ, as_date(at), date(2024, 2, 29))), 1),
    ("as timestamp", count(than(exp.EQ, as_timestamp(t), clock(2024, 2, 29))), 1),
    ("epoch", count(than(exp.EQ, epoch(at), 1704067200.000001)), 1),
    ("epoch before", count(than(exp.EQ, epoch(at), -1.0)), 1),
    ("epoch of a day", count(than(exp.EQ, epoch(day), 1704067200.0)), 2),
    ("not NaN", count(is_nan(f)), 0),
    ("no NaN", count(exp.not_(is_nan(f))), 5),
    ("minimum", aggregate("min", n), 1),
    ("maximum", aggregate("max", n), 7),
    ("sum", aggregate("sum", n), 17),
    ("sum where", aggregate("sum", n, than(exp.GT, n, 1)), 16),
    ("sum beyond 64 bits", aggregate("sum", column("big")), 3 * 2**62 - 1),
    ("mean", aggregate("mean", n), 3.4),
    ("mean of large ones", aggregate("mean", column("big")), (3 * 2**62 - 1) / 5),
    ("deviation", aggregate("stddev", n), math.sqrt(VARIANCE)),
    ("variance", aggregate("variance", n), VARIANCE),
    ("deviation of one", aggregate("stddev", n, than(exp.EQ, n, 5)), None),
    ("sum of none", aggregate("sum", n, than(exp.EQ, n, 0)), None),
    ("sum of decimals", aggregate("sum", price), Decimal("100000005.44")),
    ("maximum of decimals", aggregate("max", price), Decimal("99999999.99")),
    ("mean of decimals", aggregate("mean", price), 100000005.44 / 5),
    ("sum of floats", aggregate("sum", f), sum(FLOAT_VALUES)),
    ("mean of floats", aggregate("mean", f), sum(FLOAT_VALUES) / 5),
    ("least text", aggregate("min", s), "a"),
    ("different", Distinct(keys=(n,)), 4),
    ("different where", Distinct(keys=(n,), where=than(exp.LT, n, 5)), 2),
    ("different pairs", Distinct(keys=(n, s)), 5),
    ("repeated", Duplicated(keys=(n,)), 2),
    ("repeated texts", Duplicated(keys=(s,), where=not_null(s)), 2),
    ("repeated pairs", Duplicated(keys=(n, column("b"))), 0),
    ("values", ValueCounts(argument=n), ((1, 1), (2, 2), (5, 1), (7, 1))),
    ("values within the limit", ValueCounts(argument=n, limit=4), ((1, 1), (2, 2), (5, 1), (7, 1))),
    ("too many values", ValueCounts(argument=n, limit=3), None),
    ("most frequent value", ValueCounts(argument=n, most=True, limit=1), ((2, 2),)),
    ("most frequent values", ValueCounts(argument=n, where=than(exp.NEQ, n, 2), most=True), ((1, 1), (5, 1), (7, 1))),
    ("quantiles", Quantiles(argument=n, probabilities=(0, 0.2, 0.21, 0.5, 0.8, 1)), (1, 1, 2, 2, 5, 7)),
    ("quantiles of texts", Quantiles(argument=s, probabilities=(0, 0.5), where=among(s, "a", "b")), ("a", "a")),
    ("median", Quantiles(argument=n, probabilities=(0.5,), method="continuous"), (2,)),
    ("median of four", Quantiles(argument=n, probabilities=(0.5, 0.25), method="continuous", where=than(exp.GT, n, 1)), (3.5, 2)),
    ("median of decimals", Quantiles(argument=price, probabilities=(0.5,), method="continuous"), (2.2,)),
    ("nearest", Quantiles(argument=n, probabilities=(0.1, 0.3, 0.625, 1), method="nearest"), (1, 2, 2, 7)),
    ("quantiles of none", Quantiles(argument=n, probabilities=(0.5,), where=than(exp.EQ, n, 0)), ()),
)  # fmt: skip


def same(found: Any, expected: Any) -> bool:
    """Equal, with floats at a relative tolerance; nothing else is lenient."""
    if isinstance(expected, tuple):
        return isinstance(found, tuple) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, int | float | Decimal):
        return math.isclose(float(found), expected, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(expected, int | Decimal) and isinstance(found, int | float | Decimal):
        return Decimal(str(found)) == Decimal(expected)
    return bool(found == expected and type(found) is type(expected))


class EngineContract:
    """Run for every engine that runs here."""

    exact_decimals = True
    exact_sums = True
    """Whether a sum of integers is exact beyond 64 bits too, and not only without overflow."""
    quick = True
    """Whether a query costs so little that every kind of metric can be asked about every hostile name."""
    unsupported: frozenset[str] = frozenset()
    """Cases that the engine says it has no exact form of."""

    @pytest.fixture(scope="class")
    @classmethod
    def orders(cls, bench: Bench) -> Any:
        with bench.batch("orders") as batch:
            yield batch

    def test_columns_in_order_with_kinds(self, orders: SqlBatch) -> None:
        columns = orders.schema().columns
        assert [column.name for column in columns] == [name for name, _ in ORDERS.columns]
        for found, (name, kind) in zip(columns, ORDERS.columns, strict=True):
            assert found.kind in {kind, *self.kinds_for(kind)}, name
            assert found.native

    def kinds_for(self, kind: Kind) -> tuple[Kind, ...]:
        """Kinds that an engine has instead of `kind`."""
        return ()

    @pytest.mark.parametrize(("metric", "expected"), [pytest.param(m, e, id=i) for i, m, e in CASES])
    def test_value(self, orders: SqlBatch, request: pytest.FixtureRequest, metric: Metric, expected: Any) -> None:
        values = orders.compute([metric for _, metric, _ in CASES])
        case = request.node.callspec.id
        if case in self.unsupported:
            assert isinstance(values[metric], Failed)
            assert values[metric].unsupported
            return
        if isinstance(expected, Decimal) and not self.exact_decimals:
            expected = float(expected)
        if isinstance(expected, int) and abs(expected) > 2**63 and not self.exact_sums:
            expected = float(expected)
        assert same(values[metric], expected), values[metric]

    def test_all_that_streams_is_one_query(self, bench: Bench) -> None:
        with bench.batch("orders") as batch:
            batch.schema()
            batch.compute([metric for case, metric, _ in CASES if case not in self.unsupported and streams(metric)])
            assert len(batch.queries) == 1

    def test_one_bad_metric_does_not_take_the_others_with_it(self, bench: Bench) -> None:
        bad = count(than(exp.EQ, column("no such column"), 1))
        with bench.batch("orders") as batch:
            values = batch.compute([Count(), bad, aggregate("sum", n), Distinct(keys=(n,))])
        assert isinstance(values[bad], Failed)
        assert "no such column" in values[bad].reason
        assert (values[Count()], int(values[aggregate("sum", n)]), values[Distinct(keys=(n,))]) == (6, 17, 4)

    def test_json_and_forms_of_times_are_exact_or_refused(self, orders: SqlBatch) -> None:
        json, form = count(is_json(t)), count(parses_as(t, "%Y-%m-%d"))
        values = orders.compute([json, form])
        assert values[json] == 2 or values[json].unsupported
        assert values[form] == 1 or values[form].unsupported

    def test_times_with_a_zone(self, orders: SqlBatch) -> None:
        moment = datetime(2024, 2, 29, 13, 30, 15, 123456, tzinfo=timezone(timedelta(hours=1)))
        metric = count(than(exp.EQ, at, moment))
        assert orders.compute([metric])[metric] == 1

    def test_values_come_as_python_has_them(self, orders: SqlBatch) -> None:
        names = ("id", "s", "day", "at", "price", "f", "b")
        metric = Rows(of=than(exp.EQ, column("id"), 2), columns=names)
        sample = orders.compute([metric])[metric]
        assert isinstance(sample, Sample)
        expected = dict(zip((name for name, _ in ORDERS.columns), ORDERS.rows[1], strict=True))
        for name, value in zip(names, sample.rows[0], strict=True):
            assert self.comes_as(expected[name], value), name

    def comes_as(self, expected: Any, value: Any) -> bool:
        return bool(value == expected)

    def test_rows_of_a_condition(self, orders: SqlBatch) -> None:
        metric = Rows(of=than(exp.GT, n, 1), columns=("id", "n"), where=than(exp.LT, n, 7), limit=2)
        sample = orders.compute([metric])[metric]
        assert sample.count == 3
        assert len(sample.rows) == 2
        assert {row[0] for row in sample.rows} < {2, 3, 5}
        assert len(sample.index) == (2 if orders.ordered else 0)

    def test_rows_of_several_conditions_are_one_query(self, bench: Bench) -> None:
        conditions = [than(exp.EQ, n, 7), than(exp.GT, n, 2), not_null(s), than(exp.LT, n, -5)]
        asked = [
            Rows(of=condition, columns=("id", "s") if index else ("s", "id"), limit=2)
            for index, condition in enumerate(conditions)
        ]
        with bench.batch("orders") as batch:
            batch.schema()
            counts = batch.compute([count(condition) for condition in conditions])
            sent = len(batch.queries)
            found = batch.compute(asked)
            assert len(batch.queries) == sent + 1
            alone = [bench_rows(bench, condition) for condition in conditions]
        for index, metric in enumerate(asked):
            sample, place = found[metric], metric.columns.index("id")
            assert sample.count == counts[count(conditions[index])] == len(alone[index])
            assert len(sample.rows) == min(2, sample.count)
            assert {row[place] for row in sample.rows} <= alone[index]

    def test_rows_that_are_repeated(self, orders: SqlBatch) -> None:
        metric = Rows(of=Duplicated(keys=(n, column("t"))), columns=("id",))
        twice = Rows(of=Duplicated(keys=(s,)), columns=("id", "s"), where=not_null(s), limit=None)
        values = orders.compute([metric, twice])
        assert (values[metric].count, values[metric].rows) == (0, ())
        assert sorted(values[twice].rows) == [(1, "a"), (6, "a")]

    def test_nulls_are_equal_when_repeated(self, bench: Bench) -> None:
        bench.make(
            Table(
                name="nulls", columns=(("k", Kind.INTEGER), ("v", Kind.STRING)), rows=((1, None), (1, None), (2, None))
            )
        )
        keys = (column("k"), column("v"))
        shown = Rows(of=Duplicated(keys=keys), columns=("k",))
        with bench.batch("nulls") as batch:
            values = batch.compute([Duplicated(keys=keys), Distinct(keys=keys), shown])
        assert (values[Duplicated(keys=keys)], values[Distinct(keys=keys)]) == (2, 0)
        assert values[shown].rows == ((1,), (1,))

    def test_rows_without_their_other(self, bench: Bench, orders: SqlBatch) -> None:
        other = bench.other("customers")
        lost = Orphans(keys=(n,), other=other, other_keys=("k",))
        pairs = Orphans(keys=(n, s), other=other, other_keys=("k", "v"), where=than(exp.LT, n, 7))
        shown = Rows(of=lost, columns=("id", "n"))
        values = orders.compute([lost, pairs, shown, OtherCount(other=other)])
        assert (values[lost], values[pairs], values[OtherCount(other=other)]) == (2, 2, 3)
        assert sorted(values[shown].rows) == [(5, 5), (6, 7)]

    def test_a_table_that_is_not_there_fails_alone(self, bench: Bench, orders: SqlBatch) -> None:
        lost = Orphans(keys=(n,), other=bench.other("nowhere"), other_keys=("k",))
        values = orders.compute([lost, Count()])
        assert isinstance(values[lost], Failed)
        assert values[Count()] == 6

    def test_a_query_of_the_user(self, bench: Bench, orders: SqlBatch) -> None:
        metric = Query(sql="SELECT id, n FROM {batch} WHERE n > 1 ;", limit=2)
        narrow = Query(sql="SELECT id FROM {batch} b", where=than(exp.GT, n, 2))
        joined = Query(
            sql="SELECT c.v FROM {batch} b JOIN {c} c ON c.k = b.n", others=(("c", bench.other("customers")),)
        )
        broken = Query(sql="SELECT nothing FROM nowhere")
        none = Query(sql="SELECT id FROM {batch} WHERE 1 = 0")
        values = orders.compute([metric, narrow, joined, broken, none])
        assert (values[metric].count, values[metric].columns, len(values[metric].rows)) == (4, ("id", "n"), 2)
        assert sorted(values[narrow].rows) == [(5,), (6,)]
        assert sorted(values[joined].rows) == [("a",), ("b",), ("b",)]
        assert isinstance(values[broken], Failed)
        assert (values[none].count, values[none].rows) == (0, ())

    @pytest.mark.parametrize(
        "text",
        [
            "DROP TABLE victims",
            "SELECT 1 AS x) AS q; DROP TABLE victims; --",
            "SELECT 1 AS x) AS q; COMMIT; DROP TABLE victims; --",
            "SELECT 1 AS x; DELETE FROM victims",
            "INSERT INTO victims VALUES (2)",
            "UPDATE victims SET k = 2",
        ],
    )
    def test_a_query_of_the_user_changes_nothing(self, bench: Bench, text: str) -> None:
        with bench.batch("orders") as batch:
            values = batch.compute([Query(sql=text), Count()])
        assert isinstance(values[Query(sql=text)], Failed)
        assert values[Count()] == 6
        self.unharmed(bench)

    def unharmed(self, bench: Bench) -> None:
        assert {"victims", "hostile", "orders"} <= bench.tables()
        with bench.batch("victims") as batch:
            assert batch.compute([aggregate("sum", column("k")), Count()]) == {
                aggregate("sum", column("k")): 1,
                Count(): 1,
            }

    def test_an_empty_table(self, bench: Bench) -> None:
        metrics: list[Metric] = [
            Count(),
            count(than(exp.GT, n, 1)),
            aggregate("max", n),
            Distinct(keys=(n,)),
            Duplicated(keys=(n,)),
            ValueCounts(argument=n),
            Quantiles(argument=n, probabilities=(0.5,)),
        ]
        with bench.batch("empty") as batch:
            values = batch.compute(metrics)
            shown = Rows(of=than(exp.GT, n, 1), columns=("id",))
            assert batch.compute([shown])[shown] == Sample(count=0, columns=("id",), rows=())
        assert [values[metric] for metric in metrics] == [0, 0, None, 0, 0, (), ()]

    def test_nan_and_infinity(self, bench: Bench) -> None:
        if not bench.has_nan:
            pytest.skip("the engine has no NaN and no infinity")
        bench.make(FLOATS)
        x = column("x")
        finite = both(exp.not_(is_nan(x)), than(exp.LT, x, math.inf), than(exp.GT, x, -math.inf))
        with bench.batch("floats") as batch:
            metrics = [count(is_nan(x)), count(is_null(x)), count(finite or x), count(than(exp.EQ, x, math.inf))]
            values = batch.compute([*metrics, aggregate("max", x, finite), aggregate("min", x), Distinct(keys=(x,))])
        assert [values[metric] for metric in metrics] == [2, 1, 1, 1]
        assert values[aggregate("max", x, finite)] == 1.0
        assert values[aggregate("min", x)] == -math.inf
        assert values[Distinct(keys=(x,))] == 4

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_hostile_name_of_a_column(self, bench: Bench, name: str) -> None:
        value = column(name)
        first = HOSTILE_NAMES.index(name)
        shown = Rows(of=than(exp.EQ, value, first), columns=(name,))
        metrics: list[Metric] = [
            count(than(exp.GTE, value, first)),
            aggregate("max", value),
            Distinct(keys=(value,)),
            Duplicated(keys=(value,)),
            ValueCounts(argument=value, limit=1),
            Quantiles(argument=value, probabilities=(0,)),
            Orphans(keys=(value,), other=bench.other("hostile"), other_keys=(name,)),
        ]
        size = len(HOSTILE_VALUES)
        expected: list[Any] = [size, first + size - 1, size, 0, None, (first,), 0]
        if not self.quick:
            metrics, expected = metrics[:2], expected[:2]
        with bench.batch("hostile") as batch:
            assert batch.schema().get(name) is not None
            values = batch.compute([*metrics, shown])
        assert [values[metric] for metric in metrics] == expected
        assert values[shown].rows == ((first,),)

    def test_hostile_values(self, bench: Bench) -> None:
        text = column("text")
        equal = [count(than(exp.EQ, text, value)) for value in HOSTILE_VALUES]
        listed = count(among(text, *HOSTILE_VALUES))
        found = [count(matches(text, "^" + re.escape(value) + "$")) for value in HOSTILE_VALUES[:2]]
        alike = [count(like(text, f"%{value[1:-1]}%")) for value in HOSTILE_VALUES[:1]]
        shown = Rows(of=not_null(text), columns=("text",), limit=None)
        with bench.batch("hostile") as batch:
            values = batch.compute([*equal, listed, *found, *alike, shown])
        assert [values[metric] for metric in equal] == [1] * len(HOSTILE_VALUES)
        assert values[listed] == len(HOSTILE_VALUES)
        assert [values[metric] for metric in found] == [1, 1]
        assert [values[metric] for metric in alike] == [2]
        assert sorted(row[0] for row in values[shown].rows) == sorted(HOSTILE_VALUES)
        self.unharmed(bench)

    def test_what_is_known_is_not_asked_again(self, bench: Bench) -> None:
        with bench.batch("orders") as batch:
            batch.compute([Count(), Distinct(keys=(n,))])
            sent = len(batch.queries)
            batch.compute([Distinct(keys=(n,)), Count()])
            assert len(batch.queries) == sent

    def test_explain_says_what_compute_sends(self, bench: Bench) -> None:
        """But for rows, and users' queries that have some: these are asked for when their number is known."""
        asked = [
            metric for case, metric, _ in CASES if case not in self.unsupported and not isinstance(metric, Rows | Query)
        ]
        with bench.batch("orders") as batch:
            said = batch.explain(asked)
            before = len(batch.queries)
            batch.compute(asked)
            assert batch.queries[before:] == list(said)

    def test_explain_sends_nothing(self, bench: Bench) -> None:
        with bench.batch("orders") as batch:
            batch.schema()
            before = list(batch.queries)
            texts = batch.explain([count(is_null(n)), Distinct(keys=(n,))])
            assert len(texts) == 2
            assert batch.queries == before


def bench_rows(bench: Bench, condition: exp.Expression) -> set[int]:
    """The `id` of all rows of `orders` that hold a condition, asked by itself."""
    everything = Rows(of=condition, columns=("id",), limit=None)
    with bench.batch("orders") as batch:
        return {row[0] for row in batch.compute([everything])[everything].rows}


def streams(metric: Metric) -> bool:
    return isinstance(metric, Count | Aggregate)
