"""What breaks or slows the sync that copies a bucket to Airflow's machines, as Composer's does. Pure.

https://cloud.google.com/composer/docs/composer-3/troubleshooting-cloud-storage
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cicd.dags.model import StoredObject

LARGE_FILE = 32 * 1024 * 1024
LARGE_TREE = 512 * 1024 * 1024
MANY_FILES = 10_000
_MOST = 20  # findings of one kind; the rest is counted
_TEST = re.compile(r"(^|/)(tests?/.*|test_[^/]*\.py|[^/]*_test\.py|conftest\.py)$")
_PARSED = (".py", ".zip")


class Rule(StrEnum):
    """What is wrong."""

    GZIP = "gzip"
    DOT = "dot"
    SLASH = "slash"
    FOLDER = "folder-like-dag"
    BOTH = "file-and-folder"
    TESTS = "tests"
    LARGE_FILE = "large-file"
    LARGE_TREE = "large-tree"


_BREAKS = frozenset({Rule.GZIP, Rule.DOT, Rule.BOTH})
_TEXTS = {
    Rule.GZIP: "stored with Content-Encoding gzip: it is unpacked on the way and its checksum never fits."
    " Upload it again without gzip.",
    Rule.DOT: "a file system cannot hold a file called '.' or '..'. Delete the object.",
    Rule.SLASH: "a placeholder of a folder, which file systems do not need. Delete it where a sync complains.",
    Rule.FOLDER: "a folder that is called like a DAG file: tools take it for one. Rename it.",
    Rule.BOTH: "a file and a folder at once, which no file system can hold. Delete one of them.",
    Rule.TESTS: "tests are copied to every machine and parsed. Leave them out with dags.exclude.",
    Rule.LARGE_FILE: f"larger than {LARGE_FILE >> 20} MiB: it is copied to every machine. Keep data outside the DAG folder.",
    Rule.LARGE_TREE: f"more than {MANY_FILES} files or {LARGE_TREE >> 20} MiB make every sync slow. Deliver less, or zip files.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A finding: `breaks` tells whether the sync stops at it or is only slowed."""

    rule: Rule
    path: str

    @property
    def breaks(self) -> bool:
        return self.rule in _BREAKS

    @property
    def text(self) -> str:
        return _TEXTS[self.rule]


def find_in_tree(files: Iterable[tuple[str, int]]) -> tuple[Breaker, ...]:
    """What is wrong with a tree of paths and sizes that is to be delivered."""
    known = tuple(files)
    found = {
        Breaker(rule=Rule.FOLDER, path=folder) for path, _ in known for folder in _parents(path) if _parsed(folder)
    }
    found |= {Breaker(rule=Rule.TESTS, path=path) for path, _ in known if _TEST.search(path)}
    found |= {Breaker(rule=Rule.LARGE_FILE, path=path) for path, size in known if size > LARGE_FILE}
    if len(known) > MANY_FILES or sum(size for _, size in known) > LARGE_TREE:
        found.add(Breaker(rule=Rule.LARGE_TREE, path="."))
    return _ordered(found)


def find_in_bucket(objects: Iterable[StoredObject]) -> tuple[Breaker, ...]:
    """What is wrong in a DAG folder, whoever put it there. Paths are relative to it; placeholders are among them."""
    known = {item.path: item for item in objects}
    folders = {folder for path in known for folder in _parents(path.rstrip("/") if path.endswith("/") else path)}
    folders |= {path.rstrip("/") for path in known if path.endswith("/")}
    found = {Breaker(rule=Rule.SLASH, path=path) for path in known if path.endswith("/")}
    found |= {Breaker(rule=Rule.DOT, path=path) for path in known if {".", ".."} & set(path.split("/"))}
    found |= {Breaker(rule=Rule.BOTH, path=path) for path in known if path in folders}
    found |= {Breaker(rule=Rule.FOLDER, path=path) for path in folders - known.keys() if _parsed(path)}
    found |= {Breaker(rule=Rule.GZIP, path=path) for path, item in known.items() if item.encoding == "gzip"}
    return _ordered(found)


def tell(found: Iterable[Breaker]) -> tuple[str, ...]:
    """One line for each rule, with the paths."""
    by_rule: dict[Rule, list[str]] = {}
    for item in found:
        by_rule.setdefault(item.rule, []).append(item.path)
    return tuple(_line(rule, paths) for rule, paths in by_rule.items())


def _line(rule: Rule, paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
    word = "breaks the sync" if rule in _BREAKS else "slows or confuses the sync"
    return f"{word}: {', '.join(map(repr, paths[:_MOST]))}{more}: {_TEXTS[rule]}"


def _ordered(found: Iterable[Breaker]) -> tuple[Breaker, ...]:
    return tuple(sorted(found, key=lambda item: (not item.breaks, list(Rule).index(item.rule), item.path)))


def _parsed(folder: str) -> bool:
    return folder.endswith(_PARSED)


def _parents(path: str) -> Iterator[str]:
    """Folders above a path; the name of an object may begin with slashes."""
    while (folder := posixpath.dirname(path)) and folder != path:
        yield folder
        path = folder
