"""Names that are handled, names that are refused, and globs."""

from __future__ import annotations

import pytest

from cicd.dags.names import check_name, name_problem, selector
from headgate.errors import UnsafeActionError


@pytest.mark.parametrize(
    "path", ["a.py", "a b.py", "100%.sql", "a#b?.txt", "x*[1].json", "é/ü.py", "🚀/dag.py", "a:b", ".airflowignore"]
)
def test_odd_but_fine(path: str) -> None:
    assert name_problem(path) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a//b", "empty component"),
        ("a/", "empty component"),
        ("", "empty component"),
        ("a\nb", "control character"),
        ("a\rb", "control character"),
        ("a\x00b", "control character"),
        ("a\\b", "backslash"),
        ("a\ufffdb", "UTF-8"),
        (f"a{chr(0xD800)}b", "UTF-8"),
        (".headgate/x", "reserved"),
        ("a/.headgate/x", "reserved"),
        ("/".join(["x" * 200] * 6), "1024 bytes"),
        ("é" * 128, "255 bytes"),
    ],
)
def test_refused(path: str, reason: str) -> None:
    with pytest.raises(UnsafeActionError, match=reason):
        check_name(path, where="dags at abc")


def test_the_prefix_counts_towards_the_limit() -> None:
    path = "/".join(["x" * 200] * 5)
    assert name_problem(path, prefix="d" * 19 + "/") is None
    assert name_problem(path, prefix="d" * 20 + "/") is not None


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("**/*", ["a", "a/b", "a/b/c"], []),
        ("*.py", ["a.py"], ["a/b.py", "apy"]),
        ("**/*.py", ["a.py", "a/b.py"], ["a.pyc"]),
        ("lib/**", ["lib/a", "lib/a/b"], ["a/lib/b", "lib"]),
        ("**/__pycache__/**", ["__pycache__/a", "x/__pycache__/b/c"], ["pycache/a"]),
        ("a?.sql", ["ab.sql"], ["a/.sql", "abc.sql"]),
        ("[ab].py", ["a.py", "b.py"], ["c.py"]),
        ("[!ab].py", ["c.py"], ["a.py"]),
        ("a[.py", ["a[.py"], ["a.py"]),
        ("a+b.py", ["a+b.py"], ["aab.py"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    chosen = selector([glob], [])
    assert [path for path in matching if not chosen(path)] == []
    assert [path for path in other if chosen(path)] == []


def test_exclude_wins() -> None:
    chosen = selector(["**/*"], ["**/*.pyc"])
    assert chosen("a.py")
    assert not chosen("x/a.pyc")
