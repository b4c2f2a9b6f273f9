"""The batches that every case is about, as Arrow tables: small, and full of what goes wrong."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa

D, T, UTC = dt.date, dt.datetime, dt.UTC
NAN, INF = math.nan, math.inf


@cache
def tables() -> dict[str, pa.Table]:
    """All batches by name."""
    people = _people()
    return {
        "people": people,
        "one": people.slice(0, 1),
        "empty": people.slice(0, 0),
        "floats": _floats(),
        "many": _many(),
        "pairs": _pairs(),
        "texts": _texts(),
        "big": _big(),
        "odd": _odd(),
        "ordered": _ordered(),
        "couples": (couples := _couples()),
        "one couple": couples.slice(0, 1),
        "no couple": couples.slice(0, 0),
    }


def _table(**columns: tuple[pa.DataType, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(values, type=kind) for name, (kind, values) in columns.items()})


def _people() -> pa.Table:
    """Twelve rows: every kind of column, with nulls and duplicates."""
    return _table(
        id=(pa.int64(), list(range(1, 13))),
        n=(pa.int64(), [5, 3, 3, None, 8, 1, 1, 1, None, 7, 9, 5]),
        f=(pa.float64(), [0.5, 1.5, -2.25, None, 3.0, 0.1, 0.2, 0.3, 1e6, -0.0, 2.5, 2.5]),
        dec=(pa.decimal128(10, 2), [_dec(x) for x in ["1.10", "2.20", "3.30", "-", "2.20", "0.00", "-7.25", "100.00", "-", "3.30", "5.05", "1.10"]]),
        s=(
            pa.string(),
            ["alice", "Bob", "élan", "日本", "", " x ", None, "alice", "bob@example.com", "a_b%c", "😀", "zoë"],
        ),
        cat=(pa.string(), list("abcabcabcabb")),
        b=(pa.bool_(), [True, False, None, True, True, False, True, None, True, True, False, True]),
        d=(
            pa.date32(),
            [
                D(2024, 1, 31), D(2024, 2, 29), None, D(1969, 12, 31), D(2024, 2, 29), D(2000, 1, 1),
                D(2023, 12, 31), D(2024, 6, 1), None, D(1900, 1, 1), D(2100, 1, 1), D(2024, 1, 31),
            ],
        ),
        ts=(
            pa.timestamp("us"),
            [
                T(2024, 1, 31, 12), T(2024, 2, 29, 23, 59, 59, 999999), None, T(1969, 12, 31, 23), T(2024, 3, 1),
                T(2000, 1, 1), T(2023, 12, 31), T(2024, 6, 1, 6, 30), None, T(1900, 1, 1), T(2100, 1, 1),
                T(2024, 1, 31, 12),
            ],
        ),
        tz=(
            pa.timestamp("us", "UTC"),
            [
                T(2024, 1, 31, 12, tzinfo=UTC), T(2024, 2, 29, 23, 59, 59, tzinfo=UTC), None,
                T(1969, 12, 31, 23, tzinfo=UTC), T(2024, 3, 1, tzinfo=UTC), T(2000, 1, 1, tzinfo=UTC),
                T(2023, 12, 31, tzinfo=UTC), T(2024, 6, 1, 6, 30, tzinfo=UTC), None, T(1900, 1, 1, tzinfo=UTC),
                T(2100, 1, 1, tzinfo=UTC), T(2024, 1, 31, 12, tzinfo=UTC),
            ],
        ),
        const=(pa.int64(), [7] * 12),
        nulls=(pa.string(), [None] * 12),
        nullf=(pa.float64(), [None] * 12),
    )  # fmt: skip


def _dec(text: str) -> Decimal | None:
    return None if text == "-" else Decimal(text)


def _floats() -> pa.Table:
    """NaN and infinities beside nulls."""
    return _table(
        x=(pa.float64(), [1.0, NAN, None, INF, -INF, 0.0, -0.0, 2.5]),
        nan=(pa.float64(), [NAN] * 8),
        finite=(pa.float64(), [1.0, 2.0, 3.0, 4.0, 5.0, NAN, None, 8.0]),
        inf=(pa.float64(), [1.0, 2.0, INF, 4.0, 5.0, 6.0, INF, 8.0]),
        tiny=(pa.float64(), [0.1, 0.2, 0.3, 0.1 + 0.2, 1e-300, 5e-324, 1e300, 1.0]),
        real=(pa.float32(), [0.1, 0.2, 0.25, None, 1.5, -1.5, 3.0, 0.1]),
    )


def _many() -> pa.Table:
    """200 rows, for `mostly` at the edge and for lists longer than what is shown."""
    return _table(
        i=(pa.int64(), list(range(200))),
        mod=(pa.int64(), [i % 20 for i in range(200)]),
        third=(pa.int64(), [i % 3 for i in range(200)]),
        gaps=(pa.int64(), [None if i % 10 == 0 else i for i in range(200)]),
        word=(pa.string(), [f"w{i % 7}" if i % 11 else "odd one" for i in range(200)]),
        x=(pa.float64(), [(i * 37 % 101) / 10 for i in range(200)]),
    )


def _pairs() -> pa.Table:
    """Columns to be compared with each other, with nulls on either side and on both."""
    return _table(
        a=(pa.int64(), [1, 2, 3, None, 5, None, 7, 8, 9, 9]),
        b=(pa.int64(), [1, 1, 4, 4, None, None, 7, 9, 2, 2]),
        c=(pa.int64(), [1, 3, 4, None, 5, None, 0, 8, 9, 9]),
        p=(pa.int64(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        q=(pa.int64(), [0, 2, 2, 4, 4, 6, 6, 8, 8, 11]),
        x=(pa.string(), ["a", "b", None, "d", "e", None, "a", "a", "x", "x"]),
        y=(pa.string(), ["a", "c", "c", None, "e", None, "b", "a", "y", "y"]),
        f=(pa.float64(), [0.1, 0.2, 0.3, None, 1.0, 2.0, 3.5, 4.5, NAN, 9.0]),
        g=(pa.float64(), [0.1, 0.1, 0.4, 1.0, None, 2.0, 3.5, 4.0, NAN, 9.5]),
        d1=(pa.date32(), [D(2024, 1, day) for day in range(1, 11)]),
        d2=(pa.date32(), [D(2024, 1, 5)] * 9 + [None]),
        t1=(pa.timestamp("us"), [T(2024, 1, day) for day in range(1, 11)]),
        t2=(pa.timestamp("us"), [T(2024, 1, 5)] * 9 + [None]),
    )


def _couples() -> pa.Table:
    """Three columns of every kind to be compared with each other: equal, greater, smaller, null on every side."""
    kinds: dict[str, tuple[pa.DataType, list[Any]]] = {
        "whole": (pa.int64(), [1, 2, 5, 7]),
        "real": (pa.float64(), [1.0, INF, 2.5, NAN]),
        "money": (pa.decimal128(10, 2), [Decimal(1), Decimal("2.50"), Decimal(5), Decimal("-7.25")]),
        "day": (pa.date32(), [D(2024, 1, 1), D(2024, 2, 29), D(1969, 12, 31), D(2100, 1, 1)]),
        "time": (pa.timestamp("us"), [T(2024, 1, 1, 12), T(2024, 1, 1, 12, 0, 0, 1), T(1969, 12, 31), T(2100, 1, 1)]),
        "zoned": (
            pa.timestamp("us", "UTC"),
            [
                T(2024, 1, 1, 12, tzinfo=UTC),
                T(2024, 2, 29, tzinfo=UTC),
                T(1969, 12, 31, tzinfo=UTC),
                T(2100, 1, 1, tzinfo=UTC),
            ],
        ),
        "word": (pa.string(), ["é", "a", "日本", "😀"]),
    }
    places = {
        "a": (0, 1, 2, None, None, 3, 1, 0, 0, 2),
        "b": (0, 2, 1, 0, None, 3, 1, 0, 1, None),
        "c": (0, 0, 1, None, None, 3, 1, 0, 2, 2),
    }
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {"id": (pa.int64(), list(range(10)))}
    columns["row"] = columns["id"]
    for name, (kind, values) in kinds.items():
        for side, picked in places.items():
            columns[f"{name}_{side}"] = (kind, [None if at is None else values[at] for at in picked])
    return _table(**columns)  # fmt: skip


def _texts() -> pa.Table:
    """Strings for patterns, lengths, formats and parsers."""
    return _table(
        mail=(pa.string(), ["a@b.c", "A@B.C", "nobody", None, "x@y", "", "ä@ö.de", "two@at@signs", "a@b.c\n", " "]),
        code=(pa.string(), ["AB-123", "ab-123", "AB-12", "ABC-123", None, "AB123", "XY-999", "AB-1234", "", "AB-000"]),
        day=(
            pa.string(),
            ["2024-01-31", "2024-02-30", "31.01.2024", None, "2024-1-5", "2024-01-01 00:00:00", "", "x", "2000-02-29",
             "1900-02-29"],
        ),
        stamp=(
            pa.string(),
            ["2024-01-31 10:00:00", "2024-01-31 24:00:00", "2024-01-31T10:00:00", None, "2024-01-31 10:00", "", "now",
             "2024-12-31 23:59:59", "2024-12-31 23:59:60", "0001-01-01 00:00:00"],
        ),
        json=(
            pa.string(),
            ['{"a": 1}', "[1, 2]", "{bad", None, '"text"', "", "null", "1.5", '{"a": "x"}', "{'a': 1}"],
        ),
        object=(
            pa.string(),
            ['{"a": 1}', '{"a": 2, "b": "x"}', '{"a": 3}', None, '{"a": 4}', '{"a": 5}', '{"a": "6"}', '{"a": 7}', "{}",
             '{"a": 8}'],
        ),
        path=(pa.string(), ["50%", "a_b", "a%b", "axb", "[abc]", None, "A_B", "100\\%", "", "%"]),
        size=(pa.string(), ["", "a", "ab", "abc", "日本語", "é", "é", "😀", None, "   "]),
        digits=(pa.string(), ["1", "02", "3.5", "-4", None, "1e3", "ten", "٣", "", "10"]),
        upper=(pa.string(), ["A", "B", "a", "b", "Ä", "ä", "Z", "z", None, "_"]),
    )  # fmt: skip


def _big() -> pa.Table:
    """Whole numbers at the edges of their types."""
    top = 2**63 - 1
    return _table(
        i64=(pa.int64(), [top, top, 1, -(2**63), None, 0]),
        top=(pa.int64(), [top, top - 1, top - 2, top - 3, top - 4, top - 5]),
        wide=(pa.int64(), [2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 0, 2**53 + 1]),
        i8=(pa.int8(), [127, -128, 0, 1, None, 127]),
        u64=(pa.uint64(), [2**64 - 1, 0, 1, 2**63, None, 5]),
        dec=(pa.decimal128(38, 0), [Decimal(10**37), Decimal(10**37 + 1), Decimal(-1), Decimal(0), None, Decimal(5)]),
    )


def _odd() -> pa.Table:
    """Names of columns that need quotes, and one that would be SQL without them."""
    values = [1, 2, 2, None, 5]
    names = ["a b", "ä", 'quo"te', "it's", "select", "a.b", "%s", "{batch}", "x; DROP TABLE t --", "MiXed", "100%"]
    return pa.table({name: pa.array(values, type=pa.int64()) for name in names})


def _ordered() -> pa.Table:
    """Columns with an order, broken in the middle, with nulls in it."""
    return _table(
        up=(pa.int64(), [1, 2, 3, 4, 5, 6, 7, 8]),
        flat=(pa.int64(), [1, 2, 2, 3, 3, 3, 4, 4]),
        down=(pa.int64(), [8, 7, 6, 5, 4, 3, 2, 1]),
        broken=(pa.int64(), [1, 2, 5, 4, 6, 7, 3, 8]),
        holes=(pa.int64(), [1, None, 2, 2, None, None, 1, 5]),
        f=(pa.float64(), [1.0, 1.5, 1.5, 2.0, None, 3.0, 2.5, 9.0]),
        ts=(pa.timestamp("us"), [T(2024, 1, 1, hour) for hour in (0, 1, 2, 2, 3, 1, 5, 6)]),
        d=(pa.date32(), [D(2024, 1, day) for day in (1, 2, 3, 3, 4, 2, 5, 6)]),
        s=(pa.string(), list("abbcdbef")),
        same=(pa.int64(), [3] * 8),
    )


Builder = Callable[[], pa.Table]
