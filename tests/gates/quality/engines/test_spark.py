"""The Spark engine, on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlglot import exp

from gates.quality.engines.open import Limits
from gates.quality.engines.spark import connect
from gates.quality.metrics import Count, Kind, Orphans
from gates.quality.sql import column, literal, text_length
from headgate.errors import ConfigError, RemoteTimeoutError
from tests.gates.quality.engines.benches import LIMITS, FileBench, opened
from tests.gates.quality.engines.contract import TABLES, EngineContract, Table, aggregate, count, than

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark: java is not installed")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileBench]:
    """One Spark for the module; every batch has a session of its own in it."""
    made = FileBench(tmp_path_factory.mktemp("spark"), "spark")
    for table in TABLES:
        made.make(table)
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # starts fast
        spark = connect("local[2]", Limits(threads=2))
        stack.callback(spark.close)
        spark.session.conf.set("spark.sql.codegen.wholeStage", "false")
        yield made


class TestContract(EngineContract):
    """The contract of every engine."""

    quick = False


def test_text_files_of_several_folders(bench: FileBench, tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        folder = tmp_path / "odd [name]" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text('k,s\n1,"a,""b"""\n2,x\n', encoding="utf-8")
    (tmp_path / "other.jsonl").write_text('{"k": 1}\n{"k": 3}\n', encoding="utf-8")
    lost = Orphans(keys=(column("k"),), other=str(tmp_path / "other.jsonl"), other_keys=("k",))
    quoted = count(than(exp.EQ, column("s"), 'a,"b"'))
    with opened(str(tmp_path / "odd [name]"), engine="spark", limits=LIMITS) as batch:
        kinds = {column.name: column.kind for column in batch.schema().columns}
        assert batch.compute([Count(), lost, quoted]) == {Count(): 4, lost: 2, quoted: 2}
    assert kinds == {"k": Kind.INTEGER, "s": Kind.STRING, "day": Kind.DATE}


def test_columns_that_differ_in_case_only(bench: FileBench) -> None:
    bench.make(Table(name="cases", columns=(("K", Kind.INTEGER), ("k", Kind.INTEGER)), rows=((1, 10), (2, 20))))
    upper, lower = aggregate("sum", column("K")), aggregate("sum", column("k"))
    with bench.batch("cases") as batch:
        assert batch.compute([upper, lower]) == {upper: 3, lower: 30}


def test_a_text_with_a_variable_stays_a_text(bench: FileBench) -> None:
    metric = count(than(exp.EQ, literal("${env:PATH}"), "${" + "env:PATH}"))
    written = count(exp.EQ(this=text_length(literal("${env:PATH}")), expression=literal(11)))
    with bench.batch("orders") as batch:
        assert batch.compute([metric, written]) == {metric: 6, written: 6}


def test_a_query_that_takes_too_long(bench: FileBench) -> None:
    with (
        opened(bench.other("orders"), engine="spark", limits=Limits(statement_timeout_s=1)) as batch,
        pytest.raises(RemoteTimeoutError),
    ):
        batch.connection.execute("SELECT SUM(a.id * b.id % 7) FROM RANGE(10000000) a CROSS JOIN RANGE(10000000) b")


@pytest.mark.parametrize("content", [b"", b"PAR1 this is no Parquet file PAR1"])
def test_a_file_that_is_none(bench: FileBench, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(ConfigError):
        opened(str(tmp_path / "x.parquet"), engine="spark", limits=LIMITS)


def test_a_table_of_the_catalogue(bench: FileBench) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        opened("spark://local", table="nowhere", limits=LIMITS)
