"""Values for `{"$PARAMETER": name}` in the arguments of an expectation. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gates.quality.expectations.context import NotPlannedError, refuse
from gates.quality.suite import PARAMETER

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_$]*")


def substitute(kwargs: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """`kwargs` with the values of their parameters, and the names of those arguments that had one.

    A parameter without a value is not judged; an expression (`now() - timedelta(days=1)`) is not planned.
    """
    given = frozenset(name for name, value in kwargs.items() if isinstance(value, dict) and PARAMETER in value)
    return {name: _value(value, parameters) if name in given else value for name, value in kwargs.items()}, given


def _value(reference: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    name = reference[PARAMETER]
    if f"{PARAMETER}.{name}" in reference:
        return reference[f"{PARAMETER}.{name}"]
    if not isinstance(name, str):
        refuse(f"{PARAMETER}: the name of a parameter is not text")
    if name in parameters:
        return parameters[name]
    if _NAME.fullmatch(name):
        refuse(f"No value found for {PARAMETER} {name}")
    raise NotPlannedError(f"the parameter expression {name!r}")
