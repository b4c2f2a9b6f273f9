"""The order of delivery, from the local import graph: what is imported arrives before what imports it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

from cicd.dags.imports import Import, Sketch, imports_of, may_import, sketch_of
from cicd.dags.model import DesiredFile, Kind, Placement


@dataclass(frozen=True, slots=True)
class Sketched:
    """A file of which a sketch is at hand; its content is read only if that is not enough."""

    sketch: Sketch
    read: Callable[[], bytes]


Read = Callable[[Iterable[str]], Iterator[tuple[str, bytes | Sketched]]]
"""Yields path and content of the paths it is given, in any order; paths whose content is gone are left out."""


class Readable(Protocol):
    """Where contents come from: see `cicd.dags.archive.Content`."""

    def read(self, file: DesiredFile) -> bytes: ...


def glance(content: Readable, file: DesiredFile) -> bytes | Sketched:
    """A file for `place_read`: a sketch if `content` keeps them, else what it contains."""
    sketch = getattr(content, "sketch", None)
    kept: Sketch | None = sketch(file) if sketch is not None else None
    return content.read(file) if kept is None else Sketched(kept, partial(content.read, file))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is kept of a file once it was read; contents are not, because a tree may not fit into memory."""

    imports: frozenset[str]
    looks_like_dag: bool


def place(sources: Mapping[str, bytes], roots: Iterable[str] = ()) -> Mapping[str, Placement]:
    """Kind and level of files whose contents are at hand; see `place_read`."""
    return place_read(tuple(sources), lambda paths: ((path, sources[path]) for path in paths), roots)


def place_read(paths: Iterable[str], read: Read, roots: Iterable[str] = ()) -> Mapping[str, Placement]:
    """Kind and level of every file of `paths`, which are read one after the other and not kept.

    Only Python files are read. `roots` are package names under which the DAG folder itself may be imported (`team_a`
    for `dags/team_a`). Files of one import cycle share a level. A file that `read` leaves out has no placement.
    """
    known = frozenset(paths)
    python = sorted(path for path in known if path.endswith(".py"))
    facts = {path: _Facts(imports=frozenset(), looks_like_dag=False) for path in known.difference(python)}
    roots = tuple(roots)
    local = _local_names(known, roots)
    alone = dict[bytes | None, bool]()  # many files begin alike
    for path, text in read(python):
        seen = text.sketch if isinstance(text, Sketched) else sketch_of(text)
        imports = frozenset[str]()
        if seen.lines not in alone:
            alone[seen.lines] = not may_import(seen, local)
        if not alone[seen.lines]:
            imports = _imports(path, text.read() if isinstance(text, Sketched) else text, known, roots)
        facts[path] = _Facts(imports=imports, looks_like_dag=seen.looks_like_dag)
    imported = frozenset[str]().union(*(fact.imports for fact in facts.values()))
    levels = _levels({path: fact.imports & facts.keys() for path, fact in facts.items()})
    return MappingProxyType(
        {path: Placement(kind=_kind(path, fact, imported), level=levels[path]) for path, fact in facts.items()}
    )


def importers(sources: Mapping[str, bytes], targets: Iterable[str], roots: Iterable[str] = ()) -> frozenset[str]:
    """Paths of `sources` that import one of `targets` at any distance; targets need not be in `sources`."""
    python = {path: text for path, text in sources.items() if path.endswith(".py")}
    found, wanted = set[str](), frozenset(targets)
    known = wanted | python.keys()
    graph = {path: _imports(path, text, known, tuple(roots)) for path, text in python.items()}
    while wanted:
        wanted = frozenset(path for path, needs in graph.items() if path not in found and not needs.isdisjoint(wanted))
        found |= wanted
    return frozenset(found)


def kind_of_name(path: str) -> Kind:
    """The kind as far as the name tells it; a Python file counts as a module."""
    if path.endswith(".airflowignore") and posixpath.basename(path) == ".airflowignore":
        return Kind.IGNORE
    return Kind.MODULE if path.endswith(".py") else Kind.DATA


def _kind(path: str, fact: _Facts, imported: AbstractSet[str]) -> Kind:
    kind = kind_of_name(path)
    if kind is Kind.DATA and path.endswith(".zip"):
        return Kind.DAG  # Airflow parses zip files as bundles of DAGs
    if kind is not Kind.MODULE or path in imported:
        return kind
    return Kind.DAG if fact.looks_like_dag else Kind.MODULE


def _local_names(known: Iterable[str], roots: Iterable[str]) -> frozenset[bytes]:
    """What an absolute import of one of the files `known` begins with."""
    names = {path.partition("/")[0].removesuffix(".py") for path in known}
    return frozenset(name.encode("utf-8", "replace") for name in names.union(root.partition(".")[0] for root in roots))


def _imports(path: str, text: bytes, known: AbstractSet[str], roots: tuple[str, ...]) -> frozenset[str]:
    """Changed files that importing `path` executes."""
    package = posixpath.dirname(path).split("/") if "/" in path else []
    found: set[str] = set()
    for item in imports_of(text):
        base = _base(item, package)
        if base is None:
            continue
        for name in (base, *([".".join(filter(None, (base, item.name)))] if item.name else [])):
            found |= _files(name, known) if item.level else _absolute(name, known, roots)
    return frozenset(found - {path})


def _base(item: Import, package: list[str]) -> str | None:
    """The dotted name that an import starts from; None when it points above the DAG folder."""
    if item.level == 0:
        return item.module
    if item.level - 1 > len(package):
        return None
    parents = package[: len(package) - (item.level - 1)]
    return ".".join([*parents, *([item.module] if item.module else [])])


def _absolute(name: str, known: AbstractSet[str], roots: tuple[str, ...]) -> frozenset[str]:
    found = _files(name, known)
    for root in roots:
        if name.startswith(f"{root}."):
            found |= _files(name.removeprefix(f"{root}."), known)
    return found


def _files(name: str, known: AbstractSet[str]) -> frozenset[str]:
    """Changed files that importing `name` executes: the module and the packages on the way to it."""
    parts = name.split(".")
    found: set[str] = set()
    for end in range(1, len(parts) + 1):
        stem = "/".join(parts[:end])
        found |= {candidate for candidate in (f"{stem}.py", f"{stem}/__init__.py") if candidate in known}
    return frozenset(found)


def _levels(imports: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Level 0 for files that need no other; then layer by layer. A cycle is one layer's member."""
    needs = {path: set(deps) for path, deps in imports.items()}
    levels: dict[str, int] = {}
    level = 0
    while needs:
        ready = {path for path, deps in needs.items() if not deps} or _bottom_cycles(needs)
        levels |= dict.fromkeys(ready, level)
        needs = {path: deps - ready for path, deps in needs.items() if path not in ready}
        level += 1
    return levels


def _bottom_cycles(needs: Mapping[str, set[str]]) -> set[str]:
    """Members of the import cycles that need nothing outside themselves; at least one exists when no file is free."""
    reach = {path: _reachable(path, needs) for path in needs}
    return {path for path, below in reach.items() if all(path in reach[other] for other in below)}


def _reachable(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        fresh = needs[todo.pop()] - seen
        seen |= fresh
        todo.extend(fresh)
    return seen
