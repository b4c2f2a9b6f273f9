""".airflowignore in both syntaxes."""

from __future__ import annotations

import pytest

from gates.dags.ignore import Syntax, ignored

PATHS = ["a.py", "project_a/dag.py", "tenant/project_b.py", "tests/helper.py", "lib/tests/x.py", "lib/deep/y.py"]


@pytest.mark.parametrize(
    ("syntax", "files", "hidden"),
    [
        ("glob", {"": "# a remark\n\ntests/\n"}, {"tests/helper.py", "lib/tests/x.py"}),
        ("glob", {"": "/tests/"}, {"tests/helper.py"}),
        ("glob", {"": "*.py\n!a.py"}, set(PATHS) - {"a.py"}),
        ("glob", {"": "**/project_*"}, {"project_a/dag.py", "tenant/project_b.py"}),
        ("glob", {"": "lib/**"}, {"lib/tests/x.py", "lib/deep/y.py"}),
        ("glob", {"": "lib/*.py"}, set()),
        ("glob", {"": "lib/**/y.py"}, {"lib/deep/y.py"}),
        ("glob", {"": "?.py"}, {"a.py", "lib/tests/x.py", "lib/deep/y.py"}),
        ("glob", {"": "[!a].py"}, {"lib/tests/x.py", "lib/deep/y.py"}),
        ("glob", {"lib": "deep/"}, {"lib/deep/y.py"}),
        ("glob", {"": "y.py", "lib": "!y.py"}, set()),
        ("glob", {"": "a.py # not a remark"}, set()),
        ("regexp", {"": "project_a\ntenant_[\\d]"}, {"project_a/dag.py"}),
        ("regexp", {"": "tests  # those too"}, {"tests/helper.py", "lib/tests/x.py"}),
        ("regexp", {"": "["}, set()),
        ("regexp", {"lib": "^deep"}, {"lib/deep/y.py"}),
        ("regexp", {"": "*.py"}, set()),
    ],
)
def test_patterns(syntax: Syntax, files: dict[str, str], hidden: set[str]) -> None:
    assert ignored(PATHS, files, syntax) == hidden
