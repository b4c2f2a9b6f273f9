"""JSON patch (RFC 6902): add, replace, remove, test, copy and move. Pure."""

from __future__ import annotations

from typing import Any

from cicd.sandbox.kubernetes.cluster import copy_json


def json_patch(document: Any, operations: Any) -> Any:
    """The patched copy. Raises `LookupError` for a path that is not there, `ValueError` or `TypeError` for a bad form."""
    if not isinstance(operations, list):
        raise TypeError("a JSON patch is a list of operations")
    result = copy_json(document)
    for operation in operations:
        result = _apply(result, operation)
    return result


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise TypeError(f"not a patch operation: {operation!r}")
    kind, path = operation.get("op"), _tokens(operation["path"])
    if kind in {"copy", "move"}:
        source = _tokens(str(operation.get("from")))
        value = copy_json(_get(document, source))
        if kind == "move":
            document = _remove(document, source)
        return _add(document, path, value)
    if kind == "add":
        return _add(document, path, copy_json(operation["value"]))
    if kind == "remove":
        return _remove(document, path)
    if kind == "replace":
        _get(document, path)
        return _add(_remove(document, path), path, copy_json(operation["value"])) if path else operation["value"]
    if kind == "test":
        if _get(document, path) != operation["value"]:
            raise ValueError(f"testing value {operation['path']} failed")
        return document
    raise ValueError(f"unknown operation {kind!r}")


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError(f"not a JSON pointer: {path!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    for token in path:
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        place = len(parent) if path[-1] == "-" else int(path[-1])
        if not 0 <= place <= len(parent):
            raise IndexError(f"index {place} is out of range")
        parent.insert(place, value)
    else:
        parent[path[-1]] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return {}
    parent = _get(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document
