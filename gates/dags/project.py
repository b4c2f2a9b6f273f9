"""All Python files of a DAG folder together: who imports what, and the facts of each file. Pure: bytes in, facts out."""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from gates.dags.cycles import find_cycle
from gates.dags.expressions import Evaluator, TooMuchError
from gates.dags.facts import FileFacts, Finding
from gates.dags.settings import dag_facts
from gates.dags.statements import Interpreter
from gates.dags.values import UNKNOWN, DictValue, ModuleValue, Symbol, Task, TaskGroup

_LONGEST_CHAIN = 12  # each import being followed takes about fifteen frames of the interpreter's stack


def read_project(sources: Mapping[str, bytes], ignored: AbstractSet[str] = frozenset()) -> tuple[FileFacts, ...]:
    """Facts of every file in `sources` (paths relative to the DAG folder), in the order of their paths.

    Files in `ignored` are followed where others import them, but their DAGs count for nothing, as in Airflow.
    """
    project = Project(sources)
    for path in sorted(sources):
        if path not in ignored:
            project.load(path)
    project.finish(ignored)
    return tuple(project.facts(path) for path in sorted(sources) if path not in ignored or project.is_broken(path))


class Project:
    """The files, read one by one when first needed."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._sources = sources
        self._folders = {folder for path in sources for folder in _parents(path)}
        self._files: dict[str, Interpreter] = {}
        self._findings: dict[str, list[Finding]] = {}
        self._broken: set[str] = set()
        self._open: set[str] = set()
        self._depth = 0

    # -- reading ---------------------------------------------------------------------------------------------------

    def load(self, path: str) -> Interpreter:
        """The interpreter of a file; while it is still being read (an import cycle) what there is so far."""
        if path in self._files:
            return self._files[path]
        reader = self._files[path] = Interpreter(self, path)
        self._findings[path] = []
        self._depth += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about invalid escapes and the like: they are not ours to print
                tree = ast.parse(self._sources[path], filename=path)
            reader.run(tree)
        except SyntaxError as error:
            self._break(path, error.lineno or 1, f"syntax error: {error.msg}")
        except (ValueError, MemoryError, RecursionError) as error:
            reason = str(error) or "nested too deeply"
            self._break(path, 1, f"cannot be parsed: {type(error).__name__}: {reason}"[:300])
        except TooMuchError:
            self.undecided(path, 1, "file-undecided", "the file is too long to follow to its end")
            self._open.add(path)
        finally:
            self._depth -= 1
        return reader

    def _followed(self, dotted: str) -> Interpreter | None:
        """The file behind a dotted name, read; None for a plain folder, and at the end of a very long import chain."""
        file = self._file(dotted)
        if file is None or (file not in self._files and self._depth >= _LONGEST_CHAIN):
            return None
        return self.load(file)

    def is_broken(self, path: str) -> bool:
        return path in self._broken

    def _break(self, path: str, line: int, message: str) -> None:
        self._broken.add(path)
        self._findings[path].append(
            Finding(
                rule="syntax-error",
                path=path,
                line=line,
                message=message,
                why="Airflow cannot import the file: all its DAGs disappear",
                fix="Correct the file; `python -m py_compile` shows the same error.",
            )
        )

    def undecided(self, path: str, line: int, rule: str, message: str) -> None:
        self._findings[path].append(
            Finding(
                rule=rule,
                path=path,
                line=line,
                message=message,
                why="it depends on more than constants",
                fix="Write it as a constant where you can; what stays computed is not checked here.",
                undecided=True,
            )
        )

    # -- imports ---------------------------------------------------------------------------------------------------

    def top(self, head: str) -> Any:
        return ModuleValue(head) if self._exists(head) else Symbol(head)

    def import_module(self, reader: Evaluator, dotted: str, level: int, node: ast.stmt, *, guarded: bool) -> Any:
        """What `import dotted` gives; a finding when it must be in the DAG folder and is not."""
        name = self._absolute(reader.path, dotted, level)
        head = (name or "").split(".", 1)[0]
        if level == 0 and not self._exists(head):
            return Symbol(dotted)
        if name is not None and (name == "" or self._exists(name)):  # "": the DAG folder itself, by `from . import x`
            self._followed(name)
            return ModuleValue(name)
        if not guarded:
            self._unresolved(reader, "." * level + dotted, node, sure=level > 0 or self._is_regular(head))
        return UNKNOWN

    def import_name(self, reader: Evaluator, node: ast.ImportFrom, name: str, *, guarded: bool) -> Any:
        """What `from module import name` gives."""
        if node.level:
            self._relative(reader, node)
        module = self.import_module(reader, node.module or "", node.level, node, guarded=guarded)
        if isinstance(module, Symbol):
            return Symbol(f"{module.dotted}.{name}")
        if not isinstance(module, ModuleValue):
            return UNKNOWN
        value = self.member(module, name)
        if value is UNKNOWN and not guarded and self._surely_lacks(module, name):
            dotted = f"{module.dotted}.{name}".strip(".")
            self._unresolved(reader, dotted, node, sure=self._file(module.dotted) is not None)
        return value

    def import_star(self, reader: Evaluator, node: ast.ImportFrom, *, guarded: bool) -> None:
        module = self.import_module(reader, node.module or "", node.level, node, guarded=guarded)
        source = self._followed(module.dotted) if isinstance(module, ModuleValue) else None
        if source is not None:
            names = source.scope.names
            reader.scope.names |= {name: value for name, value in names.items() if not name.startswith("_")}
        reader.scope.open = True

    def member(self, module: ModuleValue, name: str) -> Any:
        """An attribute of a module of the folder: a name in its file, or a submodule."""
        source = self._followed(module.dotted)
        if source is not None and name in source.scope.names:
            value = source.scope.names[name]
            # Airflow reads each file in a fresh process: what one file does to a shared dict is not seen by the next.
            return value.copy() if isinstance(value, DictValue) else value
        inner = f"{module.dotted}.{name}".strip(".")
        if not self._exists(inner):
            return UNKNOWN
        self._followed(inner)
        return ModuleValue(inner)

    def _surely_lacks(self, module: ModuleValue, name: str) -> bool:
        file = self._file(module.dotted)
        if file is None:
            return True
        source = self._followed(module.dotted)
        if source is None:
            return False
        scope = source.scope
        opened = scope.open or "__getattr__" in scope.names or file in self._broken or file in self._open
        return name not in scope.names and not opened

    def _relative(self, reader: Evaluator, node: ast.ImportFrom) -> None:
        """Remember relative imports: they break files that Airflow reads as DAG files, see `finish`."""
        self._findings[reader.path].append(
            Finding(
                rule="relative-import",
                path=reader.path,
                line=node.lineno,
                message=f"relative import of {'.' * node.level}{node.module or ''} in a DAG file",
                why="Airflow loads DAG files without a package: attempted relative import with no known parent package",
                fix="Import by the full name, counted from the DAG folder.",
            )
        )

    def _unresolved(self, reader: Evaluator, dotted: str, node: ast.stmt, *, sure: bool) -> None:
        self._findings[reader.path].append(
            Finding(
                rule="unresolved-import",
                path=reader.path,
                line=node.lineno,
                message=f"{dotted} is not in the DAG folder",
                why="Airflow cannot import the file: ModuleNotFoundError or ImportError"
                if sure
                else "it may be installed",
                fix="Add the module to the same change, or correct the name.",
                undecided=not sure,
            )
        )

    def _absolute(self, path: str, dotted: str, level: int) -> str | None:
        if level == 0:
            return dotted
        package = [part for part in posixpath.dirname(path).split("/") if part]
        if level - 1 > len(package):
            return None
        return ".".join([*package[: len(package) - (level - 1)], *([dotted] if dotted else [])])

    def _file(self, dotted: str) -> str | None:
        stem = dotted.replace(".", "/")
        for candidate in (f"{stem}.py" if stem else "", f"{stem}/__init__.py".lstrip("/")):
            if candidate in self._sources:
                return candidate
        return None

    def _exists(self, dotted: str) -> bool:
        return dotted.replace(".", "/") in self._folders or self._file(dotted) is not None

    def _is_regular(self, head: str) -> bool:
        """A module, or a package with `__init__.py`: it hides any installed package of that name."""
        return self._file(head) is not None

    # -- facts -----------------------------------------------------------------------------------------------------

    def finish(self, ignored: AbstractSet[str]) -> None:
        """Add the findings that need all files to have been read."""
        for path, reader in list(self._files.items()):
            if path in ignored or path in self._broken:
                continue
            if not reader.dags:
                self._findings[path] = [f for f in self._findings[path] if f.rule != "relative-import"]
            self._edges(path, reader)
            for function in reader.functions:
                if function.makes_dags and not function.called and function.path == path:
                    self.undecided(
                        path,
                        function.node.lineno,
                        "factory-undecided",
                        f"{function.name}() makes DAGs, but no call is seen",
                    )

    def _edges(self, path: str, reader: Interpreter) -> None:
        graph: dict[Task, list[Task]] = {}
        lines: dict[tuple[Task, Task], int] = {}
        for source, target, line in reader.edges:
            for one in _members(source):
                for other in _members(target):
                    graph.setdefault(one, []).append(other)
                    lines.setdefault((one, other), line)
        cycle = find_cycle(graph)
        if cycle:
            arrow = " → ".join(task.label for task in cycle)
            line = lines[cycle[-2], cycle[-1]]
            if any(task.many for task in cycle):
                self.undecided(path, line, "cycle-undecided", f"there may be a cycle: {arrow}")
            else:
                self._cycle(path, line, arrow)
        elif reader.lost_edges:
            count = len(reader.lost_edges)
            self.undecided(
                path, reader.lost_edges[0], "dependencies-undecided", f"{count} dependencies cannot be followed"
            )

    def _cycle(self, path: str, line: int, arrow: str) -> None:
        self._findings[path].append(
            Finding(
                rule="cycle",
                path=path,
                line=line,
                message=f"the tasks depend on each other in a circle: {arrow}",
                why="Airflow refuses the DAG with AirflowDagCycleException",
                fix="Remove one of these dependencies.",
            )
        )

    def facts(self, path: str) -> FileFacts:
        dags = () if path in self._broken else tuple(dag_facts(dag) for dag in self._files[path].dags)
        unique = dict.fromkeys(self._findings[path])
        return FileFacts(path=path, dags=dags, findings=tuple(unique))


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _members(node: Task | TaskGroup) -> list[Task]:
    if isinstance(node, Task):
        return [node]
    found: list[Task] = []
    waiting: list[Task | TaskGroup] = [node]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if isinstance(current, Task):
            found.append(current)
        elif id(current) not in seen:
            seen.add(id(current))
            waiting.extend(current.members)
    return found
