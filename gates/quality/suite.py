"""Read a Great Expectations 1.x suite (JSON or YAML) into frozen values. Pure; unknown types and keys are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gates.quality.suite_text import read_text, refuse
from gates.verdict import Severity

MAX_SUITE_BYTES = 16 * 1024 * 1024
PARAMETER = "$PARAMETER"
OLD_FORM = (
    "Write it in the form of Great Expectations 1.x: `name` for expectation_suite_name, `type` for expectation_type, "
    "`suite_parameters` for evaluation_parameters."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry of a suite.

    `index` is its position, counted from 0, and its identity in results. `name` is stable and unique within the
    suite: type and domain, `#2` and so on for repetitions. `severity` is critical where the suite says nothing.
    `line` counts from 1. `raw` is the entry as written (notes, description, id, meta among it), for engines and
    reports that want all of it.
    """

    index: int
    name: str
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    line: int
    raw: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is about, in order; empty for expectations on the whole table."""
        return _columns(self.kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite: `path` relative to the repository root, and its expectations in order (possibly none).

    `meta`, `notes` and `id` are as written; `id` and `notes` None where there is none.
    """

    name: str
    path: str
    expectations: tuple[Expectation, ...]
    suite_parameters: Mapping[str, Any]
    meta: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: str | tuple[str, ...] | None = None
    id: str | None = None


def with_values(suite: Suite) -> Suite:
    """`suite` as reports show it: the values of its `suite_parameters` in place of `{"$PARAMETER": name}`.

    What has no value there, or is an expression, stays as it is.
    """
    return replace(
        suite,
        expectations=tuple(
            replace(entry, kwargs=MappingProxyType(_filled(entry.kwargs, suite.suite_parameters)))
            for entry in suite.expectations
        ),
    )


def _filled(kwargs: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: values[value[PARAMETER]]
        if isinstance(value, dict) and isinstance(value.get(PARAMETER), str) and value[PARAMETER] in values
        else value
        for key, value in kwargs.items()
    }


def parse_suite(data: bytes, path: str) -> Suite:
    """The suite in `data`. Raises `ConfigError` with file, line and key when it is not a GX 1.x suite."""
    if len(data) > MAX_SUITE_BYTES:
        refuse("the suite is larger than 16 MiB", path, "Name a Great Expectations suite.")
    document, lines = read_text(data, path)
    if not isinstance(document, dict):
        refuse("the suite is not a JSON object", f"{path}:1", "Name a Great Expectations suite.")
    return _suite(document, lines, path)


def _suite(document: Mapping[str, Any], lines: list[int], path: str) -> Suite:
    if "expectation_suite_name" in document:
        refuse("this is a suite of Great Expectations 0.x (it has expectation_suite_name)", f"{path}:1", OLD_FORM)
    entries = document.get("expectations")
    if not isinstance(entries, list):
        refuse("the suite has no list `expectations`", f"{path}:1", "Name a Great Expectations 1.x suite.")
    name, notes, identity = document.get("name"), document.get("notes"), document.get("id")
    return Suite(
        name=name if isinstance(name, str) and name else path,
        path=path,
        expectations=tuple(_expectations(entries, lines, path)),
        suite_parameters=_mapping(document, "suite_parameters", path),
        meta=_mapping(document, "meta", path),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else notes if isinstance(notes, str) else None,
        id=identity if isinstance(identity, str) else None,
    )


def _mapping(document: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    value = document.get(key)
    if value is None:
        return MappingProxyType({})
    if not isinstance(value, dict):
        refuse(f"`{key}` of the suite is not an object", f"{path}:1", "Correct the suite.")
    return MappingProxyType(value)


def _expectations(entries: list[Any], lines: list[int], path: str) -> Iterator[Expectation]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        line = lines[index] if index < len(lines) else 1
        where = f"{path}:{line}"
        if not isinstance(entry, dict):
            refuse(f"expectation {index + 1} is not a JSON object", where, "Correct the suite.")
        kind, kwargs = entry.get("type"), entry.get("kwargs", {})
        if "expectation_type" in entry and "type" not in entry:
            refuse(
                f"expectation {index + 1} is one of Great Expectations 0.x (it has expectation_type)", where, OLD_FORM
            )
        if not isinstance(kind, str) or not kind:
            refuse(f"expectation {index + 1} has no type", where, "Give it a type such as expect_column_to_exist.")
        if not isinstance(kwargs, dict):
            refuse(f"kwargs of expectation {index + 1} is not a JSON object", where, "Correct the suite.")
        columns = ", ".join(_columns(kwargs))
        name = f"{kind}({columns})" if columns else kind
        seen[name] = seen.get(name, 0) + 1
        yield Expectation(
            index=index,
            name=name if seen[name] == 1 else f"{name} #{seen[name]}",
            type=kind,
            kwargs=MappingProxyType(kwargs),
            severity=_severity(entry.get("severity"), f"severity of expectation {index + 1}", where),
            line=line,
            raw=MappingProxyType(entry),
        )


def _severity(value: object, what: str, where: str) -> Severity:
    if value is None:
        return Severity.CRITICAL
    try:
        return Severity(value)  # type: ignore[arg-type]  # anything but one of the three words raises
    except ValueError:
        refuse(f"{what}: {value!r} is not a severity", where, "Use critical, warning or info.")


def _columns(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    for keys in (("column",), ("column_A", "column_B")):
        if all(isinstance(kwargs.get(key), str) for key in keys):
            return tuple(kwargs[key] for key in keys)
    listed = kwargs.get("column_list")
    return tuple(str(column) for column in listed) if isinstance(listed, list) else ()
