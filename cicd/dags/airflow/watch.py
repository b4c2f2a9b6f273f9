"""What to look at in Airflow after a release. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cicd.dags.airflow.values import Want, Watched, comparable
from cicd.dags.imports import might_contain_dag
from cicd.dags.order import importers
from gates.dags.facts import FileFacts
from gates.dags.ignore import Syntax, ignored
from gates.dags.project import read_project

_IGNORE_FILE = ".airflowignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release as waiting sees it: the Python and ignore files with their contents, and what it changed.

    `changed` are paths that were added or got other content (also of files that are not in `sources`), `deleted`
    paths that went. `roots` are package names of the folder (`cicd.dags.target.prefix_roots`).
    """

    sources: Mapping[str, bytes]
    changed: frozenset[str]
    deleted: frozenset[str] = frozenset()
    roots: tuple[str, ...] = ()


def plan_watch(released: Released, *, syntax: Syntax, prefix: str = "", every: bool = False) -> tuple[Watched, ...]:
    """The files to look at, by path; empty when no file of the release can have a DAG.

    A changed file must show its new source. A file that imports a changed one, at any distance, must be parsed again;
    so must every DAG file when data or an ignore file changed, and when otherwise nothing could be seen. With `every`
    all DAG files must show their source. `prefix` is where the delivered folder is below Airflow's DAG folder.
    Duplicate ids and what a file does at run time are not seen here.
    """
    texts = {path: data for path, data in released.sources.items() if posixpath.basename(path) == _IGNORE_FILE}
    rules = {posixpath.dirname(path): data.decode("utf-8", "replace") for path, data in texts.items()}
    python = {path: data for path, data in released.sources.items() if path.endswith(".py")}
    hidden = ignored(python, rules, syntax)
    facts = {fact.path: fact for fact in read_project(python, hidden)}
    seen = {path for path, data in python.items() if path not in hidden and might_contain_dag(data)}
    changed = frozenset(seen) if every else released.changed
    wants = _wants(released, seen, changed, facts)
    if not any(want in (Want.SOURCE, Want.REPARSE, Want.GONE) for want in wants.values()):
        wants |= {path: Want.REPARSE for path in seen if facts[path].dags}
    return tuple(
        Watched(
            path=path,
            at=posixpath.join(prefix, path),
            want=want,
            source=comparable(python[path].decode("utf-8", "replace")) if path in seen & changed else "",
            dag_ids=tuple(dag.dag_id for dag in facts[path].dags if dag.dag_id) if path in facts else (),
        )
        for path, want in sorted(wants.items())
    )


def _wants(
    released: Released, seen: AbstractSet[str], changed: AbstractSet[str], facts: Mapping[str, FileFacts]
) -> dict[str, Want]:
    touched = importers(released.sources, changed | released.deleted, released.roots)
    if any(not path.endswith(".py") or ".zip/" in path for path in changed | released.deleted):
        touched = frozenset(seen)  # which DAGs read a data file nobody knows; a zip file is read as a whole
    wants = {path: Want.GONE for path in released.deleted if path.endswith(".py")}
    for path in sorted(seen & (changed | touched)):
        if not _may_have_dags(facts[path]):
            wants[path] = Want.CLEAN
        else:
            wants[path] = Want.SOURCE if path in changed else Want.REPARSE
    return wants


def _may_have_dags(fact: FileFacts) -> bool:
    """Broken files count: that they cannot be read here says nothing about what Airflow will say of them."""
    return any(dag.called for dag in fact.dags) or any(finding.rule == "syntax-error" for finding in fact.findings)


def folder_below(url: str) -> str:
    """Where a target lies below Airflow's DAG folder: what follows the last component `dags` of its URL."""
    parts = url.partition("://")[2].strip("/").split("/")
    if "dags" not in parts[1:]:
        return ""
    last = len(parts) - 1 - parts[::-1].index("dags")
    return "/".join(parts[last + 1 :])


def changed_between(
    before: Iterable[tuple[str, object]], after: Iterable[tuple[str, object]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Paths added or changed, and paths deleted, between two sets of (path, hash or content)."""
    old, new = dict(before), dict(after)
    changed = frozenset(path for path, digest in new.items() if old.get(path) != digest)
    return changed, frozenset(old.keys() - new.keys())
