"""Import statements without parsing: the same as Python's own parser finds."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.imports import Import, imports_of, may_import, might_contain_dag, sketch_of


def parsed(text: bytes) -> frozenset[Import]:
    """What Python's parser finds."""
    found: set[Import] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in the files that are read
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {Import(level=0, module=alias.name, name=None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {Import(level=node.level, module=node.module or "", name=alias.name) for alias in node.names}
    return frozenset(found)


LINES = [
    "import a",
    "import a.b as c, d",
    "from a import b",
    "from a.b import (c,\n  d as e,  # not ) yet\n  f)",
    "from . import a",
    "from ..a import *",
    "from.a import b",
    "from a import(b)",
    "from a \\\n  import b, \\\n  c",
    "if x: import a; from b import c",
    "try:\n  import a\nexcept ImportError:\n  a = None",
    "def f():\n\timport a",
    "x = 1; import a",
    "'''from a import b\nimport c'''",
    '"""\nimport a\n"""',
    "x = 'it\\'s; import a'",
    'r"\\\\"; import a',
    "x = b'''\nfrom a import b\n'''",
    'f"{x!r}; import a"',
    "# import a",
    "x = '#'; import a",
    "important = 1\nimport_a = 2",
    "raise E from e",
    "def g():\n  yield from a",
    "x = {'from': 1, 'import': 2}",
    'y = "a" "b"; import c # d "',
    "import ünïcode",
    "x = ''\nimport a\ny = ''''''\nimport b",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_form(line: str, end: str) -> None:
    text = (line + "\n").replace("\n", end).encode()
    assert imports_of(text) == parsed(text)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_forms_one_after_the_other(lines: list[str]) -> None:
    text = "\n".join(lines).encode()
    assert imports_of(text) == parsed(text)


def test_the_standard_library() -> None:
    files = sorted(Path(sysconfig.get_path("stdlib"), "asyncio").glob("*.py"))
    files += sorted(Path(sysconfig.get_path("stdlib"), "email").glob("*.py"))
    assert len(files) > 30
    for path in files:
        text = path.read_bytes()
        assert imports_of(text) == parsed(text), path.name


@pytest.mark.parametrize(
    "text", [b"", b"\x00import", b"import", b"from x import (", b"'''import a", b"\xff\xfeimport a"]
)
def test_no_python_is_no_error(text: bytes) -> None:
    assert imports_of(text) == frozenset()


def begins_with(text: bytes) -> set[bytes]:
    """First names of everything imported absolutely; `.` when something is imported relatively."""
    return {b"." if item.level else item.module.partition(".")[0].encode() for item in parsed(text)}


def assert_nothing_is_missed(text: bytes) -> None:
    """A sketch never rules out a name that is imported."""
    for name in begins_with(text):
        assert may_import(sketch_of(text), frozenset() if name == b"." else frozenset({name})), name


MORE = [
    *LINES,
    "from \\\n\\\n  a \\\n .b \\\nimport c",
    "from \\\n . \\\n import a",
    "from\\\n.import a",
    "import x, \\\n  a.b as c, \\\n d",
    "x = (1,\n 2); import a; y = '''\nimport b'''; import c",
    "from x import (a,\n  b); import c",
    "if 1:\n\timport a; from b import (\n#import\nc)",
    "\fimport a",
    "import \ufb01le",
    "s = '\\\\'\nimport a",
    "s = 'text \\\nimport b'\nimport a",
]


@given(st.lists(st.sampled_from(MORE), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_a_sketch_misses_no_import(lines: list[str], end: str) -> None:
    assert_nothing_is_missed("\n".join(lines).replace("\n", end).encode())


def test_a_sketch_misses_nothing_in_the_standard_library() -> None:
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-e]*.py")):
        assert_nothing_is_missed(path.read_bytes())


def test_what_a_sketch_rules_out() -> None:
    text = b"from airflow.sdk import DAG\nimport shop_common\n# shop.x is not meant\n"
    assert not may_import(sketch_of(text), frozenset({b"shop", b"common", b"x"}))
    assert may_import(sketch_of(text), frozenset({b"shop_common"}))
    assert not may_import(sketch_of(b"x = 1"), frozenset({b"x"}))


def test_a_file_with_too_many_lines_counts_as_importing() -> None:
    text = b"import %s\n" % b"x" * 5000
    assert sketch_of(text).lines is None
    assert may_import(sketch_of(text), frozenset({b"y"}))


@pytest.mark.parametrize(
    ("text", "might"),
    [
        (b"from airflow.sdk import DAG", True),
        (b"airflow dag", True),
        (b"AirFlow and dAg", True),
        (b"airflow", False),
        (b"dag", False),
        (b"", False),
    ],
)
def test_airflows_safe_mode(text: bytes, might: bool) -> None:
    assert might_contain_dag(text) is might
