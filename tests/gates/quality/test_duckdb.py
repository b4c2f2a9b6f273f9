"""DuckDB as an engine: forms of data, its limits, its queries, and what is left behind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from gates.quality.engines.duck_facts import Tuning
from gates.quality.engines.duck_hashes import all_different, equal_values
from gates.quality.engines.duckdb import DuckBatch, kind_of, open_arrow, open_batch, open_files
from gates.quality.engines.open import Limits
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Failed,
    Kind,
    Metric,
    Orphans,
    OutOfOrder,
    Quantiles,
    Query,
    Rows,
    Sample,
    ValueCounts,
)
from gates.quality.sql import as_number, both, column, is_json, literal, matches, not_null, parses_as, text_length
from headgate.errors import ConfigError, TransportError

EVERYTHING = Tuning(planned=0, hashed=0)


def write(path: Path, query: str, options: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' ({options or 'FORMAT parquet'})")
    return path


def value(batch: DuckBatch, metric: Metric) -> Any:
    return batch.compute([metric])[metric]


LATE = exp.GT(this=column("n"), expression=literal(4))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rows.parquet", "FORMAT parquet, COMPRESSION zstd"),
        ("rows.csv", "FORMAT csv, HEADER"),
        ("rows.csv.gz", "FORMAT csv, HEADER, COMPRESSION gzip"),
        ("rows.csv.zst", "FORMAT csv, HEADER, COMPRESSION zstd"),
        ("rows.jsonl", "FORMAT json"),
        ("rows.ndjson.gz", "FORMAT json, COMPRESSION gzip"),
    ],
)
def test_files_of_every_form_are_one_table_in_the_order_of_their_names(tmp_path: Path, name: str, options: str) -> None:
    write(tmp_path / f"b-{name}", "SELECT n, 'text ' || n AS t FROM range(3, 6) AS r(n)", options)
    write(tmp_path / f"a-{name}", "SELECT n, 'text ' || n AS t FROM range(3) AS r(n)", options)
    with open_files([tmp_path / f"*-{name}"]) as batch:
        assert [(found.name, found.kind) for found in batch.schema().columns] == [
            ("n", Kind.INTEGER),
            ("t", Kind.STRING),
        ]
        assert value(batch, Count()) == 6
        shown = value(batch, Rows(of=LATE, columns=("t",)))
        assert shown == Sample(count=1, columns=("t",), rows=(("text 5",),), index=(5,))
        assert value(batch, OutOfOrder(argument=column("n"), direction="increasing", strictly=True)) == 0


def test_a_folder_with_partitions_has_them_as_columns(tmp_path: Path) -> None:
    for day in ("2024-01-02", "2024-01-01"):
        write(tmp_path / f"day={day}" / "part.parquet", "SELECT 1 AS n")
    (tmp_path / "_SUCCESS").touch()
    with open_files([tmp_path], tuning=EVERYTHING) as batch:
        assert [found.name for found in batch.schema().columns] == ["n", "day"]
        days = value(batch, Rows(of=exp.true(), columns=("day",)))
        assert [str(row[0]) for row in days.rows] == ["2024-01-01", "2024-01-02"]
        assert days.index == (0, 1)


def test_an_arrow_table() -> None:
    table = pa.table({"n": [1, 2, 2, None], "t": ["a", None, "b", "b"]})
    with open_arrow(table) as batch:
        assert value(batch, Duplicated(keys=(column("n"),))) == 2
        assert value(batch, Rows(of=exp.EQ(this=column("t"), expression=literal("b")), columns=("n",))).index == (2, 3)


def test_a_table_of_a_database_file(tmp_path: Path) -> None:
    place = tmp_path / "shop's.duckdb"
    with duckdb.connect(str(place)) as connection:
        connection.execute('CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."or""ders" AS SELECT * FROM range(4) AS r(n)')
    with open_batch(f"duckdb://{place}", '"a.b"."or""ders"', Limits()) as batch:
        assert not batch.ordered
        assert value(batch, Aggregate(function="sum", argument=column("n"))) == 6
        assert value(batch, Rows(of=LATE, columns=("n",), limit=None)) == Sample(count=0, columns=("n",), rows=())
        order = value(batch, OutOfOrder(argument=column("n"), direction="increasing"))
        assert isinstance(order, Failed)
        assert order.unsupported


@pytest.mark.parametrize("missing", ["none.parquet", "*.parquet", ""])
def test_what_is_not_there_is_said(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigError, match=r"no such file|no data file"):
        open_files([tmp_path / missing])


def test_files_of_two_forms_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "SELECT 1 AS n")
    write(tmp_path / "b.csv", "SELECT 1 AS n", "FORMAT csv")
    with pytest.raises(ConfigError, match="several formats"):
        open_files([tmp_path])


@pytest.mark.parametrize("other", ["SELECT 1 AS n, 2 AS more", "SELECT 'x' AS n", "SELECT 1 AS m"])
def test_files_with_other_columns_are_refused_by_name(tmp_path: Path, other: str) -> None:
    write(tmp_path / "a.parquet", "SELECT 1 AS n")
    write(tmp_path / "b.parquet", other)
    with pytest.raises((ConfigError, TransportError), match=r"b\.parquet"):
        open_files([tmp_path])


def test_a_damaged_file_is_never_read_as_an_empty_one(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet", "SELECT * FROM range(1000) AS r(n)").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ConfigError, TransportError), match=r"b\.parquet"):
        open_files([tmp_path / "b.parquet"])


def test_names_of_files_are_no_patterns_and_no_sql(tmp_path: Path) -> None:
    for name in ("x[1].parquet", "x1.parquet", "it's; DROP.parquet"):
        write(tmp_path / "plain.parquet", f"SELECT {len(name)} AS n").rename(tmp_path / name)
    for name in ("x[1].parquet", "it's; DROP.parquet"):
        with open_files([tmp_path / name]) as batch:
            assert value(batch, Aggregate(function="max", argument=column("n"))) == len(name)


HOSTILE = ('a"b', "x'); DROP TABLE t; --", "sélect", "with space", "{batch}", "headgate_count", "%s", "a\\", "c.d")


@pytest.mark.parametrize("tuning", [Tuning(), EVERYTHING])
def test_names_of_columns_are_names_whatever_is_in_them(tmp_path: Path, tuning: Tuning) -> None:
    pq.write_table(pa.table({name: ["a", "b", None] for name in HOSTILE}), tmp_path / "a.parquet")
    with open_files([tmp_path], tuning=tuning) as batch:
        assert tuple(found.name for found in batch.schema().columns) == HOSTILE
        for name in HOSTILE:
            this = column(name)
            asked: dict[Metric, Any] = {
                Count(condition=not_null(this)): 2,
                Distinct(keys=(this,)): 2,
                Duplicated(keys=(this, this)): 0,
                ValueCounts(argument=this): (("a", 1), ("b", 1)),
                Aggregate(function="max", argument=this): "b",
                Count(condition=exp.EQ(this=text_length(this), expression=literal(1))): 2,
            }
            assert dict(batch.compute(list(asked))) == asked
            shown = value(batch, Rows(of=exp.EQ(this=this, expression=literal("b")), columns=(name, name)))
            assert (shown.rows, shown.index) == ((("b", "b"),), (1,))


@pytest.mark.parametrize(
    "text", ["'", "''", "\\'", "\n", "%", "\x01", "'); DROP TABLE t; --", "ü🎉", "{batch}", "$1 ? :x"]
)
def test_texts_are_texts_whatever_is_in_them(text: str) -> None:
    with open_arrow(pa.table({"t": [text, "other"]})) as batch:
        assert value(batch, Count(condition=exp.EQ(this=column("t"), expression=literal(text)))) == 1


class TestFailures:
    """One bad metric yields `Failed` for itself, and the others keep their values."""

    def test_in_a_pass_with_others(self, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", "SELECT n, 'x' AS t FROM range(10) AS r(n)")
        good: list[Metric] = [Count(), Aggregate(function="sum", argument=column("n")), Count(condition=LATE)]
        bad: list[Metric] = [
            Count(condition=matches(column("t"), "(?=x)")),
            Count(condition=exp.GT(this=exp.cast(column("t"), "int"), expression=literal(1))),
            Count(condition=exp.GT(this=column("missing"), expression=literal(1))),
            Quantiles(argument=column("missing"), probabilities=(0.5,)),
            ValueCounts(argument=column("missing")),
        ]
        for tuning in (Tuning(), EVERYTHING):
            with open_files([tmp_path], tuning=tuning) as batch:
                found = batch.compute([*bad, *good])
                assert [found[metric] for metric in good] == [10, 45, 5]
                assert all(isinstance(found[metric], Failed) for metric in bad)
                assert [found[metric].unsupported for metric in bad] == [True, False, False, False, False]
                assert "Conversion Error" in found[bad[1]].reason

    def test_a_type_error_in_the_last_row(self, tmp_path: Path) -> None:
        write(
            tmp_path / "a.parquet",
            "SELECT CASE WHEN n = 299999 THEN 'x' ELSE n::VARCHAR END AS t FROM range(300000) AS r(n)",
        )
        cast = exp.cast(column("t"), "int")
        with open_files([tmp_path]) as batch:
            asked: list[Metric] = [
                Count(condition=not_null(column("t"))),
                Aggregate(function="sum", argument=cast),
                Aggregate(function="sum", argument=as_number(column("t"))),
            ]
            counted, failed, careful = batch.compute(asked).values()
            assert counted == 300000
            assert "Could not convert string 'x'" in failed.reason
            assert careful == sum(range(299999))

    def test_a_query_of_the_user_cannot_write(self, tmp_path: Path) -> None:
        place = write(tmp_path / "a.parquet", "SELECT 1 AS n")
        with open_files([place]) as batch:
            for sql in (
                f"COPY (SELECT 1) TO '{tmp_path}/b.csv'",
                "SELECT 1) AS q; CREATE TABLE t(n INT); --",
                "ATTACH 'x.db'",
            ):
                assert isinstance(value(batch, Query(sql=sql)), Failed)
            assert value(batch, Query(sql="SELECT n -- all of them\nFROM {batch};")).rows == ((1,),)
        assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]

    def test_another_table_that_is_not_there(self, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", "SELECT 1 AS n")
        with open_files([tmp_path]) as batch:
            lost = Orphans(keys=(column("n"),), other=str(tmp_path / "none.parquet"), other_keys=("n",))
            found = batch.compute([lost, Count()])
            assert "no such file" in found[lost].reason
            assert found[Count()] == 1


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 000 orders, sorted by their number, without a wrong one."""
    query = """
        SELECT n AS id, (hash(n) % 5000)::INTEGER AS customer, (hash(n, 1) % 9000) / 10 AS total,
               ['open', 'paid', 'sent'][1 + (n % 3)::INTEGER] AS status, md5(n::VARCHAR) AS reference,
               TIMESTAMP '2024-01-01' + INTERVAL (n) SECOND AS at, CASE WHEN n % 7 > 0 THEN n END AS seventh
        FROM range(300000) AS r(n)
    """
    return write(tmp_path_factory.mktemp("orders") / "orders.parquet", query)


CUSTOMER, TOTAL, STATUS, REFERENCE = map(column, ("customer", "total", "status", "reference"))
MANY: tuple[Metric, ...] = (
    Count(),
    Count(condition=not_null(column("id"))),
    Count(condition=not_null(column("seventh"))),
    Count(condition=exp.GTE(this=column("id"), expression=literal(0)), where=not_null(column("id"))),
    Count(condition=exp.LT(this=column("at"), expression=exp.cast(literal("2020-01-01 00:00:00"), "timestamp"))),
    Count(condition=exp.Between(this=TOTAL, low=literal(0.0), high=literal(1000.0)), where=not_null(TOTAL)),
    Count(condition=exp.GT(this=TOTAL, expression=literal(450.0))),
    Count(condition=exp.In(this=STATUS, expressions=[literal("open"), literal("paid")])),
    Count(condition=matches(STATUS, "^p")),
    Count(condition=exp.EQ(this=text_length(REFERENCE), expression=literal(32))),
    Aggregate(function="mean", argument=TOTAL),
    Aggregate(function="stddev", argument=TOTAL),
    Aggregate(function="max", argument=column("id")),
    Duplicated(keys=(column("id"),)),
    Duplicated(keys=(REFERENCE,)),
    Duplicated(keys=(CUSTOMER, column("at"))),
    OutOfOrder(argument=column("id"), direction="increasing", strictly=True),
    Distinct(keys=(CUSTOMER,)),
    Distinct(keys=(STATUS,)),
    Quantiles(argument=TOTAL, probabilities=(0.1, 0.9)),
    Quantiles(argument=TOTAL, probabilities=(0.5,), method="continuous"),
)


def test_a_whole_suite_is_few_queries_and_the_same_by_every_way(orders: Path) -> None:
    by_tuning = {}
    counts = {}
    for name, tuning in {"plain": Tuning(planned=10**9), "bits": Tuning(), "hashes": Tuning(hashed=0)}.items():
        with open_files([orders], tuning=tuning) as batch:
            by_tuning[name] = dict(batch.compute(MANY))
            counts[name] = len(batch.queries)
    for name in ("bits", "hashes"):
        for metric, expected in by_tuning["plain"].items():
            assert by_tuning[name][metric] == (
                pytest.approx(expected) if isinstance(expected, float | tuple) else expected
            )
    # one for the values of total, one pass, one for values of status, one in order, one for the hashes of references
    assert counts == {"plain": 9, "bits": 5, "hashes": 5}


def test_what_is_known_is_not_asked_again(orders: Path) -> None:
    with open_files([orders]) as batch:
        batch.compute(MANY)
        sent = len(batch.queries)
        batch.compute([*MANY, Count(condition=not_null(column("id")), where=None)])
        assert len(batch.queries) == sent


def test_footers_alone_answer_what_they_can(orders: Path) -> None:
    with open_files([orders]) as batch:
        asked = [*MANY[:5], MANY[12]]
        assert list(batch.compute(asked).values()) == [300000, 300000, 257142, 300000, 0, 299999]
        assert batch.queries == []


def test_explain_says_what_compute_sends(orders: Path) -> None:
    with open_files([orders], tuning=Tuning(hashed=0)) as batch:
        said = batch.explain(MANY)
        assert batch.queries == []
        batch.compute(MANY)
        # but for what the values of a column, once read, answer beside: less is asked in the one pass
        assert len(said) == len(batch.queries)
        assert len(set(said) & set(batch.queries)) >= len(said) - 1


def test_rows_of_many_failures_are_one_pass_more(orders: Path) -> None:
    rare = [
        exp.EQ(this=exp.Mod(this=column("id"), expression=literal(100003 + n)), expression=literal(7))
        for n in range(20)
    ]
    with open_files([orders]) as batch:
        batch.compute([Count(condition=condition) for condition in rare])
        sent = len(batch.queries)
        shown = batch.compute([Rows(of=condition, columns=("id", "status"), limit=2) for condition in rare])
        assert len(batch.queries) == sent + 1
        for number, sample in enumerate(shown.values()):
            assert sample.index == (7, 7 + 100003 + number)
            assert [row[0] for row in sample.rows] == [7, 7 + 100003 + number]
            assert sample.count == len(range(7, 300000, 100003 + number))


def test_rows_that_are_many_are_found_at_the_beginning(orders: Path) -> None:
    with open_files([orders]) as batch:
        paid = exp.EQ(this=STATUS, expression=literal("paid"))
        sample = value(batch, Rows(of=paid, columns=("id",), limit=3))
        assert sample == Sample(count=100000, columns=("id",), rows=((1,), (4,), (7,)), index=(1, 4, 7))
        assert "ORDER BY" not in batch.queries[-1]


def test_duplicates_among_many_are_counted_by_their_keys(tmp_path: Path) -> None:
    write(
        tmp_path / "a.parquet",
        "SELECT md5((CASE WHEN n IN (5, 777) THEN 9999 ELSE n END)::VARCHAR) AS t FROM range(10000) AS r(n)",
    )
    with open_files([tmp_path], tuning=EVERYTHING) as batch:
        metric = Duplicated(keys=(column("t"),))
        assert value(batch, metric) == 3
        assert value(batch, Rows(of=metric, columns=("t",))).index == (5, 777, 9999)


def test_a_memory_limit_is_kept_to_and_nothing_is_left_behind(tmp_path: Path, orders: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    limits = Limits(memory_limit_mb=100, temp_directory=spill, threads=2)
    short = Tuning(hashed=0, sorting=4 << 20)
    with open_files([orders], limits, short) as limited, open_files([orders]) as free:
        found, expected = limited.compute(MANY), free.compute(MANY)
        assert [found[metric] for metric in MANY[:-2]] == pytest.approx([expected[metric] for metric in MANY[:-2]])
        assert [found[metric] for metric in MANY[-2:]] == [expected[metric] for metric in MANY[-2:]]
        assert sum("HASH(" in text for text in limited.queries) > 1  # the hashes in several passes
        assert not any("reservoir" in text.lower() for text in free.queries)
        assert list(spill.iterdir())
    assert list(spill.iterdir()) == []


def test_nothing_is_left_behind_where_nothing_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but not really PAR1")
    spill = tmp_path / "spill"
    spill.mkdir()
    with pytest.raises((ConfigError, TransportError)):
        open_files([tmp_path / "bad.parquet"], Limits(temp_directory=spill))
    assert list(spill.iterdir()) == []


def test_json_lines_with_nested_values(tmp_path: Path) -> None:
    lines = [{"n": 1, "tags": ["a"], "who": {"name": "x"}}, {"n": 2, "tags": [], "who": None}]
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with open_files([tmp_path]) as batch:
        assert [found.kind for found in batch.schema().columns] == [Kind.INTEGER, Kind.NESTED, Kind.NESTED]
        assert value(batch, Rows(of=exp.true(), columns=("tags", "who"))).rows == ((["a"], {"name": "x"}), ([], None))


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("BIGINT", Kind.INTEGER),
        ("UTINYINT", Kind.INTEGER),
        ("HUGEINT", Kind.INTEGER),
        ("DECIMAL(10,2)", Kind.DECIMAL),
        ("DECIMAL(10,2)[]", Kind.NESTED),
        ("FLOAT", Kind.FLOAT),
        ("TIMESTAMP", Kind.TIMESTAMP),
        ("TIMESTAMP_NS", Kind.TIMESTAMP),
        ("TIMESTAMP WITH TIME ZONE", Kind.TIMESTAMP_TZ),
        ("TIME", Kind.TIME),
        ("TIME WITH TIME ZONE", Kind.TIME),
        ("ENUM('a', 'b')", Kind.STRING),
        ('STRUCT("a" INTEGER)', Kind.NESTED),
        ("MAP(VARCHAR, INTEGER)", Kind.NESTED),
        ("INTERVAL", Kind.INTERVAL),
        ("UUID", Kind.OTHER),
        ('"NULL"', Kind.NULL),
    ],
)
def test_kinds(native: str, kind: Kind) -> None:
    assert kind_of(native) is kind


def test_functions_of_the_engine() -> None:
    table = pa.table({"t": ["{}", "2024-02-30", "2024-02-28", None, "{"]})
    with open_arrow(table) as batch:
        assert value(batch, Count(condition=is_json(column("t")))) == 1
        assert value(batch, Count(condition=parses_as(column("t"), "%Y-%m-%d"))) == 1
        shown = both(exp.true(), not_null(column("t")))
        assert value(batch, Count(condition=shown)) == 4


@pytest.mark.parametrize("size", [3, 3000, 1 << 17, 700_000])
def test_equal_hashes_are_found_wherever_they_are(size: int) -> None:
    generator = np.random.default_rng(7)
    values = np.unique(generator.integers(0, 2**64, size, dtype=np.uint64))
    generator.shuffle(values)
    assert all_different(values)
    assert list(equal_values([values.copy()])) == []
    for first, second in ((0, 1), (0, len(values) - 1), (len(values) // 2, len(values) - 1)):
        twice = values.copy()
        twice[first] = twice[second]
        assert not all_different(twice)
        assert list(equal_values([twice])) == [values[second]]


def test_hashes_that_share_their_first_bits_are_still_different() -> None:
    values = np.arange(1 << 12, dtype=np.uint64)
    assert not all_different(np.concatenate([values, values[:1]]))
    assert list(equal_values([np.concatenate([values, values[5:6]])])) == [5]


@pytest.mark.parametrize(
    "values",
    [
        "hash(n) % 1000000",
        "(hash(n) % 1000) / 8",
        "DATE '2024-01-01' + (hash(n) % 900)::INTEGER",
        "n % 2",
        "'t' || hash(n) % 77",
        "CASE WHEN n > 3 THEN 1 ELSE n END",
    ],
)
def test_quantiles_in_bounded_memory_are_the_same(tmp_path: Path, values: str) -> None:
    write(tmp_path / "a.parquet", f"SELECT {values} AS v FROM range(150000) AS r(n)")
    points = (0.0, 0.001, 0.25, 0.5, 0.9999, 1.0)
    asked: list[Metric] = [
        Quantiles(argument=column("v"), probabilities=points),
        Quantiles(argument=column("v"), probabilities=points, method="nearest"),
    ]
    with open_files([tmp_path]) as free, open_files([tmp_path], tuning=Tuning(sorting=1 << 20)) as limited:
        assert limited.compute(asked) == free.compute(asked)
        assert len(limited.queries) > len(free.queries)


def test_a_query_of_the_user_is_counted_before_its_rows_are_made(orders: Path) -> None:
    with open_files([orders]) as batch:
        none = Query(sql="SELECT * FROM {batch} WHERE id < 0")
        many = Query(sql="SELECT id, status FROM {batch} WHERE id >= 10 ORDER BY id", limit=2)
        some = Query(sql="SELECT id FROM {batch}", where=LATE_ORDER, limit=1)
        found = batch.compute([none, many, some])
        assert found[none] == Sample(count=0, columns=(), rows=())
        assert found[many] == Sample(count=299990, columns=("id", "status"), rows=((10, "paid"), (11, "sent")))
        assert found[some].count == 10
        assert len(batch.queries) == 5  # nothing more of the one that has no row


LATE_ORDER = exp.GTE(this=column("id"), expression=literal(299990))


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT customer FROM {batch} WHERE customer NOT IN (SELECT c FROM 'PLACE')", 1),
        ("SELECT b.* FROM {batch} b WHERE NOT EXISTS (SELECT 1 FROM 'PLACE' AS o WHERE o.c = b.customer)", 1),
        ("SELECT b.id FROM {batch} b LEFT JOIN 'PLACE' o ON o.c = b.customer WHERE o.c IS NULL", 1),
        # one row more, or another meaning: these are run as they are
        ("SELECT count(*) FROM {batch} b WHERE NOT EXISTS (SELECT 1 FROM 'PLACE' AS o WHERE o.c = b.customer)", 2),
        (
            "SELECT b.id FROM {batch} b WHERE NOT EXISTS (SELECT 1 FROM 'PLACE' o WHERE o.c = b.customer AND o.c < 9) LIMIT 1",
            2,
        ),
        ("SELECT b.id FROM {batch} b LEFT JOIN 'PLACE' o ON o.c = b.customer WHERE o.c IS NULL OR b.id = 3", 2),
        ("SELECT b.id FROM {batch} b WHERE b.customer NOT IN (SELECT c FROM 'PLACE' WHERE c > 7)", 2),
    ],
)
def test_queries_for_lost_keys_are_proved_empty_only_where_they_are(
    orders: Path, tmp_path: Path, sql: str, sent: int
) -> None:
    place = write(tmp_path / "customers.parquet", "SELECT n::INTEGER AS c FROM range(5000) AS r(n)")
    query = Query(sql=sql.replace("PLACE", str(place)))
    with open_files([orders], tuning=Tuning(planned=10**9)) as plain:
        expected = value(plain, query).count
    with open_files([orders]) as batch:
        assert value(batch, query).count == expected
        assert (expected == 0) is (sent == 1)
        assert (batch.queries[0].find("BITSTRING") > 0) is (sent == 1)
