"""The smallest useful part of Helm: values, release and chart names put into templates. Pure.

Everything a chart of the example platform needs renders exactly as real Helm renders it; anything else is refused with
a message, because a template rendered nearly right would be worse than none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

_ACTION = re.compile(r"\{\{(?P<left>-)?(?P<body>.*?)(?P<right>-)?\}\}", re.DOTALL)
_REFERENCE = re.compile(r"\.(?P<root>Values|Release|Chart)(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
_COMMENT = re.compile(r"\s*/\*.*\*/\s*", re.DOTALL)
SUPPORTED = (
    "{{ .Values.a.b }}, {{ .Release.Name }}, {{ .Release.Namespace }}, {{ .Chart.Name }}, each also with | quote"
)


class HelmError(Exception):
    """A chart that cannot be rendered here; the text names the file and the expression."""


def release_values(chart: Mapping[str, Any], values: Mapping[str, Any], name: str, namespace: str) -> dict[str, Any]:
    """The names that templates may use."""
    return {
        "Values": dict(values),
        "Release": {"Name": name, "Namespace": namespace, "Service": "Helm"},
        "Chart": {key[:1].upper() + key[1:]: value for key, value in chart.items()},
    }


def render(template: str, context: Mapping[str, Any], where: str) -> str:
    """The template with its actions replaced. Raises `HelmError` for an action outside of what is supported."""

    def replace(match: re.Match[str]) -> str:
        body = match["body"]
        return "" if _COMMENT.fullmatch(body) else _evaluate(body.strip(), context, where)

    trimmed = re.sub(r"\s*\{\{-", "{{", template)
    trimmed = re.sub(r"-\}\}\s*", "}}", trimmed)
    return _ACTION.sub(replace, trimmed)


def _evaluate(expression: str, context: Mapping[str, Any], where: str) -> str:
    head, *filters = (part.strip() for part in expression.split("|"))
    match = _REFERENCE.fullmatch(head)
    if match is None or any(item != "quote" for item in filters) or len(filters) > 1:
        raise HelmError(f"{where}: the sandbox's Helm cannot render {{{{ {expression} }}}}; it knows only {SUPPORTED}")
    value: Any = context[match["root"]]
    for name in match["path"].strip(".").split("."):
        if not isinstance(value, Mapping):
            raise HelmError(f"{where}: nil pointer evaluating {{{{ {expression} }}}}: nothing has the key {name!r}")
        value = value.get(name)
    return json.dumps(_text(value), ensure_ascii=False) if filters else _text(value)


def _text(value: Any) -> str:
    """A value as Go's templates print it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)


def merge_values(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values files in order, later ones over earlier ones, objects merged."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            before = result.get(key)
            both = isinstance(before, dict) and isinstance(value, Mapping)
            result[key] = merge_values(before or {}, value) if both else value
    return result


def parse_values(text: str, where: str) -> dict[str, Any]:
    """A values file or Chart.yaml as a mapping; an empty file is an empty mapping. Raises `HelmError`."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HelmError(f"{where}: cannot load values: {' '.join(str(error).split())}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise HelmError(f"{where}: a mapping is needed, not {type(value).__name__}")
    return value
