"""Evaluate the expressions of a DAG file as far as constants go. Nothing of the file is ever executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gates.dags.values import (
    MAX_ITEMS,
    MAX_TEXT,
    UNKNOWN,
    Dag,
    DictValue,
    Function,
    Label,
    ListValue,
    ModuleValue,
    Partial,
    Scope,
    Symbol,
    Task,
    TaskGroup,
    tasks_in,
)

if TYPE_CHECKING:
    from gates.dags.project import Project

MAX_STEPS = 60_000
_UNROLLED = 100
_SCALARS = (str, int, float, bool, bytes, type(None))


class TooMuchError(Exception):
    """The file would take too long to follow."""


class Evaluator:
    """State of one file being read, and the evaluation of expressions."""

    def __init__(self, project: Project, path: str) -> None:
        self.project = project
        self.path = path
        self.scope = Scope()
        self.dags: list[Dag] = []
        self.edges: list[tuple[Task | TaskGroup, Task | TaskGroup, int]] = []
        self.lost_edges: list[int] = []
        self.functions: list[Function] = []
        self.context: list[Dag | TaskGroup] = []
        self.call_lines: list[int] = []
        self.conditional = 0
        self.repeated = 0
        self._steps = 0

    # -- entry -----------------------------------------------------------------------------------------------------

    def ev(self, node: ast.expr | None) -> Any:
        """The value of an expression; UNKNOWN where constants end."""
        self.step()
        if node is None:
            return None
        method = _DISPATCH.get(type(node))
        if method is not None:
            return method(self, node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.ev(child)
        return UNKNOWN

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooMuchError

    def line(self, node: ast.AST) -> int:
        """Where to point in this file: a call into another function is shown at the outermost call."""
        return self.call_lines[0] if self.call_lines else getattr(node, "lineno", 1)

    def invoke(self, function: Function, node: ast.Call) -> Any:
        """Follow a call of a function of the DAG folder; statements are the subclass's."""
        raise NotImplementedError

    # -- plain values ----------------------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Any:
        return node.value if isinstance(node.value, _SCALARS) else UNKNOWN

    def _name(self, node: ast.Name) -> Any:
        return self.scope.get(node.id)

    def _attribute(self, node: ast.Attribute) -> Any:
        value = self.ev(node.value)
        if isinstance(value, Symbol):
            return Symbol(f"{value.dotted}.{node.attr}")
        if isinstance(value, ModuleValue):
            return self.project.member(value, node.attr)
        return value if isinstance(value, Task) and node.attr == "output" else UNKNOWN

    def _joined(self, node: ast.JoinedStr) -> Any:
        parts = [self.ev(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
        plain = all(not isinstance(part, ast.FormattedValue) or not part.format_spec for part in node.values)
        if plain and all(isinstance(part, str | int) for part in parts):
            return _text("".join(str(part) for part in parts))
        return UNKNOWN

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> ListValue:
        result = ListValue()
        for element in node.elts:
            if isinstance(element, ast.Starred):
                inner = self.ev(element.value)
                result.open |= not isinstance(inner, ListValue) or inner.open
                result.items.extend(inner.items if isinstance(inner, ListValue) else ())
            else:
                result.items.append(self.ev(element))
        return _bounded(result)

    def _dict(self, node: ast.Dict) -> DictValue:
        result = DictValue()
        for key, value in zip(node.keys, node.values, strict=True):
            name, item = (None if key is None else self.ev(key)), self.ev(value)
            if key is None:
                result.update(item)
            elif isinstance(name, str):
                result.items[name] = item
            else:
                result.open = True
        return result

    def _subscript(self, node: ast.Subscript) -> Any:
        value, key = self.ev(node.value), self.ev(node.slice)
        if isinstance(value, Task):
            return value
        if isinstance(value, DictValue) and isinstance(key, str):
            return value.items.get(key, UNKNOWN)
        if isinstance(value, ListValue) and isinstance(key, int) and not value.open:
            return value.items[key] if -len(value.items) <= key < len(value.items) else UNKNOWN
        return UNKNOWN

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.ev(node.left), self.ev(node.right)
        if isinstance(node.op, ast.RShift | ast.LShift):
            return self._shift(left, right, node)
        if isinstance(node.op, ast.Add):
            return _add(left, right)
        if isinstance(node.op, ast.BitOr) and isinstance(left, DictValue):
            merged = left.copy()
            merged.update(right)
            return merged
        return UNKNOWN

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.ev(node.operand)
        if isinstance(node.op, ast.Not):
            known = truth(value)
            return UNKNOWN if known is None else not known
        return -value if isinstance(node.op, ast.USub) and isinstance(value, int | float) else UNKNOWN

    def _conditional(self, node: ast.IfExp) -> Any:
        known = truth(self.ev(node.test))
        if known is not None:
            return self.ev(node.body if known else node.orelse)
        self.conditional += 1
        self.ev(node.body)
        self.ev(node.orelse)
        self.conditional -= 1
        return UNKNOWN

    def _walrus(self, node: ast.NamedExpr) -> Any:
        value = self.ev(node.value)
        self.scope.names[node.target.id] = value
        return value

    def _lambda(self, node: ast.Lambda) -> Any:  # noqa: ARG002 - a lambda's body runs later, if at all
        return UNKNOWN

    # -- loops in expressions --------------------------------------------------------------------------------------

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> ListValue:
        result = ListValue()
        result.open = not self._generate(node.generators, lambda: result.items.append(self.ev(node.elt)))
        return _bounded(result)

    def _dict_comprehension(self, node: ast.DictComp) -> DictValue:
        result = DictValue()

        def add() -> None:
            key, value = self.ev(node.key), self.ev(node.value)
            if isinstance(key, str):
                result.items[key] = value
            else:
                result.open = True

        complete = self._generate(node.generators, add)
        result.open |= not complete
        return result

    def _generate(self, generators: list[ast.comprehension], body: Callable[[], None]) -> bool:
        """Run `body` for each element; whether all elements were known."""
        if not generators:
            body()
            return True
        first, rest = generators[0], generators[1:]
        complete = True

        def each() -> None:
            nonlocal complete
            known = [truth(self.ev(test)) for test in first.ifs]
            if False not in known:
                complete = self._generate(rest, body) and complete and None not in known

        return self.repeat(self.ev(first.iter), first.target, each) and complete

    def repeat(self, iterable: Any, target: ast.expr, body: Callable[[], object]) -> bool:
        """Run `body` with `target` bound to each element; once, for one that stands for many, when they are not known."""
        if isinstance(iterable, DictValue) and not iterable.open:
            iterable = ListValue(items=list(iterable.items))
        if isinstance(iterable, ListValue) and not iterable.open and len(iterable.items) <= _UNROLLED:
            for item in iterable.items:
                self.bind(target, item)
                if body() == "break":
                    break
            return True
        self.repeated += 1
        self.bind(target, UNKNOWN)
        body()
        self.repeated -= 1
        return False

    def bind(self, target: ast.expr, value: Any) -> None:
        """Assign to a name, a tuple of names, or a key of a known dict."""
        if isinstance(target, ast.Name):
            self.scope.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            known = value.items if isinstance(value, ListValue) and not value.open else []
            fits = len(known) == len(target.elts) and not any(isinstance(e, ast.Starred) for e in target.elts)
            for position, element in enumerate(target.elts):
                inner = element.value if isinstance(element, ast.Starred) else element
                self.bind(inner, known[position] if fits else UNKNOWN)
        elif isinstance(target, ast.Subscript):
            container, key = self.ev(target.value), self.ev(target.slice)
            if isinstance(container, DictValue) and isinstance(key, str):
                container.items[key] = value
            elif isinstance(container, DictValue | ListValue):
                container.open = True

    # -- tasks and edges -------------------------------------------------------------------------------------------

    def _shift(self, left: Any, right: Any, node: ast.BinOp) -> Any:
        if isinstance(left, Label):
            return right
        if isinstance(right, Label):
            return left
        if isinstance(left, int) and isinstance(right, int):
            return UNKNOWN
        if isinstance(node.op, ast.RShift):
            self.connect(left, right, node)
        else:
            self.connect(right, left, node)
        return right

    def connect(self, upstream: Any, downstream: Any, node: ast.AST) -> None:
        """Record edges from every task in `upstream` to every task in `downstream`."""
        line = self.line(node)
        sources, targets = list(tasks_in(upstream)), list(tasks_in(downstream))
        for value, found in ((upstream, sources), (downstream, targets)):
            lost = value is UNKNOWN or (isinstance(value, ListValue) and (value.open or UNKNOWN in value.items))
            if lost or (not found and isinstance(value, Symbol | Partial)):
                self.lost_edges.append(line)
        for source in sources:
            for target in targets:
                self.step()
                self.edges.append((source, target, line))

    def make_task(
        self,
        label: str,
        node: ast.AST,
        upstream: Iterable[Any],
        keywords: frozenset[str],
        *,
        open_keywords: bool = False,
    ) -> Task:
        """A new task in the current DAG and group; tasks among its arguments are upstream of it."""
        task = Task(
            label=label,
            line=self.line(node),
            many=self.repeated > 0,
            keywords=keywords,
            open_keywords=open_keywords,
        )
        for container in reversed(self.context):
            if isinstance(container, TaskGroup):
                container.members.append(task)
            else:
                container.tasks.append(task)
                break
        for value in upstream:
            for source in tasks_in(value):
                self.edges.append((source, task, task.line))
        return task

    def _call(self, node: ast.Call) -> Any:
        from gates.dags.calls import evaluate_call

        return evaluate_call(self, node)


def truth(value: Any) -> bool | None:
    """Whether a value counts as true; None when that is not known."""
    if isinstance(value, ListValue | DictValue):
        return True if value.items else (None if value.open else False)
    if isinstance(value, _SCALARS):
        return bool(value)
    return True if isinstance(value, Task | TaskGroup | Dag | Function) else None


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return _text(left + right)
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, ListValue) and isinstance(right, ListValue):
        return _bounded(ListValue(items=left.items + right.items, open=left.open or right.open))
    return UNKNOWN


def _text(text: str) -> Any:
    return text if len(text) <= MAX_TEXT else UNKNOWN


def _bounded(value: ListValue) -> ListValue:
    if len(value.items) > MAX_ITEMS:
        return ListValue(items=value.items[:MAX_ITEMS], open=True)
    return value


_DISPATCH: dict[type[ast.expr], Callable[[Any, Any], Any]] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.JoinedStr: Evaluator._joined,
    ast.List: Evaluator._sequence,
    ast.Tuple: Evaluator._sequence,
    ast.Set: Evaluator._sequence,
    ast.Dict: Evaluator._dict,
    ast.Subscript: Evaluator._subscript,
    ast.BinOp: Evaluator._binary,
    ast.UnaryOp: Evaluator._unary,
    ast.IfExp: Evaluator._conditional,
    ast.NamedExpr: Evaluator._walrus,
    ast.Lambda: Evaluator._lambda,
    ast.ListComp: Evaluator._comprehension,
    ast.SetComp: Evaluator._comprehension,
    ast.GeneratorExp: Evaluator._comprehension,
    ast.DictComp: Evaluator._dict_comprehension,
    ast.Call: Evaluator._call,
}
