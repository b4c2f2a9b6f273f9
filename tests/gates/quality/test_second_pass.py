"""A failing suite costs one query more, whatever fails; what it shows is right. Several suites cost one scan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from gates.quality.engines.duck_facts import Tuning
from gates.quality.engines.duckdb import DuckBatch, open_arrow, open_database, open_files
from gates.quality.engines.open import Limits
from gates.quality.engines.sqlite import open_batch as open_sqlite
from gates.quality.metrics import Count, Duplicated, Orphans, OutOfOrder, Rows, Sample
from gates.quality.result_format import parse_result_format
from gates.quality.session import Job, SuiteFindings, first_needs, run_suites
from gates.quality.sql import column, literal
from gates.quality.suite import parse_suite

ROWS = 3000
FORMS: dict[str, Tuning] = {
    "plain": Tuning(),
    "bits": Tuning(planned=0),
    "hashes": Tuning(planned=0, hashed=0),
    "hashes and dictionaries": Tuning(planned=0, hashed=0, dictionary_bytes=1e9),
    "memory for one pass": Tuning(planned=0, hashed=0, sorting=ROWS * 45),
}
KEYS = {name: int(name == "memory for one pass") for name in FORMS}
"""Queries that read keys once more, narrow, where there is too little memory to group them."""


def rows() -> list[dict[str, Any]]:
    """Rows with a defect of every kind."""
    found: list[dict[str, Any]] = [
        {
            "id": n,
            "serial": n,
            "code": f"c{n}",
            "group": n % 7,
            "part": f"p{n // 7}",
            "amount": float(n % 50),
            "state": "open" if n % 2 else "done",
            "customer": n % 40,
            "note": None if n % 100 == 99 else "note",
        }
        for n in range(ROWS)
    ]
    found[17]["id"] = 16  # twice, and not increasing
    found[2900]["code"], found[2950]["code"] = "c5", None
    found[50]["part"], found[50]["group"] = "p0", 3
    found[60]["amount"], found[61]["amount"] = -1.0, 1000.0
    found[70]["state"] = "lost"
    for n in range(0, ROWS, 40):
        found[n]["customer"] = 77
    return found


EXPECTATIONS: tuple[tuple[str, dict[str, Any], list[int]], ...] = (
    ("expect_column_values_to_be_unique", {"column": "id"}, [16, 17]),
    ("expect_column_values_to_be_unique", {"column": "code"}, [5, 2900]),
    ("expect_compound_columns_to_be_unique", {"column_list": ["group", "part"]}, [3, 50]),
    ("expect_column_values_to_be_increasing", {"column": "id", "strictly": True}, [17]),
    ("expect_column_values_to_be_decreasing", {"column": "amount"}, list(range(1, 21))),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0, "max_value": 100}, [60, 61]),
    ("expect_column_values_to_be_in_set", {"column": "state", "value_set": ["open", "done"]}, [70]),
    ("expect_column_values_to_not_be_null", {"column": "note"}, list(range(99, 2000, 100))),
    ("expect_column_values_to_match_regex", {"column": "code", "regex": "^c[1-9]"}, [0]),
    ("expect_column_values_to_be_between", {"column": "id", "min_value": 10**6}, list(range(20))),
)


def job(expectations: Sequence[tuple[str, dict[str, Any], list[int]]], form: str = "SUMMARY", name: str = "s") -> Job:
    document = {"name": name, "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs, _ in expectations]}
    return Job(
        suite=parse_suite(json.dumps(document).encode(), f"{name}.json"),
        result_format=parse_result_format(form),
        parameters={},
    )


def places(found: SuiteFindings) -> list[list[int]]:
    return [entry.finding.result["partial_unexpected_index_list"] for entry in found.judged]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows in two files."""
    place = tmp_path_factory.mktemp("failing")
    table = pa.Table.from_pylist(rows())
    pq.write_table(table.slice(0, 1000), place / "1.parquet", row_group_size=300)
    pq.write_table(table.slice(1000), place / "2.parquet", row_group_size=700)
    return place


@pytest.mark.parametrize("form", FORMS)
def test_whatever_fails_costs_one_query_more(folder: Path, form: str) -> None:
    with open_files([folder], Limits(threads=2), FORMS[form]) as batch:
        first = batch.explain(first_needs([job(EXPECTATIONS)], batch)[0])
        (found,) = run_suites([job(EXPECTATIONS)], batch)
        assert len(batch.queries) == len(first) + KEYS[form] + 1
        assert sum("headgate_places" in text for text in batch.queries) == 1
    assert [entry.finding.raised for entry in found.judged] == [""] * len(EXPECTATIONS)
    assert places(found) == [shown for _, _, shown in EXPECTATIONS]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", range(len(EXPECTATIONS)))
def test_each_by_itself_costs_one_query_more(folder: Path, form: str, number: int) -> None:
    alone = [EXPECTATIONS[number]]
    with open_files([folder], Limits(threads=2), FORMS[form]) as batch:
        first = batch.explain(first_needs([job(alone)], batch)[0])
        (found,) = run_suites([job(alone)], batch)
        assert len(first) + 1 <= len(batch.queries) <= len(first) + KEYS[form] + 1
    assert places(found) == [EXPECTATIONS[number][2]]


@pytest.mark.parametrize("form", FORMS)
def test_a_suite_that_holds_costs_nothing_more(folder: Path, form: str) -> None:
    holds: list[tuple[str, dict[str, Any], list[int]]] = [
        ("expect_column_values_to_be_between", {"column": "amount", "min_value": -1, "max_value": 1000}, []),
        ("expect_column_values_to_not_be_null", {"column": "id"}, []),
        ("expect_column_values_to_be_unique", {"column": "serial"}, []),
        ("expect_column_values_to_be_increasing", {"column": "serial"}, []),
        ("expect_compound_columns_to_be_unique", {"column_list": ["serial", "group", "part"]}, []),
        ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 1}, []),
        ("expect_column_median_to_be_between", {"column": "amount", "min_value": 1}, []),
        ("expect_column_distinct_values_to_equal_set", {"column": "state", "value_set": ["open", "done", "lost"]}, []),
    ]
    with open_files([folder], Limits(threads=2), FORMS[form]) as batch:
        first = batch.explain(first_needs([job(holds)], batch)[0])
        (found,) = run_suites([job(holds)], batch)
        assert list(first) == batch.queries
    assert all(entry.finding.success for entry in found.judged)


@pytest.mark.parametrize("form", ["plain", "hashes"])
def test_all_positions_at_complete_still_cost_one_query(folder: Path, form: str) -> None:
    with open_files([folder], Limits(threads=2), FORMS[form]) as batch:
        first = batch.explain(first_needs([job(EXPECTATIONS, "COMPLETE")], batch)[0])
        (found,) = run_suites([job(EXPECTATIONS, "COMPLETE")], batch)
        assert len(batch.queries) == len(first) + KEYS[form] + 1
    lists = [entry.finding.result["unexpected_index_list"] for entry in found.judged]
    assert lists[0] == [16, 17]
    assert lists[7] == list(range(99, ROWS, 100))
    assert lists[9] == list(range(ROWS))
    assert len(lists[4]) == sum(
        after["amount"] > before["amount"] for before, after in zip(rows(), rows()[1:], strict=False)
    )


def test_keys_without_a_partner_are_in_it(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "customers.parquet"
    pq.write_table(pa.table({"key": [*range(40), None]}), other)
    orphans = Orphans(keys=(column("customer"),), other=str(other), other_keys=("key",))
    order = OutOfOrder(argument=column("id"), direction="increasing", strictly=True)
    twice = Duplicated(keys=(column("code"),), where=exp.Is(this=column("code"), expression=exp.null()).not_())
    many = exp.GT(this=column("amount"), expression=literal(3))
    asked = [Rows(of=of, columns=("id",), limit=3) for of in (orphans, order, twice, many)]
    for form, tuning in FORMS.items():
        with open_files([folder], Limits(threads=2), tuning) as batch:
            found = batch.compute([orphans, order, twice, *asked])
            assert sum("headgate_places" in text for text in batch.queries) == 1, form
            assert "headgate_places" in batch.queries[-1]
        assert found[orphans] == ROWS / 40
        assert found[asked[0]] == Sample(count=75, columns=("id",), rows=((0,), (40,), (80,)), index=(0, 40, 80))
        assert found[asked[1]] == Sample(count=1, columns=("id",), rows=((16,),), index=(17,))
        assert found[asked[2]].index == (5, 2900)
        assert found[asked[3]].index == (4, 5, 6)


@pytest.mark.parametrize("form", FORMS)
def test_several_suites_on_one_table_cost_as_much_as_one_with_all_their_expectations(folder: Path, form: str) -> None:
    halves = [job(EXPECTATIONS[:5], name="a"), job(EXPECTATIONS[5:], name="b"), job(EXPECTATIONS[2:7], name="c")]
    with (
        open_files([folder], Limits(threads=1), FORMS[form]) as together,
        open_files([folder], Limits(threads=1), FORMS[form]) as one,
    ):
        found = run_suites(halves, together)
        run_suites([job(EXPECTATIONS)], one)
        assert sorted(map(len, together.queries)) == sorted(map(len, one.queries))
    assert [place for each in found for place in places(each)] == [
        shown for _, _, shown in (*EXPECTATIONS, *EXPECTATIONS[2:7])
    ]


def test_other_forms_of_data(folder: Path, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows())
    database, text = tmp_path / "d.duckdb", tmp_path / "t.csv"
    with duckdb.connect(str(database)) as connection:
        connection.register("source", table)
        connection.execute("CREATE TABLE rows AS SELECT * FROM source")
        connection.execute("CREATE VIEW seen AS SELECT * FROM rows")
        connection.execute(f"COPY rows TO '{text}'")
    ordered = [entry for entry in EXPECTATIONS if "creasing" not in entry[0]]
    opened: dict[str, DuckBatch] = {
        "arrow": open_arrow(table),
        "csv": open_files([text]),
        "table": open_database(database, "rows"),
    }
    for name, batch in opened.items():
        with batch:
            chosen = EXPECTATIONS if batch.ordered else ordered
            first = batch.explain(first_needs([job(chosen)], batch)[0])
            (found,) = run_suites([job(chosen)], batch)
            assert len(batch.queries) == len(first) + 1, name
            if batch.ordered:
                assert places(found) == [shown for _, _, shown in chosen]
            else:
                assert [entry.finding.result["unexpected_count"] for entry in found.judged][:3] == [2, 2, 2]
                assert sorted(found.judged[0].finding.result["partial_unexpected_list"]) == [16, 16]
                assert sorted(found.judged[4].finding.result["partial_unexpected_list"]) == ["lost"]
    with open_database(database, "seen") as seen:  # rows of a view have no place: each failure by itself
        (found,) = run_suites([job(ordered)], seen)
        assert [entry.finding.result["unexpected_count"] for entry in found.judged][:3] == [2, 2, 2]


@pytest.mark.parametrize("name", ["rows", "seen"])
def test_large_tables_of_a_duckdb_file(tmp_path: Path, name: str) -> None:
    """Rows of a table can be found again, those of a view cannot; both are counted right."""
    path = tmp_path / "d.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE rows AS SELECT n AS id, n % 70 AS small, 'c' || n AS code FROM range(150000) AS r(n)"
        )
        connection.execute("DELETE FROM rows WHERE id BETWEEN 100 AND 199")
        connection.execute("UPDATE rows SET id = 7 WHERE id IN (9, 140000)")
        connection.execute("UPDATE rows SET code = 'c1' WHERE id = 120000")
        connection.execute("CREATE VIEW seen AS SELECT * FROM rows")
    chosen: list[tuple[str, dict[str, Any], list[int]]] = [
        ("expect_column_values_to_be_unique", {"column": "id"}, []),
        ("expect_column_values_to_be_unique", {"column": "code"}, []),
        ("expect_column_values_to_be_between", {"column": "small", "max_value": 68}, []),
        ("expect_column_values_to_be_between", {"column": "id", "min_value": 8}, []),
    ]
    with open_database(path, name) as batch:
        first = batch.explain(first_needs([job(chosen)], batch)[0])
        (found,) = run_suites([job(chosen)], batch)
        assert len(batch.queries) == len(first) + 1 or name == "seen"
    results = [entry.finding.result for entry in found.judged]
    assert [result["unexpected_count"] for result in results] == [3, 2, 2141, 10]
    assert results[0]["partial_unexpected_list"] == [7, 7, 7]
    assert results[1]["partial_unexpected_list"] == ["c1", "c1"]
    assert results[2]["partial_unexpected_list"] == [69] * 20
    assert sorted(results[3]["partial_unexpected_list"]) == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]
    assert all("partial_unexpected_index_list" not in result for result in results)


def test_different_keys_with_one_hash_are_told_apart(folder: Path) -> None:
    """A hash table that is wrong on purpose: the proof in the same query fails, and the plain way is gone."""
    with open_files([folder], tuning=FORMS["hashes"]) as batch:
        metric = Duplicated(keys=(column("code"),))
        batch.compute([Count()])
        equal = batch.connection.execute('SELECT hash("code") FROM headgate_batch LIMIT 3').rows
        values = ", ".join(f"({row[0]}::UBIGINT)" for row in equal)
        batch.connection.execute(f"CREATE TEMP TABLE wrong AS SELECT * FROM (VALUES {values}) AS t(h)")
        from gates.quality.engines.duck_rows import Equal, Failing, second_pass

        shown = Rows(of=metric, columns=("code",), limit=5)
        step = second_pass(
            [Failing(metric=metric, shown=(shown,), equal=Equal(table="wrong", size=2))], batch.source, batch.dialect
        )
        answer = batch.send(batch.text(step))
        assert dict(step.read(answer.columns, answer.rows)) == {}
        batch.run(step)
        assert batch.compute([metric, shown])[metric] == 2
        assert batch.compute([shown])[shown].index == (5, 2900)


@pytest.mark.parametrize("form", FORMS)
def test_names_that_the_query_itself_uses(tmp_path: Path, form: str) -> None:
    names = [
        "place",
        "number",
        "value",
        "h",
        "t",
        "mark_0",
        "value_0",
        "headgate_found",
        "headgate_key_0",
        'a"; --',
        "n",
    ]
    pq.write_table(pa.table({name: [5, 6, 5, None, 9, 4] for name in names}), tmp_path / "a.parquet")
    with open_files([tmp_path], tuning=FORMS[form]) as batch:
        for name in names:
            there = exp.Is(this=column(name), expression=exp.null()).not_()
            asked = [
                Rows(of=Duplicated(keys=(column(name),), where=there), columns=(name,), limit=3),
                Rows(of=Duplicated(keys=(column(name), column("n")), where=there), columns=("n",), limit=3),
                Rows(of=exp.GT(this=column(name), expression=literal(5)), columns=(name,), limit=3),
                Rows(
                    of=OutOfOrder(argument=column(name), direction="increasing", where=there), columns=("n",), limit=3
                ),
            ]
            found = batch.compute(asked)
            assert [found[metric].index for metric in asked] == [(0, 2), (0, 2), (1, 4), (2, 5)], name
            assert "headgate_places" in batch.queries[-1]


def test_a_condition_that_breaks_takes_only_itself(folder: Path) -> None:
    broken = exp.GT(this=exp.cast(column("state"), "int"), expression=literal(1))
    fine = Rows(of=exp.EQ(this=column("state"), expression=literal("lost")), columns=("id",), limit=2)
    bad = Rows(of=broken, columns=("id",), limit=2)
    with open_files([folder]) as batch:
        found = batch.compute([fine, bad])
    assert found[fine] == Sample(count=1, columns=("id",), rows=((70,),), index=(70,))
    assert "Conversion Error" in found[bad].reason


def test_a_database_reads_its_table_once_more_for_all_conditions(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "d.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE rows (id INTEGER, amount REAL, state TEXT, note TEXT)")
    connection.executemany(
        "INSERT INTO rows VALUES (?, ?, ?, ?)",
        [(row["id"], row["amount"], row["state"], row["note"]) for row in rows()],
    )
    connection.commit()
    connection.close()
    chosen = [entry for entry in EXPECTATIONS if entry[1].get("column") in {"amount", "state", "note"}]
    chosen = [entry for entry in chosen if "creasing" not in entry[0]]
    with open_sqlite(f"sqlite:///{path}", "rows", Limits()) as batch:
        first = batch.explain(first_needs([job(chosen)], batch)[0])
        (found,) = run_suites([job(chosen)], batch)
        assert len(batch.queries) == len(first) + 1
    results = [entry.finding.result for entry in found.judged]
    assert [sorted(result["partial_unexpected_list"], key=str) for result in results[:2]] == [[-1.0, 1000.0], ["lost"]]
    assert [result["unexpected_count"] for result in results] == [2, 1, 30]
    assert len(results[2]["partial_unexpected_list"]) == 20


def test_no_result_no_rows(folder: Path) -> None:
    with open_files([folder]) as batch:
        plain = job(EXPECTATIONS, "BOOLEAN_ONLY")
        first = batch.explain(first_needs([plain], batch)[0])
        (found,) = run_suites([plain], batch)
        assert len(batch.queries) == len(first)
    assert not any(entry.finding.success for entry in found.judged)
