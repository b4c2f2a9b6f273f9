"""Parses DAG files for the Airflow stand-in: run as a program of its own, with a stub in the place of Airflow.

Usage: ``python airflow_parse.py FOLDER FILE...``; prints one JSON object: file -> ``{"dags": [...]}`` or
``{"error": stack trace}``. Files of a zip file are named below it. Each file is imported with modules of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import traceback
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Self

TRACEBACK_DEPTH = 2  # Airflow's dagbag_import_error_traceback_depth
_MADE: list[str] = []
_MODULE = "unusual_prefix_dag"


class _Anything:
    """Stands for every other name of Airflow: it can be called, entered, chained, subclassed and decorated with."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __rshift__(self, other: Any) -> Any:
        return other

    __lshift__ = __rrshift__ = __rlshift__ = __rshift__


class _Dag(_Anything):
    def __init__(self, dag_id: str = "", *_: Any, **__: Any) -> None:
        _MADE.append(dag_id)


def _dag_decorator(dag_id: Any = None, *_: Any, **__: Any) -> Any:
    def decorate(function: Any, name: str | None = None) -> Any:
        def make(*args: Any, **kwargs: Any) -> Any:
            _MADE.append(name or function.__name__)
            function(*args, **kwargs)
            return _Anything()

        return make

    return decorate(dag_id) if callable(dag_id) else lambda function: decorate(function, dag_id)


class _Stub(types.ModuleType):
    DAG, Dag, dag = _Dag, _Dag, staticmethod(_dag_decorator)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


class _Finder:
    """Every module below `airflow` is a stub."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name == "airflow" or name.startswith("airflow.") else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: types.ModuleType) -> None: ...


def parse(folder: Path, name: str) -> dict[str, Any]:
    """Import one file as Airflow does."""
    before, path = set(sys.modules), list(sys.path)
    _MADE.clear()
    head, is_zip, inner = name.partition(".zip/")
    try:
        if is_zip:
            sys.path.insert(0, str(folder / f"{head}.zip"))
            importlib.import_module(inner.removesuffix(".py"))
        else:
            # By the import system itself, so that stack traces look as Airflow's do.
            spec = importlib.util.spec_from_file_location(_MODULE, folder / name)
            if spec is not None and spec.loader is not None:
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except BaseException:  # noqa: BLE001 - whatever a file raises is its import error
        return {"error": traceback.format_exc(limit=-TRACEBACK_DEPTH)}
    finally:
        sys.path[:] = path
        for added in set(sys.modules) - before:
            del sys.modules[added]
    return {"dags": list(dict.fromkeys(_MADE))}


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    root = Path(sys.argv[1])
    sys.path[0] = str(root)  # instead of the folder of this program
    sys.meta_path.insert(0, _Finder())
    answer = {name: parse(root, name) for name in sys.argv[2:]}
    sys.stdout.write(json.dumps(answer))
