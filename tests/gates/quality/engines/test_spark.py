"""The Spark engine, on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gates.quality.engines.open import Limits
from gates.quality.engines.spark import connect
from tests.gates.quality.engines.benches import FileBench
from tests.gates.quality.engines.contract import TABLES, EngineContract

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
