"""A sample of the cases on Spark: what Great Expectations says on pandas, or our own answer on SQLite.

That answer is held to Great Expectations on SQL in `test_databases`; Great Expectations on Spark takes minutes.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gates.quality.engines.open import Limits, open_batch
from gates.quality.engines.spark import connect
from gates.quality.metrics import Aggregate
from gates.quality.sql import column
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.compare import differences
from tests.gates.quality.parity.conftest import Both
from tests.gates.quality.parity.differences import explained
from tests.gates.quality.parity.load import load
from tests.gates.quality.parity.ours import judge, not_planned
from tests.gates.quality.parity.tables import tables

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark: java is not installed"),
    pytest.mark.timeout(400),
    pytest.mark.slow,
]
NAMES = ("people", "pairs")


def sample() -> tuple[Case, ...]:
    """A case of every type; none with NaN or zones, which SQLite does not have."""
    taken: dict[str, list[Case]] = {}
    for case in all_cases():
        if case.table in NAMES and case.oracle == "pandas" and not any(f'"{name}"' in case.id for name in ("tz", "f")):
            taken.setdefault(case.type, []).append(case)
    return tuple(cases[len(cases) // 2] for cases in taken.values())


@pytest.fixture(scope="module")
def spark() -> Iterator[None]:
    """One Spark for all batches, which starts fast."""
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        environment.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        running = connect("local[2]", Limits(threads=2))
        stack.callback(running.close)
        yield


def test_a_sample_says_what_great_expectations_says(spark: None, asked: Both, folder: Path, tmp_path: Path) -> None:
    cases = sample()
    path = tmp_path / "tables.db"
    connection = sqlite3.connect(path, isolation_level=None)
    load(
        tables(), "sqlite", lambda text, rows: connection.executemany(text, rows) if rows else connection.execute(text)
    )
    connection.close()
    on_sqlite = judge(cases, lambda table: open_batch(f"sqlite:///{path}", table=table))
    ours = judge(cases, lambda table: open_batch(str(folder / f"{table}.parquet"), engine="spark"))
    on_pandas = asked.answers()
    aside = not_planned(ours)
    wrong = {
        case.id: found
        for case in cases
        if case.id not in aside and not explained(case, "duckdb")
        for found in [differences(on_pandas[case.id], ours[case.id], ordered=False)]
        if found and differences(on_sqlite[case.id], ours[case.id], ordered=False)
    }
    assert not wrong, "\n".join(f"{name}\n  {found}" for name, found in wrong.items())
    assert len(cases) - len(aside) >= 40


def test_moments_do_not_depend_on_where_the_machine_is(
    spark: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = open_batch(str(folder / "people.parquet"), engine="spark")
    first = Aggregate(function="max", argument=column("tz"))
    try:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = batch.compute([first])[first]
    finally:
        monkeypatch.undo()
        time.tzset()
        batch.close()
    assert found == datetime(2100, 1, 1, tzinfo=UTC)
