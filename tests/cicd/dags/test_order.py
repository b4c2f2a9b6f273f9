"""Kinds and levels from the import graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.imports import sketch_of
from cicd.dags.model import Kind
from cicd.dags.order import Sketched, glance, place, place_read
from tests.testing.dag_stores import PlainContent, desired

DAG = "from airflow.sdk import DAG\n"


def levels(sources: dict[str, str], *roots: str) -> dict[str, int]:
    return {path: placed.level for path, placed in place({k: v.encode() for k, v in sources.items()}, roots).items()}


def kinds(sources: dict[str, str]) -> dict[str, Kind]:
    return {path: placed.kind for path, placed in place({k: v.encode() for k, v in sources.items()}).items()}


@pytest.mark.parametrize(
    "statement",
    [
        "import lib.tables",
        "import lib.tables as t",
        "from lib import tables",
        "from lib.tables import ORDERS",
        "from lib.tables import *",
        "from .lib import tables",
        "from . import lib\nfrom .lib.tables import ORDERS",
        "def late():\n    import lib.tables",
        "try:\n    import lib.tables\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    import lib.tables",
        "if True:\n    pass\nelse:\n    with a as b: import lib.tables",
        "match x:\n    case 1:\n        import lib.tables",
        "class A:\n    async def f(self):\n        for i in x: pass; import lib.tables",
        "from\\\n  .\\\n  lib import tables",
    ],
)
def test_what_a_dag_imports_arrives_before_it(statement: str) -> None:
    found = levels({"dag.py": DAG + statement, "lib/tables.py": "", "lib/__init__.py": ""})
    assert found["dag.py"] > found["lib/tables.py"]
    assert found["dag.py"] > found["lib/__init__.py"]


def test_relative_imports_climb() -> None:
    found = levels({"a/b/c.py": "from ..d import x\nfrom . import e", "a/d.py": "", "a/b/e.py": "", "d.py": ""})
    assert found == {"a/b/c.py": 1, "a/d.py": 0, "a/b/e.py": 0, "d.py": 0}
    assert levels({"a.py": "from .. import b", "b.py": ""}) == {"a.py": 0, "b.py": 0}


def test_the_folder_may_be_imported_under_its_own_name() -> None:
    sources = {"dag.py": "from team_a.lib import x", "lib.py": ""}
    assert levels(sources, "team_a")["dag.py"] == 1
    assert levels(sources)["dag.py"] == 0


def test_chains_become_layers_and_cycles_share_one() -> None:
    found = levels(
        {"a.py": "import b", "b.py": "import c", "c.py": "import b\nimport d", "d.py": "", "e.py": "import a"}
    )
    assert found == {"d.py": 0, "b.py": 1, "c.py": 1, "a.py": 2, "e.py": 3}


def test_kinds() -> None:
    found = kinds(
        {
            "dag.py": DAG + "import dag_helpers",
            "dag_helpers.py": "# airflow dag utilities",
            "plain.py": "x = 1",
            "query.sql": "select 1",
            "bundle.zip": "PK",
            "sub/.airflowignore": "x",
        }
    )
    assert found == {
        "dag.py": Kind.DAG,
        "dag_helpers.py": Kind.MODULE,
        "plain.py": Kind.MODULE,
        "query.sql": Kind.DATA,
        "bundle.zip": Kind.DAG,
        "sub/.airflowignore": Kind.IGNORE,
    }


@pytest.mark.parametrize("text", ["def broken(", "\x00", "import \xff"])
def test_a_file_that_cannot_be_parsed_imports_nothing(text: str) -> None:
    assert levels({"a.py": text, "b.py": ""})["a.py"] == 0


modules = st.integers(min_value=0, max_value=6)


@given(edges=st.sets(st.tuples(modules, modules)))
def test_an_import_outside_of_any_cycle_is_always_on_a_lower_level(edges: set[tuple[int, int]]) -> None:
    sources = {f"m{n}.py": "\n".join(f"import m{b}" for a, b in sorted(edges) if a == n) for n in range(7)}
    found = levels(sources)
    below: dict[int, set[int]] = {n: {b for a, b in edges if a == n and b != n} for n in range(7)}
    reach = {n: set(direct) for n, direct in below.items()}
    for _ in range(7):
        reach = {n: seen.union(*(reach[m] for m in seen)) for n, seen in reach.items()}
    for a, b in edges:
        if a != b:
            expected = (
                found[f"m{a}.py"] == found[f"m{b}.py"] if a in reach[b] else found[f"m{a}.py"] > found[f"m{b}.py"]
            )
            assert expected


@given(edges=st.sets(st.tuples(modules, modules)), dags=st.sets(modules))
def test_sketches_give_the_same_order_and_files_that_need_not_be_read_are_not(
    edges: set[tuple[int, int]], dags: set[int]
) -> None:
    sources = {
        f"m{n}.py": "\n".join(
            [DAG if n in dags else "import os", *(f"import m{b}" for a, b in sorted(edges) if a == n)]
        ).encode()
        for n in range(7)
    }
    read: list[str] = []

    def taken(path: str) -> bytes:
        read.append(path)
        return sources[path]

    sketched = {path: Sketched(sketch_of(text), lambda path=path: taken(path)) for path, text in sources.items()}  # type: ignore[misc]
    found = place_read(sources, lambda paths: ((path, sketched[path]) for path in paths))
    assert dict(found) == dict(place(sources))
    assert set(read) == {f"m{a}.py" for a, _ in edges}


def test_contents_that_keep_no_sketches_are_read() -> None:
    content, (file,) = PlainContent({"a.py": b"import b"}), desired({"a.py": b"import b"})
    assert glance(content, file) == b"import b"
