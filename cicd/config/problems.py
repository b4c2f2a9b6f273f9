"""What is wrong with a configuration, every item at once: place, key, reason, nearest valid name. Pure."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from cicd.config.document import Document, Path, Position
from cicd.config.model import Config
from headgate.errors import ConfigError

_MAX_LISTED = 100
_PATTERN_HELP = {
    "^https?://": "must be a URL that begins with https:// or http://",
    "^(gs|s3|file)://": "must be gs://bucket/prefix, s3://bucket/prefix or file:///folder",
    "^[a-z0-9]": "use lower-case letters, digits, '.', '_' and '-', beginning and ending with a letter or digit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to correct. `key` is the dotted path, empty for the file as a whole."""

    position: Position
    key: str
    what: str

    def line(self, name: str) -> str:
        """`headgate.yaml:LINE:COL: path.to.key: what`."""
        head = f"{name}:{self.position.line}:{self.position.column}"
        return ": ".join(part for part in (head, self.key, self.what) if part)


class InvalidConfigError(ConfigError):
    """All problems of one configuration file, in the order of its lines."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        ordered = sorted(set(problems), key=lambda p: (p.position.line, p.position.column, p.key, p.what))
        self.problems: tuple[Problem, ...] = tuple(ordered)
        self.name = name
        count = len(self.problems)
        noun = "1 problem" if count == 1 else f"{count} problems"
        super().__init__(
            f"{noun} in the configuration",
            where=name,
            next_step="Correct the file, then run `headgate config check`; `headgate config schema` prints what is allowed.",
        )

    def __str__(self) -> str:
        lines = [problem.line(self.name) for problem in self.problems[:_MAX_LISTED]]
        if len(self.problems) > _MAX_LISTED:
            lines.append(f"... and {len(self.problems) - _MAX_LISTED} more")
        return "\n".join([f"{self.what}:", *lines, str(self.next_step)])


def validate(document: Document) -> Config:
    """The configuration in `document`. Raises `InvalidConfigError` with everything that is wrong with it."""
    references = find_dangling_references(document)
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        found = [_explain(document, item) for item in error.errors(include_url=False) if not _is_duplicate(item)]
        raise InvalidConfigError(document.name, [*found, *references]) from error
    if references:
        raise InvalidConfigError(document.name, references)
    return config


def find_dangling_references(document: Document) -> tuple[Problem, ...]:
    """Names that point at nothing, and names given twice, found even while other values are still wrong.

    The model checks the same, but pydantic looks across sections only after every field is right.
    """
    defined = tuple(_mapping(document.value.get("analysis")))
    problems: list[Problem] = []
    for path, name in _analysis_names(document.value):
        if name not in defined:
            what = f"no analysis is called {_quote(name)}; {_choose(name, defined)}"
            problems.append(Problem(position=document.value_position(path), key=render(path), what=what))
    seen: set[str] = set()
    checks = _mapping(document.value.get("gates")).get("quality")
    for index, check in enumerate(checks if isinstance(checks, list) else ()):
        given = _mapping(check).get("name")
        if not isinstance(given, str):
            continue
        if given in seen:
            place: Path = ("gates", "quality", index, "name")
            what = f"another quality check is already called {_quote(given)}"
            problems.append(Problem(position=document.value_position(place), key=render(place), what=what))
        seen.add(given)
    return tuple(problems)


def render(path: Sequence[str | int]) -> str:
    """`("gates", "quality", 0, "name")` as `gates.quality[0].name`; characters that do not print are escaped."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" if text else _printable(part)
    return text


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `name` was most likely meant to be, or None."""
    choices = list(allowed)
    folded = name.lower().replace("-", "_")
    if folded in choices:
        return folded
    found = difflib.get_close_matches(folded[:80], choices, n=1, cutoff=0.6)
    return found[0] if found else None


def _analysis_names(value: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
    environments = _mapping(_mapping(value.get("deploy")).get("environments"))
    for environment, settings in environments.items():
        for service, target in _mapping(_mapping(settings).get("services")).items():
            for kind, strategy in _mapping(_mapping(target).get("strategy")).items():
                for key in ("analysis", "soak"):
                    names = _mapping(strategy).get(key)
                    for index, name in enumerate(names if isinstance(names, list) else ()):
                        if isinstance(name, str):
                            head = ("deploy", "environments", environment, "services", service, "strategy")
                            yield (*head, kind, key, index), name


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_duplicate(item: Any) -> bool:
    """Whether the model's complaint is one that `find_dangling_references` reports with its line."""
    text = str(item["msg"])
    return item["type"] == "value_error" and ("uses analysis" in text or "quality checks share a name" in text)


def _explain(document: Document, item: Any) -> Problem:
    kind, loc, value = str(item["type"]), tuple(item["loc"]), item["input"]
    path: Path = loc[:-1] if loc and loc[-1] == "[key]" else loc
    allowed: tuple[str, ...] = ()
    position = document.value_position(path)
    if kind == "extra_forbidden":
        allowed = _allowed_keys(path[:-1])
        what = f"unknown key; {_choose(str(path[-1]), allowed)}"
        position = document.key_position(path)
    elif kind == "missing":
        what = "required, but not given"
        position = document.key_position(path[:-1])
    elif kind == "literal_error":
        what = _literal(str(item["ctx"]["expected"]), value)
    elif kind == "string_pattern_mismatch":
        pattern = str(item["ctx"]["pattern"])
        reason = next(
            (text for start, text in _PATTERN_HELP.items() if pattern.startswith(start)), f"must match {pattern}"
        )
        what = f"{_quote(value)}: {reason}"
    else:
        text = str(item["msg"]).removeprefix("Value error, ")
        what = text[:1].lower() + text[1:]
        if isinstance(value, str | int | float) or value is None:
            what = f"{what}, found {'nothing' if value is None else _quote(value)}"
    if loc and loc[-1] == "[key]":
        position = document.key_position(path)
    return Problem(position=position, key=render(path), what=what)


def _literal(expected: str, value: object) -> str:
    """`expected` is pydantic's text: quoted values joined with commas and `or`."""
    choices = [part.strip() for part in expected.replace(" or ", ", ").split(",")]
    plain = [choice.strip("'") for choice in choices]
    if f"'{value}'" in choices:
        return (
            f"must be text; write it in quotes: {value}" if isinstance(value, str) else f'write it in quotes: "{value}"'
        )
    near = nearest(str(value), plain) if isinstance(value, str) else None
    hint = f"; the nearest is {near!r}" if near else ""
    return f"{_quote(value)} is not one of {', '.join(choices)}{hint}"


def _choose(name: str, allowed: Sequence[str]) -> str:
    near = nearest(name, allowed)
    if near:
        return f"the nearest is {near!r}"
    return f"there are: {', '.join(allowed)}" if allowed else "there are none"


def _quote(value: object) -> str:
    text = (
        repr(value) if not isinstance(value, dict | list) else f"a {'mapping' if isinstance(value, dict) else 'list'}"
    )
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1:]}"


def _printable(text: str) -> str:
    shown = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _allowed_keys(path: Path) -> tuple[str, ...]:
    """The keys of the section at `path`, by walking the model's own annotations."""
    annotation: Any = Config
    for part in path:
        annotation = _inner(annotation, part)
    section = _section(annotation)
    return tuple(section.model_fields) if section else ()


def _inner(annotation: Any, part: str | int) -> Any:
    section = _section(annotation)
    if section is not None:
        return section.model_fields[str(part)].annotation if str(part) in section.model_fields else None
    for choice in _choices(annotation):
        arguments = typing.get_args(choice)
        origin = typing.get_origin(choice)
        if origin is dict:
            return arguments[1]
        if origin is tuple:
            return arguments[0]
    return None


def _section(annotation: Any) -> type[BaseModel] | None:
    for choice in _choices(annotation):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return choice
    return None


def _choices(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)
