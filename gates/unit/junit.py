"""Read a JUnit XML report as pytest writes it (family xunit1, which carries file and line). Pure, and wary.

The report comes out of a process that ran code of the change under review, so it is hostile input: a DOCTYPE is
refused before any entity could be expanded, and what it counts must agree with what it lists.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

MAX_REPORT_BYTES = 64 * 1024 * 1024


class TestStatus(StrEnum):
    """What became of one test."""

    __test__ = False  # pytest would collect the class by its name

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One `<testcase>`: `file` relative to the root of the test run ("" where unknown), `line` counted from 1."""

    name: str
    file: str
    line: int | None
    status: TestStatus
    message: str = ""
    text: str = ""
    collection: bool = False
    duration_s: float = 0.0


class ReportError(ValueError):
    """The report cannot be relied on; the text says why."""


class _Wary(ET.TreeBuilder):
    """A tree builder that stops at a DOCTYPE: the only way to entity expansion and external files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:  # noqa: ARG002 - expat's signature
        raise ReportError("the report has a DOCTYPE, which a JUnit report never needs")


def parse_junit(data: bytes) -> tuple[Case, ...]:
    """All test cases of a report. Raises `ReportError` for anything that is not a consistent JUnit report."""
    if len(data) > MAX_REPORT_BYTES:
        raise ReportError(f"the report has {len(data)} bytes, more than {MAX_REPORT_BYTES}")
    parser = ET.XMLParser(target=_Wary())  # noqa: S314 - see _Wary
    try:
        parser.feed(data)
        root = parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:
        raise ReportError(str(error)) from error
    if root.tag not in {"testsuites", "testsuite"}:
        raise ReportError(f"the report's root is <{root.tag[:40]}>, not <testsuites>")
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    for suite in suites:
        _check_counts(suite)
    return tuple(_case(element) for suite in suites for element in suite.findall("testcase"))


def _check_counts(suite: ET.Element) -> None:
    """Compare what the suite claims with what it lists.

    `tests` is only compared for being zero: pytest counts subtests and a failing teardown in it, but lists neither
    as a test case of its own.
    """
    for attribute, path in (("failures", "testcase/failure"), ("errors", "testcase/error")):
        claimed, listed = _count(suite, attribute), len(suite.findall(path))
        if claimed != listed:
            raise ReportError(f"the report claims {claimed} {attribute} and lists {listed}")
    claimed, listed = _count(suite, "tests"), len(suite.findall("testcase"))
    if (claimed == 0) != (listed == 0):
        raise ReportError(f"the report claims {claimed} tests and lists {listed}")


def _count(suite: ET.Element, attribute: str) -> int:
    text = suite.get(attribute, "")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ReportError(f"the report's {attribute} is {text[:40]!r}, not a number")
    return int(text)


def _case(element: ET.Element) -> Case:
    status, problem = _status(element)
    message = problem.get("message", "") if problem is not None else ""
    text = (problem.text or "") if problem is not None else ""
    file, line = _place(element, text if status in {TestStatus.FAILED, TestStatus.ERRORED} else "")
    classname, name = element.get("classname", ""), element.get("name", "?")
    inner = classname.removeprefix(file.removesuffix(".py").replace("/", ".")).lstrip(".") if file else classname
    return Case(
        name="::".join(part for part in (inner.replace(".", "::"), name) if part),
        file=file,
        line=line,
        status=status,
        message=message,
        text=text,
        collection=status is TestStatus.ERRORED and message == "collection failure",
        duration_s=_seconds(element.get("time", "")),
    )


def _status(element: ET.Element) -> tuple[TestStatus, ET.Element | None]:
    for tag, status in (
        ("failure", TestStatus.FAILED),
        ("error", TestStatus.ERRORED),
        ("skipped", TestStatus.SKIPPED),
    ):
        found = element.find(tag)
        if found is not None:
            return status, found
    return TestStatus.PASSED, None


def _place(element: ET.Element, text: str) -> tuple[str, int | None]:
    """File of the test, and the last line of that file in the traceback; else the line where the test is defined."""
    file, line = element.get("file", ""), element.get("line", "")
    # pytest counts `line` from 0; in the traceback, `file:line: Error` counts from 1.
    defined = int(line) + 1 if re.fullmatch(r"[0-9]{1,7}", line) else None
    if not file:
        return "", None
    hits = re.findall(rf"^{re.escape(file)}:([0-9]{{1,7}}):", text, re.MULTILINE)
    return file, int(hits[-1]) if hits else defined


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else 0.0
