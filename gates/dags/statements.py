"""Follow the statements of a DAG file: imports, assignments, `with DAG`, decorators, loops over constants."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, Literal

from gates.dags.calls import Arguments, arguments, make_dag
from gates.dags.expressions import Evaluator, truth
from gates.dags.values import UNKNOWN, Dag, DictValue, Function, ListValue, Scope, Symbol, TaskGroup

Flow = Literal["break", "continue", "return"] | None
_DEPTH = 8


class Interpreter(Evaluator):
    """An `Evaluator` that also follows statements. One per file."""

    def __init__(self, project: Any, path: str) -> None:
        super().__init__(project, path)
        self._guarded = 0
        self._returned: list[Any] = []
        self._calls: list[Function] = []

    def run(self, tree: ast.Module) -> None:
        """Read the whole file. Raises `TooMuchError`, or `RecursionError` for absurd nesting."""
        self.block(tree.body)

    def block(self, body: Iterable[ast.stmt]) -> Flow:
        """Follow statements until one of them leaves the block."""
        for statement in body:
            self.step()
            method = _STATEMENTS.get(type(statement))
            flow = method(self, statement) if method is not None else self._other(statement)
            if flow is not None:
                return flow
        return None

    def invoke(self, function: Function, node: ast.Call) -> Any:
        """Follow the body with the parameters bound to what was given; what it returns, where that is one thing."""
        given = arguments(self, node)
        if function in self._calls or len(self._calls) >= _DEPTH:
            return UNKNOWN
        function.called = True
        outer, returned = self.scope, self._returned
        self.scope, self._returned = Scope(function.scope), []
        self._parameters(function.node.args, given)
        self._calls.append(function)
        self.call_lines.append(node.lineno)
        try:
            self.block(function.node.body)
            values = self._returned
        finally:
            self.scope, self._returned = outer, returned
            self._calls.pop()
            self.call_lines.pop()
        return values[0] if len(values) == 1 else (UNKNOWN if values else None)

    def _parameters(self, declared: ast.arguments, given: Arguments) -> None:
        names = [argument.arg for argument in (*declared.posonlyargs, *declared.args)]
        everything = [*names, *(argument.arg for argument in declared.kwonlyargs)]
        values: dict[str, Any] = dict.fromkeys(everything, UNKNOWN)
        late = dict(zip(names[::-1], declared.defaults[::-1], strict=False))
        late |= {a.arg: d for a, d in zip(declared.kwonlyargs, declared.kw_defaults, strict=True) if d is not None}
        for name, default in late.items():
            values[name] = self.ev(default)
        values |= dict(zip(names, given.positional, strict=False))
        values |= {name: value for name, value in given.keywords.items() if name in values}
        if declared.vararg is not None:
            values[declared.vararg.arg] = ListValue(items=given.positional[len(names) :], open=given.open)
        if declared.kwarg is not None:
            extra = {name: value for name, value in given.keywords.items() if name not in everything}
            values[declared.kwarg.arg] = DictValue(items=extra, open=given.open)
        self.scope.names |= values

    # -- statements ------------------------------------------------------------------------------------------------

    def _other(self, statement: ast.stmt) -> Flow:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.ev(child)
        return None

    def _expr(self, statement: ast.Expr) -> Flow:
        self.ev(statement.value)
        return None

    def _assign(self, statement: ast.Assign) -> Flow:
        value = self.ev(statement.value)
        for target in statement.targets:
            self.bind(target, value)
        return None

    def _annotated(self, statement: ast.AnnAssign) -> Flow:
        if statement.value is not None:
            self.bind(statement.target, self.ev(statement.value))
        return None

    def _augmented(self, statement: ast.AugAssign) -> Flow:
        load = ast.BinOp(left=_loaded(statement.target), op=statement.op, right=statement.value)
        self.bind(statement.target, self.ev(ast.copy_location(load, statement)))
        return None

    def _return(self, statement: ast.Return) -> Flow:
        self._returned.append(self.ev(statement.value))
        return "return"

    def _leave(self, statement: ast.stmt) -> Flow:
        if isinstance(statement, ast.Raise):
            return "return"
        return "break" if isinstance(statement, ast.Break) else "continue"

    def _if(self, statement: ast.If) -> Flow:
        known = truth(self.ev(statement.test))
        if known is not None:
            return self.block(statement.body if known else statement.orelse)
        # Under TYPE_CHECKING nothing is imported when Airflow reads the file.
        guarded = "TYPE_CHECKING" in ast.dump(statement.test)
        self._guarded += guarded
        self._branch(statement.body)
        self._guarded -= guarded
        self._branch(statement.orelse)
        return None

    def _branch(self, body: Iterable[ast.stmt]) -> None:
        self.conditional += 1
        self.block(body)
        self.conditional -= 1

    def _for(self, statement: ast.For | ast.AsyncFor) -> Flow:
        left: list[Flow] = []

        def body() -> Flow:
            flow = self.block(statement.body)
            left.append(flow)
            return "break" if flow in {"break", "return"} else None

        self.repeat(self.ev(statement.iter), statement.target, body)
        self.block(statement.orelse)
        return "return" if "return" in left and self.repeated == 0 else None

    def _while(self, statement: ast.While) -> Flow:
        self.ev(statement.test)
        self.repeated += 1
        self._branch(statement.body)
        self.repeated -= 1
        return None

    def _with(self, statement: ast.With | ast.AsyncWith) -> Flow:
        entered = 0
        guarded = 0
        for item in statement.items:
            value = self.ev(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
            if isinstance(value, Dag | TaskGroup):
                self.context.append(value)
                entered += 1
            guarded += isinstance(value, Symbol) or "suppress" in ast.dump(item.context_expr)[:200]
        self._guarded += guarded
        flow = self.block(statement.body)
        self._guarded -= guarded
        del self.context[len(self.context) - entered :]
        return flow

    def _try(self, statement: ast.Try) -> Flow:
        guarded = bool(statement.handlers)
        self._guarded += guarded
        flow = self.block(statement.body)
        self._guarded -= guarded
        for handler in statement.handlers:
            self._branch(handler.body)
        if flow is None:
            flow = self.block(statement.orelse)
        return self.block(statement.finalbody) or flow

    def _match(self, statement: ast.Match) -> Flow:
        self.ev(statement.subject)
        for case in statement.cases:
            self._branch(case.body)
        return None

    # -- imports ---------------------------------------------------------------------------------------------------

    def _import(self, statement: ast.Import) -> Flow:
        for alias in statement.names:
            value = self.project.import_module(self, alias.name, 0, statement, guarded=self._guarded > 0)
            if alias.asname:
                self.scope.names[alias.asname] = value
            else:
                head = alias.name.split(".", 1)[0]
                self.scope.names[head] = self.project.top(head)
        return None

    def _import_from(self, statement: ast.ImportFrom) -> Flow:
        guarded = self._guarded > 0
        for alias in statement.names:
            name = alias.asname or alias.name
            if alias.name == "*":
                self.project.import_star(self, statement, guarded=guarded)
            else:
                self.scope.names[name] = self.project.import_name(self, statement, alias.name, guarded=guarded)
        return None

    # -- definitions -----------------------------------------------------------------------------------------------

    def _class(self, statement: ast.ClassDef) -> Flow:
        bases = [self.ev(base) for base in statement.bases]
        known = next((base for base in bases if isinstance(base, Symbol) and base.is_airflow), None)
        if known is not None and known.name == "DAG":
            self.scope.names[statement.name] = Symbol(known.dotted, open=True)
        elif known is not None and not statement.name.endswith(("Operator", "Sensor")):
            self.scope.names[statement.name] = known
        else:
            self.scope.names[statement.name] = Symbol(f"local.{statement.name}")
        return None

    def _define(self, statement: ast.FunctionDef | ast.AsyncFunctionDef) -> Flow:
        function = Function(statement.name, "plain", statement, self.scope, self.path)
        self.scope.names[statement.name] = function
        self.functions.append(function)
        for decorator in statement.decorator_list:
            self._decorate(function, decorator)
        if function.kind == "plain":
            function.makes_dags = _makes_dags(statement)
        return None

    def _decorate(self, function: Function, decorator: ast.expr) -> None:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = self.ev(call.func if call else decorator)
        if not isinstance(target, Symbol) or not target.is_airflow:
            return
        parts = target.dotted.split(".")
        if parts[-1] == "dag":
            given = arguments(self, call) if call else Arguments()
            function.kind = "dag"
            function.dag = make_dag(self, given, function.node, default_id=function.name)
            function.dag.called = False
            self._inside(function, function.dag)
        elif parts[-1] == "task_group":
            function.kind = "task_group"
            self._inside(function, TaskGroup(label=function.name))
        elif "task" in parts[-2:] or parts[-1] in {"setup", "teardown"}:
            function.kind = "task"

    def _inside(self, function: Function, container: Dag | TaskGroup) -> None:
        """Follow the body of a decorated function with its parameters unknown."""
        outer, returned = self.scope, self._returned
        self.scope, self._returned = Scope(outer), []
        self._parameters(function.node.args, Arguments(open=True))
        self.context.append(container)
        self.block(function.node.body)
        self.context.pop()
        self.scope, self._returned = outer, returned


def _makes_dags(function: ast.AST) -> bool:
    """Whether a function makes DAGs, as far as names tell: it calls `DAG`, or decorates an inner function with `dag`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _last_name(node.func) == "DAG":
            return True
        if node is not function and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
            if any(_last_name(decorator) == "dag" for decorator in decorators):
                return True
    return False


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else (node.id if isinstance(node, ast.Name) else "")


def _loaded(target: ast.expr) -> ast.expr:
    """An assignment target as an expression that reads it."""
    return ast.parse(ast.unparse(target), mode="eval").body


_STATEMENTS: dict[type[ast.stmt], Callable[[Any, Any], Flow]] = {
    ast.Expr: Interpreter._expr,
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._annotated,
    ast.AugAssign: Interpreter._augmented,
    ast.Return: Interpreter._return,
    ast.Raise: Interpreter._leave,
    ast.Break: Interpreter._leave,
    ast.Continue: Interpreter._leave,
    ast.If: Interpreter._if,
    ast.For: Interpreter._for,
    ast.AsyncFor: Interpreter._for,
    ast.While: Interpreter._while,
    ast.With: Interpreter._with,
    ast.AsyncWith: Interpreter._with,
    ast.Try: Interpreter._try,
    ast.Match: Interpreter._match,
    ast.Import: Interpreter._import,
    ast.ImportFrom: Interpreter._import_from,
    ast.ClassDef: Interpreter._class,
    ast.FunctionDef: Interpreter._define,
    ast.AsyncFunctionDef: Interpreter._define,
}
