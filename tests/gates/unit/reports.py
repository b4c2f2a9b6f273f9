"""JUnit reports as pytest writes them, in small."""

from __future__ import annotations

PASSED = '<testcase classname="tests.test_a" name="test_ok" file="tests/test_a.py" line="1" time="0.5" />'
SKIPPED = (
    '<testcase classname="tests.test_a" name="test_later" file="tests/test_a.py" line="9" time="0">'
    '<skipped type="pytest.skip" message="later">x</skipped></testcase>'
)
FAILED = """<testcase classname="tests.test_b.TestTotals" name="test_sum[eur]" file="tests/test_b.py" line="2" time="0.1">
<failure message="AssertionError: total&#10;assert 3 == 4">def test_sum():
&gt;       helper(1)

tests/test_b.py:5:
E       AssertionError: total
E       assert 3 == 4

tests/test_b.py:7: AssertionError</failure></testcase>"""
ERRORED = (
    '<testcase classname="tests.test_b" name="test_db" file="tests/test_b.py" line="20" time="0">'
    '<error message="failed on setup with &quot;RuntimeError: no db&quot;">E   RuntimeError: no db\n\n'
    "tests/test_b.py:4: RuntimeError</error></testcase>"
)
UNCOLLECTED = (
    '<testcase classname="" name="tests.test_c" file="tests/test_c.py" time="0"><error message="collection failure">'
    "tests/test_c.py:1: in &lt;module&gt;\nE   ModuleNotFoundError: No module named 'nope'</error></testcase>"
)


def report(*cases: str, **counts: int) -> bytes:
    """A report of these cases; the counts are right unless given."""
    body = "".join(cases)
    values = {
        "errors": body.count("<error "),
        "failures": body.count("<failure "),
        "skipped": body.count("<skipped "),
        "tests": len(cases),
    } | counts
    attributes = " ".join(f'{key}="{value}"' for key, value in values.items())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" {attributes} '
        f'time="0.1">{body}</testsuite></testsuites>'
    ).encode()
