"""Evaluate calls: DAGs, operators, TaskFlow, `chain` and the few methods that DAG files use on lists and dicts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gates.dags.values import (
    MAX_ITEMS,
    UNKNOWN,
    Dag,
    DictValue,
    Function,
    Label,
    ListValue,
    Partial,
    Symbol,
    Task,
    TaskGroup,
)

if TYPE_CHECKING:
    from gates.dags.expressions import Evaluator

# The order of DAG's parameters up to the ones looked at (airflow.models.dag.DAG of 2.x; 3.x keeps it).
_DAG_POSITIONAL = ("dag_id", "description", "schedule", "start_date")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Evaluated arguments of a call; `open` when there may be more (`*unknown`, `**unknown`)."""

    positional: list[Any] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)
    open: bool = False

    def everything(self) -> list[Any]:
        return [*self.positional, *self.keywords.values()]


def arguments(ev: Evaluator, node: ast.Call) -> Arguments:
    """The arguments of `node`, with known lists and dicts behind `*` and `**` spread out."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    is_open = False
    for argument in node.args:
        value = ev.ev(argument.value if isinstance(argument, ast.Starred) else argument)
        if not isinstance(argument, ast.Starred):
            positional.append(value)
        elif isinstance(value, ListValue):
            positional.extend(value.items)
            is_open |= value.open
        else:
            is_open = True
    for keyword in node.keywords:
        value = ev.ev(keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, DictValue):
            keywords |= value.items
            is_open |= value.open
        else:
            is_open = True
    return Arguments(positional, keywords, is_open)


def evaluate_call(ev: Evaluator, node: ast.Call) -> Any:
    """The value of a call."""
    if isinstance(node.func, ast.Attribute):
        owner = ev.ev(node.func.value)
        if isinstance(owner, Task | TaskGroup | ListValue | DictValue | Partial | Function | str):
            return _method(ev, owner, node.func.attr, node)
        if isinstance(owner, Symbol) and node.func.attr in {"partial", "expand", "override"}:
            return _mapped(ev, owner.name, [], frozenset(), node.func.attr, node)
    target = ev.ev(node.func)
    if isinstance(target, Function):
        return _function(ev, target, node)
    given = arguments(ev, node)
    if isinstance(target, Symbol):
        return _symbol(ev, target, given, node)
    return _maybe_operator(ev, ast.unparse(node.func)[:80] if "task_id" in given.keywords else "", given, node)


def make_dag(
    ev: Evaluator, given: Arguments, node: ast.AST, *, default_id: Any = UNKNOWN, is_open: bool = False
) -> Dag:
    """Record a DAG from the arguments of `DAG(...)` or `@dag(...)`."""
    keywords = dict(zip(_DAG_POSITIONAL, given.positional, strict=False)) | given.keywords
    dag_id = keywords.get("dag_id", default_id)
    dag = Dag(
        dag_id=dag_id if isinstance(dag_id, str) else None,
        line=ev.line(node),
        keywords=keywords,
        open_keywords=given.open or is_open,
        conditional=ev.conditional > 0,
        repeated=ev.repeated > 0,
    )
    ev.dags.append(dag)
    return dag


def _symbol(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:
    if target.is_airflow:
        special = _AIRFLOW.get(target.name)
        if special is not None:
            return special(ev, target, given, node)
    if target.dotted.startswith("builtins."):
        return _builtin(target.name, given)
    return _maybe_operator(ev, target.name, given, node)


def _maybe_operator(ev: Evaluator, name: str, given: Arguments, node: ast.Call) -> Any:
    """A task, if it looks like an operator: by its name, or by having a task_id."""
    if not (name.endswith(("Operator", "Sensor")) or "task_id" in given.keywords):
        return UNKNOWN
    task_id = given.keywords.get("task_id")
    label = task_id if isinstance(task_id, str) else f"{name} at line {ev.line(node)}"
    dag = given.keywords.get("dag")
    inside = isinstance(dag, Dag)
    if isinstance(dag, Dag):
        ev.context.append(dag)
    task = ev.make_task(label, node, given.everything(), frozenset(given.keywords), open_keywords=given.open)
    if inside:
        ev.context.pop()
    return task


def _function(ev: Evaluator, function: Function, node: ast.Call) -> Any:
    if function.kind in {"task", "task_group"}:
        given = arguments(ev, node)
        return ev.make_task(function.name, node, given.everything(), frozenset())
    if function.kind == "dag":
        function.called = True
        if function.dag is not None:
            function.dag.called = True
        return function.dag or UNKNOWN
    return ev.invoke(function, node)


def _mapped(
    ev: Evaluator, label: str, upstream: list[Any], keywords: frozenset[str], method: str, node: ast.Call
) -> Any:
    """`X.partial(...)` and `X.override(...)` bind arguments, `.expand(...)` makes the task."""
    given = arguments(ev, node)
    task_id = given.keywords.get("task_id")
    label = task_id if isinstance(task_id, str) else label
    bound = Partial(label, keywords | frozenset(given.keywords), [*upstream, *given.everything()])
    if method in {"expand", "expand_kwargs"}:
        return ev.make_task(bound.label, node, bound.upstream, bound.keywords)
    return bound


def _method(ev: Evaluator, owner: Any, method: str, node: ast.Call) -> Any:
    if isinstance(owner, Function) and method == "override":
        arguments(ev, node)
        return owner
    if isinstance(owner, Function):
        return _mapped(ev, owner.name, [], frozenset(), method, node)
    if isinstance(owner, Partial):
        return _mapped(ev, owner.label, owner.upstream, owner.keywords, method, node)
    given = arguments(ev, node)
    if isinstance(owner, Task | TaskGroup):
        for other in given.positional:
            if method == "set_downstream":
                ev.connect(owner, other, node)
            elif method == "set_upstream":
                ev.connect(other, owner, node)
        return None
    if isinstance(owner, ListValue):
        return _list_method(owner, method, given, many=ev.repeated > 0)
    if isinstance(owner, DictValue):
        return _dict_method(owner, method, given)
    return UNKNOWN


def _list_method(owner: ListValue, method: str, given: Arguments, *, many: bool) -> Any:
    if method in {"append", "add"} and len(owner.items) < MAX_ITEMS:
        owner.items.extend(given.positional[:1])
        owner.open |= many
    elif method == "extend" and given.positional and isinstance(given.positional[0], ListValue):
        owner.items.extend(given.positional[0].items[: MAX_ITEMS - min(MAX_ITEMS, len(owner.items))])
        owner.open |= many or given.positional[0].open
    elif method == "copy":
        return ListValue(items=list(owner.items), open=owner.open)
    else:
        owner.open = True
        return UNKNOWN
    return None


def _dict_method(owner: DictValue, method: str, given: Arguments) -> Any:
    if method == "copy":
        return owner.copy()
    if method == "update":
        for other in given.positional:
            owner.update(other)
        owner.items |= given.keywords
        owner.open |= given.open
        return None
    if method in {"items", "keys", "values"}:
        pairs: dict[str, list[Any]] = {
            "items": [ListValue(items=[key, value]) for key, value in owner.items.items()],
            "keys": list(owner.items),
            "values": list(owner.items.values()),
        }
        return ListValue(items=pairs[method], open=owner.open)
    if method == "get" and given.positional and isinstance(given.positional[0], str) and not owner.open:
        default = given.positional[1] if len(given.positional) > 1 else None
        return owner.items.get(given.positional[0], default)
    owner.open |= method in {"pop", "setdefault", "clear", "popitem"}
    return UNKNOWN


def _builtin(name: str, given: Arguments) -> Any:
    first = given.positional[0] if given.positional else None
    if name == "dict":
        result = first.copy() if isinstance(first, DictValue) else DictValue(open=bool(given.positional))
        result.items |= given.keywords
        result.open |= given.open
        return result
    if name in {"list", "tuple", "set", "sorted", "reversed"} and (first is None or isinstance(first, ListValue)):
        items = list(first.items) if first else []
        return ListValue(items=items[::-1] if name == "reversed" else items, open=bool(first and first.open))
    if name == "range" and all(isinstance(item, int) for item in given.positional) and given.positional:
        numbers = range(*given.positional[:3]) if 0 not in given.positional[2:] else range(0)
        return ListValue(items=list(numbers[:MAX_ITEMS]), open=len(numbers[: MAX_ITEMS + 1]) > MAX_ITEMS)
    if name == "enumerate" and isinstance(first, ListValue):
        return ListValue(items=[ListValue(items=[at, item]) for at, item in enumerate(first.items)], open=first.open)
    if name == "str" and isinstance(first, str | int):
        return str(first)
    return UNKNOWN


def _dag(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:
    return make_dag(ev, given, node, is_open=target.open)


def _group(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:  # noqa: ARG001 - one signature
    name = given.keywords.get("group_id", given.positional[0] if given.positional else None)
    group = TaskGroup(label=name if isinstance(name, str) else "task group")
    if ev.context and isinstance(ev.context[-1], TaskGroup):
        ev.context[-1].members.append(group)
    return group


def _chain(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:
    """`chain` joins lists of the same length element by element, `chain_linear` joins them all with all."""
    if given.open:
        ev.lost_edges.append(ev.line(node))
    parts = [part for part in given.positional if not isinstance(part, Label)]
    for before, after in pairwise(parts):
        both = isinstance(before, ListValue) and isinstance(after, ListValue)
        if both and target.name == "chain" and len(before.items) == len(after.items):
            for one, other in zip(before.items, after.items, strict=True):
                ev.connect(one, other, node)
        else:
            ev.connect(before, after, node)


def _cross(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:  # noqa: ARG001 - one signature
    sides = [*given.positional, *(given.keywords[key] for key in ("from_tasks", "to_tasks") if key in given.keywords)]
    if len(sides) == 2:
        ev.connect(sides[0], sides[1], node)


def _label(ev: Evaluator, target: Symbol, given: Arguments, node: ast.Call) -> Any:  # noqa: ARG001 - one signature
    return Label()


_AIRFLOW: dict[str, Callable[[Evaluator, Symbol, Arguments, ast.Call], Any]] = {
    "DAG": _dag,
    "TaskGroup": _group,
    "chain": _chain,
    "chain_linear": _chain,
    "cross_downstream": _cross,
    "Label": _label,
}
