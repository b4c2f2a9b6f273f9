"""Large batches in DuckDB: what is sent once, what goes on side by side, and numbers worked with outside DuckDB."""

from __future__ import annotations

import math
import os
import statistics
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import duckdb
import numpy as np
import pytest
from sqlglot import exp

from gates.quality.engines import duck_arrays
from gates.quality.engines.duck_arrays import Numbers
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_facts import Tuning
from gates.quality.engines.duckdb import open_files
from gates.quality.engines.open import Limits
from gates.quality.metrics import Aggregate, Count, Duplicated, Failed, Metric, Quantiles
from gates.quality.sql import column, literal, not_null
from headgate.errors import RemoteTimeoutError

EVERYTHING = Tuning(planned=0, hashed=0)


@pytest.fixture
def orders(tmp_path: Path) -> str:
    path = tmp_path / "orders.parquet"
    query = "SELECT i AS id, 'order ' || i AS name, i / 4 AS price, CASE WHEN i % 9 > 0 THEN i END AS code FROM range(5000) t(i)"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT id, name, price::DOUBLE AS price, code FROM ({query})) TO '{path}'")
    return str(path)


def test_what_floats_turn_out_not_to_change_is_asked_once(orders: str) -> None:
    """Every price is above zero, which is known once prices are read: both metrics are then the same one."""
    above = exp.GTE(this=column("price"), expression=literal(0.0))
    plain, conditional = Duplicated(keys=(column("name"),)), Duplicated(keys=(column("name"),), where=above)
    missing = exp.Is(this=column("code"), expression=exp.null())
    odd = exp.EQ(this=exp.Mod(this=column("code"), expression=literal(2)), expression=literal(1))
    metrics: list[Metric] = [
        plain,
        conditional,
        Count(condition=odd),
        Count(condition=odd, where=above),
        Count(condition=missing),
    ]
    with open_files([orders], tuning=EVERYTHING) as batch:
        explained = batch.explain(metrics)
        values = batch.compute(metrics)
        assert [values[metric] for metric in metrics] == [0, 0, 2222, 2222, 556]
        assert sum("HASH" in query for query in batch.queries) == 1
        assert sum("% 2" in query for query in batch.queries) == 1
        assert tuple(batch.queries[-len(explained) :]) == explained


def test_what_is_about_floats_is_learnt_while_hashes_are_sorted(orders: str) -> None:
    metrics: list[Metric] = [
        Duplicated(keys=(column("name"),)),
        Quantiles(argument=column("price"), probabilities=(0.5,), where=not_null(column("price"))),
    ]
    with open_files([orders], tuning=EVERYTHING) as batch:
        values = batch.compute(metrics)
        assert [values[metric] for metric in metrics] == [0, (624.75,)]
        kinds = ["HASH" in query for query in batch.queries if "HASH" in query or query.startswith('SELECT "price"')]
        assert kinds == [True, False]


def test_each_thread_has_a_cursor_of_its_own(tmp_path: Path) -> None:
    connection = DuckConnection(Limits(temp_directory=tmp_path))
    connection.execute("CREATE VIEW numbers AS SELECT range AS n FROM range(200000)")
    together = Barrier(3, timeout=60)

    def asked(number: int) -> Any:
        together.wait()
        return [connection.beside(f"SELECT sum(n) + {number} FROM numbers").rows[0][0] for _ in range(5)]

    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            found = [pool.submit(asked, number) for number in range(2)]
            together.wait()
            mine = [connection.execute("SELECT count(*) FROM numbers").rows[0][0] for _ in range(5)]
            assert [future.result() for future in found] == [[19999900000] * 5, [19999900001] * 5]
        assert mine == [200000] * 5
        connection.interrupt()  # of what has ended, too
    finally:
        connection.close()
    assert connection.closing_error == ""
    assert list(tmp_path.iterdir()) == []


def test_what_waits_for_a_thread_is_not_begun_after_an_interrupt(tmp_path: Path) -> None:
    connection = DuckConnection(Limits(temp_directory=tmp_path))
    try:
        connection.interrupt()  # between two queries: none is running
        for ask in (connection.execute, connection.beside, connection.arrays):
            with pytest.raises(RemoteTimeoutError):
                ask("SELECT 1 AS n")
    finally:
        connection.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [None, "7"])
def test_numpy_comes_without_threads_and_leaves_no_setting(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if before is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", before)
    duck_arrays.load()
    assert os.environ.get("OPENBLAS_NUM_THREADS") == before


@pytest.mark.parametrize("size", [2, 3, 65_536, 65_537, 150_000])
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_deviations_are_those_of_the_whole(size: int, offset: float) -> None:
    values = np.random.default_rng(size).normal(offset, 3, size)
    this = column("x")
    variance = Aggregate(function="variance", argument=this)
    deviation = Aggregate(function="stddev", argument=this)
    found = Numbers(values=values).answers("x", [variance, deviation])
    expected = statistics.variance(values.tolist())
    assert found[variance] == pytest.approx(expected, rel=1e-9)
    assert found[deviation] == pytest.approx(expected**0.5, rel=1e-9)


@pytest.mark.parametrize("size", [2, 200_000])
def test_deviations_of_huge_numbers_are_infinite_and_nothing_is_said(size: int) -> None:
    values = np.resize([5e151, -5e151], size) if size > 2 else np.array([1e200, -1e200])
    deviation = Aggregate(function="stddev", argument=column("x"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Numbers(values=values).answers("x", [deviation]) == {deviation: math.inf}


@pytest.mark.parametrize("odd", [[1e308, 1e308], [math.inf, -math.inf], [math.nan, 1.0]])
def test_numbers_that_have_no_sum_are_left_to_duckdb_silently(odd: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert duck_arrays.numbers(np.array(odd)) is None


def test_half_a_surrogate_pair_takes_no_other_metric_with_it(orders: str) -> None:
    tuning = Tuning(planned=0, hashed=0, dictionary_bytes=1e9)
    known = Count(condition=exp.In(this=column("name"), expressions=[literal("order 1")]))
    broken = Count(condition=exp.In(this=column("name"), expressions=[literal("\ud800")]))
    in_set = Quantiles(argument=column("code"), probabilities=(0.5,), where=broken.condition)
    unique = Duplicated(keys=(column("name"),))
    for chosen in (EVERYTHING, tuning, Tuning()):
        with open_files([orders], tuning=chosen) as batch:
            assert any("surrogate" in query or "HASH" in query for query in batch.explain([broken, unique]))
            values = batch.compute([known, broken, in_set, unique])
            assert (values[known], values[unique]) == (1, 0)
            assert isinstance(values[broken], Failed)
            assert isinstance(values[in_set], Failed)
