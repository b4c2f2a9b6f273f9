"""How waiting ended, as plain data and as text. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from cicd.dags.airflow.values import FileState, Outcome, WaitResult

_NAMED = 10  # files named of one cause; the rest is counted
_MODULE = re.compile(r"No module named '([^']+)'")
_NAME = re.compile(r"cannot import name '([^']+)' from '([^']+)'")


def wait_data(result: WaitResult) -> dict[str, Any]:
    """The part `airflow` of a target's result."""
    return {
        "outcome": result.outcome.value,
        "reason": result.reason or None,
        "waited_s": round(result.waited_s, 1),
        "counts": dict(Counter(item.state.value for item in result.files)),
        "other_import_errors": result.others,
        "remarks": list(result.remarks),
        "files": [
            {
                "path": item.path,
                "state": item.state.value,
                "want": item.want.value,
                "dag_ids": list(item.dag_ids),
                "lost_dag_ids": list(item.lost),
                "line": item.line,
                "cause": item.cause or None,
                "stack_trace": item.stack_trace or None,
            }
            for item in result.files
        ],
    }


def wait_text(part: dict[str, Any]) -> str:
    """The same for a person, indented by two: what was decided, then only the files that need attention."""
    files = part["files"]
    lines = [_headline(part), *_failed(files), *_open(files)]
    lines += [
        f"{item['path']}: {', '.join(item['lost_dag_ids'])} is no longer in it; Airflow shows it for some time yet, and"
        " its runs stay under that id"
        for item in files
        if item["lost_dag_ids"]
    ]
    known = _in_state(files, FileState.KNOWN_ERROR)
    if known:
        lines.append(f"{_names(known)}: import error, as before this release")
    if part["other_import_errors"]:
        lines.append(
            f"{part['other_import_errors']} import error(s) in files that this release neither changed nor touches"
        )
    return "\n".join(f"  {line}" for line in (*lines, *part["remarks"]))


def _headline(part: dict[str, Any]) -> str:
    counts: dict[str, int] = part["counts"]
    if part["outcome"] == Outcome.PARSED:
        gone = f", {counts[FileState.GONE]} gone" if FileState.GONE in counts else ""
        return f"Airflow has parsed it: {counts.get(FileState.PARSED, 0)} file(s){gone}, after {part['waited_s']:.0f} s"
    if part["outcome"] == Outcome.FAILED:
        return f"Airflow cannot import {counts[FileState.IMPORT_ERROR]} of {len(part['files'])} file(s)"
    return f"undecided: {part['reason']}"


def _failed(files: Sequence[dict[str, Any]]) -> list[str]:
    """Import errors by cause: one broken package makes many of them."""
    by_cause = _by_cause(_in_state(files, FileState.IMPORT_ERROR))
    return [
        f"{_names(items)}: {cause.rstrip('.')}. {advise(cause, number=len(items), watched=len(files))}"
        for cause, items in sorted(by_cause.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]


def _open(files: Sequence[dict[str, Any]]) -> list[str]:
    by_cause = _by_cause(_in_state(files, FileState.PENDING))
    return [f"{_names(items)}: {cause}" for cause, items in by_cause.items()]


def _in_state(files: Sequence[dict[str, Any]], state: FileState) -> list[dict[str, Any]]:
    return [item for item in files if item["state"] == state]


def _by_cause(items: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        found[item["cause"] or ""].append(item)
    return found


def advise(cause: str, *, number: int, watched: int) -> str:
    """The next step for an import error that `number` of `watched` files have."""
    module, name = _MODULE.search(cause), _NAME.search(cause)
    if number > 1 and number == watched:
        return "Every file fails alike: look at Airflow's environment, or at the one module that all of them import."
    if module is not None:
        return f"Deliver {module[1]} in the same release, or install it where Airflow's DAG processor runs."
    if name is not None:
        return f"{name[2]} has no {name[1]}: deliver the module that has it in the same release."
    return "Correct the file and push again; `headgate gate run dags` checks it before."


def _names(items: Sequence[dict[str, Any]]) -> str:
    named = [f"{item['path']}:{item['line']}" if item["line"] else item["path"] for item in items]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
