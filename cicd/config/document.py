"""YAML text into plain values with the place of each: safe, bounded, and without surprises. Pure.

Refused, each with one clear message: anything that is not UTF-8, tabs as indentation, several documents, duplicate
keys, keys that are not text, tags, and documents that are too large, too deep, or grow too large through aliases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from headgate.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000

Path = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_MERGE = _TAG + "merge"
_TIMESTAMP = _TAG + "timestamp"
# The constructors of explicitly tagged scalars (`!!int x`, `!!bool x`) fail in all these ways.
_BAD_SCALAR = (yaml.YAMLError, ValueError, TypeError, KeyError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the file; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: its root mapping, and where each key and each value was written.

    Paths are tuples of keys and list indexes; `()` is the root. With aliases the place is that of the anchor.
    """

    name: str
    value: Mapping[str, Any]
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]

    def key_position(self, path: Path) -> Position:
        """Where the key of `path` is; of a list item, or a missing key, the nearest enclosing place."""
        while path:
            found = self.keys.get(path) or self.values.get(path)
            if found:
                return found
            path = path[:-1]
        return Position(line=1, column=1)

    def value_position(self, path: Path) -> Position:
        """Where the value of `path` begins; of something missing, the nearest enclosing key."""
        return self.values.get(path) or self.key_position(path)


def parse_document(data: bytes, name: str) -> Document:
    """Parse one YAML mapping. `name` is how messages call the file. Raises `ConfigError`, never anything else."""
    loader = _Loader(_decode(data, name))
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError("the file is empty", where=name, next_step="Run `headgate init` to write one.")
        reader = _Reader(loader=loader, name=name)
        value = reader.read(node, ())
    except yaml.YAMLError as error:
        raise _syntax_error(error, loader.text, name) from error
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise _at(name, node, f"expected a mapping of settings, found {kind}", "Begin with `version: 1`.")
    return Document(name=name, value=value, keys=reader.keys, values=reader.values)


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"the file is larger than {MAX_BYTES // 1024} KiB",
            where=name,
            next_step="This cannot be a headgate.yaml; give another file with --config.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"the file is not UTF-8 text (byte {error.start})", where=f"{name}:{line}", next_step="Save it as UTF-8."
        ) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's own safe loader with bounded nesting (its composer recurses)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.reader_error: yaml.YAMLError | None = None
        try:
            super().__init__(text)
        except yaml.YAMLError as error:  # characters that YAML forbids are found before parsing begins
            self.reader_error = error

    def get_single_node(self) -> yaml.Node | None:
        if self.reader_error is not None:
            raise self.reader_error
        return super().get_single_node()

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.depth >= MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} levels deep", problem_mark=mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def dispose(self) -> None:
        if self.reader_error is None:
            super().dispose()


class _Reader:
    """Nodes into values, remembering places and counting, so that aliases cannot multiply without bound."""

    def __init__(self, *, loader: _Loader, name: str) -> None:
        self.loader = loader
        self.name = name
        self.count = 0
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        if self.count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _at(
                self.name,
                node,
                f"more than {MAX_VALUES} values, or deeper than {MAX_DEPTH}, once its aliases are followed",
                "Write the values out.",
            )
        self.values[path] = _position(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._plain_tag(node, _TAG + "seq")
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._plain_tag(node, _TAG + "map")
        result: dict[str, Any] = {}
        seen: dict[str, Position] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for key, value in self._merged(value_node, path).items():
                    result.setdefault(key, value)
                continue
            key = self._key(key_node)
            if key in seen:
                first = seen[key].line
                raise _at(
                    self.name,
                    key_node,
                    f"the key {key!r} is given twice (first on line {first})",
                    "Remove one of them.",
                )
            seen[key] = self.keys[(*path, key)] = _position(key_node)
            result[key] = self.read(value_node, (*path, key))
        return result

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """The mapping, or the list of mappings, that `<<` brings in; earlier ones win."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise _at(
                    self.name, node, "`<<` takes a mapping or a list of mappings", "Give it an alias like `*name`."
                )
            for key, value in self.read(source, path).items():
                result.setdefault(key, value)
        return result

    def _key(self, node: yaml.Node) -> str:
        # Plain `on`, `yes` and `2026-01-01` are not text in YAML 1.1; silently making them text would guess.
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TAG + "str":
            raise _at(self.name, node, "keys must be text", "Put the key in quotes.")
        return str(node.value)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == _TIMESTAMP:  # no setting is a date; a version such as 2026-01-01 stays what was written
            return node.value
        if node.tag not in _SCALARS:
            raise _at(
                self.name, node, f"the tag {node.tag[:60]!r} is not supported", "Remove it; plain values are enough."
            )
        try:
            return self.loader.construct_object(node)
        except _BAD_SCALAR as error:
            short = node.tag.removeprefix(_TAG)
            raise _at(self.name, node, f"{str(node.value)[:40]!r} cannot be read as {short}", "Correct it.") from error

    def _plain_tag(self, node: yaml.Node, expected: str) -> None:
        if node.tag != expected:
            raise _at(
                self.name, node, f"the tag {node.tag[:60]!r} is not supported", "Remove it; plain values are enough."
            )


def _position(node: yaml.Node) -> Position:
    return Position(line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _at(name: str, node: yaml.Node, what: str, next_step: str) -> ConfigError:
    place = _position(node)
    return ConfigError(what, where=f"{name}:{place.line}:{place.column}", next_step=next_step)


def _syntax_error(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    """PyYAML's complaint as one paragraph with its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        offset = int(getattr(error, "position", 0))
        line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
        problem = f"the character {text[offset : offset + 1]!r} is not allowed in YAML"
    else:
        line, column = mark.line + 1, mark.column + 1
        problem = str(getattr(error, "problem", None) or "it cannot be parsed")
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return ConfigError(
            "the line is indented with a tab",
            where=f"{name}:{line}:1",
            next_step="Indent with spaces; YAML allows no tabs.",
        )
    return ConfigError(
        f"this is not valid YAML: {problem}", where=f"{name}:{line}:{column}", next_step="Correct the syntax there."
    )
