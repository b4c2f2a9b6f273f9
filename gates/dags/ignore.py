""".airflowignore in both syntaxes: globs as in .gitignore (default of Airflow 3), regular expressions (default of 2).

https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#airflowignore
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

Syntax = Literal["glob", "regexp"]
Rule = Callable[[str], bool | None]


def ignored(paths: Iterable[str], ignore_files: Mapping[str, str], syntax: Syntax) -> frozenset[str]:
    """Those of `paths` (relative to the DAG folder) that Airflow does not look into.

    `ignore_files` holds the text of each .airflowignore by its folder ("" is the DAG folder). A line that is no valid
    pattern counts for nothing, as in Airflow.
    """
    rules = {folder: _rules(text, syntax) for folder, text in ignore_files.items()}
    return frozenset(path for path in paths if _is_ignored(path, rules))


def _is_ignored(path: str, rules: Mapping[str, tuple[Rule, ...]]) -> bool:
    parts = path.split("/")
    verdict = False
    for depth in range(len(parts)):
        folder = "/".join(parts[:depth])
        inner = "/".join(parts[depth:])
        for rule in rules.get(folder, ()):
            said = rule(inner)
            verdict = verdict if said is None else said
    return verdict


def _rules(text: str, syntax: Syntax) -> tuple[Rule, ...]:
    compile_line = _glob if syntax == "glob" else _regexp
    lines = (re.sub(r"(^|\s)#.*" if syntax == "regexp" else r"^#.*", "", line).strip() for line in text.splitlines())
    return tuple(rule for line in lines if line and (rule := compile_line(line)) is not None)


def _regexp(line: str) -> Rule | None:
    try:
        pattern = re.compile(line)
    except re.error:
        return None
    return lambda path: True if pattern.search(path) else None


def _glob(line: str) -> Rule | None:
    negated = line.startswith("!")
    body = line.removeprefix("!").removeprefix("\\")
    folder_only = body.endswith("/")
    body = body.rstrip("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    try:
        pattern = re.compile(
            ("" if anchored else "(?:.*/)?") + _translate(body) + ("/.*" if folder_only else "(?:/.*)?")
        )
    except re.error:
        return None
    return lambda path: (not negated) if pattern.fullmatch(path) else None


def _translate(glob: str) -> str:
    """A .gitignore pattern as a regular expression: `*` and `?` stop at `/`, `**` does not."""
    pieces = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    token = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)
    out = []
    for found in token.findall(glob):
        if found in pieces:
            out.append(pieces[found])
        elif len(found) > 1:
            out.append(found.replace("[!", "[^", 1))
        else:
            out.append(re.escape(found))
    return "".join(out)
