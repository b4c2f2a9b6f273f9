"""Random tables: what is counted is what counting by hand gives, and order of rows and layout of files change nothing."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates.quality.compare.model import Comparison
from gates.verdict import Outcome
from tests.testing.tables import compared, judged, write_rows

Row = tuple[Any, ...]
Tables = tuple[list[Row], list[Row]]

COLUMNS = {"id": "INTEGER", "text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMP"}
TIMES = ["2026-01-01 00:00:00", "2026-07-01 12:30:00", None]

keys = st.one_of(st.none(), st.integers(0, 12))
values = st.tuples(
    keys,
    st.sampled_from(["", "a", "b", "ä ' \" ;", None]),
    st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf"), None]),
    st.sampled_from(TIMES),
)
once = st.lists(values, max_size=14, unique_by=lambda row: row[0])
often = st.lists(values, max_size=14)
related = st.tuples(st.one_of(once, often), st.one_of(once, often)).flatmap(
    lambda pair: st.sampled_from([pair, (pair[0], pair[0]), (pair[0], pair[0] + pair[1][:2]), (pair[0], pair[0][1:])])
)

QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def same(row: Row) -> Row:
    """Values as they are equal for a table: -0.0 is 0.0, and NaN is itself."""
    return tuple("nan" if isinstance(v, float) and v != v else (v + 0.0 if isinstance(v, float) else v) for v in row)


def write(folder: Path, name: str, rows: Sequence[Row]) -> Path:
    return write_rows(folder / f"{name}.parquet", COLUMNS, rows)


def scattered(folder: Path, name: str, rows: Sequence[Row], seed: int) -> str:
    """The same rows in another order, over several files."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    middle = len(shuffled) // 3
    for number, part in enumerate((shuffled[:middle], shuffled[middle:])):
        write(folder / name, f"part-{number}", part)
    return str(folder / name / "*.parquet")


@given(related)
@QUICK
def test_counts_by_key_are_those_of_counting_by_hand(folder: Path, tables: Tables) -> None:
    base, head = ([same(row) for row in table] for table in tables)
    found = compared(write(folder, "base", tables[0]), write(folder, "head", tables[1]), "id")
    assert (found.base_rows, found.head_rows) == (len(base), len(head))
    if not base or not head:
        assert found.keys is None
        return
    by_key = [group(table) for table in (base, head)]
    shared = by_key[0].keys() & by_key[1].keys()
    changed = {key for key in shared if by_key[0][key] != by_key[1][key]}
    counted = found.keys
    assert counted is not None
    assert counted.matched == len(shared)
    assert (counted.lost, counted.added) == (len(by_key[0]) - len(shared), len(by_key[1]) - len(shared))
    assert counted.changed == len(changed)
    repeated = [{key: rows for key, rows in table.items() if rows.total() > 1} for table in by_key]
    assert (counted.duplicated_base, counted.duplicated_head) == (len(repeated[0]), len(repeated[1]))
    assert counted.duplicate_rows_head == sum(rows.total() for rows in repeated[1].values())
    single = [key for key in shared if by_key[0][key].total() == by_key[1][key].total() == 1]
    for at, name in enumerate(("text", "number", "time"), start=1):
        wanted = sum(next(iter(by_key[0][key]))[at] != next(iter(by_key[1][key]))[at] for key in single)
        assert sum(change.changed for change in found.changes if change.name == name) == wanted, name
    assert found.identical == (Counter(base) == Counter(head))


def group(table: Sequence[Row]) -> dict[Any, Counter[Row]]:
    grouped: dict[Any, Counter[Row]] = {}
    for row in table:
        grouped.setdefault(row[0], Counter())[row] += 1
    return grouped


@given(related)
@QUICK
def test_whole_rows_are_counted_as_multisets(folder: Path, tables: Tables) -> None:
    base, head = (Counter(same(row)[1:] for row in table) for table in tables)
    paths = (write(folder, "base", tables[0]), write(folder, "head", tables[1]))
    found = compared(*paths, ignore=("id",))
    if not base or not head:
        assert found.keys is None
        return
    assert found.keys is not None
    # Where a column happens to be unique on both sides, one lost and one added row of one key is a changed one.
    changed = found.keys.changed
    assert (found.keys.lost + changed, found.keys.added + changed) == ((base - head).total(), (head - base).total())
    assert found.keys.matched - changed == (base & head).total()
    assert found.identical == (base == head)


@given(related, st.integers(0, 1000), st.booleans())
@QUICK
def test_order_and_files_change_nothing(folder: Path, tables: Tables, seed: int, keyed: bool) -> None:
    key = ("id",) if keyed else ()
    head = write(folder, "head", tables[1])
    plain = compared(write(folder, "base", tables[0]), head, *key)
    moved = compared(scattered(folder, "base", tables[0], seed), scattered(folder, "head", tables[1], seed + 1), *key)
    assert told(moved) == told(plain)
    itself = compared(head, scattered(folder, "head", tables[1], seed), *key)
    assert itself.identical == bool(tables[1])
    assert judged(itself).outcome is (Outcome.PASS if tables[1] else Outcome.INCONCLUSIVE)


def told(found: Comparison) -> str:
    """Everything but where it was read and how; as text, in which NaN is equal to itself."""
    return repr(replace(found, base="", head="", queries=()))


@given(related)
@QUICK
def test_base_and_head_are_mirror_images(folder: Path, tables: Tables) -> None:
    base, head = write(folder, "base", tables[0]), write(folder, "head", tables[1])
    there, back = compared(base, head, "id").keys, compared(head, base, "id").keys
    if there is None or back is None:
        assert there is back
        return
    assert (there.lost, there.added, there.matched, there.changed) == (
        back.added,
        back.lost,
        back.matched,
        back.changed,
    )
