"""A verdict as JUnit XML, in the shape GitLab reads: https://docs.gitlab.com/ci/testing/unit_test_reports/"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from gates.report.tree import Path, is_blocking, is_remark, masked, measured, place, walk
from gates.verdict import Outcome, Verdict

# Everything XML 1.0 has no way to write, not even escaped (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(verdict: Verdict) -> str:
    """One `<testsuite>` per gate, one `<testcase>` per check.

    FAIL becomes `<failure>`, ERROR and INCONCLUSIVE become `<error>`: in GitLab both count as failed. SKIPPED, and
    what does not block, becomes `<skipped>`.
    """
    tree = masked(verdict)
    root = ET.Element("testsuites", name=f"headgate {_legal(tree.name)}")
    for gate in tree.children or (tree,):
        root.append(_suite(gate))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(gate: Verdict) -> ET.Element:
    leaves = list(walk(gate)) or [((), gate)]
    suite = ET.Element("testsuite", name=_legal(gate.name), tests=str(len(leaves)))
    for path, leaf in leaves:
        suite.append(_case((gate.name, *path), leaf))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    if gate.duration_s is not None:
        suite.set("time", f"{gate.duration_s:.3f}")
    return suite


def _case(path: Path, leaf: Verdict) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(" / ".join(path)), name=_legal(leaf.name))
    case.set("time", f"{leaf.duration_s or 0.0:.3f}")
    if leaf.location is not None:
        case.set("file", _legal(leaf.location.path))
        if leaf.location.line is not None:
            case.set("line", str(leaf.location.line))
    tag = _tag(leaf)
    if tag:
        problem = ET.SubElement(case, tag, message=_legal(leaf.message), type=_legal(leaf.rule or leaf.outcome.value))
        problem.text = _legal("\n".join(_text(leaf)))
    return case


def _tag(leaf: Verdict) -> str:
    if is_blocking(leaf):
        return "failure" if leaf.outcome is Outcome.FAIL else "error"
    return "skipped" if leaf.outcome is Outcome.SKIPPED or is_remark(leaf) else ""


def _text(leaf: Verdict) -> list[str]:
    measurement = measured(leaf.measurement) if leaf.measurement else ""
    lines = [leaf.message, place(leaf), measurement, *leaf.details, f"→ {leaf.fix}" if leaf.fix else ""]
    return [line for line in lines if line]


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
