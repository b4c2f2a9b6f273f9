"""Comparing real files: keys, schemas, formats, names and what cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from gates.quality.compare.fetch import fetch_comparison
from gates.quality.compare.model import CauseKind, Question, Renamed
from gates.quality.compare.source import Side
from gates.quality.compare.sql import part_of_hashes
from gates.quality.engines.open import Limits
from gates.verdict import Outcome
from headgate.errors import ConfigError, ServerFaultError
from tests.testing.tables import compared, judged, leaf, only_cause, write_query, write_rows

ORDERS = {"id": "INTEGER", "country": "VARCHAR", "amount": "DECIMAL(10,2)", "at": "TIMESTAMP"}
ROWS: list[list[Any]] = [[n, ("DE", "AT", None)[n % 3], n * 1.25, f"2026-01-{1 + n % 28:02}"] for n in range(60)]

HOSTILE = [
    'a"; DROP TABLE base; --',
    "it's",
    "select",
    "k0",
    "c1",
    "hk",
    "m",
    "base",
    "{batch}",
    "Ümläut 🙂",
    "a,b",
    " ",
    "what",
    "x0",
    "%s",
    "a.b",
]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "base.parquet", ORDERS, ROWS)


def test_hostile_names_are_names(tmp_path: Path) -> None:
    columns = dict.fromkeys(HOSTILE, "INTEGER")
    rows = [[n * 100 + at for at in range(len(HOSTILE))] for n in range(20)]
    changed = [[row[0], row[1] + 7, *row[2:]] for row in rows[1:]]
    before = write_rows(tmp_path / "it's; a\"base.parquet", columns, rows)
    after = write_rows(tmp_path / "he'ad.parquet", columns, changed)
    found = compared(before, after, HOSTILE[0], segment="select")
    assert found.keys is not None
    assert (found.keys.lost, found.keys.added, found.keys.changed) == (1, 0, 19)
    assert [(change.name, change.changed) for change in found.changes] == [("it's", 19)]
    assert len(found.segments) == 20
    assert compared(before, before, *HOSTILE[:3]).identical
    assert compared(before, before, ignore=tuple(HOSTILE[1:])).identical


def test_columns_that_are_not_the_same(tmp_path: Path, base: Path) -> None:
    columns = {"id": "BIGINT", "country": "VARCHAR", "amount": "INTEGER", "note": "VARCHAR", "extra": "BOOLEAN"}
    head = write_rows(tmp_path / "head.parquet", columns, [[row[0], row[1], int(row[2]), "x", None] for row in ROWS])
    found = compared(base, head, "id")
    assert [column.name for column in found.schema.added] == ["note", "extra"]
    assert [column.name for column in found.schema.removed] == ["at"]
    assert [(item.name, item.base, item.head, item.widened) for item in found.schema.retyped] == [
        ("id", "INTEGER", "BIGINT", True),
        ("amount", "DECIMAL(10,2)", "INTEGER", False),
    ]
    # Values are compared all the same: 1.25 is not 1, but 5.00 is 5.
    assert [(change.name, change.changed) for change in found.changes] == [("amount", 45)]
    assert only_cause(found).kind is CauseKind.ROUNDING
    schema = leaf(judged(found, max_changed_ratio=1), "schema")
    assert schema.outcome is Outcome.FAIL
    assert schema.message == (
        "at (TIMESTAMP) is gone; amount is INTEGER, was DECIMAL(10,2); note (VARCHAR) is new; extra (BOOLEAN) is new; "
        "id is BIGINT, was INTEGER"
    )
    assert judged(found, max_changed_ratio=1, schema_changes="any").outcome is Outcome.PASS


def test_new_columns_and_wider_types_are_compatible(tmp_path: Path, base: Path) -> None:
    columns = {**ORDERS, "id": "BIGINT", "amount": "DECIMAL(12,2)", "note": "VARCHAR"}
    head = write_rows(tmp_path / "head.parquet", columns, [[*row, "x"] for row in ROWS])
    found = compared(base, head, "id")
    assert not found.identical
    assert found.changes == ()
    assert judged(found).outcome is Outcome.FAIL
    assert judged(found, schema_changes="compatible").outcome is Outcome.PASS


@pytest.mark.parametrize(("left", "right"), [("VARCHAR", "INTEGER"), ("DOUBLE", "DECIMAL(10,2)"), ("FLOAT", "DOUBLE")])
def test_equal_values_of_other_types_are_equal(tmp_path: Path, left: str, right: str) -> None:
    before = write_rows(tmp_path / "a.parquet", {"id": "INTEGER", "v": left}, [[n, n] for n in range(9)])
    after = write_rows(tmp_path / "b.parquet", {"id": "INTEGER", "v": right}, [[n, n] for n in range(9)])
    found = compared(before, after, "id")
    assert found.changes == ()
    assert len(found.schema.retyped) == 1


def test_a_key_that_was_renamed_is_a_change_of_columns(tmp_path: Path, base: Path) -> None:
    head = write_rows(tmp_path / "head.parquet", {"order_id": "INTEGER", **dict(list(ORDERS.items())[1:])}, ROWS)
    found = compared(base, head, "id")
    assert found.schema.renamed == (Renamed(base="id", head="order_id", equal=60, rows=60),)
    assert found.keys is not None
    assert found.keys.columns == ("id",)
    assert judged(found).outcome is Outcome.FAIL


def test_a_key_that_is_gone_leaves_whole_rows_to_compare(tmp_path: Path, base: Path) -> None:
    head = write_rows(tmp_path / "head.parquet", dict(list(ORDERS.items())[1:]), [row[1:] for row in ROWS])
    found = compared(base, head, "id")
    assert found.keys is not None
    assert (found.keys.columns, found.keys.lost, found.keys.added) == ((), 0, 0)
    assert leaf(judged(found), "schema").message == "id (INTEGER) is gone"


def test_no_column_in_common_is_no_pass(tmp_path: Path, base: Path) -> None:
    head = write_rows(tmp_path / "head.parquet", {"other": "VARCHAR"}, [["x"]])
    verdict = judged(compared(base, head), schema_changes="any", max_lost_ratio=1)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert leaf(verdict, "schema").message == "no column is on both sides"


@pytest.mark.parametrize(
    ("rows", "back", "outcome"),
    [([], False, Outcome.FAIL), ([], True, Outcome.INCONCLUSIVE)],
    ids=["head", "base"],
)
def test_an_empty_side_is_no_pass(tmp_path: Path, base: Path, rows: list[Any], back: bool, outcome: Outcome) -> None:
    empty = write_rows(tmp_path / "empty.parquet", ORDERS, rows)
    found = compared(empty, base, "id") if back else compared(base, empty, "id")
    lenient = {"max_lost_ratio": 1, "max_added_ratio": 1, "allow_empty": True}
    assert judged(found).outcome is outcome
    assert judged(found, **lenient).outcome is outcome
    both = compared(empty, empty, "id")
    assert not both.identical
    assert judged(both).outcome is Outcome.INCONCLUSIVE
    assert judged(both, allow_empty=True).outcome is Outcome.PASS


def test_no_key_in_common_is_no_pass(tmp_path: Path, base: Path) -> None:
    head = write_rows(tmp_path / "head.parquet", ORDERS, [[row[0] + 1000, *row[1:]] for row in ROWS])
    found = compared(base, head, "id")
    verdict = judged(found, max_lost_ratio=1, max_added_ratio=1)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert leaf(verdict, "keys").message == "nothing in base is found in head, matched by id"
    assert judged(found).outcome is Outcome.FAIL


def test_ratios_are_of_base_and_of_what_is_on_both_sides(tmp_path: Path, base: Path) -> None:
    head_rows = [[n, row[1], row[2] + (n < 20), row[3]] for n, row in enumerate(ROWS) if n < 50] + [
        [n, "DE", 1, None] for n in range(100, 106)
    ]
    found = compared(base, write_rows(tmp_path / "head.parquet", ORDERS, head_rows), "id")
    verdict = judged(found)
    assert leaf(verdict, "lost").message == "10 of 60 keys lost of base: 0.1667 > 0"
    assert leaf(verdict, "added").message == "6 of 60 keys added of base: 0.1 > 0"
    assert leaf(verdict, "changed").message == "20 of 50 keys changed of those on both sides: 0.4 > 0"
    limits = {"max_lost_ratio": 10 / 60, "max_added_ratio": 0.1, "max_changed_ratio": 0.4}
    assert judged(found, **limits).outcome is Outcome.PASS
    for name in limits:
        assert judged(found, **{**limits, name: 0.09}).outcome is Outcome.FAIL, name


def test_repeated_and_missing_keys_are_compared_as_groups(tmp_path: Path) -> None:
    columns = {"id": "INTEGER", "v": "VARCHAR"}
    before = write_rows(
        tmp_path / "a.parquet", columns, [[1, "a"], [1, "b"], [None, "x"], [None, "y"], [2, "c"], [3, "d"], [3, "d"]]
    )
    same = write_rows(
        tmp_path / "b.parquet", columns, [[3, "d"], [None, "y"], [1, "b"], [2, "c"], [None, "x"], [1, "a"], [3, "d"]]
    )
    found = compared(before, same, "id")
    assert found.identical
    assert judged(found).outcome is Outcome.PASS
    swapped = write_rows(
        tmp_path / "c.parquet", columns, [[1, "a"], [1, "z"], [None, "x"], [None, "y"], [2, "c"], [3, "d"]]
    )
    found = compared(before, swapped, "id")
    assert found.keys is not None
    assert (found.keys.matched, found.keys.changed, found.keys.duplicated_base, found.keys.duplicated_head) == (
        4,
        2,
        3,
        2,
    )
    assert leaf(judged(found), "duplicates").outcome is Outcome.PASS


def test_a_key_that_is_nearly_constant_does_not_explode(tmp_path: Path) -> None:
    query = "SELECT i // 100000 AS k, i AS v FROM range(200000) t(i)"
    before = write_query(tmp_path / "a.parquet", query)
    after = write_query(tmp_path / "b.parquet", query + " ORDER BY i DESC")
    assert compared(before, after, "k").identical


def test_repeated_keys_that_a_share_of_the_keys_does_not_show(tmp_path: Path) -> None:
    """More rows than are looked through for repeated keys: the join itself notices."""
    query = "SELECT i AS id, i % 7 AS v FROM range(1200000) t(i)"
    before = write_query(tmp_path / "a.parquet", query)
    after = write_query(tmp_path / "b.parquet", f"{query} UNION ALL SELECT 77, 0 UNION ALL SELECT 78, 1")
    found = compared(before, after, "id")
    assert found.keys is not None
    assert (found.keys.duplicated_head, found.keys.growing, found.keys.lost, found.keys.added) == (2, 2, 0, 0)
    assert any("TABLE grouped" in query for query in found.queries)
    alone = write_query(tmp_path / "c.parquet", f"{query} UNION ALL SELECT 9999999, 0 UNION ALL SELECT 9999999, 1")
    found = compared(before, alone, "id")
    assert found.keys is not None
    assert (found.keys.duplicated_head, found.keys.added, found.keys.matched) == (1, 1, 1200000)


def test_wide_tables_are_joined_in_pieces(tmp_path: Path) -> None:
    wide = ", ".join(f"(i * {n}) % 97 AS c{n}" for n in range(40))
    before = write_query(tmp_path / "a.parquet", f"SELECT i AS id, {wide} FROM range(500) t(i)")
    replaced = "c3 + (id < 10)::INT AS c3, c20 + (id BETWEEN 5 AND 24)::INT AS c20, c39 + (id = 400)::INT AS c39"
    after = write_query(tmp_path / "b.parquet", f"SELECT * REPLACE ({replaced}) FROM '{before}' WHERE id < 450")
    for head, lost in (
        (after, 50),
        (write_query(tmp_path / "c.parquet", f"SELECT * REPLACE ({replaced}) FROM '{before}'"), 0),
    ):
        found = compared(before, head, "id")
        assert found.keys is not None
        assert (found.keys.lost, found.keys.changed) == (lost, 26)
        assert [(change.name, change.changed) for change in found.changes] == [("c3", 10), ("c20", 20), ("c39", 1)]


def test_floats_may_differ_within_the_tolerance(tmp_path: Path) -> None:
    columns = {"id": "INTEGER", "v": "DOUBLE", "w": "DOUBLE", "t": "VARCHAR"}
    rows: list[list[Any]] = [[n, n / 7, float("nan") if n == 3 else None, "x"] for n in range(30)]
    near = [[row[0], row[1] * (1 + 1e-12), row[2], "x"] for row in rows]
    far = [[row[0], row[1] * (1 + (row[0] == 5) / 100), row[2], "x"] for row in rows]
    before = write_rows(tmp_path / "a.parquet", columns, rows)
    close = write_rows(tmp_path / "b.parquet", columns, near)
    assert compared(before, close, "id").changes
    assert compared(before, close, "id", tolerance=1e-9).identical
    found = compared(before, write_rows(tmp_path / "c.parquet", columns, far), "id", tolerance=1e-9)
    assert [(change.name, change.changed) for change in found.changes] == [("v", 1)]
    lost = compared(before, write_rows(tmp_path / "d.parquet", columns, near[1:]), "id", tolerance=1e-9)
    assert lost.keys is not None
    assert (lost.keys.lost, lost.keys.changed) == (1, 0)


TYPES = """
    SELECT i AS id, i::DECIMAL(30,10) / 3 AS d, [i, NULL, i + 1] AS l, {'a': i, 'b': NULL::VARCHAR} AS s,
    MAP {'k': i} AS m, ('\\x0' || (i % 10))::BLOB AS b, i % 2 = 0 AS f, TIMESTAMPTZ '2026-01-01 00:00:00+02' AS z,
    uuid_v(i) AS u, TIME '10:00:00' AS t, INTERVAL (i) DAY AS v, NULL AS n, i::FLOAT AS r, DATE '2026-01-01' + i::INT AS e
    FROM range(30) t(i)
""".replace("uuid_v(i)", "md5(i::VARCHAR)::UUID")


def test_every_type_can_be_compared(tmp_path: Path) -> None:
    before = write_query(tmp_path / "a.parquet", TYPES)
    after = write_query(tmp_path / "b.parquet", f"{TYPES} ORDER BY i DESC")
    assert compared(before, after, "id").identical
    changed = (
        "SELECT * REPLACE ([1] AS l, {'a': 0, 'b': 'x'} AS s, '\\xFF'::BLOB AS b, NOT f AS f, z + INTERVAL 1 HOUR AS z)"
    )
    found = compared(before, write_query(tmp_path / "c.parquet", f"{changed} FROM ({TYPES}) WHERE id > 2"), "id")
    assert {change.name for change in found.changes} == {"l", "s", "b", "f", "z"}
    assert judged(found).outcome is Outcome.FAIL


@pytest.mark.parametrize("layout", ["csv", "jsonl", "csv.gz", "hive", "duckdb", "many"])
def test_the_layout_does_not_matter(tmp_path: Path, layout: str) -> None:
    query = (
        "SELECT i AS id, ['DE','AT','CH'][1 + i % 3] AS country, (i / 4)::DECIMAL(8,2) AS amount, i % 5 = 0 AS gift, "
        "lpad((i % 50)::VARCHAR, 4, '0') AS zip, DATE '2026-01-01' + i::INT % 90 AS day FROM range(300) t(i)"
    )
    before = write_query(tmp_path / "base.parquet", query)
    target = tmp_path / "head"
    target.mkdir()
    if layout == "duckdb":
        with duckdb.connect(str(target / "shop.duckdb")) as connection:
            connection.execute(f"CREATE TABLE sales AS {query} ORDER BY i DESC")
        target = target / "shop.duckdb"
    elif layout == "hive":
        write_query(target, query, options="FORMAT parquet, PARTITION_BY (country, day), OVERWRITE_OR_IGNORE")
    elif layout == "many":
        for part in range(5):
            write_query(target / f"{part}.parquet", f"SELECT * FROM ({query}) WHERE id % 5 = {part}")
    else:
        form = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip"}[
            layout
        ]
        write_query(target / f"part.{layout}", query + " ORDER BY hash(i)", options=form)
    for key in ((), ("id",)):
        found = compared(before, target, *key)
        assert found.schema.empty, found.schema
        assert found.identical, found.changes


NUMBERS = "SELECT i AS id, i * 10 AS v FROM range(5) t(i)"


@pytest.mark.parametrize(
    ("values", "retyped", "changed"),
    [
        (["0", "10", "20", "30", "40"], False, 0),
        (["0", "10.0", "20", "30", "40"], False, 0),
        (["0", "010", "20", "30", "40"], True, 1),
        (["0", "abc", "20", "30", "40"], True, 1),
        (["0", "10", "", "", "40"], False, 2),
        (["", "", "", "", ""], False, 5),
        (["0", "10", "20", "30", "99999999999999999999999"], True, 1),
    ],
)
def test_text_beside_numbers_keeps_what_is_no_number(
    tmp_path: Path, values: list[str], retyped: bool, changed: int
) -> None:
    before = write_query(tmp_path / "a.parquet", NUMBERS)
    after = tmp_path / "b.csv"
    after.write_text("id,v\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    for base, head in ((before, after), (after, before)):
        found = compared(base, head, "id")
        assert [item.name for item in found.schema.retyped] == (["v"] if retyped else [])
        assert sum(change.changed for change in found.changes) == changed


@pytest.mark.parametrize(
    ("base", "head", "changed"),
    [
        (["01234", "00999"], ["1234", "999"], 2),
        (["01234", "00999"], ["01234", "00999"], 0),
        (["12345", "56789"], ["12345", "x"], 1),
        (["1.00", "2.50"], ["1.00", "n/a"], 1),
        (["1.00", "2.50"], ["1", "2.5"], 0),
        (["2026-01-01", "2026-01-02"], ["2026-01-01 00:00:00", "2026-01-02 01:00:00"], 1),
        (["2026-01-01", "x"], ["2026-01-01", "2026-01-02"], 1),
    ],
)
def test_texts_on_both_sides(tmp_path: Path, base: list[str], head: list[str], changed: int) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, values in zip(paths, (base, head), strict=True):
        path.write_text("id,v\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    found = compared(paths[0], paths[1], "id")
    assert found.schema.empty
    assert sum(change.changed for change in found.changes) == changed


def test_a_leading_zero_behind_the_first_lines(tmp_path: Path) -> None:
    """A reader guesses types from the first twenty thousand lines."""
    lines = "".join(f"{n},{n + 1}\n" for n in range(30_000))
    for name, last in (("a", "007"), ("b", "7")):
        (tmp_path / f"{name}.csv").write_text(f"id,code\n{lines}30000,{last}\n")
    found = compared(tmp_path / "a.csv", tmp_path / "b.csv", "id")
    assert [(change.name, change.changed) for change in found.changes] == [("code", 1)]


def test_names_of_folders_that_are_no_numbers(tmp_path: Path) -> None:
    query = (
        "SELECT i AS id, lpad((i % 3)::VARCHAR, 2, '0') AS month, ['DE', 'AT'][1 + i % 2] AS code FROM range(12) t(i)"
    )
    flat = write_query(tmp_path / "flat.parquet", query)
    for column in ("month", "code"):
        folder = tmp_path / column
        folder.mkdir()
        write_query(folder, query, options=f"FORMAT parquet, PARTITION_BY ({column}), OVERWRITE_OR_IGNORE")
        assert compared(flat, folder, "id").identical
    numbers = write_query(tmp_path / "numbers.parquet", query.replace("['DE', 'AT'][1 + i % 2]", "i"))
    found = compared(numbers, tmp_path / "code", "id")
    assert [(change.name, change.changed) for change in found.changes] == [("code", 12)]


def test_two_tables_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a AS SELECT i AS id FROM range(9) t(i)")
        connection.execute('CREATE SCHEMA "s 2"; CREATE TABLE "s 2"."b;" AS SELECT i AS id FROM range(8) t(i)')
    sides = (Side(data=str(path), table="a"), Side(data=f"duckdb://{path}", table='"s 2"."b;"'))
    found = fetch_comparison(*sides, Question(key=("id",)))
    assert found.keys is not None
    assert (found.keys.matched, found.keys.lost) == (8, 1)
    with pytest.raises(ConfigError, match="the file has 2 tables"):
        compared(path, path)


def test_the_url_of_a_duckdb_file_means_what_it_means_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a AS SELECT i AS id FROM range(9) t(i)")
    monkeypatch.chdir(tmp_path)
    for url in ("duckdb:///shop.duckdb", f"duckdb:///{path}", f"duckdb://{path}", "DuckDB:///shop.duckdb"):
        found = fetch_comparison(Side(data=url, table="a"), Side(data=str(path), table="a"), Question(key=("id",)))
        assert found.keys is not None
        assert found.keys.matched == 9
    with pytest.raises(ConfigError, match="no such file"):
        fetch_comparison(Side(data="duckdb:///gone.duckdb", table="a"), Side(data=str(path)), Question(key=("id",)))


def test_segments_and_shifts(tmp_path: Path, base: Path) -> None:
    rows = [[row[0], row[1], 1000 if row[1] == "DE" else row[2], row[3]] for row in ROWS if row[1] is not None]
    found = compared(base, write_rows(tmp_path / "head.parquet", ORDERS, rows), "id", segment="country")
    assert [(segment.value, segment.base_rows, segment.head_rows) for segment in found.segments] == [
        ("AT", 20, 20),
        ("DE", 20, 20),
        (None, 20, 0),
    ]
    sums = {segment.value: segment.sums for segment in found.segments}
    assert sums["DE"] == (("amount", 712.5, 20000.0),)
    lenient = {"max_lost_ratio": 1, "max_changed_ratio": 1}
    assert judged(found, **lenient, max_segment_ratio=30).outcome is Outcome.PASS
    segments = leaf(judged(found, **lenient, max_segment_ratio=0.5), "segments")
    assert segments.outcome is Outcome.FAIL
    assert segments.message == "largest change where country = DE: 20 rows in base, 20 in head: 27.07 > 0.5"
    assert judged(found, **lenient, max_shift=10).outcome is Outcome.PASS
    assert leaf(judged(found, **lenient, max_shift=0.25), "shift").outcome is Outcome.FAIL


def test_examples_are_masked_unless_revealed(tmp_path: Path) -> None:
    columns = {"id": "INTEGER", "email": "VARCHAR"}
    before = write_rows(tmp_path / "a.parquet", columns, [[n, f"ada{n}@example.com"] for n in range(5)])
    after = write_rows(tmp_path / "b.parquet", columns, [[n, f"bob{n}@example.com"] for n in range(4)])
    found = compared(before, after, "id")
    masked = str(judged(found))
    assert "a***@***.***" in masked
    assert "example.com" not in masked
    assert "bob" not in masked


def test_what_is_not_there(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        compared(base, tmp_path / "missing.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no data file"):
        compared(tmp_path / "empty", base)
    with pytest.raises(ConfigError, match=r"no column 'ids'.*Did you mean 'id'"):
        compared(base, base, "ids")
    with pytest.raises(ConfigError, match="named twice"):
        compared(base, base, "id", "id")
    with pytest.raises(ConfigError, match="in two places") as caught:
        compared(base, "postgresql://u:secret@host/db?password=secret")
    assert "secret" not in str(caught.value)


def test_what_cannot_be_read_is_undecided(tmp_path: Path, base: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(base.read_bytes()[:200])
    with pytest.raises(ServerFaultError, match="cannot be read"):
        compared(base, broken)
    # The footer is whole, the data behind it is not: found out on the way.
    data = bytearray(base.read_bytes())
    data[4:120] = b"\0" * 116
    broken.write_bytes(bytes(data))
    with pytest.raises(ServerFaultError) as caught:
        compared(base, broken, "id")
    assert int(caught.value.exit_code) == 4


def test_every_hash_is_in_one_part() -> None:
    with duckdb.connect() as connection:
        places = ", ".join(f"({place})" for place in (0, 1, 2**63, 2**64 - 1, *(2**64 * n // 7 for n in range(1, 7))))
        for parts in (1, 2, 3, 7, 10):
            counted = " + ".join(f"({part_of_hashes(part, parts)})::INT" for part in range(parts))
            query = f"SELECT min(n), max(n) FROM (SELECT {counted} AS n FROM (VALUES {places}) t(i), (SELECT i::UBIGINT AS hk))"
            assert connection.execute(query).fetchall() == [(1, 1)]


def test_what_is_rare_is_looked_at_beside_what_is_frequent(tmp_path: Path) -> None:
    """Rows of a share are kept from the first pass; what is not among them is read by another one."""
    query = "SELECT i AS id, i % 7 AS v, 'x' AS t FROM range(300000) t(i)"
    before = write_query(tmp_path / "a.parquet", query)
    fanned = f"SELECT * FROM ({query}) WHERE id <> 5 UNION ALL SELECT id, v + 1, t FROM ({query}) WHERE id % 10 = 0"
    after = write_query(
        tmp_path / "b.parquet", f"SELECT * REPLACE (CASE WHEN id = 7 THEN 'y' ELSE t END AS t) FROM ({fanned})"
    )
    found = compared(before, after, "id")
    assert found.keys is not None
    assert (found.keys.lost, found.keys.growing, found.keys.changed, found.keys.varying) == (1, 30000, 30001, ("v",))
    assert [(change.name, change.changed, change.looked_at) for change in found.changes] == [("t", 1, 1)]
    shown = {(example.what, example.key) for example in found.examples}
    assert {("lost", (("id", 5),)), ("changed", (("id", 7),))} <= shown
    assert sum(what == "duplicated" for what, _ in shown) == 5


def test_whole_rows_are_looked_at_in_either_way(tmp_path: Path) -> None:
    query = "SELECT i // 2 AS a, i % 2 AS b, i % 2 AS c FROM range(400000) t(i)"
    before = write_query(tmp_path / "a.parquet", query)
    many = write_query(tmp_path / "b.parquet", f"SELECT * FROM ({query}) WHERE a % 5 <> 0")
    few = write_query(tmp_path / "c.parquet", f"SELECT * FROM ({query}) WHERE a <> 5")
    for after, lost in ((many, 80000), (few, 2)):
        found = compared(before, after, ignore=("none",))
        assert found.keys is not None
        assert (found.keys.columns, found.keys.lost, found.keys.added) == ((), lost, 0)
        assert {example.what for example in found.examples} == {"lost"}
        assert len(found.examples) == min(5, lost)


@pytest.mark.parametrize("memory_limit_mb", [150, 240])
def test_little_memory_is_enough_and_nothing_is_left(tmp_path: Path, memory_limit_mb: int) -> None:
    query = "SELECT i AS id, md5(i::VARCHAR) AS t, i % 13 AS v FROM range(800000) t(i)"
    before = write_query(tmp_path / "a.parquet", query)
    after = write_query(
        tmp_path / "b.parquet", f"SELECT * REPLACE (v + 1 AS v) FROM '{before}' WHERE id > 10 ORDER BY t"
    )
    spill = tmp_path / "spill"
    spill.mkdir()
    limits = Limits(memory_limit_mb=memory_limit_mb, temp_directory=spill, threads=2)
    found = fetch_comparison(Side(data=str(before)), Side(data=str(after)), Question(key=("t",)), limits)
    assert found.keys is not None
    assert (found.keys.lost, found.keys.changed) == (11, 799989)
    assert [(change.name, change.changed) for change in found.changes] == [("v", 799989)]
    assert list(spill.iterdir()) == []


def test_too_little_memory_is_an_error_with_the_next_step(tmp_path: Path, base: Path) -> None:
    limits = Limits(memory_limit_mb=2, temp_directory=tmp_path, threads=1)
    with pytest.raises(ServerFaultError, match="Out of Memory"):
        fetch_comparison(Side(data=str(base)), Side(data=str(base)), Question(), limits)
