"""The findings of a verdict as GitLab Code Quality: https://docs.gitlab.com/ci/testing/code_quality/"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gates.report.tree import Path, is_blocking, is_remark, masked, walk
from gates.verdict import Outcome, Severity, Verdict

_SEVERITY = {Severity.CRITICAL: "critical", Severity.WARNING: "minor", Severity.INFO: "info"}


def to_code_quality(verdict: Verdict) -> list[dict[str, Any]]:
    """One entry per finding that has a place in a file; the others cannot be shown in a diff and are left out.

    A fingerprint follows from which check it is and in which file, not from line or numbers: a finding that only
    moves stays the same finding. Two that would share one are told apart by their order.
    """
    seen: dict[str, int] = {}
    entries = []
    tree = masked(verdict)
    for path, leaf in walk(tree) if tree.children else [((), tree)]:
        if leaf.location is None or not (is_blocking(leaf) or is_remark(leaf)):
            continue
        key = _key(path, leaf)
        seen[key] = seen.get(key, 0) + 1
        entries.append(
            {
                "description": f"{leaf.name}: {leaf.message}" if leaf.message else leaf.name,
                "check_name": leaf.rule or leaf.name,
                "fingerprint": hashlib.sha256(f"{key}\x1f{seen[key]}".encode()).hexdigest(),
                "severity": "major" if _is_open(leaf) else _SEVERITY[leaf.severity],
                "location": {"path": leaf.location.path, "lines": {"begin": leaf.location.line or 1}},
            }
        )
    return entries


def render_code_quality(verdict: Verdict) -> str:
    return json.dumps(to_code_quality(verdict), indent=2, ensure_ascii=False) + "\n"


def _is_open(leaf: Verdict) -> bool:
    return leaf.severity is Severity.CRITICAL and leaf.outcome is not Outcome.FAIL


def _key(path: Path, leaf: Verdict) -> str:
    return "\x1f".join((*path, leaf.name, leaf.rule, leaf.location.path if leaf.location else ""))
