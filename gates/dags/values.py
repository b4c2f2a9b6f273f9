"""The values that the interpreter of DAG files works with: literals as they are, and these for the rest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class _Unknown:
    """Something, but not known what. It is not None and not empty as far as anybody can tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()

MAX_TEXT = 2_000
MAX_ITEMS = 2_000


@dataclass(eq=False, slots=True)
class Task:
    """One task, or one that stands for many (`many`: made in a loop whose length is not known)."""

    label: str
    line: int
    many: bool = False
    keywords: frozenset[str] = frozenset()
    open_keywords: bool = False


@dataclass(eq=False, slots=True)
class TaskGroup:
    """A task group: an edge to it is an edge to all its members."""

    label: str
    members: list[Task | TaskGroup] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Dag:
    """A DAG while it is being read. `default_args` is a `DictValue`, UNKNOWN, or None when not given."""

    dag_id: str | None
    line: int
    keywords: dict[str, Any]
    open_keywords: bool
    conditional: bool
    repeated: bool
    called: bool = True
    tasks: list[Task] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class ListValue:
    """A list, tuple or set; `open` when there may be more in it."""

    items: list[Any] = field(default_factory=list)
    open: bool = False


@dataclass(eq=False, slots=True)
class DictValue:
    """A dict with constant text keys; `open` when there may be other keys."""

    items: dict[str, Any] = field(default_factory=dict)
    open: bool = False

    def copy(self) -> DictValue:
        return DictValue(items=dict(self.items), open=self.open)

    def update(self, other: Any) -> None:
        """Merge another dict in; an unknown one makes this one open."""
        if isinstance(other, DictValue):
            self.items |= other.items
            self.open |= other.open
        else:
            self.open = True


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name imported from outside the DAG folder, dotted: `airflow.sdk.DAG`. `open`: a local subclass of it."""

    dotted: str
    open: bool = False

    @property
    def name(self) -> str:
        return self.dotted.rpartition(".")[2]

    @property
    def is_airflow(self) -> bool:
        return self.dotted.split(".", 1)[0] == "airflow"


class Label:
    """An edge label, transparent in `a >> Label("x") >> b`."""


@dataclass(eq=False, slots=True)
class ModuleValue:
    """A module or package of the DAG folder, by its dotted name from there."""

    dotted: str


class Scope:
    """Names of one module or function, falling back to those around it. `open`: a star import may have added any."""

    __slots__ = ("names", "open", "parent")

    def __init__(self, parent: Scope | None = None) -> None:
        self.names: dict[str, Any] = {}
        self.parent = parent
        self.open = False

    def get(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return Symbol(f"builtins.{name}") if name in _BUILTINS else UNKNOWN


_BUILTINS = frozenset({"dict", "list", "tuple", "set", "range", "enumerate", "str", "reversed", "sorted", "zip"})


@dataclass(eq=False, slots=True)
class Function:
    """A function of the DAG folder. `kind` is plain, dag, task or task_group, after its decorator."""

    name: str
    kind: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    scope: Scope
    path: str
    dag: Dag | None = None
    makes_dags: bool = False
    called: bool = False


@dataclass(eq=False, slots=True)
class Partial:
    """An operator or task function with some arguments bound: `.partial(...)`, waiting for `.expand(...)`."""

    label: str
    keywords: frozenset[str]
    upstream: list[Any]


def tasks_in(value: Any, budget: int = MAX_ITEMS) -> Iterator[Task | TaskGroup]:
    """Tasks and groups in a value, lists and dicts included, at most `budget` of what is looked at."""
    waiting = [value]
    while waiting and budget > 0:
        budget -= 1
        current = waiting.pop()
        if isinstance(current, Task | TaskGroup):
            yield current
        elif isinstance(current, ListValue):
            waiting.extend(reversed(current.items))
        elif isinstance(current, DictValue):
            waiting.extend(reversed(current.items.values()))
