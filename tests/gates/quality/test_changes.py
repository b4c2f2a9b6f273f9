"""Which checks a change concerns: the default is that it does."""

from __future__ import annotations

import pytest

from gates.quality.changes import concerned


@pytest.mark.parametrize(
    ("paths", "changed", "expected"),
    [
        (("pipelines/*.py",), None, True),  # nobody knows what changed
        ((), ("README.md",), True),  # nobody said what it is made from
        (("pipelines/*.py",), (), False),
        (("pipelines/*.py",), ("README.md",), False),
        (("pipelines/*.py",), ("pipelines/a.py",), True),
        (("pipelines/*.py",), ("pipelines/sub/a.py",), False),
        (("pipelines/**/*.py",), ("pipelines/a.py",), True),
        (("pipelines/**/*.py",), ("pipelines/x/y/a.py",), True),
        (("pipelines/**",), ("pipelines/x/y/a.sql",), True),
        (("**/orders*",), ("orders.sql",), True),
        (("**/orders*",), ("a/b/orders.sql",), True),
        (("pipelines",), ("pipelines/x/a.py",), True),  # a folder is what is below it
        (("pipelines",), ("pipelines2/a.py",), False),
        (("./pipelines/",), ("pipelines/a.py",), True),
        (("p?[ab].py",), ("pxa.py",), True),
        (("p[!ab].py",), ("pa.py",), False),
        (("p[!ab].py",), ("pc.py",), True),
        (("a+b(c).py",), ("a+b(c).py",), True),  # no regular expression
        (("[a-c]x",), ("bx",), True),
        (("x",), ("suite.json",), True),  # its own files always count
    ],
)
def test_what_a_change_concerns(paths: tuple[str, ...], changed: tuple[str, ...] | None, expected: bool) -> None:
    assert concerned(paths, ("suite.json",), changed) is expected
