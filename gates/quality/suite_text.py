"""The text of a suite, JSON or YAML, with the line of each expectation. Pure."""

from __future__ import annotations

import json
import re
from json.decoder import JSONDecodeError, JSONDecoder
from pathlib import PurePath
from typing import Any, Never

from headgate.errors import ConfigError

_WHITESPACE = re.compile(r"[ \t\n\r]*")
YAML_SUFFIXES = frozenset({".yaml", ".yml"})
MAX_DEPTH = 100
"""Levels of YAML: its parser's time grows with the square of them."""


def read_text(data: bytes, path: str) -> tuple[Any, list[int]]:
    """What `data` says and the line, counted from 1, on which each element of `expectations` begins.

    The suffix of `path` says whether it is YAML. Raises `ConfigError` with file and line where it is neither.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(f"the suite is not UTF-8 text ({error.reason} at byte {error.start})", path, "Save it as UTF-8.")
    try:
        return _yaml(text, path) if PurePath(path).suffix.lower() in YAML_SUFFIXES else _json(text, path)
    except RecursionError:
        refuse("the suite is nested too deeply", path, "Name a Great Expectations suite.")


def refuse(what: str, where: str, next_step: str) -> Never:
    raise ConfigError(what, where=where, next_step=next_step)


def _json(text: str, path: str) -> tuple[Any, list[int]]:
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except JSONDecodeError as error:
        refuse(
            f"the suite is not JSON: {error.msg} at column {error.colno}",
            f"{path}:{error.lineno}",
            "Correct the file, or write it again with Great Expectations.",
        )
    except ValueError as error:  # a whole number of more than 4300 digits
        refuse(f"the suite is not JSON: {error}", path, "Correct the file.")
    return document, _entry_lines(text) if isinstance(document, dict) else []


def _once(pairs: list[tuple[str, Any]], path: str) -> dict[str, Any]:
    """An object. Of a key that is there twice the first would be dropped without a word, and its expectations with it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        refuse(f"the key {twice!r} is there twice in one object", path, "Keep one of them.")
    return found


def _yaml(text: str, path: str) -> tuple[Any, list[int]]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Dates stay text, as they are in JSON."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - how PyYAML has it
            first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        _look_over(text, path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_twice(node, path)
        document = yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        refuse(f"the suite is not YAML: {error.problem or error.context}", f"{path}:{line}", "Correct the file.")
    except (yaml.YAMLError, ValueError) as error:
        refuse(f"the suite is not YAML: {error}", path, "Correct the file.")
    return document, _yaml_lines(node)


def _look_over(text: str, path: str) -> None:
    """Refuse aliases, which may stand for more than there is room for, and levels without end; before all is read."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{path}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            refuse("the suite has YAML aliases", where, "Write out what they stand for.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            refuse("the suite is nested too deeply", where, "Name a Great Expectations suite.")


def _refuse_twice(node: Any, path: str) -> None:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(item, path)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                where = f"{path}:{key.start_mark.line + 1}"
                refuse(f"the key {key.value!r} is there twice in one mapping", where, "Keep one of them.")
            seen.add(str(key.value))
            _refuse_twice(value, path)


def _yaml_lines(node: Any) -> list[int]:
    """The lines of the elements of the top-level list `expectations`."""
    import yaml

    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.value == "expectations" and isinstance(value, yaml.SequenceNode):
            return [entry.start_mark.line + 1 for entry in value.value]
    return []


def _entry_lines(text: str) -> list[int]:
    """The line on which each element of the top-level array `expectations` begins, counted from 1.

    The text is known to be JSON; the decoder is led by hand because it keeps no positions.
    """
    decoder = JSONDecoder()
    at = _skip(text, 0) + 1
    starts: list[int] = []
    while text[at := _skip(text, at)] != "}":
        key, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == "expectations" and text[at] == "[":
            starts, at = _element_starts(decoder, text, at + 1)
        else:
            _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        at += text[at] == ","
    return _lines(text, starts)


def _lines(text: str, starts: list[int]) -> list[int]:
    lines, line, before = [], 1, 0
    for start in starts:
        line += text.count("\n", before, start)
        before = start
        lines.append(line)
    return lines


def _element_starts(decoder: JSONDecoder, text: str, at: int) -> tuple[list[int], int]:
    starts = []
    while text[at := _skip(text, at)] != "]":
        starts.append(at)
        _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        at += text[at] == ","
    return starts, at + 1


def _skip(text: str, at: int) -> int:
    """The first position from `at` on that is not JSON white space."""
    found = _WHITESPACE.match(text, at)
    return found.end() if found else at
