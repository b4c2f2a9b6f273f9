"""Two tables of one database compared where they are: the same counts and causes as for files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates.quality.compare.causes import name_causes
from gates.quality.compare.decide import Policy, evaluate_comparison
from gates.quality.compare.fetch import fetch_comparison
from gates.quality.compare.model import CauseKind, Comparison, Keys, Question
from gates.quality.compare.source import Side
from gates.quality.metrics import Kind
from gates.verdict import Outcome
from headgate.errors import ConfigError, NotFoundError
from tests.gates.quality.engines.benches import LIMITS, MariaDbBench, PostgresBench, SqliteBench, written
from tests.gates.quality.engines.contract import Table
from tests.testing.mariadb import MariaDb
from tests.testing.postgres import Postgres

Bench = PostgresBench | MariaDbBench | SqliteBench
Row = tuple[Any, ...]

HOSTILE = 'na"me; -- `{}` %s'
COLUMNS = (
    ("id", Kind.INTEGER),
    (HOSTILE, Kind.STRING),
    ("amount", Kind.DECIMAL),
    ("ratio", Kind.FLOAT),
    ("day", Kind.DATE),
    ("at", Kind.TIMESTAMP),
)
START = datetime(2026, 1, 1)  # noqa: DTZ001 - a column without zones
ROWS: tuple[Row, ...] = tuple(
    (n, f"name {n % 7}", Decimal(n) / 8, n / 3, date(2026, 1, 1 + n % 28), START + timedelta(minutes=n))
    for n in range(60)
)


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, mariadb: MariaDb
) -> Iterator[Bench]:
    match request.param:
        case "sqlite":
            yield SqliteBench(tmp_path_factory.mktemp("sqlite"))
        case "postgres":
            with postgres.database() as name:
                yield PostgresBench(postgres, name)
        case _:
            with mariadb.database() as name:
                yield MariaDbBench(mariadb, name)


def compared(
    bench: Bench, base: Any, head: Any, *key: str, columns: Any = (COLUMNS, COLUMNS), **named: Any
) -> Comparison:
    for name, rows, listed in (("it's base", base, columns[0]), ('head"', head, columns[1])):
        bench.make(Table(name=name, columns=listed, rows=tuple(rows)))
    sides = (Side(data=bench.url, table=written("it's base")), Side(data=bench.url, table=written('head"')))
    return fetch_comparison(*sides, Question(key=key or ("id",), **named), LIMITS)


def changed(at: int, value: Any, rows: Any = ROWS, when: Any = lambda row: True) -> list[Row]:
    return [(*row[:at], value(row[at]), *row[at + 1 :]) if when(row) else row for row in rows]


def only(found: Comparison) -> tuple[CauseKind, tuple[str, ...], str]:
    (cause,) = name_causes(found, ("id",))
    return cause.kind, cause.columns, cause.text


def outcome(found: Comparison, **policy: Any) -> Outcome:
    return evaluate_comparison(found, Policy(**policy)).outcome


def test_the_same_rows_in_another_order(bench: Bench) -> None:
    found = compared(bench, ROWS, reversed(ROWS))
    assert found.identical
    assert found.keys == Keys(columns=("id",), matched=60, lost=0, added=0, changed=0)
    assert outcome(found) is Outcome.PASS


def test_rounding_shift_and_rename_are_called_by_their_names(bench: Bench) -> None:
    found = compared(bench, changed(2, lambda v: v + Decimal("0.01")), changed(2, lambda v: Decimal(round(v))))
    assert only(found)[:2] == (CauseKind.ROUNDING, ("amount",))
    found = compared(bench, ROWS, changed(5, lambda v: v + timedelta(hours=2)))
    assert only(found) == (CauseKind.TIME_ZONE, ("at",), "at: times shifted by +2 h")
    assert outcome(found) is Outcome.FAIL
    assert outcome(found, max_changed_ratio=1) is Outcome.PASS
    assert outcome(found, max_changed_ratio=1, max_shift=0.1) is Outcome.INCONCLUSIVE
    renamed = (*COLUMNS[:2], ("total", Kind.DECIMAL), *COLUMNS[3:])
    found = compared(bench, ROWS, ROWS, columns=(COLUMNS, renamed))
    assert only(found)[:2] == (CauseKind.RENAMED_COLUMN, ("amount", "total"))
    assert outcome(found) is Outcome.FAIL


def test_a_filter_and_a_join(bench: Bench) -> None:
    found = compared(bench, ROWS, [row for row in ROWS if row[1] != "name 3"])
    kind, columns, text = only(found)
    assert (kind, columns) == (CauseKind.ADDED_FILTER, (HOSTILE,))
    assert text.endswith("lost rows looked at, in no row of head")
    assert only(compared(bench, [row for row in ROWS if row[0] >= 5], ROWS))[0] is CauseKind.DROPPED_FILTER
    fanned = [*ROWS, *changed(1, lambda v: v + "!", ROWS[:9])]
    found = compared(bench, ROWS, fanned)
    assert only(found)[:2] == (CauseKind.WRONG_JOIN, (HOSTILE,))
    assert found.keys is not None
    assert (found.keys.growing, found.keys.duplicated_head, found.keys.duplicate_rows_head) == (9, 9, 18)
    assert [example.key for example in found.examples] == [(("id", n),) for n in range(5)]
    found = compared(bench, ROWS, changed(1, lambda v: None, when=lambda row: row[0] % 2))
    assert only(found)[2].endswith("values became null: a join that finds no partner any more does this")


def test_letters_count_whatever_the_collation(bench: Bench) -> None:
    found = compared(bench, ROWS[:3], changed(1, str.upper, ROWS[:3]))
    assert [(item.name, item.changed) for item in found.changes] == [(HOSTILE, 3)]
    keyed = compared(bench, [(1, "a", *ROWS[0][2:])], [(1, "A ", *ROWS[0][2:])], HOSTILE)
    assert keyed.keys is not None
    assert (keyed.keys.lost, keyed.keys.added) == (1, 1)


def test_types_that_differ_and_an_empty_side(bench: Bench) -> None:
    texts = (COLUMNS[0], COLUMNS[1], ("amount", Kind.STRING), *COLUMNS[3:])
    found = compared(bench, ROWS, changed(2, str), columns=(COLUMNS, texts))
    assert [item.name for item in found.schema.retyped] == ["amount"]
    assert found.keys is not None
    assert found.keys.lost == found.keys.added == 0
    empty = compared(bench, ROWS, ())
    assert empty.keys is None
    assert outcome(empty) is Outcome.FAIL
    assert outcome(compared(bench, (), ROWS), max_added_ratio=9) is Outcome.INCONCLUSIVE


def test_what_cannot_be_compared(bench: Bench, tmp_path: Path) -> None:
    compared(bench, ROWS, ROWS)
    here, other = Side(data=bench.url, table=written("it's base")), Side(data="sqlite:///other.db", table="a")
    with pytest.raises(ConfigError, match="in two places"):
        fetch_comparison(here, other, Question(key=("id",)), LIMITS)
    there = Side(data=bench.url, table=written('head"'))
    with pytest.raises(ConfigError, match="the same table"):
        fetch_comparison(here, here, Question(key=("id",)), LIMITS)
    with pytest.raises(ConfigError, match="by their key"):
        fetch_comparison(here, there, Question(), LIMITS)
    with pytest.raises(ConfigError, match="segments"):
        fetch_comparison(here, there, Question(key=("id",), segment="id"), LIMITS)
    with pytest.raises(ConfigError, match="no column 'ids' in both tables"):
        fetch_comparison(here, there, Question(key=("ids",)), LIMITS)
    with pytest.raises(NotFoundError):
        fetch_comparison(here, Side(data=bench.url, table="missing"), Question(key=("id",)), LIMITS)


rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 6)),
        st.sampled_from(["", "a", "A", "a ", "ä ' \" ;", None]),
        st.sampled_from([Decimal("0.00"), Decimal("1.50"), None]),
        st.sampled_from([0.0, 1.5, None]),
        st.sampled_from([date(2026, 1, 1), None]),
        st.sampled_from([START, None]),
    ),
    max_size=10,
)


@given(rows, rows)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_random_tables_have_the_counts_of_files(bench: Bench, tmp_path: Path, base: list[Row], head: list[Row]) -> None:
    types = [pa.int64(), pa.string(), pa.decimal128(12, 2), pa.float64(), pa.date32(), pa.timestamp("us")]
    for name, table in (("base", base), ("head", head)):
        arrays = [pa.array([row[at] for row in table], kind) for at, kind in enumerate(types)]
        pq.write_table(pa.table(arrays, names=[item for item, _ in COLUMNS]), tmp_path / f"{name}.parquet")
    sides = (Side(data=str(tmp_path / "base.parquet")), Side(data=str(tmp_path / "head.parquet")))
    files = fetch_comparison(*sides, Question(key=("id",)))
    tables = compared(bench, base, head)
    assert (tables.base_rows, tables.head_rows, tables.keys) == (files.base_rows, files.head_rows, files.keys)
    assert [(item.name, item.changed, item.compared) for item in tables.changes] == [
        (item.name, item.changed, item.compared) for item in files.changes
    ]
    assert tables.identical == files.identical
